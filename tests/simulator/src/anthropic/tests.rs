//! What clients send and what they get.

use serde_json::{Value, json};
use types::request::{ResponseFormat, Role};

use super::*;
use crate::chat::{self, Chat, Finish};
use crate::problem::{Exceeded, Problem};

fn asked() -> Value {
    json!({"model": "m", "max_tokens": 900, "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]})
}

fn ask(body: &Value) -> Result<Chat, Problem> {
    read(body.to_string().as_bytes())
}

#[test]
fn reads_what_clients_send() {
    let mut body = asked();
    body["output_config"] =
        json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    assert!(ask(&body).is_err(), "an open object was taken");
    let schema = json!({"type": "object", "additionalProperties": false});
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
    let chat = ask(&body).unwrap();
    assert_eq!(chat.messages[0].role, Role::System);
    assert_eq!(chat.messages[1].content, "Hello");
    assert_eq!(chat.format, ResponseFormat::JsonSchema(schema.into()));
    assert_eq!(chat.max_tokens, Some(900));
    assert_ne!(chat.prompt, ask(&asked()).unwrap().prompt);
}

#[test]
fn refuses_what_the_api_refuses() {
    for field in ["model", "max_tokens", "messages"] {
        let mut body = asked();
        body.as_object_mut().unwrap().remove(field);
        let expected = Problem::Invalid(format!("{field}: Field required"));
        assert_eq!(ask(&body).unwrap_err(), expected);
    }
    let mut body = asked();
    body["messages"][0]["role"] = json!("system");
    let Problem::Invalid(message) = ask(&body).unwrap_err() else {
        panic!("not invalid");
    };
    assert!(message.contains("top-level `system`"));
    body = asked();
    body["messages"][0]["content"] = json!("");
    assert!(ask(&body).is_err());
    assert!(read(b"{").is_err());
}

#[test]
fn the_events_of_a_stream_are_the_answer() {
    let chat = ask(&asked()).unwrap();
    let said = "Größe \"in\" µm\n".repeat(40);
    let mut answer = chat::answer(&chat, said.clone(), 5);
    answer.cached_tokens = 4;
    let events = events(&chat, &answer, "1");
    let read: Vec<Value> = events
        .iter()
        .map(|event| {
            let (name, data) = event.trim().split_once('\n').unwrap();
            let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
            assert_eq!(name.strip_prefix("event: "), data["type"].as_str());
            data
        })
        .collect();
    let text: String = read
        .iter()
        .filter_map(|event| event["delta"]["text"].as_str())
        .collect();
    assert_eq!(text, said);
    let start = &read[0]["message"]["usage"];
    assert_eq!(start["cache_read_input_tokens"], 4);
    assert_eq!(start["input_tokens"], answer.input_tokens - 4);
    assert_eq!(read[2]["type"], "ping");
    let [.., delta, stop] = read.as_slice() else {
        panic!("too few");
    };
    assert_eq!(delta["delta"]["stop_reason"], "end_turn");
    assert_eq!(delta["usage"]["output_tokens"], answer.output_tokens);
    assert_eq!(stop["type"], "message_stop");
}

#[test]
fn a_tool_that_must_be_called_is_called_with_what_was_said() {
    let mut body = asked();
    let schema = json!({"type": "object"});
    body["tools"] = json!([{"name": "answer", "input_schema": schema}]);
    assert_eq!(ask(&body).unwrap().tool, None);
    body["tool_choice"] = json!({"type": "tool", "name": "other"});
    assert!(ask(&body).is_err());
    body["tool_choice"] = json!({"type": "tool", "name": "answer"});
    let chat = ask(&body).unwrap();
    assert_eq!(chat.format, ResponseFormat::JsonSchema(schema.into()));
    let mut answer = chat::answer(&chat, r#"{"a": 1}"#.to_owned(), 0);
    let read: Value = serde_json::from_str(&whole(&chat, &answer, "1")).unwrap();
    assert_eq!(read["stop_reason"], "tool_use");
    assert_eq!(read["content"][0]["input"], json!({"a": 1}));
    let streamed = events(&chat, &answer, "1").concat();
    assert!(
        streamed.contains(r#""partial_json":"{\"a\": 1}""#),
        "{streamed}"
    );
    assert!(streamed.contains(r#""stop_reason":"tool_use""#));
    // A sloppy model does not call it.
    answer.text = "Here you go: {}".to_owned();
    assert!(whole(&chat, &answer, "1").contains(r#""type":"text""#));
}

#[test]
fn answers_and_errors_have_the_words_of_the_api() {
    let chat = ask(&asked()).unwrap();
    let answer = chat::answer(&chat, "Hi.".to_owned(), 0);
    let body: Value = serde_json::from_str(&whole(&chat, &answer, "1")).unwrap();
    assert_eq!(body["content"][0]["text"], "Hi.");
    assert_eq!(body["stop_reason"], "end_turn");
    assert_eq!(finish(Finish::Length), "max_tokens");
    assert_eq!(finish(Finish::Refusal), "refusal");
    let limited = Problem::RateLimited(Exceeded::pretended(None));
    for (problem, status, kind) in [
        (Problem::Unauthorized, 401, "authentication_error"),
        (limited, 429, "rate_limit_error"),
        (Problem::Server(529), 529, "overloaded_error"),
        (Problem::Quota, 400, "invalid_request_error"),
        (Problem::TooLarge, 413, "request_too_large"),
    ] {
        let error = error(&problem, "req_1");
        assert_eq!(error.status, status);
        assert_eq!(error.body["type"], "error");
        assert_eq!(error.body["error"]["type"], kind);
    }
    let quota = error(&Problem::Quota, "").body.to_string();
    assert!(quota.contains("credit balance is too low"));
}
