//! Breaks the law of the contract that its option names, and no other. Only tests load it.

use sdk::bindings::batchgen::component::llm;
use sdk::{Component, Failure, Input, Value, json};

/// The `lawless` component.
pub struct Lawless;

impl Component for Lawless {
    fn generate(input: &Input) -> Result<String, Failure> {
        let options: Value = input.options()?;
        let law = options.get("law").and_then(Value::as_str);
        let breaks = |name: &str| law == Some(name);
        let fields: Value = input.fields()?;
        let category: Value = input.category_fields()?;
        let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if breaks("missing") {
            assert!(
                fields.get("industries").is_some(),
                "every record has industries"
            );
        }
        if breaks("oversized") {
            assert!(fields.to_string().len() < 50_000, "no record is that large");
        }
        let industries = match breaks("input") {
            true => Value::Null,
            false => field("industries"),
        };
        let notice = match input.upstream("hostile") {
            _ if breaks("input") => String::new(),
            Ok(file) => {
                if breaks("edited") {
                    assert!(file.text().starts_with('#'), "it begins with a heading");
                }
                file.text().to_owned()
            }
            Err(_) => String::new(),
        };
        let answer = match breaks("contract") {
            true => String::new(),
            false => ask(law.unwrap_or_default(), &fields)?,
        };
        if breaks("artifact") {
            return Ok("Not JSON.\n".to_owned());
        }
        if breaks("awkward") {
            let name = input.name();
            return Ok(format!(
                "{{\"name\": \"{name}\", \"about\": {}}}\n",
                json!([fields, category, notice, answer])
            ));
        }
        let artifact = json!({
            "name": input.name(),
            "applications": field("applications"),
            "industries": industries,
            "category": category.get("description").map(text),
            "notice": notice,
            "answer": answer,
        });
        Ok(format!("{artifact}\n"))
    }
}

fn ask(law: &str, fields: &Value) -> Result<String, Failure> {
    let request = llm::CompletionRequest {
        messages: vec![llm::Message {
            role: llm::Role::User,
            content: "What is it used for?".to_owned(),
        }],
        facts: json!({"applications": fields.get("applications")}).to_string(),
        rules: None,
        response_format: llm::ResponseFormat::Text,
        images: Vec::new(),
    };
    let answer = match llm::complete(&request) {
        Ok(answer) => answer,
        Err(_) if law == "refusals" => {
            return Err(Failure::component_fault("the model is to blame"));
        }
        Err(error) => return Err(Failure::refused(format!("{error:?}"))),
    };
    if law == "answers" {
        assert!(answer.text.contains(' '), "a text has more than one word");
    }
    if answer.stop_reason == llm::StopReason::Length && law != "cut-off" {
        return Err(Failure::invalid_answer(
            "the answer was cut off",
            Vec::new(),
        ));
    }
    Ok(answer.text)
}

sdk::export!(Lawless);
