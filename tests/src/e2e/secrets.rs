//! A key reaches the server that it is for, and nothing else: every place where a run leaves text is looked through.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::Path;

use simulator::{Config, Simulator};

use crate::collector::Collector;
use crate::parrot::{Asked, Parrot, Said};
use crate::scene::{KEY, Ran, Scene};

/// What each record's answer is like.
const ANSWERS: u64 = 4;

/// A server that repeats the key that it is asked with, wherever a text may stand.
fn parrot() -> Parrot {
    Parrot::start(|Asked { number, key }| -> Said {
        let json = "application/json";
        match number % ANSWERS {
            0 => (
                "200 OK",
                json,
                format!(
                    r#"{{"model":"{key}","choices":[{{"message":{{"content":"The key is {key}, and oak is a hard wood that lasts."}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":5,"completion_tokens":5}}}}"#
                ),
            ),
            1 => (
                "200 OK",
                json,
                format!(
                    r#"{{"choices":[{{"message":{{"content":"","refusal":"no: {key}"}},"finish_reason":"{key}"}}]}}"#
                ),
            ),
            2 => (
                "400 Bad Request",
                json,
                format!(r#"{{"error":{{"message":"bad: {key}","code":"{key}","param":"{key}"}}}}"#),
            ),
            _ => ("422 Unprocessable", json, key.clone()),
        }
    })
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_none_or(|kind| kind != "wasm") {
            let text = fs::read(&path).unwrap_or_default();
            found.insert(path.display().to_string(), text);
        }
    }
}

/// The commands that show what a run has left. A new one that shows any of it belongs here.
const SHOWING: &[&[&str]] = &[
    &["status"],
    &["status", "--json"],
    &["failures"],
    &["failures", "--json"],
    &["failures", "--export", "failures.csv"],
    &["why", "oak", "summary"],
    &["why", "ash", "summary", "--json"],
    &["replay", "oak", "summary"],
    &["report", "-o", "report.html"],
    &["report", "--markdown"],
    &["report", "--json"],
    &["export", "export.jsonl"],
    &["export", "export.csv"],
    &["store", "export", "completions"],
    &["store", "export", "transcripts"],
    &["store", "export", "tasks"],
    &["store", "verify"],
    &["store", "stats"],
    &["plan", "--all"],
    &["doctor"],
];

#[test]
fn no_sink_holds_a_key_that_the_server_repeats() {
    let parrot = parrot();
    let simulator = Simulator::start(Config::default()).unwrap();
    let collector = Collector::start();
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(&simulator)
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url)
        .with(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer collectors-key",
        )
        .with("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
        .with("OPENAI_BASE_URL", &parrot.url)
        .with("BATCHGEN_CONCURRENCY", "1")
        .with("BATCHGEN_LOG", "trace");
    let mut said = BTreeMap::new();
    let run = scene.host(&["run", "--category", "wood", "--json"]);
    said.insert("run".to_owned(), format!("{}{}", run.stdout, run.stderr));
    assert!(parrot.asked() > ANSWERS, "{}", run.stderr);
    for command in SHOWING {
        let ran = scene.host(command);
        assert_ne!(ran.code, Some(2), "{command:?}: {}", ran.stderr);
        said.insert(command.join(" "), format!("{}{}", ran.stdout, ran.stderr));
    }
    let mut sinks = BTreeMap::new();
    files(&scene.path(""), &mut sinks);
    sinks.extend(
        said.into_iter()
            .map(|(name, text)| (name, text.into_bytes())),
    );
    let sent: Vec<Vec<u8>> = ["/v1/traces", "/v1/metrics"]
        .iter()
        .flat_map(|path| collector.sent(path))
        .map(|sent| sent.body)
        .collect();
    assert!(
        sent.len() > 1,
        "spans and metrics have come to the collector"
    );
    sinks.insert("telemetry".to_owned(), sent.concat());
    let holds = |text: &[u8]| {
        let has = |key: &str| text.windows(key.len()).any(|part| part == key.as_bytes());
        has(KEY) || has("collectors-key")
    };
    let told: Vec<&String> = sinks
        .iter()
        .filter(|(_, text)| holds(text))
        .map(|(name, _)| name)
        .collect();
    assert!(told.is_empty(), "the key stands in {told:#?}");
    let hidden = sinks
        .values()
        .filter(|text| text.windows(5).any(|part| part == b"[key]"));
    assert!(hidden.count() >= 4, "the answers have come to these sinks");
}

/// Variables that hold a secret, beside the keys of models. A new one belongs here.
const SECRETS: &[(&str, &str)] = &[
    ("AWS_SECRET_ACCESS_KEY", "planted-secret-of-storage"),
    ("AWS_SESSION_TOKEN", "planted-token-of-a-session"),
    ("PGPASSWORD", "planted-password-of-a-database"),
    ("HF_TOKEN", "planted-token-of-a-reader"),
    ("BATCHGEN_CLUSTER_PASSWORD", "planted-password-of-a-cluster"),
    ("BATCHGEN_CLUSTER_TOKEN", "planted-token-of-a-cluster"),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=planted-header-of-a-collector",
    ),
    (
        "DOCKER_AUTH_CONFIG",
        r#"{"auths": {"ghcr.io": {"identitytoken": "planted-token-of-a-registry"}}}"#,
    ),
];

/// Storage says what no storage should: every line of the program hides it, those of its log as well.
#[test]
fn no_line_shows_a_secret_of_the_environment_that_a_server_repeats() {
    let all: String = SECRETS
        .iter()
        .map(|(_, value)| format!("{value} "))
        .collect();
    let parrot = Parrot::start(move |_| -> Said {
        let body = format!("<Error><Code>InvalidToken</Code><Message>{all}</Message></Error>");
        ("400 Bad Request", "application/xml", body)
    });
    let endpoint = parrot.url.trim_end_matches("/v1").to_owned();
    let mut scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("BATCHGEN_TRUST", "1")
        .with("AWS_ENDPOINT_URL", &endpoint)
        .with("AWS_ACCESS_KEY_ID", "AKIATESTKEY");
    for (name, value) in SECRETS {
        scene = scene.with(name, value);
    }
    let dataset = "[dataset]\npath = \"materials.yaml\"\nrecords = \"materials\"\n";
    scene.write("batchgen.toml", dataset);
    scene.run(&["--limit", "1"]).ended(0);
    let in_storage = "[output]\ndirectory = \"s3://team/site\"\n";
    let from_storage = "[dataset]\npath = \"s3://team/things.csv\"\n";
    let pattern = "[dataset]\npath = \"s3://team/*.csv\"\n";
    for (config, words) in [
        (format!("{dataset}{in_storage}"), &["run", "--json"][..]),
        (format!("{dataset}{in_storage}"), &["doctor", "--json"]),
        (from_storage.to_owned(), &["run"]),
        (from_storage.to_owned(), &["doctor"]),
        (pattern.to_owned(), &["plan", "--all"]),
        (dataset.to_owned(), &["store", "push", "s3://team/state"]),
        (dataset.to_owned(), &["store", "pull", "s3://team/state"]),
    ] {
        scene.write("batchgen.toml", &config);
        for log in ["warn", "trace"] {
            let output = scene.command(words).env("BATCHGEN_LOG", log).output();
            let ran = Ran::from(output.unwrap());
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!(!said.contains("planted"), "{words:?}: {said}");
            assert!(said.contains("[key]"), "{words:?}: {said}");
        }
    }
}

#[test]
fn what_is_asked_of_this_machine_takes_no_proxy() {
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.set_nonblocking(true).unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let mut scene = Scene::new().asking(&simulator);
    for name in [
        "http_proxy",
        "https_proxy",
        "all_proxy",
        "ALL_PROXY",
        "HTTPS_PROXY",
    ] {
        scene = scene.with(name, &address);
    }
    let collector = Collector::start();
    let scene = scene.with("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url);
    scene.run(&["--record", "oak"]).ended(0);
    assert!(!collector.sent("/v1/traces").is_empty());
    assert!(proxy.accept().is_err(), "the proxy was asked");
    assert!(simulator.totals().billed > 0);
}
