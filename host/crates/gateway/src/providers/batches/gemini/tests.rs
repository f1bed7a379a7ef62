use serde_json::Value;

use super::*;
use crate::batch::protocol::LineResult;
use crate::provider::Finish;
use crate::providers::presets::preset;
use crate::providers::testing::{call, endpoint, http, options, question, serve};
use crate::reasoning::Thoughts;
use crate::settings::{ModelConfig, ProviderConfig};
use types::key::Reasoning;
use types::request::ResponseFormat;

fn batches(url: &str) -> GeminiBatches {
    let preset = preset("gemini").unwrap().batch.unwrap();
    let endpoint = endpoint("gemini", url, &ProviderConfig::default());
    let options = options("gemini", &ModelConfig::default());
    GeminiBatches::new("m-1", preset, endpoint, options).unwrap()
}

const NOWHERE: &str = "http://127.0.0.1:1/v1beta/openai";

#[test]
fn a_line_is_a_question_in_its_own_shape() {
    let schema = json!({"type": "object", "properties": {"title": {"type": "string"}}});
    let format = ResponseFormat::JsonSchema(schema.clone().into());
    let line = batches(NOWHERE).line("k", call(&question(format)));
    let line: Value = serde_json::from_str(&line).unwrap();
    let request = &line["request"];
    assert_eq!(line["key"], "k");
    assert_eq!(
        request["systemInstruction"]["parts"][0]["text"],
        "Be brief."
    );
    assert_eq!(request["contents"][0]["role"], "user");
    assert_eq!(
        request["generationConfig"],
        json!({"maxOutputTokens": 100, "temperature": 0.5, "responseMimeType": "application/json", "responseJsonSchema": schema})
    );
}

#[tokio::test]
async fn a_file_goes_to_the_server_that_was_configured() {
    let address =
        "x-goog-upload-url: http://elsewhere.example/upload/v1beta/files?upload_id=u7\r\n";
    let started = http(200, "text/plain", address, "");
    let ended = http(
        200,
        "application/json",
        "",
        r#"{"file": {"name": "files/f1"}}"#,
    );
    let (url, server) = serve(vec![started, ended]).await;
    let root = url.strip_suffix("/v1").unwrap();
    let open = || -> Lines<'static> {
        Box::pin(futures_util::stream::iter([Ok("{\"key\":\"a\"}\n".into())]))
    };
    let input = Input {
        bytes: 12,
        open: &open,
    };
    let file = batches(&format!("{root}/v1beta/openai"))
        .upload("run-1", input)
        .await;
    assert_eq!(file.unwrap(), "files/f1");
    let requests = server.await.unwrap();
    assert!(
        requests[0].starts_with("POST /upload/v1beta/files HTTP"),
        "{}",
        requests[0]
    );
    assert!(
        requests[0].contains("x-goog-api-key: ") && requests[0].contains("run-1.jsonl"),
        "{}",
        requests[0]
    );
    assert!(
        requests[1].starts_with("POST /upload/v1beta/files?upload_id=u7 HTTP"),
        "{}",
        requests[1]
    );
    assert!(
        requests[1].ends_with("\r\n\r\n{\"key\":\"a\"}\n"),
        "{}",
        requests[1]
    );
}

#[test]
fn odd_shapes_of_a_batch_are_read() {
    let read = |json: &str| shown(json).unwrap();
    let state = |state: &str, more: &str| {
        read(&format!(
            r#"{{"name": "batches/b", "metadata": {{"state": "{state}", "createTime": "2026-11-30T00:00:00.5Z" {more}}}}}"#
        ))
    };
    let stats = r#", "batchStats": {"requestCount": "10", "successfulRequestCount": "4"}"#;
    let running = state("BATCH_STATE_RUNNING", stats);
    assert_eq!(
        (
            running.status,
            running.total,
            running.answered,
            running.failed
        ),
        (BatchStatus::Working, Some(10), Some(4), Some(0))
    );
    assert_eq!(running.expires_at, Some(1_795_996_800 + WINDOW));
    let file = r#", "output": {"responsesFile": "files/r"}"#;
    let done = state("JOB_STATE_SUCCEEDED", file);
    assert_eq!(
        (done.status, done.is_settled, done.files),
        (BatchStatus::Ended, true, vec!["files/r".to_owned()])
    );
    let late = state(
        "BATCH_STATE_SUCCEEDED",
        r#", "output": {"responsesFile": ""}"#,
    );
    assert_eq!((late.status, late.is_settled), (BatchStatus::Ended, false));
    // What expired has no results; what was cancelled may get some.
    assert!(state("BATCH_STATE_EXPIRED", stats).is_settled);
    assert!(!state("BATCH_STATE_CANCELLED", stats).is_settled);
    assert_eq!(state("BATCH_STATE_FAILED", "").status, BatchStatus::Refused);
    assert_eq!(state("BATCH_STATE_FAILED", file).status, BatchStatus::Ended);
    assert_eq!(state("BATCH_STATE_PAUSED", "").status, BatchStatus::Unknown);
    let full = read(
        r#"{"name": "b", "metadata": {"state": "BATCH_STATE_FAILED"}, "error": {"code": 8, "message": "too much"}}"#,
    );
    assert!(full.problems[0].is_full);
    assert!(shown(r#"{"metadata": {"state": "BATCH_STATE_RUNNING"}}"#).is_err());
}

#[test]
fn lines_are_read_with_the_taxonomy_of_calls() {
    let batches = batches(NOWHERE);
    let read = |line: &str| match batches
        .read(&format!("{{\"key\": \"k\", {line}}}"))
        .unwrap()
        .result
    {
        LineResult::Answered(answer) => Ok(answer),
        LineResult::Failed(error) => Err(error),
        LineResult::NotReached(words) => panic!("{words}"),
    };
    let said = read(
        r#""response": {"candidates": [{"content": {"parts": [{"text": "Hm.", "thought": true}, {"text": "Yes"}, {"text": ", it is."}], "role": "model"},
            "finishReason": "STOP"}], "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "thoughtsTokenCount": 5,
            "totalTokenCount": 16}, "modelVersion": "m-1"}"#,
    )
    .unwrap();
    assert_eq!(
        (said.text.as_str(), said.finish),
        ("Yes, it is.", Finish::Stop)
    );
    assert_eq!(
        (
            said.usage.input_tokens,
            said.usage.output_tokens,
            said.usage.reasoning_tokens
        ),
        (9, 7, 5)
    );
    let blocked = read(
        r#""response": {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 9}}"#,
    );
    assert!(
        blocked.as_ref().map_or_else(
            |error| error.class == FailureClass::ContentFilter,
            |answer| answer.finish == Finish::ContentFilter
        ),
        "{blocked:?}"
    );
    for (code, class) in [
        (3, FailureClass::BadRequest),
        (8, FailureClass::RateLimit),
        (13, FailureClass::Transient),
        (14, FailureClass::Overloaded),
        (429, FailureClass::RateLimit),
        (500, FailureClass::Transient),
    ] {
        for name in ["error", "status"] {
            let line = format!(r#""{name}": {{"code": {code}, "message": "no"}}"#);
            assert_eq!(read(&line).unwrap_err().class, class, "{line}");
        }
    }
    let limit = r#""error": {"code": 8, "message": "You exceeded your current quota, please check your plan."}"#;
    assert_eq!(read(limit).unwrap_err().class, FailureClass::RateLimit);
    let cancelled = batches
        .read(r#"{"key": "k", "error": {"code": 1}}"#)
        .unwrap();
    assert!(matches!(cancelled.result, LineResult::NotReached(_)));
    assert!(batches.read(r#"{"response": {}}"#).is_err());
    assert!(batches.read("{").is_err());
}

#[test]
fn how_much_is_thought_is_said_in_its_own_words() {
    let asked = |model: &str, level: Reasoning| {
        let options = ModelOptions::new(
            model,
            preset("gemini").unwrap(),
            &ProviderConfig::default(),
            None,
        );
        let question = question(ResponseFormat::Text);
        let call = Call {
            thoughts: Some(Thoughts { level, most: 2000 }),
            model,
            ..call(&question)
        };
        lines::question(&options, call)["generationConfig"]["thinkingConfig"].clone()
    };
    for (model, level, config) in [
        (
            "gemini-2.5-flash",
            Reasoning::None,
            json!({"thinkingBudget": 0}),
        ),
        (
            "gemini-2.5-flash",
            Reasoning::Medium,
            json!({"thinkingBudget": 8192}),
        ),
        (
            "gemini-3-pro-preview",
            Reasoning::High,
            json!({"thinkingLevel": "high"}),
        ),
    ] {
        assert_eq!(asked(model, level), config, "{model}");
    }
}

#[test]
fn pictures_stand_before_the_text() {
    let options = ModelOptions::new(
        "gemini-2.5-flash",
        preset("gemini").unwrap(),
        &ProviderConfig::default(),
        None,
    );
    let asked = question(ResponseFormat::Text);
    let pictures = [crate::pictures::Picture::new(
        types::image::ImageType::Jpeg,
        b"bytes",
    )];
    let call = Call {
        pictures: &pictures,
        ..call(&asked)
    };
    let parts = lines::question(&options, call)["contents"][0]["parts"].clone();
    assert_eq!(
        parts[0],
        json!({"inlineData": {"mimeType": "image/jpeg", "data": "Ynl0ZXM="}})
    );
    assert!(
        parts[1]["text"]
            .as_str()
            .unwrap()
            .starts_with("What is it?")
    );
}
