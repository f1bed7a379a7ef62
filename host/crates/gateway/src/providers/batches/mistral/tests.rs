use super::*;
use crate::batch::protocol::{BatchProtocol, LineResult};
use crate::providers::batches::files::OfFiles;
use crate::providers::presets::preset;
use crate::providers::testing::{call, endpoint, options, question};
use crate::settings::{ModelConfig, ProviderConfig};
use types::class::FailureClass;
use types::request::ResponseFormat;

fn batches() -> OfFiles<MistralBatches> {
    let preset = preset("mistral").unwrap().batch.unwrap();
    let endpoint = endpoint(
        "mistral",
        "http://127.0.0.1:1/v1",
        &ProviderConfig::default(),
    );
    let options = options("mistral", &ModelConfig::default());
    OfFiles(MistralBatches(
        Chats::new("m-1", preset, MistralBatches::PATH, endpoint, options).unwrap(),
    ))
}

#[test]
fn a_line_names_no_model_and_no_address() {
    let line = batches().line("k", call(&question(ResponseFormat::Text)));
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["custom_id"], "k");
    assert_eq!(line["body"]["max_tokens"], 100);
    assert!(line["body"].get("model").is_none() && line["body"].get("stream").is_none());
}

#[test]
fn odd_shapes_of_a_job_are_read() {
    let read = |json: &str| shown(json).unwrap();
    let late = read(
        r#"{"id": "j", "status": "SUCCESS", "output_file": "", "error_file": null, "succeeded_requests": 2}"#,
    );
    assert_eq!((late.status, late.is_settled), (BatchStatus::Ended, false));
    let failed = r#"{"id": "j", "status": "FAILED", "errors": [{"message": "no", "count": 2}], "output_file": "FILE"}"#;
    assert_eq!(
        read(&failed.replace("FILE", "")).status,
        BatchStatus::Refused
    );
    assert_eq!(read(&failed.replace("FILE", "")).problems[0].message, "no");
    // What was answered is paid for, whatever failed then.
    assert_eq!(
        read(&failed.replace("FILE", "f")).status,
        BatchStatus::Ended
    );
    assert_eq!(
        read(r#"{"id": "j", "status": "PAUSED"}"#).status,
        BatchStatus::Unknown
    );
    assert_eq!(
        read(r#"{"id": "j", "status": "QUEUED", "created_at": 10}"#).expires_at,
        Some(86_410)
    );
    assert!(shown(r#"{"status": "SUCCESS"}"#).is_err());
}

#[test]
fn an_error_counts_by_its_status() {
    for (line, class) in [
        (
            r#"{"custom_id": "k", "response": {"status_code": 422, "body": {"message": "no"}}, "error": {"message": "no"}}"#,
            FailureClass::BadRequest,
        ),
        (
            r#"{"custom_id": "k", "response": {"status_code": 429, "body": {"message": "slow"}}, "error": null}"#,
            FailureClass::RateLimit,
        ),
        (
            r#"{"custom_id": "k", "response": null, "error": {"message": "Request timed out"}}"#,
            FailureClass::Transient,
        ),
    ] {
        let LineResult::Failed(error) = batches().read(line).unwrap().result else {
            panic!("{line}");
        };
        assert_eq!(error.class, class, "{line}");
    }
}
