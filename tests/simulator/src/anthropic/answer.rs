//! Answers, whole and streamed.

use serde_json::{Value, json};

use crate::chat::{Answer, Chat, Finish, split};

/// Characters in one event of a stream.
const EVENT_CHARS: usize = 48;

/// The API's word for why an answer ended.
pub fn finish(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::ContentFilter | Finish::Refusal => "refusal",
        // There is no word for it; the turn can be taken up again.
        Finish::InsufficientResource => "pause_turn",
    }
}

/// The body of a whole answer.
pub fn whole(chat: &Chat, answer: &Answer, id: &str) -> String {
    let content = match call(chat, answer) {
        _ if answer.text.is_empty() => json!([]),
        Some((name, input)) => {
            json!([{"type": "tool_use", "id": tool_id(id), "name": name, "input": input}])
        }
        None => json!([{"type": "text", "text": answer.text}]),
    };
    json!({
        "id": format!("msg_{id}"),
        "type": "message",
        "role": "assistant",
        "model": chat.model,
        "content": content,
        "stop_reason": reason(chat, answer),
        "stop_sequence": null,
        "usage": usage(answer, answer.output_tokens),
    })
    .to_string()
}

/// The tool that an answer calls and what with. Words that are no JSON stay words.
fn call<'c>(chat: &'c Chat, answer: &Answer) -> Option<(&'c str, Value)> {
    let name = chat.tool.as_deref()?;
    let input = serde_json::from_str::<Value>(&answer.text).ok()?;
    input.is_object().then_some((name, input))
}

/// The same for this answer to this request.
pub fn reason(chat: &Chat, answer: &Answer) -> &'static str {
    match answer.finish {
        Finish::Stop if call(chat, answer).is_some() => "tool_use",
        other => finish(other),
    }
}

fn tool_id(id: &str) -> String {
    format!("toolu_{id}")
}

/// What the cache has to do with is not in `input_tokens`.
fn usage(answer: &Answer, output: u64) -> Value {
    let (read, written) = (answer.cached_tokens, answer.cache_write_tokens);
    let (minutes, hour) = match answer.for_an_hour {
        true => (0, written),
        false => (written, 0),
    };
    json!({
        "input_tokens": answer.input_tokens.saturating_sub(read + written),
        "cache_creation_input_tokens": written,
        "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
        "cache_read_input_tokens": read,
        "output_tokens": output,
    })
}

fn event(data: &Value) -> String {
    let name = data.get("type").and_then(Value::as_str).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n")
}

/// The server-sent events of a streamed answer.
pub fn events(chat: &Chat, answer: &Answer, id: &str) -> Vec<String> {
    let message = json!({
        "id": format!("msg_{id}"),
        "type": "message",
        "role": "assistant",
        "model": chat.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
        "usage": usage(answer, 1),
    });
    let called = call(chat, answer);
    let block = match &called {
        Some((name, _)) => {
            json!({"type": "tool_use", "id": tool_id(id), "name": name, "input": {}})
        }
        None => json!({"type": "text", "text": ""}),
    };
    let mut events = vec![
        event(&json!({"type": "message_start", "message": message})),
        event(&json!({"type": "content_block_start", "index": 0, "content_block": block})),
        event(&json!({"type": "ping"})),
    ];
    events.extend(split(&answer.text, EVENT_CHARS).map(|piece| {
        let delta = match called {
            Some(_) => json!({"type": "input_json_delta", "partial_json": piece}),
            None => json!({"type": "text_delta", "text": piece}),
        };
        event(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }));
    let delta = json!({"stop_reason": reason(chat, answer), "stop_sequence": null});
    let used = usage(answer, answer.output_tokens);
    events.push(event(&json!({"type": "content_block_stop", "index": 0})));
    events.push(event(
        &json!({"type": "message_delta", "delta": delta, "usage": used}),
    ));
    events.push(event(&json!({"type": "message_stop"})));
    events
}

/// An error in a stream.
pub fn error_event(body: &Value) -> String {
    event(body)
}

/// The body of `/v1/models`.
pub fn models() -> String {
    let model = json!({"id": "simulated", "type": "model", "display_name": "Simulated",
        "created_at": "2026-01-01T00:00:00Z"});
    json!({"data": [model], "has_more": false, "first_id": "simulated", "last_id": "simulated"})
        .to_string()
}
