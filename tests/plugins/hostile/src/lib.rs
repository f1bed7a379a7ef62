//! Misbehaves on one record, as its option says; on every other it makes a short text. Only tests load it.

use sdk::bindings::batchgen::component::llm;
use sdk::{Component, Failure, Input, TextRequest, Value, ask_text, json};

/// The `hostile` component.
pub struct Hostile;

impl Component for Hostile {
    fn generate(input: &Input) -> Result<String, Failure> {
        let options: Value = input.options()?;
        let option = |name: &str| {
            options
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        if input.id() != option("record") {
            return Ok(format!("# {}\n", input.name()));
        }
        match option("behaviour") {
            "loop" => {
                let mut turns = 0_u64;
                loop {
                    turns = std::hint::black_box(turns.wrapping_add(1));
                }
            }
            "allocate" => {
                let mut hoard: Vec<Vec<u8>> = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![1; 1 << 20]));
                }
            }
            "recurse" => Ok(recurse(1).to_string()),
            "long-artifact" => Ok("a".repeat(1 << 20)),
            "long-question" => ask(&"a".repeat(2 << 20)),
            "many-questions" => ask_all(10_000),
            "many-executions" => (0..6)
                .map(|turn| ask(&format!("Question {turn}?")))
                .collect(),
            "panic-later" => {
                ask("Anything?")?;
                panic_for("panic-later")
            }
            "broken-front-matter" => Ok("---\ntitle: [open\n---\n".to_owned()),
            "empty" => Ok("\n".to_owned()),
            "fail" => Err(Failure::unsuitable_record("this record does not suit it")),
            "log" => {
                for turn in 0..100_000 {
                    sdk::log::warn(&format!("line {turn} of a very long log"));
                }
                Ok("# Logged\n".to_owned())
            }
            other => panic_for(other),
        }
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    ask_text(&TextRequest::new(
        question.to_owned(),
        json!({"name": "anything"}),
    ))
}

/// Asks all at once, so that it is not the executions that run out.
fn ask_all(count: u32) -> Result<String, Failure> {
    let questions: Vec<llm::CompletionRequest> = (0..count)
        .map(|number| llm::CompletionRequest {
            messages: vec![llm::Message {
                role: llm::Role::User,
                content: format!("Question {number}?"),
            }],
            facts: "{}".to_owned(),
            rules: None,
            response_format: llm::ResponseFormat::Text,
        })
        .collect();
    Ok(format!(
        "# {} answers\n",
        llm::complete_all(&questions).len()
    ))
}

#[expect(unconditional_recursion, reason = "that is the misbehaviour")]
fn recurse(depth: u64) -> u64 {
    let frame = [depth; 64];
    std::hint::black_box(&frame);
    recurse(depth + 1) + frame.iter().sum::<u64>()
}

#[expect(clippy::panic, reason = "that is the misbehaviour")]
fn panic_for(behaviour: &str) -> Result<String, Failure> {
    panic!("hostile as asked: {behaviour}")
}

sdk::export!(Hostile);
