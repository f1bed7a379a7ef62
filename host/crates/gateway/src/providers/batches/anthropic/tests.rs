use super::*;
use crate::providers::presets::preset;
use crate::providers::testing::{body, call, endpoint, http, options, question, serve};
use crate::settings::{ModelConfig, ProviderConfig};
use types::request::ResponseFormat;

fn batches(url: &str) -> AnthropicBatches {
    let preset = preset("anthropic").unwrap().batch.unwrap();
    let endpoint = endpoint("anthropic", url, &ProviderConfig::default());
    let options = options("anthropic", &ModelConfig::default());
    AnthropicBatches::new("m-1", preset, endpoint, options).unwrap()
}

fn answer_to(json: &str) -> String {
    http(200, "application/json", "", json)
}

const LINES: [&str; 3] = [
    "{\"custom_id\":\"a\"}\n",
    "{\"custom_id\":\"b\"}\n{\"custom_id\":\"c\"}\n",
    "{\"custom_id\":\"d\"}\n",
];

fn input() -> Lines<'static> {
    Box::pin(futures_util::stream::iter(
        LINES.map(|line| Ok(line.into())),
    ))
}

#[test]
fn a_line_is_a_question_that_is_not_streamed() {
    let line = batches("http://127.0.0.1:1/v1").line("k", call(&question(ResponseFormat::Text)));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["custom_id"], "k");
    assert_eq!(
        (&line["params"]["model"], &line["params"]["max_tokens"]),
        (&json!("m-1"), &json!(100))
    );
    assert!(line["params"].get("stream").is_none());
}

#[tokio::test]
async fn questions_come_with_the_batch() {
    let batch = r#"{"id": "msgbatch_1", "processing_status": "in_progress", "results_url": null,
        "request_counts": {"processing": 4, "succeeded": 0}, "expires_at": "2026-12-01T00:00:00.123456+00:00"}"#;
    let (url, server) = serve(vec![answer_to(batch)]).await;
    let bytes = LINES.concat().len() as u64;
    let input = Input {
        bytes,
        open: &input,
    };
    let made = batches(&url)
        .create("n", Source::Inline(input))
        .await
        .unwrap();
    assert_eq!(
        (made.id.as_str(), made.status),
        ("msgbatch_1", BatchStatus::Working)
    );
    assert_eq!((made.total, made.files.len()), (Some(4), 0));
    assert_eq!(made.expires_at, Some(1_796_083_200));
    let requests = server.await.unwrap();
    assert!(
        requests[0].contains("anthropic-version: 2023-06-01"),
        "{}",
        requests[0]
    );
    assert!(!requests[0].contains("chunked"), "{}", requests[0]);
    let sent = body(&requests[0]);
    let names: Vec<_> = sent["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["custom_id"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
}

#[tokio::test]
async fn a_create_without_an_answer_is_in_doubt_and_a_refused_one_is_not() {
    for (answer, is_in_doubt) in [
        (http(400, "application/json", "", "{}"), false),
        (http(429, "application/json", "", "{}"), false),
        (http(529, "application/json", "", "{}"), true),
        (String::new(), true),
        (answer_to("{}"), true),
    ] {
        let (url, server) = serve(vec![answer.clone()]).await;
        let bytes = LINES.concat().len() as u64;
        let made = batches(&url)
            .create(
                "n",
                Source::Inline(Input {
                    bytes,
                    open: &input,
                }),
            )
            .await;
        assert_eq!(made.unwrap_err().is_in_doubt, is_in_doubt, "{answer}");
        server.await.unwrap();
    }
}

#[tokio::test]
async fn batches_without_names_are_those_created_since() {
    let old = r#"{"data": [{"id": "b1", "created_at": "2026-11-30T00:00:00Z"}], "has_more": true}"#;
    let new = r#"{"data": [{"id": "b3", "created_at": "2026-11-30T02:00:00Z", "processing_status": "ended", "results_url": "u"}],
        "has_more": true}"#;
    let since = seconds("2026-11-30T02:00:00Z").unwrap();
    let (url, server) = serve(vec![answer_to(new), answer_to(old)]).await;
    let batches = batches(&url);
    assert_eq!(batches.find("n", None, since).await.unwrap(), None);
    let candidates = batches.nameless(since).await.unwrap();
    assert_eq!(candidates.len(), 1);
    assert_eq!(candidates[0].files, ["b3"]);
    assert!(server.await.unwrap()[1].contains("after_id=b3"));
}

#[test]
fn odd_shapes_of_a_batch_are_read() {
    let read = |json: &str| shown(json).unwrap();
    let late = read(
        r#"{"id": "b", "processing_status": "ended", "results_url": "", "request_counts": null, "expires_at": 7}"#,
    );
    assert_eq!(
        (late.status, late.files.len(), late.expires_at),
        (BatchStatus::Ended, 0, None)
    );
    assert_eq!(
        read(r#"{"id": "b", "processing_status": "paused"}"#).status,
        BatchStatus::Unknown
    );
    assert_eq!(
        read(r#"{"id": "b", "processing_status": "canceling"}"#).status,
        BatchStatus::Working
    );
    assert!(shown(r#"{"processing_status": "ended"}"#).is_err());
}

#[test]
fn lines_are_read_with_the_taxonomy_of_calls() {
    let batches = batches("http://127.0.0.1:1/v1");
    let line = |result: &str| {
        let line = format!("{{\"custom_id\": \"k\", \"result\": {result}}}");
        batches.read(&line).unwrap().result
    };
    let read = |result: &str| match line(result) {
        LineResult::Answered(answer) => Ok(answer),
        LineResult::Failed(error) => Err(error),
        LineResult::NotReached(words) => panic!("{words}"),
    };
    let said = read(
        r#"{"type": "succeeded", "message": {"model": "m-1", "content": [{"type": "text", "text": "Yes."}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 2}}}"#,
    )
    .unwrap();
    assert_eq!(
        (
            said.text.as_str(),
            said.usage.input_tokens,
            said.usage.output_tokens
        ),
        ("Yes.", 12, 2)
    );
    for (kind, class) in [
        ("rate_limit_error", FailureClass::RateLimit),
        ("overloaded_error", FailureClass::Overloaded),
        ("invalid_request_error", FailureClass::BadRequest),
        ("billing_error", FailureClass::Quota),
        ("api_error", FailureClass::Transient),
        ("new_error", FailureClass::Transient),
    ] {
        let error = json!({"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "no"}}});
        assert_eq!(read(&error.to_string()).unwrap_err().class, class, "{kind}");
        let flat = json!({"type": "errored", "error": {"type": kind, "message": "no"}});
        assert_eq!(read(&flat.to_string()).unwrap_err().class, class, "{kind}");
    }
    for left in [r#"{"type": "expired"}"#, r#"{"type": "canceled"}"#] {
        assert!(matches!(line(left), LineResult::NotReached(_)), "{left}");
    }
    for left in ["{}", "null"] {
        assert_eq!(
            read(left).unwrap_err().class,
            FailureClass::Transient,
            "{left}"
        );
    }
    let long = json!({"type": "errored", "error": {"error": {"type": "invalid_request_error", "message": "prompt is too long: 9 tokens > 8 maximum"}}});
    assert_eq!(
        read(&long.to_string()).unwrap_err().class,
        FailureClass::Context
    );
    assert!(batches.read("{").is_err());
    assert!(batches.read(r#"{"result": {}}"#).is_err());
}
