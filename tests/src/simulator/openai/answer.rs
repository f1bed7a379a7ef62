//! Answers, whole and streamed, and the headers of the API.

use std::time::Duration;

use serde_json::{Value, json};

use super::read::Chat;
use crate::simulator::limits::Standing;

/// Characters in a token, roughly.
const TOKEN_CHARS: usize = 4;
/// Characters in one event of a stream.
const EVENT_CHARS: usize = 48;
/// When all answers were created, in Unix seconds: fixed, so that answers are reproducible.
const CREATED: u64 = 1_767_225_600;

/// An answer, before it has a shape on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is said.
    pub text: String,
    /// `finish_reason`
    pub finish: &'static str,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Tokens of the answer.
    pub output_tokens: u64,
}

/// Tokens of a text, roughly.
pub fn tokens(text: &str) -> u64 {
    text.len().div_ceil(TOKEN_CHARS) as u64
}

/// The answer to a request, cut off at the request's cap.
pub fn answer(chat: &Chat, mut text: String) -> Answer {
    let mut finish = "stop";
    let most = chat
        .max_tokens
        .and_then(|tokens| usize::try_from(tokens).ok())
        .unwrap_or(usize::MAX);
    if tokens(&text) > most as u64 {
        truncate(&mut text, most.saturating_mul(TOKEN_CHARS));
        finish = "length";
    }
    let input_tokens = chat
        .messages
        .iter()
        .map(|message| tokens(&message.content) + 4)
        .sum();
    Answer {
        output_tokens: tokens(&text),
        text,
        finish,
        input_tokens,
    }
}

/// Cuts a text to so many bytes, or to a little less where a character would be cut.
pub fn truncate(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

/// The body of a whole answer.
pub fn whole(chat: &Chat, answer: &Answer, id: &str) -> String {
    json!({
        "id": format!("chatcmpl-{id}"),
        "object": "chat.completion",
        "created": CREATED,
        "model": chat.model,
        "choices": [{
            "index": 0,
            "message": {"role": "assistant", "content": answer.text, "refusal": null},
            "logprobs": null,
            "finish_reason": answer.finish,
        }],
        "usage": usage(answer),
    })
    .to_string()
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
    })
}

/// The server-sent events of a streamed answer, the last one included.
pub fn events(chat: &Chat, answer: &Answer, id: &str) -> Vec<String> {
    let model = Value::from(chat.model.as_str());
    // Until the usage arrives, chunks say that it is not known yet.
    let unknown = if chat.include_usage {
        ",\"usage\":null"
    } else {
        ""
    };
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-{id}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\
             \"model\":{model},\"choices\":[{choices}]{usage}}}\n\n"
        )
    };
    let choice = |delta: &str, finish: &str| {
        format!("{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}")
    };
    let mut events = vec![event(
        &choice(
            r#"{"role":"assistant","content":"","refusal":null}"#,
            "null",
        ),
        unknown,
    )];
    let mut rest = answer.text.as_str();
    while !rest.is_empty() {
        let end =
            (EVENT_CHARS.min(rest.len())..=rest.len()).find(|end| rest.is_char_boundary(*end));
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        events.push(event(
            &choice(&format!("{{\"content\":{}}}", Value::from(piece)), "null"),
            unknown,
        ));
    }
    events.push(event(
        &choice("{}", &format!("\"{}\"", answer.finish)),
        unknown,
    ));
    if chat.include_usage {
        events.push(event("", &format!(",\"usage\":{}", usage(answer))));
    }
    events.push("data: [DONE]\n\n".to_owned());
    events
}

/// The body of `/v1/models`.
pub fn models() -> String {
    let model =
        json!({"id": "simulated", "object": "model", "created": CREATED, "owned_by": "tests"});
    json!({"object": "list", "data": [model]}).to_string()
}

/// The `x-ratelimit-*` headers.
pub fn rate_headers(standing: &Standing) -> Vec<(&'static str, String)> {
    vec![
        ("x-ratelimit-limit-requests", standing.limit.to_string()),
        (
            "x-ratelimit-remaining-requests",
            standing.remaining.to_string(),
        ),
        ("x-ratelimit-reset-requests", duration(standing.reset)),
    ]
}

/// A duration as Go writes it: `12ms`, `1.5s`, `6m0s`.
pub(super) fn duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let (minutes, rest) = (milliseconds / 60_000, milliseconds % 60_000);
    let seconds = rest as f64 / 1000.0;
    match minutes {
        0 if milliseconds < 1000 => format!("{milliseconds}ms"),
        0 => format!("{seconds}s"),
        _ => format!("{minutes}m{seconds}s"),
    }
}

/// The `retry-after*` headers.
pub fn retry_headers(wait: Duration) -> Vec<(&'static str, String)> {
    let milliseconds = wait.as_millis().max(1);
    vec![
        ("retry-after", milliseconds.div_ceil(1000).to_string()),
        ("retry-after-ms", milliseconds.to_string()),
    ]
}
