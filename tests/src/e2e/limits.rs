//! What a run finds out of a provider's limits, and what the next one does with it.

use std::time::Duration;

use simulator::{
    Answers, Config, Fault, FaultKind, Latency, Limit, Limits, Measure, Simulator, When,
};

use crate::scene::{KEY, Scene, until};

const MINUTE: Duration = Duration::from_secs(60);

fn scene(simulator: &Simulator) -> Scene {
    Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator)
        .without_limits()
}

#[test]
fn a_limit_that_headers_told_is_known_to_the_next_run_and_to_plan() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        limits: Limits {
            headers: true,
            ..Limits::of([Limit::new(Measure::Requests, 40, MINUTE)])
        },
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator);
    let before = scene.host(&["plan", "--all"]).ended(0);
    assert!(
        before.stdout.contains("which a run finds out"),
        "{}",
        before.stdout
    );
    scene.run(&["--limit", "20"]).ended(0);
    let plan = scene.host(&["plan", "--all"]).ended(0).stdout;
    let known = "limited by 40 requests per minute, as an earlier run found out";
    assert!(plan.contains(known), "{plan}");
    // The second run fills what the first left of the minute, and is not refused.
    let second = scene.host(&["run", "--limit", "38"]).ended(0);
    let begins = "it begins with what an earlier run found out: 40 requests per minute";
    assert!(second.stderr.contains(begins), "{}", second.stderr);
    let statuses = simulator.totals().statuses;
    assert_eq!(statuses.get(&429), None, "{statuses:?}");
    // What the user tells stays an upper bound.
    let told = scene
        .with("BATCHGEN_REQUESTS_PER_MINUTE", "30")
        .host(&["plan", "--all"])
        .ended(0)
        .stdout;
    assert!(
        told.contains("limited by 30 requests per minute."),
        "{told}"
    );
}

#[test]
fn a_second_run_does_not_begin_with_a_first_guess() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        latency: Latency {
            first_token: Duration::ZERO,
            answer: Duration::from_secs(2),
        },
        ..Config::default()
    })
    .unwrap();
    let scene = scene(&simulator);
    scene.run(&["--limit", "60"]).ended(0);
    let most = simulator.totals().max_in_flight;
    assert!(
        most > 12,
        "the first run has climbed to {most} calls at once"
    );
    // Nothing is accepted any more, so nothing can be found out.
    simulator.set_faults(vec![Fault {
        kind: FaultKind::HangBeforeBody,
        when: When::Probability(1.0),
    }]);
    let mut child = scene.start(&["--limit", "100"]);
    until("more calls at once than anybody would guess", || {
        simulator.totals().in_flight > 12
    });
    child.kill().unwrap();
    child.wait().unwrap();
}
