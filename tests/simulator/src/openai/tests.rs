//! What clients send and what they get.

use serde_json::{Value, json};
use types::request::ResponseFormat;

use super::*;
use crate::chat::{self, Chat, Finish};
use crate::dialect::Dialect;
use crate::problem::{Exceeded, Problem};

fn chat(body: &Value) -> Result<Chat, Problem> {
    read(body.to_string().as_bytes(), None)
}

fn message(problem: Problem) -> String {
    match problem {
        Problem::Invalid(message) => message,
        other => panic!("{other:?}"),
    }
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
        ResponseFormat::JsonSchema(json!({"type": "null"}).into())
    );
    assert_eq!(chat.max_tokens, Some(9));
}

#[test]
fn refuses_what_the_api_refuses() {
    let without = |key: &str| {
        let mut body = asked();
        body.as_object_mut().unwrap().remove(key);
        message(chat(&body).unwrap_err())
    };
    assert!(without("model").contains("model") && without("messages").contains("messages"));
    assert!(read(b"{", None).is_err());
    let mut body = asked();
    body["response_format"] = json!({"type": "json_schema", "json_schema": {"schema": {}}});
    assert!(message(chat(&body).unwrap_err()).contains("json_schema.name"));
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
    let answer = chat::answer(&chat, said.clone(), 0);
    let events = events(&chat, &answer, "1");
    assert_eq!(events.last().unwrap(), "data: [DONE]\n\n");
    let chunks: Vec<Value> = events[..events.len() - 1]
        .iter()
        .filter(|event| !event.starts_with(':'))
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
    let answer = chat::answer(&chat, "ééééééééééé".to_owned(), 0);
    assert_eq!(
        (answer.finish, answer.output_tokens, answer.text.as_str()),
        (Finish::Length, 3, "éééééé")
    );
}

#[test]
fn thoughts_and_cached_tokens_are_told_and_count_against_the_cap() {
    let mut chat = chat(&asked()).unwrap();
    chat.max_tokens = Some(10);
    let mut answer = chat::answer(&chat, "a".repeat(100), 7);
    answer.cached_tokens = 2;
    assert_eq!((answer.text.len(), answer.output_tokens), (12, 10));
    let body: Value = serde_json::from_str(&whole(&chat, &answer, "1")).unwrap();
    let usage = &body["usage"];
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 2);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 7);
}

#[test]
fn a_deployment_in_the_address_is_the_model() {
    let body = json!({"messages": asked()["messages"]}).to_string();
    assert_eq!(read(body.as_bytes(), Some("gpt")).unwrap().model, "gpt");
}

#[test]
fn errors_have_the_words_of_the_dialect() {
    let limited = |wait| Problem::RateLimited(Exceeded::pretended(wait));
    let said = |dialect, problem: &Problem| error(dialect, problem).body;
    let gemini = said(Dialect::Gemini, &limited(Some(52_000)));
    assert_eq!(gemini["error"]["details"][1]["retryDelay"], "52s");
    let daily = said(Dialect::Gemini, &Problem::DailyQuota);
    assert!(daily.to_string().contains("PerDay"), "{daily}");
    let azure = said(Dialect::Azure, &limited(Some(1500)));
    assert_eq!(azure["error"]["code"], "429");
    let filtered = said(Dialect::Azure, &Problem::ContentFilter);
    assert!(filtered["error"]["innererror"].is_object());
    assert_eq!(error(Dialect::DeepSeek, &Problem::Quota).status, 402);
    assert_eq!(error(Dialect::Groq, &Problem::Capacity).status, 498);
    let quota = said(Dialect::OpenAi, &Problem::Quota);
    assert_eq!(quota["error"]["code"], "insufficient_quota");
}
