//! A program that is killed while it hands in and collects batches: what is paid for, what is kept, and how often a batch is
//! created.

use std::path::Path;

use simulator::{Advance, BatchScript, Request, Simulator};

use super::batches::{
    MODEL, RECORDS, ROUNDS, billed_more_than_once, requests, scene, simulator, step, told,
    write_records,
};
use crate::scene::{Scene, until};

/// More than are kept in one transaction.
const MANY: usize = 6000;
const HAND_IN: [&str; 5] = ["run", "--json", "--mode", "batch", "--no-wait"];
const COLLECT: [&str; 2] = ["batches", "collect"];
const ANSWERS: &str = "SELECT count(*) FROM completion";

/// The program is killed at each of its syncs in turn, which is after each of its commits.
#[test]
fn a_kill_after_any_commit_pays_for_nothing_twice() {
    for place in 1.. {
        let simulator = simulator(BatchScript::default());
        let scene = scene(&simulator);
        if !is_killed(&scene, &["run", "--json", "--mode", "batch"], place) {
            assert!(place > 4, "the run made {place} syncs");
            break;
        }
        let mut ran = step(&scene);
        for _ in 0..ROUNDS {
            if ran.code != Some(6) {
                break;
            }
            ran = step(&scene);
        }
        assert_eq!(billed_more_than_once(&simulator), 0, "{place}");
        assert!(requests(&simulator, Request::Create) <= 1, "{place}");
        if ran.code == Some(6) {
            // Killed between the note and the creation: nobody can know, so a person says so.
            assert!(
                ran.notes().join("\n").contains("nobody knows"),
                "{place}: {ran:?}"
            );
            let again = ["run", "--json", "--mode", "batch", "--resubmit-doubtful"];
            ran = scene.host(&again);
        }
        assert_eq!(ran.ended(0).summary().complete(), RECORDS as u64, "{place}");
        assert_eq!(billed_more_than_once(&simulator), 0, "{place}");
    }
}

#[test]
fn a_kill_at_any_thousandth_line_or_commit_of_a_large_batch_loses_no_answer() {
    let simulator = simulator(told());
    let scene = scene(&simulator);
    write_records(&scene, MANY, MODEL);
    kill_at_each_commit(&scene, &HAND_IN);
    if requests(&simulator, Request::Create) == 0 {
        // Killed between the note and the creation: nobody can know, so a person says so.
        let ran = step(&scene).ended(6);
        assert!(ran.notes().join("\n").contains("nobody knows"), "{ran:?}");
        let again = [&HAND_IN[..], &["--resubmit-doubtful"]].concat();
        scene.host(&again).ended(6);
    }
    step(&scene).ended(6);
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator.advance_batches(&to_end).unwrap();
    for lines in (1000..MANY).step_by(1000) {
        kill_at_line(&simulator, &scene, lines);
    }
    simulator.set_batch_script(told());
    kill_at_each_commit(&scene, &COLLECT);
    let ran = step(&scene).ended(0);
    assert_eq!(ran.summary().complete(), MANY as u64);
    assert_eq!(requests(&simulator, Request::Create), 1);
    assert_eq!(billed_more_than_once(&simulator), 0);
    assert_eq!(simulator.billed_lines().len(), MANY);
    assert_eq!(scene.query(ANSWERS), MANY as u64);
}

/// Kills the program while it collects, when so many lines have come and what can be kept of them is kept.
fn kill_at_line(simulator: &Simulator, scene: &Scene, lines: usize) {
    simulator.set_batch_script(BatchScript {
        downloads_stop_at: Some(lines),
        ..told()
    });
    let (kept, stopped) = (scene.query(ANSWERS), simulator.batches().stopped);
    let mut program = scene.command(&COLLECT).spawn().unwrap();
    until("the download stops", || {
        simulator.batches().stopped > stopped
    });
    program.kill().unwrap();
    program.wait().unwrap();
    assert!(scene.query(ANSWERS) >= kept, "{lines}");
}

/// Runs a command again and again, killed at a later sync each time, until one comes to its end.
fn kill_at_each_commit(scene: &Scene, arguments: &[&str]) {
    let mut place = 1;
    while is_killed(scene, arguments, place) {
        place += 1;
    }
    assert!(place > 3, "{arguments:?} made {place} syncs");
}

/// Runs a command until the process is killed at a sync; whether there were so many.
fn is_killed(scene: &Scene, arguments: &[&str], place: usize) -> bool {
    let log = scene.path("strace.log").display().to_string();
    let inject = format!("inject=fdatasync,fsync:signal=KILL:when={place}");
    let host = crate::scene::program("batchgen").display().to_string();
    let trace = "trace=fdatasync,fsync";
    let traced = ["-f", "-qq", "-o", &log, "-e", trace, "-e", &inject, &host];
    let mut strace = scene.command_of(Path::new("strace"), &[&traced, arguments].concat());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ended = strace.env("PATH", path).output().expect("strace starts");
    // It ends by the signal that ended the program.
    ended.status.code().is_none()
}
