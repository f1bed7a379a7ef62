//! Answers, whole and streamed.

use serde_json::{Value, json};

use crate::chat::{Answer, Chat, Finish, split};

/// Characters in one event of a stream.
const EVENT_CHARS: usize = 48;
/// When all answers were created, in Unix seconds: fixed, so that answers are reproducible.
const CREATED: u64 = 1_767_225_600;
const REFUSED: &str = "I'm sorry, but I can't help with that.";

/// The API's word for why an answer ended.
pub fn finish(finish: Finish) -> &'static str {
    match finish {
        // A refusal is told by the message, not by its end.
        Finish::Stop | Finish::Refusal => "stop",
        Finish::Length => "length",
        Finish::ContentFilter => "content_filter",
        Finish::InsufficientResource => "insufficient_system_resource",
    }
}

/// The body of a whole answer.
pub fn whole(chat: &Chat, answer: &Answer, id: &str) -> String {
    let message = if answer.finish == Finish::Refusal {
        json!({"role": "assistant", "content": null, "refusal": REFUSED})
    } else {
        json!({"role": "assistant", "content": answer.text, "refusal": null})
    };
    let mut body = json!({
        "id": format!("chatcmpl-{id}"),
        "object": "chat.completion",
        "created": CREATED,
        "model": chat.model,
        "choices": [{
            "index": 0,
            "message": message,
            "logprobs": null,
            "finish_reason": finish(answer.finish),
        }],
        "usage": usage(answer),
    });
    if let (Some(body), Some(tier)) = (body.as_object_mut(), answer.tier) {
        body.insert("service_tier".to_owned(), tier.as_str().into());
    }
    body.to_string()
}

fn usage(answer: &Answer) -> Value {
    json!({
        "prompt_tokens": answer.input_tokens,
        "completion_tokens": answer.output_tokens,
        "total_tokens": answer.input_tokens + answer.output_tokens,
        "prompt_tokens_details": {"cached_tokens": answer.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": answer.reasoning_tokens},
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
    let tier = answer.tier.map_or_else(String::new, |tier| {
        format!("\"service_tier\":\"{}\",", tier.as_str())
    });
    let event = |choices: &str, usage: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-{id}\",\"object\":\"chat.completion.chunk\",\"created\":{CREATED},\
             \"model\":{model},{tier}\"choices\":[{choices}]{usage}}}\n\n"
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
    // A comment, as proxies send them to keep a connection alive.
    events.push(": processing\n\n".to_owned());
    for piece in split(&answer.text, EVENT_CHARS) {
        events.push(event(
            &choice(&format!("{{\"content\":{}}}", Value::from(piece)), "null"),
            unknown,
        ));
    }
    if answer.finish == Finish::Refusal {
        let refused = format!("{{\"refusal\":{}}}", Value::from(REFUSED));
        events.push(event(&choice(&refused, "null"), unknown));
    }
    events.push(event(
        &choice("{}", &format!("\"{}\"", finish(answer.finish))),
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
