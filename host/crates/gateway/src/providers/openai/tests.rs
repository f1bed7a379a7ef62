use super::*;
use crate::prices::Served;
use crate::provider::Finish;
use crate::providers::testing::{
    KEY, body, call, endpoint, events, http, options, question, serve,
};
use crate::settings::{ModelConfig, ProviderConfig, ServiceTier};
use types::class::FailureClass;

async fn asked(
    preset: &str,
    provider: &ProviderConfig,
    model: &ModelConfig,
    format: ResponseFormat,
    answer: String,
) -> (String, Result<RawAnswer, CallError>) {
    let (url, server) = serve(vec![answer]).await;
    let openai = OpenAi::new(endpoint(preset, &url, provider), options(preset, model)).unwrap();
    let request = question(format);
    let result = openai.call(call(&request)).await;
    (server.await.unwrap().remove(0), result)
}

async fn read(answer: String) -> Result<RawAnswer, CallError> {
    let (provider, model) = (ProviderConfig::default(), ModelConfig::default());
    asked("openai", &provider, &model, ResponseFormat::Text, answer)
        .await
        .1
}

const SAID: &str = r#"data: {"model": "m-1-x", "choices": [{"delta": {"content": "Oak "}}]}"#;
const REST: &str =
    r#"data: {"choices": [{"delta": {"content": "wood."}, "finish_reason": "stop"}]}"#;
const DONE: &str = "data: [DONE]";

#[tokio::test]
async fn a_stream_is_put_together() {
    let usage = r#"data: {"choices": [], "usage": {"prompt_tokens": 30, "completion_tokens": 9,
        "total_tokens": 39, "prompt_tokens_details": {"cached_tokens": 20},
        "completion_tokens_details": {"reasoning_tokens": 4}}}"#
        .replace('\n', " ");
    let keep_alive = ": keep-alive\n\n: keep-alive\n\n";
    let answer = read(events(&[keep_alive, SAID, "", REST, &usage, DONE]))
        .await
        .unwrap();
    assert_eq!(answer.text, "Oak wood.");
    assert_eq!(answer.finish, Finish::Stop);
    assert_eq!(answer.model, "m-1-x");
    let expected = Usage {
        cached_tokens: 20,
        reasoning_tokens: 4,
        ..Usage::new(30, 9)
    };
    assert_eq!(answer.usage, expected);
}

#[tokio::test]
async fn what_ends_early_or_wrongly_is_no_answer() {
    for (lines, class, words) in [
        (vec![SAID], FailureClass::Transient, "broke off"),
        (
            vec![SAID, "data: {"],
            FailureClass::Transient,
            "not the JSON",
        ),
        (
            vec![SAID, r#"data: {"error": {"code": 429, "message": "slow"}}"#],
            FailureClass::RateLimit,
            "slow",
        ),
        (
            vec![r#"data: {"choices": [{"finish_reason": "insufficient_system_resource"}]}"#],
            FailureClass::Overloaded,
            "insufficient",
        ),
        (
            vec![r#"data: {"choices": [{"finish_reason": "error"}]}"#],
            FailureClass::Transient,
            "failed",
        ),
        (vec![], FailureClass::Transient, "no `choices`"),
    ] {
        let error = read(events(&lines)).await.unwrap_err();
        assert_eq!(error.class, class, "{lines:?}");
        assert!(error.message.contains(words), "{}", error.message);
    }
}

#[tokio::test]
async fn blank_lines_before_a_whole_answer_are_no_part_of_it() {
    let json = r#"{"choices": [{"message": {"content": "Oak."}, "finish_reason": "length"}]}"#;
    let answer = http(
        200,
        "application/json",
        "x-ratelimit-limit-requests: 9\r\n",
        &format!("\n\n\n{json}"),
    );
    let answer = read(answer).await.unwrap();
    assert_eq!(
        (answer.text.as_str(), answer.finish),
        ("Oak.", Finish::Length)
    );
    assert_eq!(answer.observed.len(), 1);
    // Not counted by the server, so estimated.
    assert!(answer.usage.input_tokens > 0);
}

#[test]
fn tokens_are_counted_in_every_dialect() {
    let request = question(ResponseFormat::Text);
    let usage = |json: Value| {
        let mut partial = Partial::default();
        let choice = json!({"message": {"content": "Oak is wood."}, "finish_reason": "stop"});
        let body = json!({"choices": [choice], "usage": json});
        partial.whole(&body.to_string()).unwrap();
        partial.finish(call(&request)).unwrap().usage
    };
    let deepseek = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_cache_hit_tokens": 8, "prompt_cache_miss_tokens": 2});
    let expected = Usage {
        cached_tokens: 8,
        ..Usage::new(10, 5)
    };
    assert_eq!(usage(deepseek), expected);
    let thought = Usage {
        reasoning_tokens: 7,
        ..Usage::new(10, 12)
    };
    let xai = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22,
        "completion_tokens_details": {"reasoning_tokens": 7}});
    assert_eq!(usage(xai), thought);
    let gemini = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 22});
    assert_eq!(usage(gemini), thought);
    let written = Usage {
        cached_tokens: 4,
        cache_write_tokens: 3,
        ..Usage::new(10, 5)
    };
    let openai = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3,
            "cache_write_tokens_details": {"ttl_30m_tokens": 1, "ttl_12h_tokens": 2}}});
    let for_long = Usage {
        long_cache_write_tokens: 2,
        ..written
    };
    assert_eq!(usage(openai), for_long);
    // It tells all by two names.
    let litellm = json!({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
        "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_creation_tokens": 3}});
    assert_eq!(usage(litellm), written);
    let other = json!({"input_tokens": "10", "output_tokens": 5.0});
    assert_eq!(usage(other), Usage::new(10, 5));
    let total = json!({"prompt_tokens": 10, "completion_tokens": null, "total_tokens": 15});
    assert_eq!(usage(total), Usage::new(10, 5));
}

#[test]
fn tokens_that_are_not_told_are_estimated() {
    let request = question(ResponseFormat::Text);
    let asked = types::render::bytes(&request).div_ceil(4);
    for counts in [
        "null",
        "{}",
        "[]",
        "\"unknown\"",
        r#"{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}"#,
        r#"{"prompt_tokens": null, "completion_tokens": null, "total_tokens": null}"#,
        r#"{"prompt_tokens": -1, "completion_tokens": -1}"#,
        r#"{"prompt_tokens": "n/a", "completion_tokens": [], "prompt_tokens_details": 3}"#,
        r#"{"prompt_tokens": 18446744073709551615, "completion_tokens": 1e300}"#,
        r#"{"prompt_tokens": NaN, "completion_tokens": Infinity}"#,
        // Too few for the texts.
        r#"{"prompt_tokens": 1, "completion_tokens": 3}"#,
        r#"{"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 1}"#,
    ] {
        let mut partial = Partial::default();
        let body = format!(
            r#"{{"choices": [{{"message": {{"content": "Oak is wood."}}, "finish_reason": "stop"}}], "usage": {counts}}}"#
        );
        partial.whole(&body).unwrap();
        let answer = partial.finish(call(&request)).unwrap();
        assert_eq!(answer.usage, Usage::new(asked, 3), "{counts}");
        assert_eq!(answer.text, "Oak is wood.");
    }
}

/// What becomes of a stream of these events.
fn streamed(lines: &[&str]) -> Result<RawAnswer, CallError> {
    let request = question(ResponseFormat::Text);
    let mut partial = Partial::default();
    for line in lines {
        if partial.event(None, line)? == Step::Last {
            break;
        }
    }
    partial.finish(call(&request))
}

#[test]
fn no_field_beside_the_text_costs_the_answer() {
    for choice in [
        r#"{"delta": {"content": "Oak.", "refusal": ""}, "finish_reason": "stop"}"#,
        r#"{"delta": {"content": "Oak.", "refusal": null, "tool_calls": []}, "finish_reason": "stop"}"#,
        r#"{"delta": {"content": "Oak.", "role": 3, "reasoning_content": {}}, "finish_reason": "STOP"}"#,
        r#"{"index": "0", "delta": {"content": "Oak."}, "finish_reason": "stop", "logprobs": -Infinity}"#,
        r#"{"delta": {"content": [{"type": "text", "text": "Oak."}]}, "finish_reason": "stop"}"#,
        r#"{"delta": null, "message": {"content": "Oak."}, "finish_reason": "stop"}"#,
        r#"{"text": "Oak.", "finish_reason": "stop"}"#,
        r#"{"delta": {"content": "Oak."}, "finish_reason": null, "finishReason": "STOP"}"#,
        r#"{"delta": {"content": "Oak."}, "finish_reason": "stop", "error": {}}"#,
    ] {
        for rest in [
            "",
            r#", "error": null"#,
            r#", "error": {}"#,
            r#", "error": """#,
            r#", "error": {"message": "", "code": 0}"#,
            r#", "model": 3, "created": null, "usage": false"#,
        ] {
            let body = format!(r#"{{"choices": [{choice}]{rest}}}"#);
            let answer = streamed(&[&body]).unwrap();
            assert_eq!(answer.text, "Oak.", "{body}");
            assert_eq!(answer.finish, Finish::Stop, "{body}");
            let mut whole = Partial::default();
            whole.whole(&body).unwrap();
            let request = question(ResponseFormat::Text);
            assert_eq!(whole.finish(call(&request)).unwrap().text, "Oak.", "{body}");
        }
    }
}

#[test]
fn an_answer_is_whole_if_something_proves_its_end() {
    let piece = |text: &str, reason: &str| {
        format!(
            r#"{{"choices": [{{"delta": {{"content": "{text}"}}, "finish_reason": {reason}}}]}}"#
        )
    };
    let usage = |tokens: u64| {
        format!(
            r#"{{"choices": [], "usage": {{"prompt_tokens": 9, "completion_tokens": {tokens}}}}}"#
        )
    };
    let (oak, wood, usage, full) = (
        |reason: &str| piece("Oak ", reason),
        |reason: &str| piece("wood.", reason),
        usage(5),
        usage(100),
    );
    let end =
        |reason: &str| format!(r#"{{"choices": [{{"delta": {{}}, "finish_reason": {reason}}}]}}"#);
    let (null, empty, stop) = ("null", "\"\"", "\"stop\"");
    for (lines, expected) in [
        (vec![oak(null), wood(null)], None),
        (vec![oak(empty), wood(empty)], None),
        (vec![oak(stop), wood(stop)], None),
        (vec![oak(empty), wood(empty), end(stop)], Some(Finish::Stop)),
        (vec![oak(null), wood(stop)], Some(Finish::Stop)),
        (
            vec![oak(null), wood(null), usage.clone()],
            Some(Finish::Stop),
        ),
        (
            vec![oak(null), wood(null), "[DONE]".to_owned()],
            Some(Finish::Stop),
        ),
        (
            vec![oak(empty), wood(empty), " \"[done]\" ".to_owned()],
            Some(Finish::Stop),
        ),
        (
            vec![oak(stop), wood(stop), "[DONE]".to_owned()],
            Some(Finish::Stop),
        ),
        (
            vec![oak(null), wood(null), full.clone()],
            Some(Finish::Length),
        ),
        (vec![oak(stop), wood(stop), full], Some(Finish::Length)),
        (
            vec![oak(stop), wood(stop), end("\"length\"")],
            Some(Finish::Length),
        ),
        (
            vec![oak(null), wood(null), end("\"MAX_TOKENS\"")],
            Some(Finish::Length),
        ),
        // Usage in the midst of a stream proves nothing.
        (vec![oak(null), usage, wood(null)], None),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        match (streamed(&lines), expected) {
            (Ok(answer), Some(finish)) => {
                assert_eq!(answer.text, "Oak wood.", "{lines:?}");
                assert_eq!(answer.finish, finish, "{lines:?}");
            }
            (Err(error), None) => {
                assert!(error.message.contains("broke off"), "{error}");
                assert!(*error.usage == Usage::default() && error.unusable.is_some());
            }
            (result, _) => panic!("{lines:?}: {result:?}"),
        }
    }
}

#[test]
fn what_comes_behind_the_end_does_not_spoil_the_answer() {
    let said = r#"{"choices": [{"delta": {"content": "Oak."}, "finish_reason": null}]}"#;
    let end = r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#;
    for behind in [
        "ping",
        "{",
        "{\"error\": {\"message\": \"late\"}}",
        "<html>",
        "null",
        "3",
    ] {
        assert_eq!(
            streamed(&[said, end, behind]).unwrap().text,
            "Oak.",
            "{behind}"
        );
    }
    for within in [
        "ping",
        ": x",
        "null",
        "{}",
        r#"{"choices": []}"#,
        r#"{"choices": null}"#,
    ] {
        assert_eq!(
            streamed(&[said, within, end]).unwrap().text,
            "Oak.",
            "{within}"
        );
    }
    for within in [
        "{",
        r#"{"error": {"message": "no"}}"#,
        r#"{"choices": [{"error": "no"}]}"#,
    ] {
        streamed(&[said, within, end]).unwrap_err();
    }
}

#[test]
fn what_is_repeated_counts_once() {
    let text = "Oak is a hard wood that grows slowly.";
    let piece = |text: &str| json!({"choices": [{"delta": {"content": text}}]}).to_string();
    let last = |field: &str, text: &str| {
        json!({"choices": [{field: {"content": text}, "finish_reason": "stop"}]}).to_string()
    };
    let (one, two) = text.split_at(9);
    for end in [
        last("message", text),
        last("delta", text),
        last("message", ""),
        last("delta", ""),
    ] {
        let answer = streamed(&[&piece(one), &piece(two), &end]).unwrap();
        assert_eq!(answer.text, text, "{end}");
    }
    // Pieces that are called messages, and a short text that is said twice.
    let message = |text: &str| json!({"choices": [{"message": {"content": text}}]}).to_string();
    let answer = streamed(&[&message(one), &last("message", two)]).unwrap();
    assert_eq!(answer.text, text);
    let answer = streamed(&[&piece("ha "), &last("delta", "ha ")]).unwrap();
    assert_eq!(answer.text, "ha ha ");
}

#[test]
fn halves_of_a_character_are_joined_across_events() {
    let first = r#"{"choices": [{"delta": {"content": "A tree: \ud83c"}}]}"#;
    let second = r#"{"choices": [{"delta": {"content": "\udf33."}, "finish_reason": "stop"}]}"#;
    assert_eq!(streamed(&[first, second]).unwrap().text, "A tree: 🌳.");
    let end = r#"{"choices": [{"delta": {}, "finish_reason": "stop"}]}"#;
    assert_eq!(streamed(&[first, end]).unwrap().text, "A tree: \u{fffd}");
}

#[test]
fn usage_is_found_wherever_it_stands() {
    let said = r#"{"choices": [{"delta": {"content": "Oak."}}]}"#;
    let counts = r#""usage": {"prompt_tokens": 2000, "completion_tokens": 300}"#;
    for end in [
        format!(r#"{{"choices": [{{"delta": {{}}, "finish_reason": "stop", {counts}}}]}}"#),
        format!(
            r#"{{"choices": [{{"delta": {{}}, "finish_reason": "stop"}}], "x_groq": {{{counts}}}}}"#
        ),
        format!(r#"{{"choices": [{{"delta": {{}}, "finish_reason": "stop"}}], {counts}}}"#),
    ] {
        assert_eq!(
            streamed(&[said, &end]).unwrap().usage,
            Usage::new(2000, 300),
            "{end}"
        );
    }
}

#[test]
fn what_stands_in_place_of_an_answer_is_told() {
    let with = |said: &str, reason: &str| {
        format!(r#"{{"choices": [{{"delta": {said}, "finish_reason": "{reason}"}}]}}"#)
    };
    for (event, words) in [
        (
            with(r#"{"content": null, "reasoning_content": "Oak."}"#, "stop"),
            "`reasoning_content`",
        ),
        (with(r#"{"reasoning": "Oak."}"#, "stop"), "`reasoning`"),
        (
            with(
                r#"{"tool_calls": [{"function": {"name": "answer"}}]}"#,
                "tool_calls",
            ),
            "the tool `answer`",
        ),
        (
            with(
                r#"{"content": "Let me see.", "tool_calls": [{"function": {"name": "look"}}]}"#,
                "tool_calls",
            ),
            "the tool `look`",
        ),
        (with(r#"{"content": "Oak"}"#, "pause_turn"), "`pause_turn`"),
        (with(r#"{"content": "Oak"}"#, "abort"), "`abort`"),
        (
            r#"{"choices": null, "error": null}"#.to_owned(),
            "no `choices`",
        ),
        ("ping".to_owned(), "`ping`"),
    ] {
        let error = streamed(&[&event]).unwrap_err();
        assert_eq!(error.class, FailureClass::Transient, "{event}");
        assert!(error.message.contains(words), "{error}");
    }
    // Nothing but thoughts at the cap is for the lane to judge.
    let cut = streamed(&[&with(r#"{"reasoning": "Oak."}"#, "length")]).unwrap();
    assert_eq!((cut.text.as_str(), cut.finish), ("", Finish::Length));
}

#[test]
fn a_refusal_is_told_in_its_words() {
    let refused = r#"{"choices": [{"message": {"content": null, "refusal": "I cannot."}, "finish_reason": "stop"}]}"#;
    let answer = streamed(&[refused]).unwrap();
    assert_eq!(answer.finish, Finish::ContentFilter);
    assert_eq!(answer.refusal.as_deref(), Some("I cannot."));
    let part = r#"{"choices": [{"delta": {"content": [{"type": "refusal", "refusal": "No."}]}, "finish_reason": "stop"}]}"#;
    assert_eq!(streamed(&[part]).unwrap().refusal.as_deref(), Some("No."));
}

#[test]
fn an_error_in_place_of_an_answer_is_read() {
    for (body, class) in [
        (
            r#"{"choices": null, "error": {"message": "Insufficient credits", "code": 402}}"#,
            FailureClass::Quota,
        ),
        (
            r#"{"choices": [], "error": {"message": "slow", "code": "429"}}"#,
            FailureClass::RateLimit,
        ),
        (
            r#"[{"error": {"message": "slow", "code": 429}}]"#,
            FailureClass::RateLimit,
        ),
        (
            r#"{"object": "error", "message": "no such model", "code": 404}"#,
            FailureClass::NotFound,
        ),
        (r#"{"detail": "prompt is too long"}"#, FailureClass::Context),
        (
            r#"{"choices": null, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}"#,
            FailureClass::Quota,
        ),
        (
            r#"{"choices": [{"error": {"code": 503, "message": "gone"}, "finish_reason": "error"}]}"#,
            FailureClass::Overloaded,
        ),
    ] {
        let mut partial = Partial::default();
        assert_eq!(partial.whole(body).unwrap_err().class, class, "{body}");
        assert_eq!(streamed(&[body]).unwrap_err().class, class, "{body}");
    }
    let mut fine = Partial::default();
    let body = r#"{"choices": [{"message": {"content": "Oak."}, "finish_reason": "stop"}],
        "base_resp": {"status_code": 0, "status_msg": ""}}"#;
    fine.whole(body).unwrap();
}

#[tokio::test]
async fn an_answer_is_read_whatever_its_type() {
    let whole = r#"{"choices": [{"message": {"content": "Oak wood."}, "finish_reason": "stop"}]}"#;
    let stream = format!("{SAID}\n\n{REST}\n\n{DONE}\n\n");
    let marked = format!("\u{feff}{whole}");
    let queued = format!("\n\n: wait\n\n{stream}");
    let lines = [SAID, REST]
        .map(|line| line.trim_start_matches("data: "))
        .join("\n");
    let mere = r#"{"choices": [{"message": "Oak wood.", "finish_reason": "stop"}]}"#;
    for body in [whole, &stream, &marked, &queued, &lines, mere] {
        for kind in [
            "application/json",
            "text/event-stream",
            "text/plain",
            "text/html",
            "application/x-ndjson",
            "",
        ] {
            let answer = read(http(200, kind, "", body)).await;
            assert_eq!(answer.unwrap().text, "Oak wood.", "{kind} {body}");
        }
    }
}

#[tokio::test]
async fn a_bad_byte_is_replaced() {
    // The server of these tests sends texts, so the byte comes by itself in `arrival`; an escaped one comes here.
    let whole =
        r#"{"choices": [{"message": {"content": "Oak \udc80 wood."}, "finish_reason": "stop"}]}"#;
    let answer = read(http(200, "application/json", "", whole))
        .await
        .unwrap();
    assert_eq!(answer.text, "Oak \u{fffd} wood.");
}

#[tokio::test]
async fn each_preset_asks_in_its_manner() {
    let model = ModelConfig::default();
    let schema = || ResponseFormat::JsonSchema(json!({"type": "object", "title": "T"}).into());
    for (name, header, cap, usage, format) in [
        (
            "openai",
            "authorization: Bearer ",
            "max_completion_tokens",
            true,
            "json_schema",
        ),
        (
            "azure",
            "api-key: ",
            "max_completion_tokens",
            true,
            "json_schema",
        ),
        (
            "mistral",
            "authorization: Bearer ",
            "max_tokens",
            false,
            "json_schema",
        ),
        (
            "deepseek",
            "authorization: Bearer ",
            "max_tokens",
            true,
            "json_object",
        ),
    ] {
        let answer = events(&[SAID, REST, DONE]);
        let provider = ProviderConfig::default();
        let (request, result) = asked(name, &provider, &model, schema(), answer).await;
        result.unwrap();
        assert!(request.starts_with("POST /v1/chat/completions "), "{name}");
        assert!(request.contains(&format!("{header}{KEY}\r\n")), "{name}");
        let body = body(&request);
        assert_eq!(body[cap], 100, "{name}");
        assert_eq!(body["stream"], true, "{name}");
        assert_eq!(body.get("stream_options").is_some(), usage, "{name}");
        assert_eq!(body["response_format"]["type"], format, "{name}");
        let first = body["messages"][0]["content"].as_str().unwrap();
        assert_eq!(
            first.contains("JSON Schema"),
            format == "json_object",
            "{name}"
        );
    }
}

#[tokio::test]
async fn configuration_is_laid_over() {
    let provider = ProviderConfig {
        stream: Some(false),
        ..ProviderConfig::default()
    };
    let extra = json!({"seed": 7, "response_format": {"strict": false}});
    let model = ModelConfig {
        send_temperature: Some(false),
        json: Some(JsonSupport::Prompt),
        extra_body: extra.as_object().unwrap().clone(),
        ..ModelConfig::default()
    };
    let json = r#"{"choices": [{"message": {"content": "{}"}, "finish_reason": "stop"}]}"#;
    let answer = http(200, "application/json", "", json);
    let format = ResponseFormat::JsonObject;
    let (request, result) = asked("openai", &provider, &model, format, answer).await;
    result.unwrap();
    let body = body(&request);
    assert_eq!(body.get("temperature"), None);
    assert_eq!(body.get("stream"), None);
    assert_eq!(body["seed"], 7);
    assert_eq!(body["response_format"], json!({"strict": false}));
}

#[tokio::test]
async fn a_tier_is_asked_for_and_who_served_is_told() {
    let provider = ProviderConfig::default();
    let model = ModelConfig {
        service_tier: Some(ServiceTier::Flex),
        ..ModelConfig::default()
    };
    let said = r#"{"choices": [{"message": {"content": "Oak."}, "finish_reason": "stop"}]"#;
    let by = |tier: &str| {
        http(
            200,
            "application/json",
            "",
            &format!("{said}, \"service_tier\": {tier}}}"),
        )
    };
    let in_header = http(
        200,
        "application/json",
        "x-gemini-service-tier: standard\r\n",
        &format!("{said}}}"),
    );
    for (answer, expected) in [
        (by("\"flex\""), Some(Served::Flex)),
        (by("\"default\""), Some(Served::Ordinary)),
        (by("null"), None),
        (in_header, Some(Served::Ordinary)),
    ] {
        let (request, result) =
            asked("openai", &provider, &model, ResponseFormat::Text, answer).await;
        assert_eq!(body(&request)["service_tier"], "flex");
        assert_eq!(result.unwrap().served, expected);
    }
    // What breaks off in the midst is billed at its tier too.
    let begin = r#"data: {"service_tier": "default", "choices": [{"delta": {"content": "Oak "}}]}"#;
    let (_, result) = asked(
        "openai",
        &provider,
        &model,
        ResponseFormat::Text,
        events(&[begin]),
    )
    .await;
    assert_eq!(result.unwrap_err().served, Some(Served::Ordinary));
    // Who is shed at a busy time was not refused by a server that is down.
    for (tier, class) in [
        (Some(ServiceTier::Flex), FailureClass::NoCapacity),
        (None, FailureClass::Overloaded),
    ] {
        let model = ModelConfig {
            service_tier: tier,
            ..ModelConfig::default()
        };
        let busy = http(
            503,
            "application/json",
            "",
            r#"{"error": {"message": "busy"}}"#,
        );
        let (_, result) = asked("gemini", &provider, &model, ResponseFormat::Text, busy).await;
        assert_eq!(result.unwrap_err().class, class);
    }
}

#[tokio::test]
async fn a_lane_that_has_learned_asks_otherwise() {
    let (url, server) = serve(vec![http(
        200,
        "application/json",
        "",
        r#"{"choices": [{"message": {"content": "{\"a\": null}"}, "finish_reason": "stop"}]}"#,
    )])
    .await;
    let (provider, model) = (ProviderConfig::default(), ModelConfig::default());
    let openai = OpenAi::new(
        endpoint("openai", &url, &provider),
        options("openai", &model),
    )
    .unwrap();
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    let request = question(ResponseFormat::JsonSchema(schema.into()));
    let adaptations = Adaptations::from([
        Adaptation::NoTemperature,
        Adaptation::MaxTokens,
        Adaptation::NoStream,
        Adaptation::JsonObject,
        Adaptation::NoSystem,
    ]);
    let answer = openai
        .call(Call {
            adaptations: &adaptations,
            prefix: None,
            ..call(&request)
        })
        .await
        .unwrap();
    assert_eq!(answer.text, r#"{"a": null}"#, "no schema was sent");
    let body = body(&server.await.unwrap()[0]);
    for absent in [
        "temperature",
        "max_completion_tokens",
        "stream",
        "stream_options",
    ] {
        assert_eq!(body.get(absent), None, "{absent}");
    }
    assert_eq!(body["max_tokens"], 100);
    assert_eq!(body["response_format"], json!({"type": "json_object"}));
    let messages = body["messages"].as_array().unwrap();
    assert_eq!((messages.len(), &messages[0]["role"]), (1, &json!("user")));
    let said = messages[0]["content"].as_str().unwrap();
    assert!(
        said.contains("JSON Schema") && said.contains("Be brief.") && said.contains("What is it?")
    );
}

#[tokio::test]
async fn a_property_that_may_be_left_out_is_null_on_the_wire_only() {
    let said = r#"{"choices": [{"message": {"content": "{\"title\": \"Oak\", \"subtitle\": null}"}, "finish_reason": "stop"}]}"#;
    let schema = json!({"type": "object", "required": ["title"],
        "properties": {"title": {"type": "string"}, "subtitle": {"type": "string"}}});
    let (request, result) = asked(
        "openai",
        &ProviderConfig::default(),
        &ModelConfig::default(),
        ResponseFormat::JsonSchema(schema.into()),
        http(200, "application/json", "", said),
    )
    .await;
    assert_eq!(result.unwrap().text, r#"{"title":"Oak"}"#);
    let sent = &body(&request)["response_format"]["json_schema"];
    assert_eq!(sent["strict"], true);
    assert_eq!(sent["schema"]["required"], json!(["title", "subtitle"]));
}

#[test]
fn pictures_stand_behind_the_text_of_the_user() {
    let asked = question(ResponseFormat::Text);
    let endpoint = endpoint(
        "openai",
        "http://127.0.0.1:1/v1",
        &ProviderConfig::default(),
    );
    let openai = OpenAi::new(endpoint, options("openai", &ModelConfig::default())).unwrap();
    let pictures = [Picture::new(types::image::ImageType::Png, b"bytes")];
    let body = openai.body(Call {
        pictures: &pictures,
        ..call(&asked)
    });
    assert!(body["messages"][0]["content"].is_string());
    let content = body["messages"][1]["content"].as_array().unwrap();
    assert_eq!(content[0]["type"], "text");
    assert_eq!(
        content[1],
        json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,Ynl0ZXM="}})
    );
    assert_eq!(content.len(), 2);
}
