//! What goes wrong with batches.

use serde_json::{Value, json};

use super::client::{Batches, lines, scripted, to_end};
use crate::Request;

/// A batch of ten lines that has ended under these faults.
fn ended(faults: Value) -> (crate::Simulator, Batches, String) {
    let simulator = scripted(json!({"faults": faults, "in_order": true}));
    let mut client = Batches::new(&simulator, "k");
    let id = client.create(&lines(10));
    to_end(&simulator);
    (simulator, client, id)
}

#[test]
fn a_create_may_succeed_and_answer_nothing() {
    let simulator = scripted(json!({"faults": ["create-lost@nth:1", "upload-lost@nth:2"]}));
    let mut client = Batches::new(&simulator, "k");
    let input = client.upload(&lines(1));
    client.ask_for(&input);
    assert!(client.reply().is_err());
    let mut client = Batches::new(&simulator, "k");
    let list = client.get("/v1/batches").json();
    assert_eq!(list["data"][0]["input_file_id"], input);
    assert_eq!(simulator.batches().requests[&Request::Create], 1);
    client.send(
        "POST",
        "/v1/files",
        "content-type: multipart/form-data; boundary=b\r\n",
        "",
    );
    // What is refused is not lost.
    assert_eq!(client.reply().unwrap().status, 400);
}

#[test]
fn a_refused_request_does_nothing() {
    let simulator =
        scripted(json!({"faults": ["create-503@first:1", "poll-429@nth:2", "download-500@100%"]}));
    let mut client = Batches::new(&simulator, "k");
    let input = client.upload(&lines(1));
    client.ask_for(&input);
    assert_eq!(client.reply().unwrap().status, 503);
    assert_eq!(simulator.batches().batches, []);
    let id = client.create(&lines(1));
    let path = format!("/v1/batches/{id}");
    let statuses = [(); 3].map(|()| client.get(&path).status);
    assert_eq!(statuses, [200, 429, 200]);
    assert_eq!(
        client.get(&format!("/v1/files/{input}/content")).status,
        500
    );
}

#[test]
fn a_batch_may_be_shown_wrongly() {
    let (_simulator, mut client, id) = ended(json!([
        "files-late@first:2",
        "unknown-status@nth:3",
        "ids-empty@nth:4"
    ]));
    for _ in 0..2 {
        let batch = client.batch(&id);
        assert_eq!(
            (&batch["status"], &batch["output_file_id"]),
            (&json!("completed"), &Value::Null)
        );
    }
    assert_eq!(client.batch(&id)["status"], "paused");
    let batch = client.batch(&id);
    assert_eq!(batch["error_file_id"], "");
    assert!(
        batch["output_file_id"]
            .as_str()
            .unwrap()
            .starts_with("file-")
    );
}

#[test]
fn lines_may_be_missing_twice_swapped_foreign_or_broken() {
    let (simulator, mut client, id) = ended(json!([
        "line-missing@nth:1",
        "line-twice@nth:2",
        "line-swapped@nth:3",
        "line-foreign@nth:5",
        "line-broken@nth:6",
        "line-rate-limited@nth:7",
        "line-length@nth:8",
        "line-content-filter-finish@nth:9"
    ]));
    let batch = client.batch(&id);
    let output = batch["output_file_id"].as_str().unwrap();
    let text = client.get(&format!("/v1/files/{output}/content")).body;
    let read: Vec<Option<Value>> = text
        .lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect();
    let names: Vec<&str> = read
        .iter()
        .map(|line| {
            line.as_ref()
                .map_or("broken", |line| line["custom_id"].as_str().unwrap())
        })
        .collect();
    assert_eq!(
        names,
        ["q1", "q1", "q3", "q2", "q4", "broken", "q7", "q8", "q9"]
    );
    let reason = |at: usize| {
        read[at].as_ref().unwrap()["response"]["body"]["choices"][0]["finish_reason"].clone()
    };
    assert_eq!(
        (reason(6), reason(7)),
        (json!("length"), json!("content_filter"))
    );
    let errors = client.lines(&batch, "error_file_id");
    let codes: Vec<_> = errors
        .iter()
        .map(|line| line["response"]["status_code"].as_u64().unwrap())
        .collect();
    assert_eq!(codes, [500, 429]);
    // What is missing was billed, what was refused was not.
    let billed = simulator.billed_lines();
    assert_eq!(billed.len(), 9);
    assert!(billed.contains_key("q0") && !billed.contains_key("q6"));
}

#[test]
fn a_batch_expires_with_a_part_of_its_answers() {
    let (simulator, mut client, id) = ended(json!(["expired@nth:1"]));
    let batch = client.batch(&id);
    assert_eq!(batch["status"], "expired");
    assert_eq!(
        client.names(&batch, "output_file_id"),
        ["q0", "q1", "q2", "q3", "q4"]
    );
    let left = client.lines(&batch, "error_file_id");
    assert_eq!(
        (left.len(), &left[0]["error"]["code"]),
        (5, &json!("batch_expired"))
    );
    assert_eq!(simulator.ledger().billed(), 5);
}

#[test]
fn a_batch_fails_or_hides_its_files() {
    for (fault, status, code) in [
        ("failed@nth:1", "failed", "server_error"),
        ("token-limit@nth:1", "failed", "token_limit_exceeded"),
        ("line-invalid@nth:4", "failed", "invalid_request"),
        ("files-missing@nth:1", "completed", ""),
    ] {
        let (_simulator, mut client, id) = ended(json!([fault]));
        let batch = client.batch(&id);
        assert_eq!(batch["status"], status, "{fault}");
        assert_eq!(
            batch["errors"]["data"][0]["code"]
                .as_str()
                .unwrap_or_default(),
            code
        );
        assert_eq!(batch["output_file_id"], Value::Null);
    }
}

#[test]
fn a_list_is_cut_and_a_download_breaks_off() {
    let (simulator, mut client, id) =
        ended(json!(["list-truncated@first:1", "download-broken@first:1"]));
    client.create(&lines(1));
    assert_eq!(
        client.get("/v1/batches").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        client.get("/v1/batches").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let output = client.batch(&id)["output_file_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/files/{output}/content");
    client.send("GET", &path, "", "");
    assert!(client.reply().is_err());
    let mut client = Batches::new(&simulator, "k");
    assert_eq!(client.get(&path).body.lines().count(), 10);
}

#[test]
fn a_fault_is_chosen_by_its_text() {
    for (wrong, told) in [
        ("create-lost", "has no `@`"),
        ("create-200@nth:1", "no fault of batches"),
        ("line-reset-in-body@nth:1", "no fault of batches"),
        ("expired@sometimes", "sometimes"),
    ] {
        let script = serde_json::from_value::<crate::BatchScript>(json!({"faults": [wrong]}));
        let error = script.unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}
