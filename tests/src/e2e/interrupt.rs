//! Ctrl-C: the first drains and keeps what is paid for, the second ends at once.

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::scene::{KEY, Ran, Scene, until};
use simulator::{Config, Latency, Simulator};

fn slow(milliseconds: u64) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(milliseconds),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap()
}

fn interrupt(child: &std::process::Child) {
    kill_process(Pid::from_child(child), Signal::INT).unwrap();
}

#[test]
fn the_first_keeps_every_answer_that_is_under_way() {
    let simulator = slow(300);
    let scene = Scene::new()
        .asking(&simulator)
        .with("BATCHGEN_CONCURRENCY", "4");
    let child = scene.start(&[]);
    until("requests under way", || simulator.ledger().requests >= 4);
    interrupt(&child);
    let ran = Ran::from(child.wait_with_output().unwrap()).ended(130);
    assert!(ran.stderr.contains("stopping"), "{}", ran.stderr);
    let billed = simulator.ledger().billed();
    assert!(billed < 100, "it did not stop: {billed} calls");
    assert_eq!(
        scene.query("SELECT count(*) FROM completion"),
        billed,
        "all that was paid for is kept"
    );

    let simulator_again = slow(0);
    let scene = scene.asking(&simulator_again);
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!(summary.complete(), 109);
    assert_eq!(
        simulator_again.ledger().billed() + billed,
        scene.query("SELECT count(*) FROM completion")
    );
}

#[test]
fn the_second_ends_at_once() {
    let simulator = slow(600_000);
    let scene = Scene::new().asking(&simulator);
    let child = scene.start(&[]);
    until("a request under way", || simulator.ledger().requests > 0);
    interrupt(&child);
    interrupt(&child);
    let mut child = child;
    until("the end", || {
        // Two signals may be merged into one while the first is being noticed.
        interrupt(&child);
        child.try_wait().unwrap().is_some()
    });
    assert_eq!(child.wait().unwrap().code(), Some(130));
}
