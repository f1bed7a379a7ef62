//! Several servers, or several keys, behind one model.

use std::time::Duration;

use crate::scene::{KEY, Scene};
use simulator::{Config, Latency, Simulator};

fn server(key: &str) -> Simulator {
    Simulator::start(Config {
        key: Some(key.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(20),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

/// An address where nobody listens.
fn nobody() -> String {
    let server = server(KEY);
    server.base_url().to_owned()
}

/// The example plugin, which asks the provider `gpus` at these endpoints.
fn asking(endpoints: &[String]) -> Scene {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .with("BATCHGEN_MODEL", "gpus/sim")
        .with("GPUS_KEY", KEY);
    configure(&scene, endpoints);
    scene
}

fn configure(scene: &Scene, endpoints: &[String]) {
    scene.configure(&format!(
        "[provider.gpus]\napi-key-env = 'GPUS_KEY'\nendpoints = [{}]\n[limits]\nconcurrency = 2\n",
        endpoints.join(", ")
    ));
}

fn quoted(url: &str) -> String {
    format!("'{url}'")
}

#[test]
fn a_dead_one_of_eight_costs_its_calls_and_no_task() {
    let servers: Vec<Simulator> = (0..7).map(|_| server(KEY)).collect();
    let mut endpoints: Vec<String> = servers.iter().map(|one| quoted(one.base_url())).collect();
    endpoints.insert(3, format!("{{ name = 'dead', base-url = '{}' }}", nobody()));
    let scene = asking(&endpoints);
    let ran = scene.run(&["--limit", "90"]).ended(0);
    let summary = ran.summary();
    assert_eq!(summary.complete(), 90);
    let failed = summary.calls("failed_tries");
    assert!((1..=14).contains(&failed), "{failed}");
    for server in &servers {
        let totals = server.totals();
        assert!((5..=30).contains(&totals.billed), "{totals:?}");
        assert_eq!(totals.max_in_flight, 2, "its own limit, and all of it");
    }
    let told = ran
        .notes()
        .into_iter()
        .filter(|note| note.contains("gpus/sim@dead: it does not answer"));
    assert_eq!(told.count(), 1);

    // An answer is the same answer, wherever it came from: with another endpoint, nothing is asked.
    scene.replace("batchgen.toml", "name = 'dead'", "name = 'other'");
    std::fs::remove_dir_all(scene.path("content")).unwrap();
    let summary = scene.run(&["--limit", "90"]).ended(0).summary();
    assert_eq!((summary.complete(), summary.calls("calls")), (90, 0));
}

#[test]
fn a_wrong_key_stops_one_endpoint_and_the_others_go_on() {
    let (one, other) = (server(KEY), server("sk-of-the-other-0123456789"));
    let endpoints = [
        quoted(one.base_url()),
        format!(
            "{{ name = 'b', base-url = '{}', api-key-env = 'GPUS_API_KEY' }}",
            other.base_url()
        ),
    ];
    let scene = asking(&endpoints).with("GPUS_API_KEY", "sk-wrong-0123456789");
    let ran = scene.run(&["--limit", "20"]).ended(0);
    assert_eq!(ran.summary().complete(), 20);
    assert_eq!((one.totals().billed, other.totals().billed), (20, 0));
    assert!(other.totals().requests <= 4, "{:?}", other.totals());
    let told = ran.notes();
    let told = told
        .iter()
        .filter(|note| note.contains("gpus/sim@b: it is not asked any more"));
    assert_eq!(told.count(), 1);
    assert!(!ran.stdout.contains("sk-wrong") && !ran.stderr.contains("sk-wrong"));

    // Doctor asks each, and says which.
    let ran = scene
        .host(&["doctor", "--model", "gpus/simulated"])
        .ended(5);
    let address = one
        .base_url()
        .trim_start_matches("http://")
        .trim_end_matches("/v1");
    assert!(
        ran.stdout
            .contains(&format!("gpus@{address} answers, takes the key")),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("gpus@b: HTTP 401"), "{}", ran.stdout);

    let right = scene.with("GPUS_API_KEY", "sk-of-the-other-0123456789");
    right
        .host(&["doctor", "--model", "gpus/simulated"])
        .ended(0);
    let summary = right.run(&["--limit", "40"]).ended(0).summary();
    assert_eq!(summary.complete(), 40);
    assert!(other.totals().billed > 0);
}

#[test]
fn when_all_refuse_the_run_ends_and_names_each() {
    let (one, other) = (server("sk-1-0123456789"), server("sk-2-0123456789"));
    let scene = asking(&[quoted(one.base_url()), quoted(other.base_url())]);
    let ran = scene.host(&["run", "--limit", "20"]).ended(5);
    let name = |server: &Simulator| {
        let url = server.base_url().trim_start_matches("http://");
        url.trim_end_matches("/v1").to_owned()
    };
    for server in [&one, &other] {
        assert!(server.totals().requests <= 4);
        let name = name(server);
        assert!(
            ran.stdout.contains(&name) || ran.stderr.contains(&name),
            "{name}: {}{}",
            ran.stdout,
            ran.stderr
        );
    }
}

#[test]
fn every_address_of_a_project_has_to_be_allowed() {
    let server = server(KEY);
    let endpoints = [
        quoted(server.base_url()),
        quoted("https://elsewhere.example/v1"),
    ];
    let scene = asking(&endpoints);
    let ran = scene.host(&["run", "--limit", "1"]).ended(2);
    assert!(
        ran.stderr
            .contains("sends questions to https://elsewhere.example/v1"),
        "{}",
        ran.stderr
    );
    assert!(!ran.stderr.contains("127.0.0.1"), "{}", ran.stderr);
    assert_eq!(server.totals().requests, 0);
}
