//! What clients send and what they get.

use std::time::Duration;

use host::llm::request::ResponseFormat;
use serde_json::{Value, json};

use super::answer::duration;
use super::*;

fn chat(body: &Value) -> Result<Chat, ApiError> {
    read(body.to_string().as_bytes())
}

fn asked() -> Value {
    json!({"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
}

#[test]
fn reads_what_clients_send() {
    let mut body = asked();
    body["messages"][0]["content"] =
        json!([{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}]);
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "null"}}});
    body["max_tokens"] = json!(9);
    let chat = chat(&body).unwrap();
    assert_eq!(chat.messages[0].content, "Hello");
    assert_eq!(
        chat.format,
        ResponseFormat::JsonSchema(json!({"type": "null"}))
    );
    assert_eq!(chat.max_tokens, Some(9));
}

#[test]
fn refuses_what_the_api_refuses() {
    let without = |key: &str| {
        let mut body = asked();
        body.as_object_mut().unwrap().remove(key);
        chat(&body).unwrap_err()
    };
    assert!(
        without("model").message.contains("model")
            && without("messages").message.contains("messages")
    );
    assert_eq!(read(b"{").unwrap_err().status, 400);
    let mut body = asked();
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {}}});
    assert!(
        chat(&body)
            .unwrap_err()
            .message
            .contains("json_schema.name")
    );
}

#[test]
fn equal_questions_have_equal_hashes_whatever_else_differs() {
    let mut other = asked();
    other["stream"] = json!(true);
    let (one, other) = (chat(&asked()).unwrap(), chat(&other).unwrap());
    assert_eq!(one.prompt, other.prompt);
    assert_ne!(one.body, other.body);
    let mut formatted = asked();
    formatted["response_format"] = json!({"type": "json_object"});
    assert_ne!(one.prompt, chat(&formatted).unwrap().prompt);
}

#[test]
fn the_events_of_a_stream_are_the_answer() {
    let mut body = asked();
    body["stream_options"] = json!({"include_usage": true});
    let chat = chat(&body).unwrap();
    let said = "Größe \"in\" µm\n".repeat(40);
    let answer = answer(&chat, said.clone());
    let events = events(&chat, &answer, "1");
    assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .map(|event| serde_json::from_str(event.trim().strip_prefix("data: ").unwrap()).unwrap())
        .collect();
    let text: String = chunks
        .iter()
        .filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, said);
    let (usage, finish) = (&chunks[chunks.len() - 1], &chunks[chunks.len() - 2]);
    assert_eq!(usage["usage"]["completion_tokens"], answer.output_tokens);
    assert_eq!(finish["choices"][0]["finish_reason"], "stop");
}

#[test]
fn the_cap_cuts_the_answer_off() {
    let mut chat = chat(&asked()).unwrap();
    chat.max_tokens = Some(3);
    let answer = answer(&chat, "ééééééééééé".to_owned());
    assert_eq!(
        (answer.finish, answer.output_tokens, answer.text.as_str()),
        ("length", 3, "éééééé")
    );
}

#[test]
fn durations_are_written_as_go_does() {
    let written =
        [12, 1500, 360_000].map(|milliseconds| duration(Duration::from_millis(milliseconds)));
    assert_eq!(written, ["12ms", "1.5s", "6m0s"]);
}
