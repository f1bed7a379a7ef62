//! `kill -9` at any moment, and power cuts as far as they can be had without one: what is in the journal is
//! never lost or paid for again, and what is published is what an undisturbed run publishes.
//!
//! `CRASH_SEED=7 cargo xtask test crash` is one round, `CRASH_ROUNDS=1000` are many.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::dice::Dice;
use super::power;
use crate::scene::{KEY, Scene, until};
use simulator::{
    Answers, Config, Fault, FaultKind, Latency, Ledger, Limit, Limits, Measure, Simulator, When,
};

/// Rounds in CI.
const ROUNDS: u64 = 50;
/// Rounds at once: they wait more than they work.
const AT_ONCE: u64 = 6;
/// Twelve records.
const ARGUMENTS: [&str; 4] = ["--category", "glass", "--category", "semiconductor"];

fn simulator(faults: Vec<Fault>) -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_millis(2),
            answer: Duration::ZERO,
        },
        faults,
        ..Config::default()
    })
    .unwrap()
}

fn faulty() -> Simulator {
    let faults = [
        (FaultKind::RateLimited(Some(5)), 0.05),
        (FaultKind::Status(503), 0.03),
        (FaultKind::ResetInBody, 0.03),
        (FaultKind::TruncatedJson, 0.02),
    ];
    let fault = |(kind, probability)| Fault {
        kind,
        when: When::Probability(probability),
    };
    simulator(faults.map(fault).to_vec())
}

/// What a run makes that nothing disturbs.
struct Undisturbed {
    content: BTreeMap<String, String>,
    calls: u64,
}

fn undisturbed() -> Undisturbed {
    let simulator = simulator(Vec::new());
    let scene = Scene::new().asking(&simulator);
    let calls = scene.run(&ARGUMENTS).ended(0).summary().calls("calls");
    let ledger = simulator.shutdown();
    // The law below counts prompts in the ledger against rows in the journal.
    assert_eq!(answered(&ledger).len() as u64, calls);
    Undisturbed {
        content: scene.content(),
        calls,
    }
}

/// Prompts that were answered to the end.
pub(super) fn answered(ledger: &Ledger) -> BTreeSet<&str> {
    let calls = ledger.calls.iter().filter(|call| call.complete);
    calls.map(|call| call.prompt.as_str()).collect()
}

/// Prompts that were billed, answered to the end or not.
pub(super) fn billed(ledger: &Ledger) -> BTreeSet<&str> {
    ledger
        .calls
        .iter()
        .map(|call| call.prompt.as_str())
        .collect()
}

#[test]
fn a_killed_run_goes_on_and_pays_for_no_journaled_completion_twice() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let calm = undisturbed();
    if let Some(seed) = number("CRASH_SEED") {
        return round(seed, &calm);
    }
    let rounds = number("CRASH_ROUNDS").unwrap_or(ROUNDS);
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(rounds) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= rounds {
                        return;
                    }
                    let failed = std::panic::catch_unwind(|| round(seed, &calm)).is_err();
                    assert!(
                        !failed,
                        "run it again with: CRASH_SEED={seed} cargo xtask test crash"
                    );
                }
            });
        }
    });
}

/// One life that ends by SIGKILL, perhaps with the power going too, and one that goes on.
fn round(seed: u64, calm: &Undisturbed) {
    let mut dice = Dice::new(seed);
    let first = faulty();
    let scene = Scene::new().asking(&first);
    let changed = seed % 5 == 1;
    if changed {
        scene.configure("[component.metatags.options]\ntheme-color = \"#000000\"\n");
    }
    let mut child = scene.start(&ARGUMENTS);
    let calls = 1 + dice.below(calm.calls);
    until("the moment to kill", || {
        first.totals().requests >= calls || child.try_wait().unwrap().is_some()
    });
    let moment = Instant::now() + Duration::from_micros(dice.below(8000));
    until("a moment later", || Instant::now() >= moment);
    let had_arrived = first.ledger();
    child.kill().unwrap();
    let killed = child.wait().unwrap().signal() == Some(Signal::KILL.as_raw());
    // All its connections end here: what was still in flight is answered by nobody.
    let first = first.shutdown();
    let unclean = killed && !ended_in_order(&scene);

    let synced = scene.journal();
    let answers = answered(&first);
    assert!(
        synced.len() <= answers.len(),
        "seed {seed}: the journal holds only what was answered"
    );
    let mut files_hit = 0;
    let mut lost_rows = false;
    if unclean {
        match seed % 5 {
            2 => power::tear_unsynced(&scene, &mut dice),
            3 => lost_rows = power::tear_synced(&scene, &mut dice),
            4 => {
                lost_rows = power::tear_synced(&scene, &mut dice);
                files_hit = power::tear_files(&scene, &mut dice);
            }
            _ => {}
        }
    }
    let kept = scene.journal();
    if !lost_rows {
        assert_eq!(kept, synced, "seed {seed}: what was committed is there");
    }

    if changed {
        // An ingredient changes before the run goes on: what was put in its place and not yet known is no edit.
        scene.configure("");
    }
    let second = faulty();
    let scene = scene.asking(&second);
    let summary = scene.run(&ARGUMENTS).ended(0).summary();
    assert_eq!(summary.complete(), summary.records(), "seed {seed}");
    assert_eq!(
        summary.count("edited"),
        0,
        "seed {seed}: {files_hit} files were torn"
    );
    let content = scene.content();
    assert!(
        content == calm.content,
        "seed {seed}: other bytes than undisturbed, in {:?}",
        differing(&content, &calm.content)
    );
    let end = scene.journal();
    assert_eq!(end.len() as u64, calm.calls, "seed {seed}");
    assert!(
        kept.iter().all(|(key, text)| end.get(key) == Some(text)),
        "seed {seed}: no journaled completion is lost or replaced"
    );
    // The law. A prompt is one row of the journal. If a journaled one were asked again, more prompts would be
    // billed in both lives than were answered and not journaled.
    let second = second.shutdown();
    let again: BTreeSet<&str> = billed(&second).intersection(&answers).copied().collect();
    assert_eq!(
        again.len(),
        answers.len() - kept.len(),
        "seed {seed}: exactly what was answered and not journaled is billed again"
    );
    if seed.is_multiple_of(5) {
        let ran = scene.run(&ARGUMENTS).ended(0).summary();
        assert_eq!(
            (ran.count("made"), ran.calls("calls")),
            (0, 0),
            "seed {seed}"
        );
        let verified = scene.host(&["store", "verify"]).ended(0);
        assert!(
            verified.stdout.contains("all is well"),
            "{}",
            verified.stdout
        );
    }
    let before = answered(&had_arrived);
    let arrived = again.intersection(&before).count();
    eprintln!(
        "seed {seed}: killed after {} of {} answers; billed again: {} that had arrived, {} in flight",
        before.len(),
        calm.calls,
        arrived,
        again.len() - arrived
    );
}

/// What the lock says: a run that is killed behind its end has nothing to look at.
fn ended_in_order(scene: &Scene) -> bool {
    let lock = scene.read(".batchgen/state.db.lock");
    lock.is_empty() || lock.trim_end().ends_with("in order")
}

fn differing<'a>(
    one: &'a BTreeMap<String, String>,
    other: &'a BTreeMap<String, String>,
) -> Vec<&'a String> {
    let names: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    names
        .into_iter()
        .filter(|name| one.get(*name) != other.get(*name))
        .collect()
}

/// The window is no time that is waited out: what has arrived is journaled though nothing follows, so a kill
/// after that bills nothing again. What is in flight then is counted apart, and was never answered.
#[test]
fn what_had_arrived_one_commit_before_the_kill_is_not_billed_again() {
    const ANSWERED: u64 = 40;
    let hang = |number| Fault {
        kind: FaultKind::HangBeforeBody,
        when: When::Request(number),
    };
    let first = simulator((ANSWERED + 1..ANSWERED + 200).map(hang).collect());
    let scene = Scene::new().asking(&first);
    let mut child = scene.start(&["--category", "metal"]);
    until("the last commit", || {
        first.totals().billed == ANSWERED
            && first.totals().in_flight > 0
            && scene.path(".batchgen/state.db").exists()
            && scene.journal().len() as u64 == ANSWERED
    });
    child.kill().unwrap();
    child.wait().unwrap();
    let first = first.shutdown();
    assert_eq!(answered(&first).len() as u64, ANSWERED);
    assert!(first.requests > ANSWERED, "some were in flight");

    let second = simulator(Vec::new());
    let scene = scene.asking(&second);
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.complete(), 34);
    let second = second.shutdown();
    assert_eq!(billed(&second).intersection(&answered(&first)).count(), 0);
    assert_eq!(
        second.billed() + ANSWERED,
        scene.query("SELECT count(*) FROM completion")
    );
}

/// The limit is told for a second and watched in much less: on a slow machine a call may arrive more than half a second
/// after the host has booked it.
#[test]
fn a_killed_run_does_not_overrun_a_limit_when_it_goes_on() {
    const LIMIT: u64 = 20;
    // Calls are killed when they are under way, and when they are in the journal.
    for (latency, at_once) in [(200, 64), (0, 4)] {
        let watched = Limit::new(Measure::Requests, LIMIT, Duration::from_millis(400));
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
            .with_plugin("example-plugins/summary")
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
fn a_second_host_is_refused_while_the_first_lives_and_a_stale_lock_is_taken_over() {
    let slow = Simulator::start(Config {
        latency: Latency {
            first_token: Duration::from_secs(30),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&slow);
    let mut first = scene.start(&["--record", "oak"]);
    until("the first host's request", || slow.totals().requests > 0);
    let holder = format!("(process {})", first.id());
    for command in [
        &["run", "--record", "oak"][..],
        &["clean", "--deleted"],
        &["store", "prune"],
    ] {
        let second = scene.host(command).ended(2);
        assert!(second.stderr.contains(&holder), "{}", second.stderr);
    }
    // What only reads need not wait.
    for command in [
        &["store", "stats"][..],
        &["store", "verify"],
        &["store", "export", "tasks"],
    ] {
        scene.host(command).ended(0);
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let fast = simulator(Vec::new());
    let scene = scene.asking(&fast);
    assert!(
        scene
            .read(".batchgen/state.db.lock")
            .contains(&first.id().to_string())
    );
    let summary = scene.run(&["--record", "oak"]).ended(0).summary();
    assert_eq!(summary.complete(), 1);
    assert!(ended_in_order(&scene));
}
