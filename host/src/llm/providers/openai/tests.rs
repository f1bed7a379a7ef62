use super::*;
use crate::config::{ModelConfig, ProviderConfig};
use crate::llm::providers::testing::{
    KEY, body, call, endpoint, events, http, manner, question, serve,
};

async fn asked(
    preset: &str,
    provider: &ProviderConfig,
    model: &ModelConfig,
    format: ResponseFormat,
    answer: String,
) -> (String, Result<RawAnswer, CallError>) {
    let (url, server) = serve(vec![answer]).await;
    let openai = OpenAi::new(endpoint(preset, &url, provider), manner(preset, model)).unwrap();
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
fn every_finish_reason_has_its_meaning() {
    let request = question(ResponseFormat::Text);
    for (reason, finish) in [
        ("stop", Finish::Stop),
        ("eos", Finish::Stop),
        ("tool_calls", Finish::Stop),
        ("length", Finish::Length),
        ("model_length", Finish::Length),
        ("content_filter", Finish::ContentFilter),
        ("content_filter: PROHIBITED_CONTENT", Finish::ContentFilter),
        ("refusal", Finish::ContentFilter),
    ] {
        let partial = Partial {
            finish_reason: Some(reason.to_owned()),
            ..Partial::default()
        };
        assert_eq!(
            partial.finish(call(&request)).unwrap().finish,
            finish,
            "{reason}"
        );
    }
    let mut refused = Partial::default();
    let choice = r#"{"choices": [{"message": {"refusal": "No."}, "finish_reason": "stop"}]}"#;
    refused.whole(choice.as_bytes()).unwrap();
    assert_eq!(
        refused.finish(call(&request)).unwrap().finish,
        Finish::ContentFilter
    );
}

#[test]
fn tokens_are_counted_in_every_dialect() {
    let usage = |json: Value| serde_json::from_value::<TokenCounts>(json).unwrap().usage();
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
    assert_eq!(usage(json!({})), Usage::default());
}

#[tokio::test]
async fn each_preset_asks_in_its_manner() {
    let model = ModelConfig::default();
    let schema = || ResponseFormat::JsonSchema(json!({"type": "object", "title": "T"}));
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
        send_temperature: false,
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
