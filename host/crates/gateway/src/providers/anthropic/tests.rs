use super::*;
use crate::prefix::Prefix;
use crate::provider::Finish;
use crate::providers::testing::{
    KEY, body, call, endpoint, events, http, options, question, serve,
};
use crate::settings::{CacheTime, ModelConfig, ProviderConfig};
use types::class::FailureClass;

async fn asked(
    provider: &ProviderConfig,
    model: &ModelConfig,
    format: ResponseFormat,
    answer: String,
) -> (String, Result<RawAnswer, CallError>) {
    let (url, server) = serve(vec![answer]).await;
    let endpoint = endpoint("anthropic", &url, provider);
    let anthropic = Anthropic::new(endpoint, options("anthropic", model)).unwrap();
    let request = question(format);
    let result = anthropic.call(call(&request)).await;
    (server.await.unwrap().remove(0), result)
}

async fn read(lines: &[&str]) -> Result<RawAnswer, CallError> {
    let (provider, model) = (ProviderConfig::default(), ModelConfig::default());
    asked(&provider, &model, ResponseFormat::Text, events(lines))
        .await
        .1
}

const START: &str = r#"event: message_start
data: {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "content": [], "model": "claude-x", "stop_reason": null, "usage": {"input_tokens": 10, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 2000, "output_tokens": 1}}}"#;
const PING: &str = "event: ping\ndata: {\"type\": \"ping\"}";
const TEXT: &str = r#"event: content_block_delta
data: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Oak."}}"#;
const STOP: &str = "event: message_stop\ndata: {\"type\": \"message_stop\"}";

fn end(reason: &str) -> String {
    format!(
        "event: message_delta\ndata: {{\"type\": \"message_delta\", \"delta\": {{\"stop_reason\": \"{reason}\"}}, \
         \"usage\": {{\"output_tokens\": 15}}}}"
    )
}

#[tokio::test]
async fn a_stream_is_put_together() {
    let lines = [
        START,
        r#"data: {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}}"#,
        PING,
        r#"data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}}"#,
        r#"data: {"type": "content_block_stop", "index": 0}"#,
        r#"data: {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}}"#,
        TEXT,
        r#"data: {"type": "something_new", "delta": 3}"#,
        &end("end_turn"),
        STOP,
    ];
    let answer = read(&lines).await.unwrap();
    assert_eq!(answer.text, "Oak.");
    assert_eq!(
        (answer.finish, answer.finish_reason.as_str()),
        (Finish::Stop, "end_turn")
    );
    assert_eq!(answer.model, "claude-x");
    let expected = Usage {
        cached_tokens: 2000,
        cache_write_tokens: 100,
        ..Usage::new(2110, 15)
    };
    assert_eq!(answer.usage, expected);
}

#[tokio::test]
async fn what_is_kept_for_an_hour_and_what_is_thought_are_told_apart() {
    // The end of a stream repeats the sums, and not how they are made up.
    let begin =
        r#"data: {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 10,
        "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0, "output_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 40, "ephemeral_1h_input_tokens": 60}}}}"#
            .replace('\n', " ");
    let end = r#"data: {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage":
        {"cache_creation_input_tokens": 100, "output_tokens": 15, "output_tokens_details": {"thinking_tokens": 9}}}"#
        .replace('\n', " ");
    let answer = read(&[&begin, TEXT, &end, STOP]).await.unwrap();
    let expected = Usage {
        cache_write_tokens: 100,
        long_cache_write_tokens: 60,
        reasoning_tokens: 9,
        ..Usage::new(110, 15)
    };
    assert_eq!(answer.usage, expected);
}

#[tokio::test]
async fn every_stop_reason_has_its_meaning() {
    for (reason, finish) in [
        ("stop_sequence", Finish::Stop),
        ("max_tokens", Finish::Length),
        ("refusal", Finish::ContentFilter),
        ("END_TURN", Finish::Stop),
        ("MAX_TOKENS", Finish::Length),
    ] {
        let answer = read(&[START, TEXT, &end(reason), STOP]).await.unwrap();
        assert_eq!(answer.finish, finish, "{reason}");
    }
    // A larger cap would not help.
    let full = end("model_context_window_exceeded");
    let error = read(&[START, TEXT, &full, STOP]).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Context, "{error}");
    assert!(error.usage.output_tokens > 0, "it is billed");
}

/// What becomes of a stream of these events, each a name and data.
fn streamed(events: &[(&str, &str)]) -> Result<RawAnswer, CallError> {
    let request = question(ResponseFormat::Text);
    let mut partial = Partial::default();
    for (name, data) in events {
        let name = Some(*name).filter(|name| !name.is_empty());
        if partial.event(name, data)? == Step::Last {
            break;
        }
    }
    partial.finish(call(&request))
}

#[test]
fn odd_events_cost_no_answer() {
    let said = (
        "",
        r#"{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "Oak."}}"#,
    );
    let end = (
        "",
        r#"{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 4}}"#,
    );
    let stop = ("", r#"{"type": "message_stop"}"#);
    for events in [
        vec![said, end],
        vec![said, end, ("", "[DONE]")],
        vec![said, stop],
        // Without a type in the data, or anywhere.
        vec![
            ("content_block_delta", r#"{"delta": {"text": "Oak."}}"#),
            ("message_stop", "{}"),
        ],
        vec![
            ("", r#"{"delta": {"text": "Oak."}}"#),
            ("", r#"{"delta": {"stop_reason": "end_turn"}}"#),
        ],
        vec![
            (
                "",
                r#"{"type": "content_block_start", "content_block": {"type": "text", "text": null}}"#,
            ),
            said,
            end,
        ],
        vec![
            (
                "",
                r#"{"type": "message_start", "message": {"content": null, "usage": null}}"#,
            ),
            said,
            end,
        ],
        vec![
            ("", r#"{"type": "ping"}"#),
            ("", "ping"),
            said,
            ("", r#"{"type": "new", "delta": 3}"#),
            end,
        ],
        vec![
            said,
            end,
            (
                "error",
                r#"{"type": "error", "error": {"message": "late"}}"#,
            ),
        ],
        vec![(
            "",
            r#"{"content": [{"type": "text", "text": "Oak."}], "stop_reason": "end_turn"}"#,
        )],
        vec![(
            "",
            r#"{"content": "Oak.", "stop_reason": "end_turn", "error": {}}"#,
        )],
    ] {
        let answer = streamed(&events).unwrap();
        assert_eq!(
            (answer.text.as_str(), answer.finish),
            ("Oak.", Finish::Stop),
            "{events:?}"
        );
        assert!(answer.usage.input_tokens > 0 && answer.usage.output_tokens > 0);
    }
    for (events, words) in [
        (vec![said], "broke off"),
        (
            vec![said, ("", r#"{"delta": {"stop_reason": "pause_turn"}}"#)],
            "`pause_turn`",
        ),
        (vec![stop], "no `content`"),
        (
            vec![(
                "",
                r#"{"content": [{"type": "tool_use", "name": "look"}], "stop_reason": "tool_use"}"#,
            )],
            "`look`",
        ),
        (
            vec![(
                "",
                r#"{"content": [{"type": "thinking", "thinking": "Hm."}], "stop_reason": "end_turn"}"#,
            )],
            "`thinking`",
        ),
    ] {
        let error = streamed(&events).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
}

#[test]
fn thoughts_that_took_the_cap_are_an_answer_that_was_cut_off() {
    let answer = streamed(&[
        (
            "",
            r#"{"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": "Hm."}}"#,
        ),
        (
            "",
            r#"{"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 100}}"#,
        ),
        ("", r#"{"type": "message_stop"}"#),
    ]);
    let answer = answer.unwrap();
    assert_eq!((answer.text.as_str(), answer.finish), ("", Finish::Length));
}

#[tokio::test]
async fn what_ends_early_is_billed_and_no_answer() {
    let error = |kind: &str| {
        format!(
            "event: error\ndata: {{\"type\": \"error\", \"error\": {{\"type\": \"{kind}\", \"message\": \"m\"}}}}"
        )
    };
    for (last, class) in [
        (error("overloaded_error"), FailureClass::Overloaded),
        (error("rate_limit_error"), FailureClass::RateLimit),
        (error("api_error"), FailureClass::Transient),
        (PING.to_owned(), FailureClass::Transient),
    ] {
        let failed = read(&[START, TEXT, &last]).await.unwrap_err();
        assert_eq!(failed.class, class, "{last}");
        assert_eq!(failed.usage.input_tokens, 2110, "{last}");
    }
}

#[tokio::test]
async fn a_question_is_asked_as_the_api_wants_it() {
    let (provider, model) = (ProviderConfig::default(), ModelConfig::default());
    let format = ResponseFormat::JsonSchema(json!({"type": "object", "maxProperties": 2}).into());
    let answer = events(&[START, TEXT, &end("end_turn"), STOP]);
    let (request, result) = asked(&provider, &model, format, answer).await;
    result.unwrap();
    assert!(request.starts_with("POST /v1/messages "));
    assert!(request.contains(&format!("x-api-key: {KEY}\r\n")));
    assert!(request.contains("anthropic-version: 2023-06-01\r\n"));
    let body = body(&request);
    assert_eq!(body["max_tokens"], 100);
    assert_eq!(body["temperature"], 0.5);
    assert_eq!(body["stream"], true);
    assert_eq!(body.get("output_config"), None);
    let system = body["system"].as_array().unwrap();
    assert_eq!(system.len(), 2);
    assert_eq!(system[0], json!({"type": "text", "text": "Be brief."}));
    assert!(system[1]["text"].as_str().unwrap().contains("JSON Schema"));
    assert_eq!(
        system[1].get("cache_control"),
        None,
        "nothing is known to be shared"
    );
    let messages = body["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["role"], "user");
}

#[tokio::test]
async fn a_model_that_holds_answers_to_a_schema_is_given_it() {
    let provider = ProviderConfig {
        stream: Some(false),
        ..ProviderConfig::default()
    };
    let extra = json!({"output_config": {"effort": "low"}});
    let text = json!({"type": "string"});
    let schema = json!({"type": "object", "properties": {"a": text}, "maxProperties": 2});
    let model = ModelConfig {
        json: Some(JsonSupport::Schema),
        extra_body: extra.as_object().unwrap().clone(),
        ..ModelConfig::default()
    };
    let format = ResponseFormat::JsonSchema(schema.into());
    let json = r#"{"type": "message", "model": "claude-x", "stop_reason": "end_turn",
        "content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "{}"}],
        "usage": {"input_tokens": 12, "output_tokens": 3}}"#;
    let headers = "anthropic-ratelimit-requests-remaining: 4\r\n";
    let answer = http(200, "application/json", headers, json);
    let (request, result) = asked(&provider, &model, format, answer).await;
    let answer = result.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.usage),
        ("{}", Usage::new(12, 3))
    );
    assert_eq!(answer.observed.len(), 1);
    let body = body(&request);
    assert_eq!(body.get("stream"), None);
    assert_eq!(body["output_config"]["effort"], "low");
    let schema = json!({
        "type": "object", "properties": {"a": text}, "additionalProperties": false, "description": "maxProperties: 2",
    });
    assert_eq!(
        body["output_config"]["format"],
        json!({"type": "json_schema", "schema": schema})
    );
    assert_eq!(body["system"].as_array().unwrap().len(), 1);
}

#[test]
fn the_end_of_what_is_shared_is_marked() {
    let asked = question(ResponseFormat::Text);
    let body = |prefix, model: &ModelConfig| {
        let provider = ProviderConfig::default();
        let endpoint = endpoint("anthropic", "http://127.0.0.1:1/v1", &provider);
        let provider = Anthropic::new(endpoint, options("anthropic", model)).unwrap();
        provider.body(Call {
            prefix,
            ..call(&asked)
        })
    };
    let prefix = |messages, bytes| {
        Some(Prefix {
            id: 7,
            messages,
            bytes,
            total: bytes,
        })
    };
    let minutes = json!({"type": "ephemeral"});
    let usual = ModelConfig::default();
    // The whole system part, and nothing of what is behind it.
    let whole = body(prefix(1, 0), &usual);
    assert_eq!(
        whole["system"],
        json!([{"type": "text", "text": "Be brief.", "cache_control": minutes}])
    );
    assert!(whole["messages"][0]["content"].is_string());
    // A part of it.
    let part = body(prefix(0, 3), &usual);
    assert_eq!(
        part["system"],
        json!([
            {"type": "text", "text": "Be ", "cache_control": minutes},
            {"type": "text", "text": "brief."}
        ])
    );
    // It, and the beginning of the user's message.
    let hour = ModelConfig {
        prompt_cache: Some(CacheTime::Hour),
        ..ModelConfig::default()
    };
    let more = body(prefix(1, 4), &hour);
    assert_eq!(
        more["system"],
        json!([{"type": "text", "text": "Be brief."}])
    );
    let content = more["messages"][0]["content"].as_array().unwrap();
    assert_eq!(content[0]["text"], "What");
    assert_eq!(
        content[0]["cache_control"],
        json!({"type": "ephemeral", "ttl": "1h"})
    );
    assert!(content[1]["text"].as_str().unwrap().starts_with(" is it?"));
    assert_eq!(content.len(), 2);
}

#[test]
fn pictures_stand_before_the_text_or_behind_what_is_shared() {
    let asked = question(ResponseFormat::Text);
    let pictures = [Picture::new(types::image::ImageType::WebP, b"bytes")];
    let body = |prefix| {
        let provider = ProviderConfig::default();
        let endpoint = endpoint("anthropic", "http://127.0.0.1:1/v1", &provider);
        let options = options("anthropic", &ModelConfig::default());
        let provider = Anthropic::new(endpoint, options).unwrap();
        provider.body(Call {
            prefix,
            pictures: &pictures,
            ..call(&asked)
        })["messages"]
            .clone()
    };
    let image = json!({"type": "image",
        "source": {"type": "base64", "media_type": "image/webp", "data": "Ynl0ZXM="}});
    let plain = body(None);
    assert_eq!(plain.as_array().unwrap().len(), 1);
    assert_eq!(plain[0]["content"][0], image);
    assert_eq!(plain[0]["content"][1]["type"], "text");
    let shared = body(Some(Prefix {
        id: 7,
        messages: 1,
        bytes: 4,
        total: 4,
    }));
    assert_eq!(shared[0]["content"][0]["text"], "What");
    assert_eq!(shared[0]["content"][2], image);
}
