//! How often a provider is asked how batches stand: many of them are looked at together.

use simulator::{Advance, BatchScript, Pace, Request, Simulator};

use super::batches::{
    MODEL, requests, rounds, scene, simulator, step, told, with_faults, write_records,
};
use crate::scene::Scene;

const IN_EACH: usize = 3;

/// A project whose questions lie in so many batches that nobody ends.
fn handed_in(simulator: &Simulator, batches: usize) -> Scene {
    let scene = scene(simulator);
    let more = format!("{MODEL}[batch]\nmax-lines = {IN_EACH}\n");
    write_records(&scene, batches * IN_EACH, &more);
    step(&scene).ended(6);
    assert_eq!(requests(simulator, Request::Create), batches as u64);
    scene
}

/// Lists that were read, and looks at one batch, in one more run.
fn looks(simulator: &Simulator, scene: &Scene) -> (u64, u64) {
    let count = || [Request::List, Request::Poll].map(|request| requests(simulator, request));
    let before = count();
    scene.host(&["batches", "collect"]).ended(6);
    let after = count();
    (after[0] - before[0], after[1] - before[1])
}

#[test]
fn one_list_serves_many_batches() {
    let simulator = simulator(told());
    let scene = handed_in(&simulator, 20);
    assert_eq!(looks(&simulator, &scene), (1, 0));
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
    let summary = rounds(&scene).ended(0).summary();
    assert_eq!(summary.complete(), (20 * IN_EACH) as u64);
}

#[test]
fn one_or_two_batches_are_asked_for_by_their_names() {
    let simulator = simulator(told());
    let scene = handed_in(&simulator, 2);
    assert_eq!(looks(&simulator, &scene), (0, 2));
}

#[test]
fn what_a_list_does_not_say_is_asked_for_by_name() {
    for (fault, expected) in [("list-truncated@100%", (1, 10)), ("list-404@100%", (1, 20))] {
        let script = BatchScript {
            pace: Pace::told(),
            ..with_faults(&[fault])
        };
        let simulator = simulator(script);
        let scene = handed_in(&simulator, 20);
        assert_eq!(looks(&simulator, &scene), expected, "{fault}");
    }
}
