use futures_util::StreamExt;

use super::*;
use crate::batch::protocol::BatchProtocol;
use crate::providers::batches::files::OfFiles;
use crate::providers::presets::preset;
use crate::providers::testing::{endpoint, http, options, serve};
use crate::settings::{ModelConfig, ProviderConfig};
use types::class::FailureClass;

fn batches(url: &str) -> OfFiles<XaiBatches> {
    let preset = preset("xai").unwrap().batch.unwrap();
    let endpoint = endpoint("xai", url, &ProviderConfig::default());
    let options = options("xai", &ModelConfig::default());
    let chats = Chats::new("m-1", preset, XaiBatches::PATH, endpoint, options);
    OfFiles(XaiBatches(chats.unwrap()))
}

fn json_answer(json: &str) -> String {
    http(200, "application/json", "", json)
}

#[test]
fn a_batch_has_ended_when_it_has_questions_and_none_is_pending() {
    for (state, more, status) in [
        (r#""num_requests": 0"#, "", BatchStatus::Working),
        (
            r#""num_requests": 3, "num_pending": 1, "num_success": 2"#,
            "",
            BatchStatus::Working,
        ),
        (
            r#""num_requests": "3", "num_pending": "0", "num_success": "2", "num_error": "1""#,
            "",
            BatchStatus::Ended,
        ),
        (
            r#""num_requests": 3, "num_pending": 1"#,
            r#", "cancel_time": "2026-01-01""#,
            BatchStatus::Working,
        ),
        (
            r#""num_requests": 3, "num_cancelled": 3"#,
            r#", "cancel_time": "2026-01-01""#,
            BatchStatus::Ended,
        ),
        (
            r#""num_requests": 0"#,
            r#", "cancel_time": "2026-01-01", "cancel_by_xai_message": "line 7 is no JSON""#,
            BatchStatus::Refused,
        ),
    ] {
        let body = format!(r#"{{"batch_id": "batch_1", "state": {{{state}}}{more}}}"#);
        let batch = batches("http://127.0.0.1:1/v1").0.shown(&body).unwrap();
        assert_eq!(batch.status, status, "{body}");
        assert_eq!(batch.files, ["batch_1"]);
    }
}

#[tokio::test]
async fn results_come_page_by_page() {
    let answer = r#"{"batch_request_id": "a", "batch_result": {"response": {"chat_get_completion": {"model": "m-1",
        "choices": [{"message": {"content": "Yes.\n"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 9, "completion_tokens": 2}}}, "error": null}}"#;
    let failed = r#"{"batch_request_id": "b", "batch_result": {"error": {"code": 8, "message": "slow down"}}}"#;
    let left = r#"{"batch_request_id": "c", "batch_result": {"error": {"code": 1, "message": "cancelled"}}}"#;
    let pages = [
        format!(r#"{{"results": [{answer}], "pagination_token": "next"}}"#),
        format!(r#"{{"results": [{failed}, {left}], "pagination_token": null}}"#),
    ];
    let (url, server) = serve(pages.iter().map(|page| json_answer(page)).collect()).await;
    let batches = batches(&url);
    let mut pieces = batches.results("batch_1").await.unwrap();
    let mut text = Vec::new();
    while let Some(piece) = pieces.next().await {
        text.extend_from_slice(&piece.unwrap());
    }
    let requests = server.await.unwrap();
    assert!(
        requests[1].contains("/batches/batch_1/results?")
            && requests[1].contains("pagination_token=next"),
        "{}",
        requests[1]
    );
    let text = String::from_utf8(text).unwrap();
    let results: Vec<LineResult> = text
        .lines()
        .map(|line| batches.read(line).unwrap().result)
        .collect();
    let [
        LineResult::Answered(answer),
        LineResult::Failed(error),
        LineResult::NotReached(_),
    ] = results.as_slice()
    else {
        panic!("{results:?}");
    };
    assert_eq!(answer.text, "Yes.\n");
    assert_eq!(answer.usage.input_tokens, 9);
    assert_eq!(error.class, FailureClass::RateLimit);
}

#[tokio::test]
async fn a_page_that_does_not_come_breaks_the_reading_off() {
    let page = r#"{"results": [{"batch_request_id": "a"}], "pagination_token": "next"}"#;
    let (url, server) = serve(vec![
        json_answer(page),
        http(500, "application/json", "", "{}"),
    ])
    .await;
    let batches = batches(&url);
    let pieces = batches.results("batch_1").await.unwrap();
    let pieces: Vec<bool> = pieces.map(|piece| piece.is_ok()).collect().await;
    assert_eq!(pieces, [true, false]);
    server.await.unwrap();
}
