use super::*;
use crate::batch::protocol::{BatchProtocol, Input, Lines};
use crate::providers::batches::files::OfFiles;
use crate::providers::presets::preset;
use crate::providers::testing::{call, endpoint, http, options, question, serve};
use crate::settings::{ModelConfig, ProviderConfig};
use types::request::ResponseFormat;

fn batches(url: &str) -> OfFiles<TogetherBatches> {
    let preset = preset("together").unwrap().batch.unwrap();
    let endpoint = endpoint("together", url, &ProviderConfig::default());
    let options = options("together", &ModelConfig::default());
    let chats = Chats::new("m-1", preset, TogetherBatches::PATH, endpoint, options);
    OfFiles(TogetherBatches(chats.unwrap()))
}

#[test]
fn a_line_has_a_name_and_a_question() {
    let line = batches("http://127.0.0.1:1/v1").line("k", call(&question(ResponseFormat::Text)));
    let line: Value = serde_json::from_str(&line).unwrap();
    let names: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(names, ["custom_id", "body"]);
    assert_eq!(line["body"]["model"], "m-1");
}

#[tokio::test]
async fn a_file_has_an_upload_of_its_own() {
    let answer = http(200, "application/json", "", r#"{"id": "file-1"}"#);
    let (url, server) = serve(vec![answer]).await;
    let open = || -> Lines<'static> { Box::pin(futures_util::stream::iter([Ok("{}\n".into())])) };
    let input = Input {
        bytes: 3,
        open: &open,
    };
    let id = batches(&url).upload("run-1", input).await.unwrap();
    assert_eq!(id, "file-1");
    let request = server.await.unwrap().remove(0);
    assert!(
        request.starts_with("POST ") && request.contains("/files/upload HTTP"),
        "{request}"
    );
    for (name, value) in [
        ("purpose", "batch-api"),
        ("file_name", "run-1.jsonl"),
        ("file_type", "jsonl"),
    ] {
        let field = format!("name=\"{name}\"\r\n\r\n{value}\r\n");
        assert!(request.contains(&field), "{request}");
    }
}

#[test]
fn a_batch_is_read_inside_of_an_answer_and_alone() {
    let job = r#"{"id": "j", "user_id": "u", "input_file_id": "f", "file_size_bytes": 9, "status": "IN_PROGRESS",
        "job_deadline": "2024-01-15T15:30:00Z", "created_at": "2024-01-15T14:30:00Z", "endpoint": "/v1/chat/completions",
        "progress": 75, "model_id": "m", "output_file_id": null, "error_file_id": "", "error": null, "completed_at": null}"#;
    for body in [
        job.to_owned(),
        format!(r#"{{"job": {job}, "warning": "slow"}}"#),
    ] {
        let batch = shown(&body).unwrap();
        assert_eq!(
            (batch.id.as_str(), batch.status),
            ("j", BatchStatus::Working)
        );
        assert_eq!(batch.expires_at, Some(1_705_332_600));
        assert!(batch.files.is_empty());
    }
    let ended = job.replace("IN_PROGRESS", "COMPLETED");
    let batch = shown(&ended).unwrap();
    assert_eq!(
        (batch.status, batch.is_settled),
        (BatchStatus::Ended, false)
    );
    let batch = shown(&ended.replace("\"error_file_id\": \"\"", "\"error_file_id\": \"e\""));
    assert!(batch.unwrap().is_settled);
    let failed = job
        .replace("IN_PROGRESS", "FAILED")
        .replace("\"error\": null", "\"error\": \"bad line\"");
    let batch = shown(&failed).unwrap();
    assert_eq!(batch.status, BatchStatus::Refused);
    assert_eq!(batch.problems[0].message, "bad line");
}
