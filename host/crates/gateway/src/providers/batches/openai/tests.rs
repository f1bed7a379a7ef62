use super::*;
use crate::batch::protocol::{BatchProtocol, Input, LineResult, Lines, Source};
use crate::providers::batches::files::OfFiles;
use crate::providers::presets::preset;
use crate::providers::testing::{body, call, endpoint, http, options, question, serve};
use crate::settings::{ModelConfig, ProviderConfig};
use types::class::FailureClass;
use types::request::ResponseFormat;

fn batches(url: &str) -> OfFiles<OpenAiBatches> {
    let preset = preset("openai").unwrap().batch.unwrap();
    let endpoint = endpoint("openai", url, &ProviderConfig::default());
    let options = options("openai", &ModelConfig::default());
    let chats = Chats::new("m-1", preset, OpenAiBatches::PATH, endpoint, options);
    OfFiles(OpenAiBatches {
        chats: chats.unwrap(),
        files_expire: preset.files_expire,
    })
}

fn answer_to(json: &str) -> String {
    http(200, "application/json", "", json)
}

fn input() -> Lines<'static> {
    let lines = ["{\"custom_id\":\"a\"}\n", "{\"custom_id\":\"b\"}\n"];
    Box::pin(futures_util::stream::iter(
        lines.map(|line| Ok(line.into())),
    ))
}

#[test]
fn a_line_is_a_question_that_is_not_streamed() {
    let line = batches("http://127.0.0.1:1/v1").line("k", call(&question(ResponseFormat::Text)));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["custom_id"], "k");
    assert_eq!(line["url"], "/v1/chat/completions");
    assert_eq!(line["body"]["model"], "m-1");
    assert!(line["body"].get("stream").is_none());
}

#[tokio::test]
async fn a_file_is_uploaded_and_a_batch_is_made_of_it() {
    let batch = r#"{"id": "batch_1", "status": "validating", "request_counts": {"total": 2}}"#;
    let (url, server) = serve(vec![answer_to(r#"{"id": "file-1"}"#), answer_to(batch)]).await;
    let batches = batches(&url);
    let input = Input {
        bytes: 36,
        open: &input,
    };
    let file = batches.upload("run-1", input).await.unwrap();
    let made = batches.create("run-1", Source::File(&file)).await.unwrap();
    assert_eq!(
        (made.id.as_str(), made.status),
        ("batch_1", BatchStatus::Working)
    );
    assert_eq!(made.total, Some(2));
    let requests = server.await.unwrap();
    assert!(
        requests[0].contains("name=\"purpose\"\r\n\r\nbatch"),
        "{}",
        requests[0]
    );
    assert!(requests[0].contains("{\"custom_id\":\"a\"}\n{\"custom_id\":\"b\"}\n"));
    assert!(requests[0].contains("filename=\"run-1.jsonl\""));
    assert_eq!(body(&requests[1])["input_file_id"], "file-1");
    assert_eq!(body(&requests[1])["metadata"]["name"], "run-1");
}

#[tokio::test]
async fn a_create_without_an_answer_is_in_doubt_and_a_refused_one_is_not() {
    for (answer, is_in_doubt) in [
        (http(400, "application/json", "", "{}"), false),
        (http(429, "application/json", "", "{}"), false),
        (http(502, "text/html", "", "<html>"), true),
        (String::new(), true),
        (answer_to("{"), true),
    ] {
        let (url, server) = serve(vec![answer.clone()]).await;
        let made = batches(&url).create("n", Source::File("f")).await;
        assert_eq!(made.unwrap_err().is_in_doubt, is_in_doubt, "{answer}");
        server.await.unwrap();
    }
    let nobody = batches("http://127.0.0.1:1/v1")
        .create("n", Source::File("f"))
        .await;
    assert!(!nobody.unwrap_err().is_in_doubt);
}

#[tokio::test]
async fn a_lost_batch_is_found_on_a_later_page() {
    let other =
        r#"{"data": [{"id": "b1", "input_file_id": "x", "created_at": 100}], "has_more": true}"#;
    let mine = r#"{"data": [{"id": "b2", "input_file_id": "f", "created_at": 99, "status": "in_progress"}], "has_more": false}"#;
    let (url, server) = serve(vec![answer_to(other), answer_to(mine)]).await;
    let found = batches(&url)
        .find("n", Some("f"), 50)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.id, "b2");
    let requests = server.await.unwrap();
    assert!(requests[1].contains("after=b1"), "{}", requests[1]);
}

#[test]
fn odd_shapes_of_a_batch_are_read() {
    let read = |json: &str| shown(json).unwrap();
    let batch = read(
        r#"{"id": "b", "status": "COMPLETED", "output_file_id": "", "error_file_id": null, "request_counts": null}"#,
    );
    assert_eq!((batch.status, batch.files.len()), (BatchStatus::Ended, 0));
    let batch =
        read(r#"{"id": "b", "status": "expired", "output_file_id": "o", "error_file_id": "e"}"#);
    assert_eq!(
        (batch.status, batch.files),
        (BatchStatus::Ended, vec!["o".to_owned(), "e".to_owned()])
    );
    assert_eq!(
        read(r#"{"id": "b", "status": "paused"}"#).status,
        BatchStatus::Unknown
    );
    assert!(shown(r#"{"status": "completed"}"#).is_err());
    let full = r#"{"id": "b", "status": "failed", "errors": {"data": [{"code": "token_limit_exceeded", "line": null,
        "message": "Enqueued token limit reached for gpt-4o in organization org-1. Limit: 90,000 enqueued tokens. Please try again."}]}}"#;
    let batch = read(full);
    assert_eq!(batch.status, BatchStatus::Refused);
    assert_eq!(
        (batch.problems[0].is_full, batch.problems[0].most_tokens),
        (true, Some(90_000))
    );
    let wrong = r#"{"id": "b", "status": "failed", "errors": {"data": [{"code": "invalid_request", "line": 7, "message": "no"}]}}"#;
    assert_eq!(read(wrong).problems[0].line, Some(7));
}

#[test]
fn lines_are_read_with_the_taxonomy_of_calls() {
    let batches = batches("http://127.0.0.1:1/v1");
    let read = |line: &str| batches.read(line).unwrap().result;
    let said = read(
        r#"{"custom_id": "k", "error": null, "response": {"status_code": 200, "body": {"model": "m-1",
            "choices": [{"message": {"content": "Yes."}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}}}"#,
    );
    let LineResult::Answered(said) = said else {
        panic!("no answer");
    };
    assert_eq!(
        (
            said.text.as_str(),
            said.usage.input_tokens,
            said.usage.output_tokens
        ),
        ("Yes.", 9, 2)
    );
    for (line, class) in [
        (
            r#"{"custom_id": "k", "response": {"status_code": 429, "body": {"error": {"message": "slow"}}}}"#,
            FailureClass::RateLimit,
        ),
        (
            r#"{"custom_id": "k", "response": {"status_code": 400, "body": {"error": {"message": "no"}}}}"#,
            FailureClass::BadRequest,
        ),
        (
            r#"{"custom_id": "k", "response": {"status_code": 400, "body": {"error": {"code": "context_length_exceeded"}}}}"#,
            FailureClass::Context,
        ),
        (r#"{"custom_id": "k"}"#, FailureClass::Transient),
    ] {
        let LineResult::Failed(error) = read(line) else {
            panic!("{line}");
        };
        assert_eq!(error.class, class, "{line}");
    }
    let late = r#"{"custom_id": "k", "response": null, "error": {"code": "batch_expired", "message": "late"}}"#;
    assert!(matches!(read(late), LineResult::NotReached(_)));
    assert!(batches.read("{").is_err());
    assert!(batches.read(r#"{"response": {}}"#).is_err());
}
