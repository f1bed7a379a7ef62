//! Limits that are set, changed and looked at while it runs, and what the ledger keeps.

use serde_json::{Value, json};

use super::client::{Client, faulty, question, start};
use crate::{Answers, Config, Limit, Limits, Measure, Totals, WindowReport};

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);

fn post(client: &mut Client, path: &str, body: &Value) -> u16 {
    client.send("POST", path, "", &body.to_string());
    client.reply().unwrap().status
}

#[test]
fn several_limits_hold_at_once_and_their_windows_are_reported() {
    let limits = Limits {
        headers: true,
        ..Limits::of([
            Limit::new(Measure::Requests, 100, MINUTE),
            Limit::new(Measure::Tokens, 60, MINUTE).fixed(),
            Limit::new(Measure::Requests, 1, MINUTE * 60).observed(),
        ])
    };
    let simulator = start(Config {
        limits,
        answers: Answers::Long,
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    let mut body = question("?");
    body["max_tokens"] = json!(20);
    // 25 tokens each: two fit.
    let replies: Vec<_> = (0..3).map(|_| client.ask(&body)).collect();
    let statuses: Vec<u16> = replies.iter().map(|reply| reply.status).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(
        replies[0].header("x-ratelimit-remaining-requests"),
        Some("99")
    );
    assert_eq!(
        replies[0].header("x-ratelimit-remaining-tokens"),
        Some("35")
    );
    assert_eq!(replies[2].json()["error"]["type"], "tokens");
    let windows = simulator.windows();
    let told: Vec<_> = windows
        .iter()
        .map(|window| (window.most, window.most_offered))
        .collect();
    assert_eq!(told, [(2, 3), (50, 75), (2, 3)]);
    let over: Vec<bool> = windows.iter().map(WindowReport::overshot).collect();
    assert_eq!(over, [false, false, true]);
}

#[test]
fn limits_and_faults_can_be_changed_over_http() {
    let simulator = start(Config::default());
    let mut client = Client::new(&simulator);
    let limits = json!({"limits": ["requests=1/60s"], "hide_retry_after": true});
    assert_eq!(post(&mut client, "/limits", &limits), 200);
    assert_eq!(client.ask(&question("1")).status, 200);
    let refused = client.ask(&question("2"));
    assert_eq!((refused.status, refused.header("retry-after")), (429, None));
    assert_eq!(post(&mut client, "/limits", &json!({"limits": ["x"]})), 400);
    assert_eq!(post(&mut client, "/limits", &json!({})), 200);
    assert_eq!(post(&mut client, "/faults", &json!(["503@100%"])), 200);
    assert_eq!(client.ask(&question("3")).status, 503);
    assert_eq!(post(&mut client, "/faults", &json!(["odd"])), 400);
    let windows: Vec<WindowReport> = serde_json::from_value(client.get("/windows").json()).unwrap();
    assert_eq!((windows[0].used, windows[0].refused), (1, 1));
    assert!(windows[0].until_ms.is_some());
    let totals: Totals = serde_json::from_value(client.get("/totals").json()).unwrap();
    assert_eq!(totals, simulator.totals());
    assert_eq!((totals.requests, totals.billed), (3, 1));
}

#[test]
fn a_spurious_refusal_says_that_all_is_left() {
    let simulator = faulty(&["spurious@nth:2"]);
    simulator.set_limits(Limits {
        requests_per_minute: Some(50),
        headers: true,
        ..Limits::default()
    });
    let mut client = Client::new(&simulator);
    let left = ["49", "50", "47"].map(Some);
    for (number, left) in left.into_iter().enumerate() {
        let reply = client.ask(&question("?"));
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), left);
        assert_eq!(reply.status == 429, number == 1);
        assert_eq!(reply.header("retry-after"), None);
    }
}

#[test]
fn a_slow_body_arrives_whole() {
    for stream in [false, true] {
        let simulator = faulty(&["slow-body:0@100%"]);
        let mut body = question("?");
        body["stream"] = json!(stream);
        let reply = Client::new(&simulator).ask(&body);
        assert!(stream || reply.json()["choices"][0]["finish_reason"] == "stop");
        assert!(!stream || reply.body.ends_with("data: [DONE]\n\n"));
        assert!(simulator.ledger().calls[0].complete);
    }
}

#[test]
fn a_long_system_prompt_is_cached_and_thoughts_are_billed() {
    let simulator = start(Config {
        reasoning_tokens: 30,
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    for (number, cached) in [(1, 0), (2, 1152)] {
        let system = "Obey. ".repeat(800);
        let user = format!("Question {number}?");
        let body = json!({"model": "m", "messages": [
            {"role": "system", "content": system}, {"role": "user", "content": user}]});
        let usage = client.ask(&body).json()["usage"].take();
        assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], cached);
        assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 30);
    }
    let ledger = simulator.ledger();
    assert_eq!((ledger.tokens.cached, ledger.tokens.reasoning), (1152, 60));
    let calls = &ledger.calls;
    assert!(calls.iter().all(|call| call.arrived_ms <= call.ended_ms));
    assert!(calls[0].arrived_ms <= calls[1].arrived_ms);
}

#[test]
fn a_schema_that_is_told_in_the_prompt_is_obeyed() {
    let schema = json!({"type": "object", "required": ["title"], "properties": {"title": {"type": "string"}}});
    let simulator = start(Config::default());
    let told = format!("Answer with JSON that obeys this JSON Schema:\n{schema}");
    let body = json!({"model": "m", "messages": [
        {"role": "system", "content": told}, {"role": "user", "content": "Name it."}]});
    let text = Client::new(&simulator).ask(&body).text();
    let value: Value = serde_json::from_str(&text).unwrap();
    assert!(jsonschema::is_valid(&schema, &value), "{value}");
}
