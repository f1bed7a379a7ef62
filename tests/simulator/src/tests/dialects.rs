//! Calls in each dialect, as its clients make them.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, Reply, start};
use crate::{Answers, Config, Dialect, Fault, Latency, Limits, Simulator};

pub const ALL: [Dialect; 8] = [
    Dialect::OpenAi,
    Dialect::Anthropic,
    Dialect::DeepSeek,
    Dialect::Groq,
    Dialect::Together,
    Dialect::Xai,
    Dialect::Azure,
    Dialect::Gemini,
];

fn speaking(dialect: Dialect, faults: &[&str]) -> Simulator {
    start(Config {
        dialect,
        key: Some("right".to_owned()),
        faults: faults
            .iter()
            .map(|fault| fault.parse::<Fault>().unwrap())
            .collect(),
        ..Config::default()
    })
}

/// A call with the key in the dialect's header.
fn send(client: &mut Client, simulator: &Simulator, dialect: Dialect, key: &str, body: &Value) {
    let base = simulator
        .base_url()
        .strip_prefix(simulator.origin())
        .unwrap();
    let (path, headers) = match dialect {
        Dialect::Anthropic => (
            "messages",
            format!("x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"),
        ),
        Dialect::Azure => ("chat/completions", format!("api-key: {key}\r\n")),
        _ => (
            "chat/completions",
            format!("authorization: Bearer {key}\r\n"),
        ),
    };
    client.send(
        "POST",
        &format!("{base}/{path}"),
        &headers,
        &body.to_string(),
    );
}

fn ask(client: &mut Client, simulator: &Simulator, dialect: Dialect, body: &Value) -> Reply {
    send(client, simulator, dialect, "right", body);
    client.reply().unwrap()
}

fn question() -> Value {
    json!({"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "Tell me about it."}]})
}

fn said(dialect: Dialect, reply: &Reply) -> String {
    let place = match dialect {
        Dialect::Anthropic => "/content/0/text",
        _ => "/choices/0/message/content",
    };
    let body = reply.json();
    body.pointer(place)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn each_answers_those_who_have_its_key_and_refuses_others() {
    for dialect in ALL {
        let simulator = speaking(dialect, &[]);
        let mut client = Client::new(&simulator);
        let reply = ask(&mut client, &simulator, dialect, &question());
        assert_eq!(reply.status, 200, "{dialect:?}");
        assert!(!said(dialect, &reply).is_empty(), "{dialect:?}");
        send(&mut client, &simulator, dialect, "wrong", &question());
        let refused = client.reply().unwrap();
        assert_eq!(refused.status, 401, "{dialect:?}");
        assert!(
            refused.json()["error"]["message"].is_string(),
            "{dialect:?}"
        );
        assert_eq!(simulator.ledger().billed(), 1);
    }
}

#[test]
fn a_stream_says_the_same_as_a_whole_answer() {
    for dialect in ALL {
        let simulator = speaking(dialect, &[]);
        let mut client = Client::new(&simulator);
        let mut body = question();
        body["stream"] = json!(false);
        let whole = ask(&mut client, &simulator, dialect, &body);
        body["stream"] = json!(true);
        let reply = ask(&mut client, &simulator, dialect, &body);
        let events: Vec<Value> = reply
            .body
            .lines()
            .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
            .collect();
        let pieces = events.iter().filter_map(|event| match dialect {
            Dialect::Anthropic => event["delta"]["text"].as_str(),
            _ => event["choices"][0]["delta"]["content"].as_str(),
        });
        let text: String = pieces.collect();
        // The seed and the body decide what is said, so the two differ in words but not in kind.
        assert!(
            !text.is_empty() && !said(dialect, &whole).is_empty(),
            "{dialect:?}"
        );
        let ended = match dialect {
            Dialect::Anthropic => "event: message_stop",
            _ => "data: [DONE]",
        };
        assert!(reply.body.contains(ended), "{dialect:?}");
    }
}

#[test]
fn anthropic_asks_for_its_version_and_for_a_cap() {
    let simulator = speaking(Dialect::Anthropic, &[]);
    let mut client = Client::new(&simulator);
    client.send(
        "POST",
        "/v1/messages",
        "x-api-key: right\r\n",
        &question().to_string(),
    );
    let refused = client.reply().unwrap();
    assert_eq!(refused.status, 400);
    assert!(refused.body.contains("anthropic-version"));
    let mut body = question();
    body.as_object_mut().unwrap().remove("max_tokens");
    let refused = ask(&mut client, &simulator, Dialect::Anthropic, &body);
    assert!(refused.body.contains("max_tokens: Field required"));
    assert!(refused.header("request-id").is_some());
}

#[test]
fn azure_has_deployments_and_asks_for_the_version_of_its_api() {
    let simulator = speaking(Dialect::Azure, &[]);
    let mut client = Client::new(&simulator);
    let path = "/openai/deployments/gpt-x/chat/completions";
    let body = json!({"messages": question()["messages"]}).to_string();
    client.send("POST", path, "api-key: right\r\n", &body);
    assert_eq!(client.reply().unwrap().status, 404);
    client.send(
        "POST",
        &format!("{path}?api-version=2024-10-21"),
        "api-key: right\r\n",
        &body,
    );
    assert_eq!(client.reply().unwrap().status, 200);
    assert_eq!(simulator.ledger().calls[0].model, "gpt-x");
}

#[test]
fn deepseek_gives_signs_of_life_while_a_call_is_queued() {
    let simulator = start(Config {
        dialect: Dialect::DeepSeek,
        answers: Answers::Echo,
        latency: Latency {
            first_token: Duration::from_millis(10),
            answer: Duration::ZERO,
        },
        keep_alive: Some(Duration::from_millis(2)),
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    let mut body = question();
    let whole = ask(&mut client, &simulator, Dialect::DeepSeek, &body);
    assert!(whole.body.starts_with("\n\n\n\n\n{"), "{:?}", whole.body);
    assert_eq!(
        said(Dialect::DeepSeek, &whole),
        "This is a simulated answer."
    );
    body["stream"] = json!(true);
    let streamed = ask(&mut client, &simulator, Dialect::DeepSeek, &body);
    assert!(
        streamed
            .body
            .starts_with(": keep-alive\n\n: keep-alive\n\n")
    );
    assert!(streamed.body.ends_with("data: [DONE]\n\n"));
}

#[test]
fn errors_have_the_status_and_shape_of_the_dialect() {
    for (dialect, kind, status, part) in [
        (
            Dialect::Anthropic,
            "529",
            529,
            r#""type":"overloaded_error""#,
        ),
        (
            Dialect::Anthropic,
            "insufficient-quota",
            400,
            "credit balance is too low",
        ),
        (
            Dialect::Anthropic,
            "context-length-exceeded",
            400,
            "prompt is too long",
        ),
        (Dialect::Anthropic, "too-large", 413, "request_too_large"),
        (Dialect::DeepSeek, "402", 402, "Insufficient Balance"),
        (Dialect::DeepSeek, "422", 422, "invalid_request_error"),
        (Dialect::Groq, "498", 498, "capacity_exceeded"),
        (Dialect::Groq, "daily-quota", 429, "requests per day"),
        (
            Dialect::Azure,
            "content-filter-error",
            400,
            "ResponsibleAIPolicyViolation",
        ),
        (Dialect::Azure, "model-not-found", 404, "DeploymentNotFound"),
        (
            Dialect::Gemini,
            "rate-limited:52000",
            429,
            r#""retryDelay":"52s""#,
        ),
        (Dialect::Gemini, "daily-quota", 429, "PerDay"),
        (
            Dialect::OpenAi,
            "403",
            403,
            "unsupported_country_region_territory",
        ),
        (Dialect::OpenAi, "413", 413, "invalid_request_error"),
    ] {
        let simulator = speaking(dialect, &[&format!("{kind}@nth:1")]);
        let mut client = Client::new(&simulator);
        let reply = ask(&mut client, &simulator, dialect, &question());
        assert_eq!(reply.status, status, "{dialect:?} {kind}");
        assert!(
            reply.body.contains(part),
            "{dialect:?} {kind}: {}",
            reply.body
        );
        let answered = ask(&mut client, &simulator, dialect, &question());
        assert_eq!(answered.status, 200, "{dialect:?} {kind}");
    }
}

#[test]
fn every_error_has_its_status_in_every_dialect() {
    let usual: [(&str, u16); 21] = [
        ("408", 408),
        ("409", 409),
        ("500", 500),
        ("502", 502),
        ("503", 503),
        ("504", 504),
        ("529", 529),
        ("rate-limited", 429),
        ("rate-limited:1500", 429),
        ("spurious", 429),
        ("daily-quota", 429),
        ("insufficient-quota", 429),
        ("insufficient-balance", 402),
        ("unauthorized", 401),
        ("forbidden", 403),
        ("model-not-found", 404),
        ("context-length-exceeded", 400),
        ("content-filter-error", 400),
        ("too-large", 413),
        ("unprocessable", 422),
        ("flex-capacity", 429),
    ];
    for dialect in ALL {
        let faults: Vec<String> = (1..)
            .zip(usual)
            .map(|(number, (kind, _))| format!("{kind}@nth:{number}"))
            .collect();
        let faults: Vec<&str> = faults.iter().map(String::as_str).collect();
        let simulator = speaking(dialect, &faults);
        let mut client = Client::new(&simulator);
        for (kind, usual) in usual {
            let status = match (kind, dialect) {
                ("insufficient-quota", Dialect::Anthropic) => 400,
                ("insufficient-quota", Dialect::DeepSeek) => 402,
                ("flex-capacity", Dialect::Groq | Dialect::Anthropic) => 498,
                ("flex-capacity", Dialect::Gemini) => 503,
                _ => usual,
            };
            let mut body = question();
            // An error is no stream, whatever was asked for.
            body["stream"] = json!(true);
            let reply = ask(&mut client, &simulator, dialect, &body);
            assert_eq!(reply.status, status, "{dialect:?} {kind}");
            assert_eq!(reply.header("content-type"), Some("application/json"));
            assert!(
                reply.json()["error"]["message"].is_string(),
                "{dialect:?} {kind}"
            );
            let silent = matches!(dialect, Dialect::DeepSeek | Dialect::Gemini);
            let hinted = kind == "rate-limited:1500" && !silent;
            assert_eq!(
                reply.header("retry-after").is_some(),
                hinted,
                "{dialect:?} {kind}"
            );
        }
        assert_eq!(simulator.ledger().billed(), 0);
    }
}

#[test]
fn gemini_names_the_day_whose_quota_is_used_up() {
    let limits = ["requests=1/1d", "requests=2/60s"].map(|limit| limit.parse().unwrap());
    let simulator = start(Config {
        dialect: Dialect::Gemini,
        limits: Limits::of(limits),
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    ask(&mut client, &simulator, Dialect::Gemini, &question());
    let refused = ask(&mut client, &simulator, Dialect::Gemini, &question());
    assert_eq!(refused.status, 429);
    assert!(
        refused.body.contains("GenerateRequestsPerDay"),
        "{}",
        refused.body
    );
    assert!(
        refused.body.contains(r#""retryDelay":"52s""#),
        "{}",
        refused.body
    );
}

#[test]
fn what_anthropic_has_cached_takes_nothing_from_its_limits() {
    let simulator = start(Config {
        dialect: Dialect::Anthropic,
        limits: Limits::of(["input-tokens=2000/60s".parse::<crate::Limit>().unwrap()]),
        ..Config::default()
    });
    let mut client = Client::new(&simulator);
    let mut body = question();
    let text = "Obey. ".repeat(800);
    body["system"] =
        json!([{"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}]);
    for _ in 0..3 {
        let reply = ask(&mut client, &simulator, Dialect::Anthropic, &body);
        assert_eq!(reply.status, 200, "{}", reply.body);
    }
    assert_eq!(simulator.totals().tokens.cached, 2 * 1200);
}

#[test]
fn a_stream_can_break_off_with_an_error() {
    for dialect in ALL {
        let simulator = speaking(dialect, &["error-in-stream@100%"]);
        let mut client = Client::new(&simulator);
        let mut body = question();
        body["stream"] = json!(true);
        let reply = ask(&mut client, &simulator, dialect, &body);
        let last = reply.body.trim_end().lines().last().unwrap();
        let last: Value = serde_json::from_str(last.strip_prefix("data: ").unwrap()).unwrap();
        assert!(last["error"]["message"].is_string(), "{dialect:?}");
        assert_eq!(
            reply.body.contains("event: error"),
            dialect == Dialect::Anthropic
        );
        body["stream"] = json!(false);
        let whole = ask(&mut client, &simulator, dialect, &body);
        assert!(whole.status == 200 && whole.json()["error"].is_object());
        let ledger = simulator.ledger();
        assert!(ledger.calls.iter().all(|call| !call.complete));
    }
}

#[test]
fn answers_end_in_the_words_of_the_dialect() {
    for (dialect, kind, word) in [
        (Dialect::Anthropic, "length", "max_tokens"),
        (Dialect::Anthropic, "refusal", "refusal"),
        (Dialect::Anthropic, "empty-content", "end_turn"),
        (
            Dialect::DeepSeek,
            "insufficient-resource",
            "insufficient_system_resource",
        ),
        (Dialect::OpenAi, "refusal", "stop"),
    ] {
        let simulator = speaking(dialect, &[&format!("{kind}@100%")]);
        let mut client = Client::new(&simulator);
        let reply = ask(&mut client, &simulator, dialect, &question());
        assert_eq!(simulator.ledger().calls[0].finish_reason, word, "{kind}");
        assert!(reply.body.contains(&format!("\"{word}\"")), "{kind}");
        let refused = reply.body.contains("I'm sorry");
        assert_eq!(refused, (dialect, kind) == (Dialect::OpenAi, "refusal"));
    }
}

#[test]
fn anthropic_counts_the_cap_of_an_answer_while_it_is_written() {
    let limits = Limits {
        limits: vec!["output-tokens=800/60s".parse().unwrap()],
        ..Limits::default()
    };
    let simulator = start(Config {
        dialect: Dialect::Anthropic,
        limits,
        faults: vec!["hang-before-body@nth:1".parse().unwrap()],
        ..Config::default()
    });
    let mut hanging = Client::new(&simulator);
    send(
        &mut hanging,
        &simulator,
        Dialect::Anthropic,
        "any",
        &question(),
    );
    super::client::until(&simulator, |ledger| ledger.in_flight == 1);
    let mut client = Client::new(&simulator);
    let refused = ask(&mut client, &simulator, Dialect::Anthropic, &question());
    assert_eq!(refused.status, 429);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(
        refused.header("anthropic-ratelimit-output-tokens-limit"),
        Some("800")
    );
    drop(hanging);
    super::client::until(&simulator, |ledger| ledger.in_flight == 0);
    // It gave no answer, so all of its cap is free again.
    let answered = ask(&mut client, &simulator, Dialect::Anthropic, &question());
    assert_eq!(answered.status, 200);
}
