//! `kill -9` at any moment costs no more than what was under way.

use std::time::Duration;

use crate::scene::{KEY, Scene, until};
use crate::simulator::{Answers, Config, Latency, Limit, Limits, Measure, Simulator};

const ROUNDS: u64 = 20;

fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(2),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

/// Numbers that look random and are the same every time.
fn spread(round: u64, below: u64) -> u64 {
    (round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) % below
}

#[test]
fn a_killed_run_goes_on_and_pays_for_no_journaled_completion_twice() {
    let calm = simulator();
    let undisturbed = Scene::new().asking(&calm);
    let arguments = ["--category", "metal", "--category", "glass"];
    let needed = undisturbed
        .run(&arguments)
        .ended(0)
        .summary()
        .calls("calls");
    let expected = undisturbed.content();

    for round in 0..ROUNDS {
        let simulator = simulator();
        let scene = Scene::new().asking(&simulator);
        let mut child = scene.start(&arguments);
        let calls = 1 + spread(round, needed);
        until("the moment to kill", || {
            simulator.ledger().requests >= calls || child.try_wait().unwrap().is_some()
        });
        child.kill().unwrap();
        child.wait().unwrap();
        let journaled = scene.query("SELECT count(*) FROM completion");

        let summary = scene.run(&arguments).ended(0).summary();
        assert_eq!(summary.complete(), summary.records(), "round {round}");
        assert_eq!(
            summary.calls("calls") + journaled,
            needed,
            "round {round}: what was journaled is not asked again, and nothing else is missing"
        );
        assert!(
            scene.content() == expected,
            "round {round}: other bytes than undisturbed"
        );
        assert_eq!(
            scene.run(&arguments).ended(0).summary().count("made"),
            0,
            "round {round}"
        );
    }
}

/// The limit is told for a second and watched in less, so that a slow machine makes no difference.
#[test]
fn a_killed_run_does_not_overrun_a_limit_when_it_goes_on() {
    const LIMIT: u64 = 20;
    // Calls are killed when they are under way, and when they are in the journal.
    for (latency, at_once) in [(200, 64), (0, 4)] {
        let watched = Limit::new(Measure::Requests, LIMIT, Duration::from_millis(700));
        let simulator = Simulator::start(Config {
            key: Some(KEY.to_owned()),
            answers: Answers::Echo,
            limits: Limits::of([watched.observed()]),
            latency: Latency {
                first_token: Duration::ZERO,
                answer: Duration::from_millis(latency),
            },
            ..Config::default()
        })
        .unwrap();
        let scene = Scene::new()
            .with_plugins("example-plugins")
            .asking(&simulator)
            .with("BATCHGEN_CONCURRENCY", &at_once.to_string());
        scene.configure(&format!("[limits]\nrequests-per-second = {LIMIT}\n"));
        let arguments = ["--limit", "70"];
        let mut child = scene.start(&arguments);
        until("the second window to be full", || {
            simulator.totals().requests >= 2 * LIMIT
        });
        child.kill().unwrap();
        child.wait().unwrap();
        scene.run(&arguments).ended(0);
        for window in simulator.windows() {
            assert!(
                window.most <= LIMIT,
                "{latency} ms, {at_once} at once: {window:?}"
            );
        }
    }
}

#[test]
fn a_second_host_on_the_same_state_is_refused() {
    let simulator = Simulator::start(Config {
        latency: Latency {
            first_token: Duration::from_secs(30),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    let mut first = scene.start(&["--record", "oak"]);
    until("the first host's request", || {
        simulator.ledger().requests > 0
    });
    let second = scene.run(&["--record", "oak"]).ended(1);
    assert!(
        second.stderr.contains(&format!("process {}", first.id())),
        "{}",
        second.stderr
    );
    first.kill().unwrap();
    first.wait().unwrap();
}
