//! Gemini's files and batches.

use serde_json::{Value, json};

use super::client::to_end;
use crate::tests::client::{Client, Reply, start};
use crate::{Config, Dialect, Simulator};

const KEY: &str = "x-goog-api-key: k\r\n";

fn scripted(script: Value) -> (Simulator, Client) {
    let simulator = start(Config {
        dialect: Dialect::Gemini,
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

/// Uploads these pieces as one file and returns its name.
fn upload(client: &mut Client, pieces: &[&str]) -> String {
    let headers = format!("{KEY}x-goog-upload-command: start\r\n");
    client.send(
        "POST",
        "/upload/v1beta/files",
        &headers,
        "{\"file\": {\"displayName\": \"in\"}}",
    );
    let url = client
        .reply()
        .unwrap()
        .header("x-goog-upload-url")
        .unwrap()
        .to_owned();
    let path = url.strip_prefix("http://x").unwrap();
    let mut offset = 0;
    for (at, piece) in pieces.iter().enumerate() {
        let command = if at + 1 == pieces.len() {
            "upload, finalize"
        } else {
            "upload"
        };
        // The key does not come again.
        let headers =
            format!("x-goog-upload-command: {command}\r\nx-goog-upload-offset: {offset}\r\n");
        client.send("POST", path, &headers, piece);
        let reply = client.reply().unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        offset += piece.len();
        if at + 1 == pieces.len() {
            assert_eq!(reply.header("x-goog-upload-status"), Some("final"));
            return reply.json()["file"]["name"].as_str().unwrap().to_owned();
        }
    }
    panic!("no piece");
}

fn line(key: &str, text: &str) -> String {
    let request = json!({"contents": [{"role": "user", "parts": [{"text": text}]}]});
    json!({"key": key, "request": request}).to_string() + "\n"
}

fn create(client: &mut Client, file: &str) -> Reply {
    let body = json!({"batch": {"displayName": "run-1", "inputConfig": {"fileName": file}}});
    ask(
        client,
        "POST",
        "/v1beta/models/m:batchGenerateContent",
        &body.to_string(),
    )
}

#[test]
fn a_file_comes_in_pieces_and_a_batch_is_an_operation() {
    let (simulator, mut client) = scripted(json!({"faults": ["line-503@containing:Question b"]}));
    let whole = line("a", "Question a.")
        + &line("b", "Question b.")
        + "{\"key\":\"c\",\"request\":{\"content\":[]}}\n";
    let (one, other) = whole.split_at(20);
    let file = upload(&mut client, &[one, other]);
    let made = create(&mut client, &file).json();
    assert_eq!(made["metadata"]["state"], "BATCH_STATE_PENDING");
    assert_eq!(made["metadata"]["displayName"], "run-1");
    assert!(made.get("done").is_none());
    to_end(&simulator);
    let name = made["name"].as_str().unwrap();
    let done = ask(&mut client, "GET", &format!("/v1beta/{name}"), "").json();
    assert_eq!(
        (&done["done"], &done["metadata"]["state"]),
        (&json!(true), &json!("BATCH_STATE_SUCCEEDED"))
    );
    // Large numbers are texts.
    assert_eq!(
        done["metadata"]["batchStats"],
        json!({"requestCount": "3", "successfulRequestCount": "1", "failedRequestCount": "2"})
    );
    let results = done["response"]["responsesFile"].as_str().unwrap();
    let path = format!("/download/v1beta/{results}:download?alt=media");
    let text = ask(&mut client, "GET", &path, "").body;
    let mut said: Vec<(String, String)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|line| {
            let reason = line["response"]["candidates"][0]["finishReason"]
                .as_str()
                .map(str::to_owned);
            let said = reason.unwrap_or_else(|| line["error"]["code"].to_string());
            (line["key"].as_str().unwrap().to_owned(), said)
        })
        .collect();
    said.sort();
    let expected = [("a", "STOP"), ("b", "14"), ("c", "3")];
    assert_eq!(
        said,
        expected.map(|(key, said)| (key.to_owned(), said.to_owned()))
    );
    // What was uploaded cannot be downloaded.
    let path = format!("/download/v1beta/{file}:download?alt=media");
    assert_eq!(ask(&mut client, "GET", &path, "").status, 400);
}

#[test]
fn pieces_that_do_not_follow_each_other_are_refused() {
    let (_simulator, mut client) = scripted(json!({}));
    let headers = format!("{KEY}x-goog-upload-command: start\r\n");
    client.send("POST", "/upload/v1beta/files", &headers, "");
    let url = client
        .reply()
        .unwrap()
        .header("x-goog-upload-url")
        .unwrap()
        .to_owned();
    let path = url.strip_prefix("http://x").unwrap();
    client.send(
        "POST",
        path,
        "x-goog-upload-command: upload\r\nx-goog-upload-offset: 5\r\n",
        "x",
    );
    assert_eq!(client.reply().unwrap().status, 400);
    assert_eq!(create(&mut client, "files/none").status, 404);
}

#[test]
fn lists_have_pages_and_what_expires_has_no_results() {
    let (simulator, mut client) = scripted(json!({"faults": ["expired@nth:1"]}));
    let file = upload(&mut client, &[&line("a", "Question a.")]);
    for _ in 0..3 {
        assert_eq!(create(&mut client, &file).status, 200);
    }
    to_end(&simulator);
    let page = ask(&mut client, "GET", "/v1beta/batches?pageSize=2", "").json();
    let token = page["nextPageToken"].as_str().unwrap();
    let rest = ask(
        &mut client,
        "GET",
        &format!("/v1beta/batches?pageSize=2&pageToken={token}"),
        "",
    )
    .json();
    assert_eq!(page["operations"].as_array().unwrap().len(), 2);
    assert_eq!(rest["operations"].as_array().unwrap().len(), 1);
    assert!(rest.get("nextPageToken").is_none());
    let expired = &rest["operations"][0];
    assert_eq!(expired["metadata"]["state"], "BATCH_STATE_EXPIRED");
    assert!(expired.get("response").is_none());
    assert_eq!(simulator.ledger().billed(), 2);
    let key = "x-goog-api-key: other\r\n";
    client.send("GET", "/v1beta/batches", key, "");
    assert_eq!(client.reply().unwrap().json(), json!({}));
}

#[test]
fn a_batch_for_which_there_is_no_room_is_refused_at_once() {
    let script = json!({"limits": {"enqueued_tokens": 20}, "pace": {"running": null}});
    let (simulator, mut client) = scripted(script);
    let file = |client: &mut Client, count: usize| {
        let lines: String = (0..count)
            .map(|number| line(&number.to_string(), "Why is that so?"))
            .collect();
        upload(client, &[&lines])
    };
    let large = file(&mut client, 20);
    let refused = create(&mut client, &large);
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["error"]["status"], "RESOURCE_EXHAUSTED");
    let small = file(&mut client, 2);
    assert_eq!(create(&mut client, &small).status, 200);
    assert_eq!(simulator.batches().batches.len(), 1);
}
