//! The life of a batch in OpenAI's words.

use serde_json::{Value, json};

use super::client::{Batches, line, lines, scripted, to_end};
use crate::tests::client::{Client, question};
use crate::{Advance, Stage};

#[test]
fn a_batch_goes_through_its_stages_when_it_is_told_to() {
    let simulator =
        scripted(json!({"pace": {"validating": null, "running": null, "finalizing": null}}));
    let mut client = Batches::new(&simulator, "k");
    let id = client.create(&lines(3));
    assert_eq!(client.batch(&id)["status"], "validating");
    for status in ["in_progress", "finalizing", "completed", "completed"] {
        simulator.advance_batches(&Advance::default()).unwrap();
        let batch = client.batch(&id);
        assert_eq!(batch["status"], status);
        let written = status == "completed";
        assert_eq!(batch["output_file_id"].is_string(), written);
    }
    let batch = client.batch(&id);
    assert_eq!(
        batch["request_counts"],
        json!({"total": 3, "completed": 3, "failed": 0})
    );
    assert_eq!(batch["error_file_id"], Value::Null);
    let mut names = client.names(&batch, "output_file_id");
    names.sort();
    assert_eq!(names, ["q0", "q1", "q2"]);
}

#[test]
fn lines_are_answered_as_calls_are_and_billed_once_at_the_other_price() {
    let simulator = scripted(json!({}));
    let mut client = Batches::new(&simulator, "k");
    let id = client.create(&line("a", "Say a."));
    to_end(&simulator);
    let batch = client.batch(&id);
    let answered = client.lines(&batch, "output_file_id").remove(0);
    let text = answered["response"]["body"]["choices"][0]["message"]["content"].clone();
    let reply = Client::new(&simulator).ask(&question("Say a."));
    assert_eq!(text, reply.text());
    let ledger = simulator.ledger();
    let lines: Vec<_> = ledger
        .calls
        .iter()
        .map(|call| call.custom_id.as_deref())
        .collect();
    assert_eq!(lines, [Some("a"), None]);
    // The same question was answered well by the batch.
    assert!(ledger.calls[1].again);
    assert_eq!(ledger.batch_tokens.input * 2, ledger.tokens.input);
    let billed = &simulator.billed_lines()["a"];
    assert_eq!(
        (billed.billed, billed.batches.as_slice()),
        (1, [id].as_slice())
    );
}

#[test]
fn what_is_cancelled_keeps_what_was_answered() {
    let simulator =
        scripted(json!({"pace": {"running": null, "cancelling": null}, "answered": 0.25}));
    let mut client = Batches::new(&simulator, "k");
    let id = client.create(&lines(8));
    let cancel = format!("/v1/batches/{id}/cancel");
    client.until(&id, "in_progress");
    client.send("POST", &cancel, "", "");
    assert_eq!(client.reply().unwrap().json()["status"], "cancelling");
    to_end(&simulator);
    let batch = client.batch(&id);
    assert_eq!(batch["status"], "cancelled");
    assert_eq!(
        batch["request_counts"],
        json!({"total": 8, "completed": 2, "failed": 0})
    );
    assert_eq!(client.lines(&batch, "output_file_id").len(), 2);
    let left = client.lines(&batch, "error_file_id");
    assert_eq!(left.len(), 6);
    assert_eq!(left[0]["error"]["code"], "batch_cancelled");
    assert_eq!(simulator.ledger().billed(), 2);
    client.send("POST", &cancel, "", "");
    assert_eq!(client.reply().unwrap().status, 409);
}

#[test]
fn other_keys_see_nothing() {
    let simulator = scripted(json!({}));
    let mut client = Batches::new(&simulator, "k");
    let input = client.upload(&lines(1));
    let id = client.create(&lines(1));
    let mut other = Batches::new(&simulator, "other");
    for path in [
        format!("/v1/batches/{id}"),
        format!("/v1/files/{input}"),
        format!("/v1/files/{input}/content"),
    ] {
        assert_eq!(client.get(&path).status, 200, "{path}");
        assert_eq!(other.get(&path).status, 404, "{path}");
    }
    assert_eq!(other.get("/v1/batches").json()["data"], json!([]));
    other.ask_for(&input);
    assert_eq!(other.reply().unwrap().status, 400);
}

#[test]
fn lists_are_cut_into_pages_the_newest_first() {
    let simulator = scripted(json!({}));
    let mut client = Batches::new(&simulator, "k");
    let ids: Vec<String> = (0..5).map(|_| client.create(&lines(1))).collect();
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("/v1/batches?limit=2{after}")).json();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= 2);
        found.extend(
            data.iter()
                .map(|batch| batch["id"].as_str().unwrap().to_owned()),
        );
        if page["has_more"] == false {
            break;
        }
        after = format!("&after={}", page["last_id"].as_str().unwrap());
    }
    found.reverse();
    assert_eq!(found, ids);
    assert_eq!(client.get("/v1/batches?limit=101").status, 400);
}

#[test]
fn a_validation_names_the_lines_that_are_at_fault() {
    let simulator = scripted(json!({}));
    let mut client = Batches::new(&simulator, "k");
    let other_model = line("c", "?").replace("\"m\"", "\"n\"");
    let other_url = line("d", "?").replace("/v1/chat", "/v2/chat");
    let input = [
        line("a", "?"),
        line("a", "?"),
        "{\n".to_owned(),
        other_model,
        other_url,
    ]
    .concat();
    let id = client.create(&input);
    to_end(&simulator);
    let batch = client.batch(&id);
    assert_eq!(batch["status"], "failed");
    let errors = batch["errors"]["data"].as_array().unwrap();
    let named: Vec<_> = errors
        .iter()
        .map(|error| {
            (
                error["line"].as_u64().unwrap(),
                error["code"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        named,
        [
            (2, "duplicate_custom_id"),
            (3, "invalid_json_line"),
            (4, "model_mismatch"),
            (5, "url_mismatch")
        ]
    );
    assert_eq!(simulator.ledger().billed(), 0);
}

#[test]
fn a_line_that_the_api_refuses_is_in_the_other_file() {
    let simulator = scripted(json!({}));
    let mut client = Batches::new(&simulator, "k");
    let unknown = line("b", "?").replace("\"messages\"", "\"top_k\":1,\"messages\"");
    let streamed = line("c", "?").replace("\"messages\"", "\"stream\":true,\"messages\"");
    let id = client.create(&(line("a", "?") + &unknown + &streamed));
    to_end(&simulator);
    let batch = client.batch(&id);
    assert_eq!(
        batch["request_counts"],
        json!({"total": 3, "completed": 1, "failed": 2})
    );
    for refused in client.lines(&batch, "error_file_id") {
        assert_eq!(refused["response"]["status_code"], 400, "{refused}");
    }
}

#[test]
fn limits_hold() {
    let simulator = scripted(
        json!({"limits": {"lines": 2, "bytes": 1000, "enqueued_tokens": 20}, "pace": {"running": null}}),
    );
    let mut client = Batches::new(&simulator, "k");
    assert_eq!(client.try_upload(&lines(20)).status, 413);
    let code = |client: &mut Batches, content: &str, status: &str| {
        let id = client.create(content);
        client.until(&id, status)["errors"]["data"][0]["code"].clone()
    };
    let mut said = |count: usize, status: &str| code(&mut client, &lines(count), status);
    assert_eq!(said(3, "failed"), "too_many_tasks");
    assert_eq!(said(2, "in_progress"), Value::Null);
    assert_eq!(said(2, "failed"), "token_limit_exceeded");
    // There is room again when the first has ended.
    to_end(&simulator);
    assert_eq!(said(2, "in_progress"), Value::Null);
    let none = Advance {
        batch: Some("batch_sim999999".to_owned()),
        to_end: false,
    };
    assert!(simulator.advance_batches(&none).is_err());
    let stages: Vec<Stage> = simulator
        .batches()
        .batches
        .iter()
        .map(|batch| batch.stage)
        .collect();
    assert_eq!(
        stages,
        [
            Stage::Failed,
            Stage::Completed,
            Stage::Failed,
            Stage::Running
        ]
    );
}
