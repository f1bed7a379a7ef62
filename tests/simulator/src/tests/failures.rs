//! Calls that go wrong.

use std::io::ErrorKind;

use serde_json::{Value, json};

use super::client::{Client, faulty, question, until};
use crate::Limits;

#[test]
fn errors_have_the_status_and_code_of_the_api() {
    for (kind, status, code) in [
        ("408", 408, ""),
        ("500", 500, ""),
        ("529", 529, ""),
        ("rate-limited:1500", 429, "rate_limit_exceeded"),
        ("insufficient-quota", 429, "insufficient_quota"),
        ("unauthorized", 401, "invalid_api_key"),
        ("model-not-found", 404, "model_not_found"),
        ("context-length-exceeded", 400, "context_length_exceeded"),
        ("content-filter-error", 400, "content_filter"),
    ] {
        let simulator = faulty(&[&format!("{kind}@first:1")]);
        let mut client = Client::new(&simulator);
        let reply = client.ask(&question("?"));
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (status, code),
            "{kind}"
        );
        let hinted = kind == "rate-limited:1500";
        assert_eq!(reply.header("retry-after"), hinted.then_some("2"), "{kind}");
        assert_eq!(
            reply.header("retry-after-ms"),
            hinted.then_some("1500"),
            "{kind}"
        );
        assert_eq!(client.ask(&question("?")).status, 200, "{kind}");
        assert_eq!(simulator.ledger().billed(), 1, "{kind}");
    }
}

#[test]
fn answers_end_for_the_reason_that_they_are_told() {
    let simulator = faulty(&[
        "length@nth:1",
        "content-filter-finish@nth:2",
        "empty-content@nth:3",
    ]);
    let mut client = Client::new(&simulator);
    for (finish, empty) in [
        ("length", false),
        ("content_filter", true),
        ("stop", true),
        ("stop", false),
    ] {
        let reply = client.ask(&question("Tell me about it."));
        assert_eq!(reply.json()["choices"][0]["finish_reason"], finish);
        assert_eq!(reply.text().is_empty(), empty);
    }
    // None of the first three was an answer to be content with.
    assert_eq!(
        (
            simulator.ledger().billed(),
            simulator.ledger().billed_again()
        ),
        (4, 0)
    );
    client.ask(&question("Tell me about it."));
    assert_eq!(simulator.ledger().billed_again(), 1);
}

#[test]
fn bodies_can_be_unreadable() {
    for stream in [false, true] {
        let simulator = faulty(&["truncated-json@nth:1", "wrong-content-type@nth:2"]);
        let mut client = Client::new(&simulator);
        let mut body = question("?");
        body["stream"] = json!(stream);
        let cut = client.ask(&body);
        assert!(cut.status == 200 && !cut.body.contains("[DONE]"));
        assert!(serde_json::from_str::<Value>(&cut.body).is_err());
        assert_eq!(client.ask(&body).header("content-type"), Some("text/html"));
        assert_eq!(client.ask(&body).status, 200);
        let ledger = simulator.shutdown();
        assert_eq!(
            ledger
                .calls
                .iter()
                .map(|call| call.complete)
                .collect::<Vec<_>>(),
            [false, false, true]
        );
    }
}

#[test]
fn connections_are_reset_before_and_in_the_answer() {
    for stream in [false, true] {
        let simulator = faulty(&["reset-before-body@nth:1", "reset-in-body@nth:2"]);
        let mut body = question("?");
        body["stream"] = json!(stream);
        for _ in 0..2 {
            let mut client = Client::new(&simulator);
            client.send("POST", "/v1/chat/completions", "", &body.to_string());
            let error = client.reply().map(|reply| reply.body).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
        let ledger = simulator.shutdown();
        assert_eq!(
            (ledger.requests, ledger.billed(), ledger.calls[0].complete),
            (2, 1, false)
        );
    }
}

#[test]
fn hanging_calls_end_with_the_simulator() {
    let simulator = faulty(&["hang-before-body@nth:1", "hang-in-body@nth:2"]);
    let clients = [0, 1].map(|_| {
        let mut client = Client::new(&simulator);
        client.send(
            "POST",
            "/v1/chat/completions",
            "",
            &question("?").to_string(),
        );
        client
    });
    until(&simulator, |ledger| {
        ledger.max_in_flight == 2 && ledger.billed() == 1
    });
    let ledger = simulator.shutdown();
    let ends = clients.map(|mut client| client.reply().is_err());
    assert_eq!((ends, ledger.calls[0].complete), ([true, true], false));
}

#[test]
fn calls_in_flight_are_limited_until_one_leaves() {
    let simulator = faulty(&["hang-before-body@containing:wait"]);
    simulator.set_limits(Limits {
        concurrent: Some(1),
        ..Limits::default()
    });
    let mut waiting = Client::new(&simulator);
    waiting.send(
        "POST",
        "/v1/chat/completions",
        "",
        &question("wait").to_string(),
    );
    until(&simulator, |ledger| ledger.max_in_flight == 1);
    let mut client = Client::new(&simulator);
    assert_eq!(client.ask(&question("?")).status, 429);
    drop(waiting);
    while client.ask(&question("?")).status != 200 {}
    // An answered call is out of the way before its answer arrives.
    for number in 0..50 {
        assert_eq!(client.ask(&question(&number.to_string())).status, 200);
    }
    assert_eq!(simulator.ledger().max_in_flight, 1);
}
