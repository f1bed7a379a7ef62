//! Message Batches.

use serde_json::{Value, json};

use super::client::to_end;
use crate::tests::client::{Client, Reply, start};
use crate::{Config, Dialect, Simulator};

const KEY: &str = "x-api-key: k\r\nanthropic-version: 2023-06-01\r\n";
const PATH: &str = "/v1/messages/batches";

fn scripted(script: Value) -> (Simulator, Client) {
    let simulator = start(Config {
        dialect: Dialect::Anthropic,
        batch: serde_json::from_value(script).unwrap(),
        ..Config::default()
    });
    let client = Client::new(&simulator);
    (simulator, client)
}

fn ask(client: &mut Client, method: &str, path: &str, body: &str) -> Reply {
    client.send(method, path, KEY, body);
    client.reply().unwrap()
}

fn get(client: &mut Client, id: &str) -> Value {
    ask(client, "GET", &format!("{PATH}/{id}"), "").json()
}

fn request(custom_id: &str, model: &str) -> Value {
    let messages = json!([{"role": "user", "content": format!("Question {custom_id}.")}]);
    json!({"custom_id": custom_id, "params": {"model": model, "max_tokens": 50, "messages": messages}})
}

fn create(client: &mut Client, requests: &[Value]) -> Reply {
    ask(
        client,
        "POST",
        PATH,
        &json!({"requests": requests}).to_string(),
    )
}

fn created(client: &mut Client, requests: &[Value]) -> String {
    let reply = create(client, requests);
    assert_eq!(reply.status, 200, "{}", reply.body);
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// The results by their names.
fn results(client: &mut Client, id: &str) -> Vec<(String, Value)> {
    let reply = ask(client, "GET", &format!("{PATH}/{id}/results"), "");
    assert_eq!(reply.status, 200, "{}", reply.body);
    let mut lines: Vec<(String, Value)> = reply
        .body
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            (
                line["custom_id"].as_str().unwrap().to_owned(),
                line["result"].clone(),
            )
        })
        .collect();
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines
}

#[test]
fn a_batch_of_several_models_ends_with_one_file() {
    let (simulator, mut client) = scripted(json!({
        "pace": {"running": null},
        "faults": ["line-529@containing:Question b", "line-length@containing:Question c"]
    }));
    let mut unknown = request("d", "m");
    unknown["params"]["store"] = json!(true);
    let requests = [
        request("a", "m"),
        request("b", "n"),
        request("c", "m"),
        unknown,
    ];
    let reply = create(&mut client, &requests).json();
    assert_eq!(reply["processing_status"], "in_progress");
    assert_eq!(reply["request_counts"]["processing"], 4);
    assert_eq!(reply["results_url"], Value::Null);
    let id = reply["id"].as_str().unwrap();
    let early = ask(&mut client, "GET", &format!("{PATH}/{id}/results"), "");
    assert_eq!(early.status, 404);
    to_end(&simulator);
    let batch = get(&mut client, id);
    assert_eq!(batch["processing_status"], "ended");
    assert_eq!(
        batch["request_counts"],
        json!({"processing": 0, "succeeded": 2, "errored": 2, "canceled": 0, "expired": 0})
    );
    let url = batch["results_url"].as_str().unwrap();
    assert!(url.ends_with(&format!("{PATH}/{id}/results")), "{url}");
    let results = results(&mut client, id);
    let kinds: Vec<_> = results
        .iter()
        .map(|(name, result)| (name.as_str(), result["type"].as_str().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            ("a", "succeeded"),
            ("b", "errored"),
            ("c", "succeeded"),
            ("d", "errored")
        ]
    );
    assert_eq!(results[1].1["error"]["error"]["type"], "overloaded_error");
    assert_eq!(results[2].1["message"]["stop_reason"], "max_tokens");
    assert_eq!(
        results[3].1["error"]["error"]["type"],
        "invalid_request_error"
    );
    assert_eq!(simulator.ledger().billed(), 2);
}

#[test]
fn what_is_not_answered_says_why() {
    for (faults, cancels, kind) in [
        (json!([]), true, "canceled"),
        (json!(["expired@nth:1"]), false, "expired"),
        (json!(["failed@nth:1"]), false, "errored"),
    ] {
        let (simulator, mut client) =
            scripted(json!({"pace": {"running": null, "cancelling": null}, "faults": faults}));
        let id = created(&mut client, &[request("a", "m"), request("b", "m")]);
        if cancels {
            // Its lines must have been read, or there is nothing that it could have answered.
            let start = std::time::Instant::now();
            while simulator.batches().batches[0].stage != crate::Stage::Running {
                assert!(start.elapsed().as_secs() < 20);
            }
            let reply = ask(&mut client, "POST", &format!("{PATH}/{id}/cancel"), "");
            assert_eq!(reply.json()["processing_status"], "canceling");
        }
        to_end(&simulator);
        let left = results(&mut client, &id);
        let count = left
            .iter()
            .filter(|(_, result)| result["type"] == kind)
            .count();
        assert_eq!(count, if kind == "errored" { 2 } else { 1 }, "{left:?}");
        let late = ask(&mut client, "POST", &format!("{PATH}/{id}/cancel"), "");
        assert_eq!(late.status, 400);
    }
}

#[test]
fn names_are_checked_when_the_batch_is_created() {
    let (simulator, mut client) = scripted(json!({"limits": {"lines": 2}}));
    for wrong in ["", "a.b", "ä", &"x".repeat(65)] {
        assert_eq!(
            create(&mut client, &[request(wrong, "m")]).status,
            400,
            "{wrong}"
        );
    }
    assert_eq!(
        create(&mut client, &[request("a", "m"), request("a", "m")]).status,
        400
    );
    assert_eq!(create(&mut client, &[]).status, 400);
    let many: Vec<Value> = ["a", "b", "c"].map(|name| request(name, "m")).into();
    assert_eq!(create(&mut client, &many).status, 400);
    assert_eq!(simulator.batches().batches, []);
    assert_eq!(
        create(&mut client, &[request(&"x".repeat(64), "m")]).status,
        200
    );
}

#[test]
fn lists_have_pages_in_both_directions_and_late_results_come() {
    let (simulator, mut client) = scripted(json!({"faults": ["files-late@first:1"]}));
    let mut ids: Vec<String> = (0..5)
        .map(|_| created(&mut client, &[request("a", "m")]))
        .collect();
    to_end(&simulator);
    ids.reverse();
    let mut list = |query: &str| {
        let list = ask(&mut client, "GET", &format!("{PATH}?limit=2{query}"), "").json();
        let data: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|batch| batch["id"].as_str().unwrap().to_owned())
            .collect();
        (data, list["has_more"] == true)
    };
    assert_eq!(list(""), (ids[..2].to_vec(), true));
    assert_eq!(
        list(&format!("&after_id={}", ids[2])),
        (ids[3..].to_vec(), false)
    );
    assert_eq!(
        list(&format!("&before_id={}", ids[3])),
        (ids[1..3].to_vec(), true)
    );
    // It is shown for the second time.
    assert!(get(&mut client, &ids[0])["results_url"].is_string());
    client.send(
        "GET",
        &format!("{PATH}/{}", ids[0]),
        "x-api-key: other\r\nanthropic-version: 1\r\n",
        "",
    );
    assert_eq!(client.reply().unwrap().status, 404);
}
