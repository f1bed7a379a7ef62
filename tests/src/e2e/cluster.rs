//! One run on several machines: a coordinator, workers and real NATS servers, each of which is killed, stopped or cut off. What is
//! published is what a run on one machine publishes, and the simulator's ledger says what was paid for.

mod access;
mod farm;
mod faults;
mod listening;
mod together;
mod traces;

use std::fs;

use rustix::process::{Pid, Signal};

use crate::scene::{Ran, Scene, until};
use farm::{ARGUMENTS, Farm, Process};

#[test]
fn workers_make_what_one_machine_makes() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    let workers = [farm.worker("one"), farm.worker("two")];
    let ran = run.ended().ended(0);
    let summary = ran.summary();
    assert_eq!(summary.complete(), summary.records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    let nameless = "SELECT count(*) FROM task WHERE worker IS NULL OR worker NOT IN ('one', 'two')";
    assert_eq!(farm.coordinator.query(nameless), 0, "each has its worker");
    for worker in workers {
        worker.signal(Signal::TERM);
        let ran = worker.ended().ended(0);
        assert!(ran.stderr.contains("works for run-"), "{}", ran.stderr);
    }
    for name in ["one", "two"] {
        let spools = fs::read_dir(farm.workers.path(".batchgen-worker").join(name)).unwrap();
        let spools: Vec<String> = spools
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.starts_with("run-"))
            .collect();
        assert!(spools.is_empty(), "{name} keeps {spools:?}");
    }
    // Nothing of it stays on the server, and a run on one machine goes on from there.
    let url = farm.nats.url();
    let status = farm
        .coordinator
        .host(&["cluster", "status", "--cluster", &url]);
    assert_eq!(
        status.ended(0).stdout.trim_end(),
        "no run is on this server"
    );
    let billed = farm.billed();
    farm.coordinator.run(&ARGUMENTS).ended(0);
    assert_eq!(farm.billed(), billed);
}

/// Which records are in the sample, the coordinator says.
#[test]
fn workers_make_a_component_for_its_sample_alone() {
    let farm = Farm::new(1, 1);
    let sample = "[component.tags]\nsample = 40\n";
    let settings = format!("[cluster]\nack-wait-seconds = 2\n{sample}");
    farm.coordinator.configure(&settings);
    let run = farm.run();
    let _worker = farm.worker("one");
    let summary = run.ended().ended(0).summary();
    assert_eq!(summary.complete(), summary.records());
    let (made, left) = (
        summary.of("tags", "made"),
        summary.of("tags", "not_sampled"),
    );
    assert!(made > 0 && left > 0, "{made} made, {left} not sampled");
    assert_eq!(made + left, summary.records());
    let alone = Scene::new().asking(&farm.simulator);
    alone.configure(sample);
    alone.run(&ARGUMENTS).ended(0);
    assert_eq!(farm.coordinator.content(), alone.content());
}

#[test]
fn a_worker_that_is_killed_loses_no_answer_and_its_records_go_to_others() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let first = farm.worker("first");
    until("the first answers", || farm.billed() >= 20);
    drop(first);
    let _second = farm.worker("second");
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    let again = Farm::billed_again(&farm.simulator.ledger());
    assert!(again <= 8 * 5, "{again} questions were billed again");
}

#[test]
fn a_coordinator_that_is_killed_goes_on_with_its_workers() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    drop(run);
    let ran = farm.run().ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_server_that_loses_everything_costs_nothing_but_time() {
    let mut farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    farm.nats.kill(0);
    farm.nats.forget(0);
    farm.nats.begin(0);
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_coordinator_that_goes_on_waits_for_its_server() {
    let mut farm = Farm::new(1, 40);
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 20);
    drop(run);
    farm.nats.kill(0);
    let run = farm.run();
    until("the second life of the coordinator", || {
        let kept = farm.coordinator.read(".batchgen/state.cluster");
        kept.contains("\"epoch\":2")
    });
    farm.nats.begin(0);
    assert_eq!(farm.ends_right(run), 0);
}

#[test]
fn a_leader_of_three_servers_may_be_killed() {
    let mut farm = Farm::new(3, 40);
    farm.coordinator
        .configure("[cluster]\nack-wait-seconds = 2\nreplicas = 3\n");
    farm.wait_for_jetstream();
    let run = farm.run();
    let _worker = farm.worker("one");
    until("the first answers", || farm.billed() >= 10);
    farm.nats.kill(0);
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    assert_eq!(Farm::billed_again(&farm.simulator.ledger()), 0);
}

#[test]
fn a_worker_that_stood_still_joins_again() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let still = farm.worker("still");
    until("the first answers", || farm.billed() >= 10);
    still.signal(Signal::STOP);
    let _other = farm.worker("other");
    let ran = run.ended().ended(0);
    assert_eq!(ran.summary().complete(), ran.summary().records());
    assert_eq!(farm.coordinator.content(), farm.undisturbed());
    still.signal(Signal::CONT);
    still.signal(Signal::TERM);
    let ran = still.ended();
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}

#[test]
fn a_worker_that_comes_back_to_leases_that_others_have_changes_nothing() {
    let farm = Farm::new(1, 40);
    let run = farm.run();
    let still = farm.worker("still");
    until("the first answers", || farm.billed() >= 10);
    still.signal(Signal::STOP);
    let worker_is = |what: &str| farm.coordinator.host(&["status"]).stdout.contains(what);
    until("its loss", || !worker_is("worker still"));
    let billed = farm.billed();
    let _other = farm.worker("other");
    until("answers to the other", || farm.billed() >= billed + 10);
    still.signal(Signal::CONT);
    let again = farm.ends_right(run);
    assert!(again <= 8 * 5, "{again} questions were billed again");
    still.signal(Signal::TERM);
    still.ended().ended(0);
}

#[test]
fn a_run_without_workers_waits_and_ends_in_order() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    run.signal(Signal::INT);
    run.ended().ended(130);
}

#[test]
fn a_worker_is_told_from_elsewhere_to_leave() {
    let farm = Farm::new(1, 1);
    let worker = farm.worker("one");
    let url = farm.nats.url();
    until("the end of the worker", || {
        let told = farm
            .workers
            .host(&["worker", "--cluster", &url, "--drain", "one"]);
        // At first it may not listen yet.
        assert!(told.code == Some(0) || told.stderr.contains("no worker `one`"));
        let pid = Pid::from_child(&worker.0);
        let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
        state.is_ok_and(|state| state.contains(") Z "))
    });
    worker.ended().ended(0);
    let nobody = farm
        .workers
        .host(&["worker", "--cluster", &url, "--drain", "one"])
        .ended(2);
    assert!(
        nobody.stderr.contains("there is no worker `one`"),
        "{}",
        nobody.stderr
    );
}

#[test]
fn what_a_killed_worker_without_a_name_left_is_handed_in_by_the_next() {
    let farm = Farm::new(1, 40);
    let url = farm.nats.url();
    let worker = || {
        Process(
            farm.workers
                .command(&["worker", "--cluster", &url])
                .spawn()
                .unwrap(),
        )
    };
    let run = farm.run();
    let first = worker();
    until("the first answers", || farm.billed() >= 10);
    first.signal(Signal::KILL);
    let _ = first.ended();
    let spools = || {
        let found = fs::read_dir(farm.workers.path(".batchgen-worker")).unwrap();
        found.count()
    };
    assert_eq!(spools(), 1);
    let _second = worker();
    farm.ends_right(run);
    assert_eq!(spools(), 1, "the next worker has the same spool");
    let _third = worker();
    until("a spool of its own", || spools() == 2);
}

#[test]
fn another_build_and_a_second_coordinator_are_refused() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    let url = farm.nats.url();

    // The same program, but for its last byte.
    let mut program = fs::read(crate::scene::program("batchgen")).unwrap();
    program.push(0);
    let other = farm.workers.path("other-build");
    fs::write(&other, program).unwrap();
    let mut permissions = fs::metadata(&other).unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o755);
    fs::set_permissions(&other, permissions).unwrap();
    let arguments = ["worker", "--cluster", &url, "--name", "other"];
    let refused = farm
        .workers
        .command_of(&other, &arguments)
        .output()
        .unwrap();
    let refused = Ran::from(refused).ended(2);
    assert!(
        refused.stderr.contains("run the same program on both"),
        "{}",
        refused.stderr
    );

    // A copy of the state is the same run.
    let copy = Scene::new().asking(&farm.simulator);
    let kept = farm.coordinator.read(".batchgen/state.cluster");
    copy.write(".batchgen/state.cluster", &kept);
    let second = copy.run(&["--cluster", &url]).ended(2);
    assert!(
        second
            .stderr
            .contains("is coordinated by another process already"),
        "{}",
        second.stderr
    );
    run.signal(Signal::INT);
    run.ended().ended(130);
}

#[test]
fn what_a_dead_run_left_is_listed_and_removed() {
    let farm = Farm::new(1, 1);
    let run = farm.run();
    farm.wait_for_coordinator();
    let url = farm.nats.url();
    let clean = |more: &[&str]| {
        let arguments = [&["cluster", "clean", "--cluster", &url], more].concat();
        farm.coordinator.host(&arguments).ended(0).stdout
    };
    assert_eq!(clean(&["--force"]), "", "a run that lives is left alone");
    drop(run);
    assert!(clean(&[]).starts_with("run-"));
    assert!(clean(&["--force"]).starts_with("removed run-"));
    assert_eq!(clean(&[]), "");
}

#[test]
fn without_a_server_or_with_a_user_in_its_address_nothing_begins() {
    let scene = Scene::new();
    let nobody = ["--cluster", "nats://127.0.0.1:9"];
    for command in [&["run"][..], &["worker"], &["cluster", "status"]] {
        let refused = scene.host(&[command, &nobody].concat()).ended(2);
        assert!(refused.stderr.contains("127.0.0.1:9"), "{}", refused.stderr);
    }
    let secret = ["worker", "--cluster", "nats://me:secret@127.0.0.1:9"];
    let refused = scene.host(&secret).ended(2).stderr;
    assert!(refused.contains("from the environment"), "{refused}");
    assert!(!refused.contains("secret"), "{refused}");
}

/// A worker is told what was said about artifacts, and says what rules and judges say of them.
#[test]
fn what_a_gate_asks_anew_and_holds_is_the_same_on_several_machines() {
    const GATE: &str = "[component.quality]\nplugin = \"judge\"\ndepends-on = [\"tags\"]\n\
        [component.tags.gate]\njudge = \"quality\"\nat-least = 6\notherwise = \"again\"\nretries = 1\n";
    let verdicts = |scene: &Scene, what: &str| {
        scene.query(&format!("SELECT count(*) FROM verdict WHERE {what}"))
    };
    let farm = Farm::new(1, 1);
    farm.coordinator.configure(GATE);
    let run = farm.run();
    let _worker = farm.worker("one");
    let summary = run.ended().ended(0).summary();
    let held = summary.of("tags", "held");
    assert_eq!(held, summary.records());
    let alone = Scene::new().asking(&farm.simulator);
    alone.configure(GATE);
    let again = alone.run(&ARGUMENTS).ended(0).summary();
    assert_eq!(again.of("tags", "held"), held);
    assert_eq!(farm.coordinator.content(), alone.content());
    for what in ["asked_again IS NOT NULL", "giver = 'judge'"] {
        assert_eq!(
            verdicts(&farm.coordinator, what),
            verdicts(&alone, what),
            "{what}"
        );
    }
    assert_eq!(verdicts(&alone, "asked_again IS NOT NULL"), held);
    // What was said is known to the next run.
    let billed = farm.billed();
    let run = farm.run();
    let _worker = farm.worker("two");
    let summary = run.ended().ended(0).summary();
    assert_eq!((summary.of("tags", "held"), farm.billed()), (held, billed));
}
