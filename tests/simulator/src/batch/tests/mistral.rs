//! Mistral's batch jobs.

use serde_json::{Value, json};

use super::client::{Batches, to_end};
use crate::tests::client::start;
use crate::{Config, Dialect, Simulator};

fn scripted(script: Value) -> (Simulator, Batches) {
    let simulator = start(Config {
        dialect: Dialect::Mistral,
        batch: serde_json::from_value(script).unwrap(),
        ..Config::default()
    });
    let client = Batches::new(&simulator, "k");
    (simulator, client)
}

fn line(custom_id: &str, more: &Value) -> String {
    let mut body =
        json!({"messages": [{"role": "user", "content": format!("Question {custom_id}.")}]});
    body.as_object_mut()
        .unwrap()
        .extend(more.as_object().cloned().unwrap());
    json!({"custom_id": custom_id, "body": body}).to_string() + "\n"
}

fn create(client: &mut Batches, lines: &str) -> Value {
    let file = client.upload(lines);
    let body = json!({"input_files": [file], "model": "m", "endpoint": "/v1/chat/completions", "metadata": {"name": "n"}});
    client.send("POST", "/v1/batch/jobs", "", &body.to_string());
    client.reply().unwrap().json()
}

fn job(client: &mut Batches, id: &Value) -> Value {
    client
        .get(&format!("/v1/batch/jobs/{}", id.as_str().unwrap()))
        .json()
}

#[test]
fn a_job_names_the_model_and_refuses_what_it_does_not_know() {
    let (simulator, mut client) = scripted(json!({}));
    // The same name twice is nothing that it looks for.
    let lines = [
        line("a", &json!({})),
        line("a", &json!({"random_seed": 1})),
        line("b", &json!({"seed": 1})),
    ];
    let made = create(&mut client, &lines.concat());
    assert_eq!(
        (&made["status"], &made["metadata"]["name"]),
        (&json!("QUEUED"), &json!("n"))
    );
    to_end(&simulator);
    let job = job(&mut client, &made["id"]);
    assert_eq!(job["status"], "SUCCESS");
    assert_eq!(
        [
            &job["total_requests"],
            &job["succeeded_requests"],
            &job["failed_requests"]
        ],
        [3, 2, 1]
    );
    let answered = client.lines(&job, "output_file");
    assert!(
        answered
            .iter()
            .all(|line| line["response"]["body"]["model"] == "m")
    );
    let refused = client.lines(&job, "error_file").remove(0);
    assert_eq!(
        (&refused["custom_id"], &refused["response"]["status_code"]),
        (&json!("b"), &json!(422))
    );
    assert!(refused["error"].is_object());
    assert_eq!(simulator.billed_lines()["a"].billed, 2);
}

#[test]
fn a_job_ends_early_in_words_of_its_own() {
    for (faults, cancels, word) in [
        (json!(["expired@nth:1"]), false, "TIMEOUT_EXCEEDED"),
        (json!([]), true, "CANCELLED"),
        (json!(["failed@nth:1"]), false, "FAILED"),
    ] {
        let (simulator, mut client) =
            scripted(json!({"faults": faults, "pace": {"validating": null, "cancelling": null}}));
        let made = create(&mut client, &line("a", &json!({})));
        if cancels {
            let path = format!("/v1/batch/jobs/{}/cancel", made["id"].as_str().unwrap());
            client.send("POST", &path, "", "");
            assert_eq!(
                client.reply().unwrap().json()["status"],
                "CANCELLATION_REQUESTED"
            );
        }
        to_end(&simulator);
        assert_eq!(job(&mut client, &made["id"])["status"], word);
    }
    let (_simulator, mut client) = scripted(json!({}));
    assert_eq!(
        client.get("/v1/batch/jobs?page=0&page_size=5").json()["total"],
        0
    );
    assert_eq!(client.get("/v1/batches").status, 404);
}
