//! Misbehaves on one record or on all, as its options say; on every other it makes a short text. Only tests load it.

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
        let record = option("record");
        if !record.is_empty() && input.id() != record {
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
            "large-questions" => (0..3)
                .map(|turn| ask(&turn.to_string().repeat(1_000_000)))
                .collect(),
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
            "say" => say(option("text")),
            "log" => {
                for turn in 0..100_000 {
                    sdk::log::warn(&format!("line {turn} of a very long log"));
                }
                Ok("# Logged\n".to_owned())
            }
            other => match question(other) {
                Some(question) => {
                    let answers = llm::complete_all(&[question]);
                    Ok(format!("# {} answer\n", answers.len()))
                }
                None => panic_for(other),
            },
        }
    }
}

fn ask(question: &str) -> Result<String, Failure> {
    ask_text(&TextRequest::new(
        question.to_owned(),
        json!({"name": "anything"}),
    ))
}

/// A question just below the limit of its size, that takes the host as much memory as it can.
fn question(behaviour: &str) -> Option<llm::CompletionRequest> {
    const SIZE: usize = 1_000_000;
    let repeated = |part: &str| part.repeat(SIZE / part.len());
    let message = |content: &str| llm::Message {
        role: llm::Role::User,
        content: content.to_owned(),
    };
    let mut question = llm::CompletionRequest {
        messages: vec![message("Question?")],
        facts: "{}".to_owned(),
        rules: None,
        response_format: llm::ResponseFormat::Text,
        images: Vec::new(),
    };
    match behaviour {
        "many-facts" => question.facts = format!("{{\"a\":[{}0]}}", repeated("0,")),
        "many-keys" => question.facts = format!("{{{}\"b\":0}}", repeated("\"a\":0,")),
        "large-schema" => {
            let schema = format!("{{\"properties\":{{{}\"b\":{{}}}}}}", repeated("\"a\":{},"));
            question.response_format = llm::ResponseFormat::JsonSchema(schema);
        }
        "many-messages" => question.messages = vec![message("a"); 25_000],
        "many-rules" => {
            question.rules = Some(llm::Rules {
                min_words: None,
                max_words: None,
                min_lines: None,
                max_lines: None,
                required_words: vec!["word".repeat(250); SIZE / 1_000 - 1],
                headings: Vec::new(),
                numbers_from_facts: false,
                whole_sentences: false,
            });
        }
        _ => return None,
    }
    Some(question)
}

/// Says a text in every way that a plugin has, and fails with it.
fn say(text: &str) -> Result<String, Failure> {
    sdk::log::info(&format!("log-of-a-plugin {text}"));
    sdk::log::warn(&format!("log-of-a-plugin {text}"));
    let _ = ask(&format!("question-of-a-plugin {text}"));
    Err(Failure::unsuitable_record(format!(
        "failure-of-a-plugin {text}"
    )))
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
            images: Vec::new(),
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
