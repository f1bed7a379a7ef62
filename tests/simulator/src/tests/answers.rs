//! Calls that are answered or refused, and what is known of them afterwards.

use std::io::ErrorKind;
use std::time::Duration;

use serde_json::{Value, json};
use types::render::render;
use types::request::{CompletionRequest, Message, ResponseFormat, Role, Rules};

use super::client::{Client, question, start, until};
use crate::{Answers, Config, Latency, Ledger, Limits, Simulator};

#[test]
fn good_answers_obey_the_rules_of_the_prompt() {
    let rules = Rules {
        min_words: Some(60),
        max_words: Some(90),
        required_words: vec!["beam".to_owned()],
        ..Rules::default()
    };
    let request = CompletionRequest {
        messages: vec![Message {
            role: Role::User,
            content: "Write about the metal.".to_owned(),
        }],
        facts: json!({"name": "Steel", "density": "7.85 g/cm³"}).into(),
        rules: Some(rules),
        format: ResponseFormat::Text,
        images: Vec::new(),
    };
    let messages: Vec<Value> = render(&request)
        .iter()
        .map(|message| json!({"role": message.role.as_str(), "content": message.content}))
        .collect();
    let simulator = start(Config::default());
    let mut client = Client::new(&simulator);
    let body = json!({"model": "m", "messages": messages});
    let reply = client.ask(&body);
    let text = reply.text();
    assert!(
        (60..=90).contains(&text.split_whitespace().count()),
        "{text}"
    );
    assert!(
        text.contains("7.85 g/cm³") && text.contains("beam"),
        "{text}"
    );
    assert_eq!(reply.json()["choices"][0]["finish_reason"], "stop");
    assert!(reply.json()["usage"]["completion_tokens"].as_u64().unwrap() > 60);
    assert_eq!(client.ask(&body).text(), text);
}

#[test]
fn a_schema_is_obeyed_and_a_stream_says_the_same_as_a_whole_answer() {
    let schema = json!({"type": "object", "required": ["title"], "properties": {"title": {"type": "string", "maxLength": 30}}});
    let mut body = question("Name it.");
    body["response_format"] =
        json!({"type": "json_schema", "json_schema": {"name": "n", "schema": schema}});
    let simulator = start(Config::default());
    let mut client = Client::new(&simulator);
    let value: Value = serde_json::from_str(&client.ask(&body).text()).unwrap();
    assert!(jsonschema::is_valid(&schema, &value), "{value}");

    body["stream"] = json!(true);
    let reply = client.ask(&body);
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    assert!(reply.body.ends_with("data: [DONE]\n\n"));
    let pieces = reply
        .body
        .split("\n\n")
        .filter_map(|event| serde_json::from_str::<Value>(event.strip_prefix("data: ")?).ok());
    let text: String = pieces
        .filter_map(|chunk| Some(chunk["choices"][0]["delta"]["content"].as_str()?.to_owned()))
        .collect();
    assert!(
        jsonschema::is_valid(&schema, &serde_json::from_str(&text).unwrap()),
        "{text}"
    );
}

#[test]
fn the_key_is_asked_for() {
    let simulator = start(Config {
        key: Some("right".to_owned()),
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    let refused = client.ask(&question("?"));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (401, "invalid_api_key")
    );
    assert_eq!(client.get("/v1/models").status, 401);
    client.send(
        "POST",
        "/v1/chat/completions",
        "Authorization: Bearer right\r\n",
        &question("?").to_string(),
    );
    assert_eq!(client.reply().unwrap().status, 200);
    assert!(!refused.body.contains("right"));
}

#[test]
fn limits_refuse_with_a_hint_and_can_be_changed() {
    let limits = Limits {
        requests_per_minute: Some(2),
        headers: true,
        ..Limits::default()
    };
    let simulator = start(Config {
        limits: limits.clone(),
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    assert_eq!(
        client
            .ask(&question("1"))
            .header("x-ratelimit-remaining-requests"),
        Some("1")
    );
    assert_eq!(
        client
            .ask(&question("2"))
            .header("x-ratelimit-limit-requests"),
        Some("2")
    );
    let refused = client.ask(&question("3"));
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (429, "rate_limit_exceeded")
    );
    assert!(
        refused
            .header("retry-after")
            .unwrap()
            .parse::<u64>()
            .unwrap()
            <= 60
    );
    simulator.set_limits(Limits {
        hide_retry_after: true,
        ..limits
    });
    assert_eq!(client.ask(&question("4")).header("retry-after"), None);
    simulator.set_limits(Limits::default());
    assert_eq!(client.ask(&question("5")).status, 200);
    let ledger = simulator.shutdown();
    assert_eq!(
        (ledger.requests, ledger.billed(), ledger.status(429)),
        (5, 3, 2)
    );
}

#[test]
fn a_client_that_leaves_is_billed_for_no_answer() {
    let latency = Latency {
        first_token: Duration::from_secs(3600),
        answer: Duration::ZERO,
    };
    let simulator = start(Config {
        latency,
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    client.send(
        "POST",
        "/v1/chat/completions",
        "",
        &question("?").to_string(),
    );
    until(&simulator, |ledger| ledger.max_in_flight == 1);
    drop(client);
    let ledger = until(&simulator, |ledger| ledger.billed() == 1);
    assert!(!ledger.calls[0].complete);
}

#[test]
fn a_stream_takes_its_time() {
    let latency = Latency {
        first_token: Duration::from_millis(10),
        answer: Duration::from_millis(20),
    };
    let simulator = start(Config {
        latency,
        ..Config::default()
    });
    let mut body = question("?");
    body["stream"] = json!(true);
    let start = std::time::Instant::now();
    let reply = Client::new(&simulator).ask(&body);
    assert!(reply.body.ends_with("data: [DONE]\n\n"));
    assert!(start.elapsed() >= Duration::from_millis(29));
}

#[test]
fn the_cap_of_the_request_is_kept() {
    let simulator = start(Config::default());
    let mut body = question("Tell me about it.");
    body["max_completion_tokens"] = json!(2);
    let reply = Client::new(&simulator).ask(&body);
    assert_eq!(
        (
            reply.json()["choices"][0]["finish_reason"].as_str(),
            reply.text().len()
        ),
        (Some("length"), 8)
    );
}

#[test]
fn modes_differ_and_the_seed_decides() {
    let answers = |answers, seed| {
        let simulator = start(Config {
            answers,
            seed,
            ..Config::default()
        });
        let mut client = Client::new(&simulator);
        (0..40)
            .map(|number| client.ask(&question(&format!("Question {number}?"))).text())
            .collect::<Vec<_>>()
    };
    assert!(
        answers(Answers::Echo, 0)
            .iter()
            .all(|text| text == "This is a simulated answer.")
    );
    assert_eq!(answers(Answers::Sloppy, 1), answers(Answers::Sloppy, 1));
    assert_ne!(answers(Answers::Sloppy, 1), answers(Answers::Sloppy, 2));
    let fenced = answers(Answers::Sloppy, 1)
        .iter()
        .filter(|text| text.contains("```"))
        .count();
    assert!((3..22).contains(&fenced), "{fenced}");
}

#[test]
fn the_ledger_and_the_end_can_be_had_over_http() {
    let simulator = start(Config::default());
    let mut client = Client::new(&simulator);
    for _ in 0..2 {
        client.ask(&question("?"));
    }
    let body = client.get("/ledger").json();
    assert_eq!(
        (&body["billed"], &body["billed_again"]),
        (&json!(2), &json!(1))
    );
    let read: Ledger = serde_json::from_value(body).unwrap();
    assert_eq!(read, simulator.ledger());
    assert_eq!(client.get("/v1/models").json()["object"], "list");
    assert_eq!(client.get("/v1/nothing").status, 404);
    client.send("POST", "/shutdown", "", "");
    assert_eq!(client.reply().unwrap().status, 200);
    assert_eq!(simulator.wait().billed(), 2);
}

#[test]
fn a_taken_port_and_a_missing_directory_are_errors() {
    let simulator = start(Config::default());
    let port = simulator
        .base_url()
        .trim_end_matches("/v1")
        .rsplit(':')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    let taken = Simulator::start(Config {
        port,
        ..Config::default()
    })
    .unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::AddrInUse);
    let missing = Config {
        ledger_file: Some("/nonexistent/ledger".into()),
        ..Config::default()
    };
    assert_eq!(
        Simulator::start(missing).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

#[test]
fn a_thousand_connections_are_served_at_once() {
    let simulator = start(Config {
        answers: Answers::Echo,
        ..Config::default()
    });
    let mut clients: Vec<Client> = (0..1000).map(|_| Client::new(&simulator)).collect();
    for client in &mut clients {
        client.send(
            "POST",
            "/v1/chat/completions",
            "",
            &question("?").to_string(),
        );
    }
    assert!(
        clients
            .iter_mut()
            .all(|client| client.reply().unwrap().status == 200)
    );
    assert_eq!(simulator.ledger().billed_again(), 999);
}
