//! The disk fails once, or from some moment on, at each place where a run opens, writes, syncs, names or cuts a file.
//! Whatever it hits, no half file is published, no lie is told, and the next run ends right and asks for next to nothing.
//!
//! `strace` makes the system calls fail. It counts the calls of each thread by itself, so a place is a number within a thread.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::crash::{answered, billed};
use crate::scene::{KEY, Ran, Scene};
use simulator::{Config, Simulator};

const RUN: [&str; 5] = ["run", "--json", "--component", "summary", "--category"];
const RECORDS: usize = 3;
/// More than the calls of one kind that a run makes in one thread.
const PLACES: usize = 400;

/// What strace does to one kind of system call.
struct Fault {
    call: &'static str,
    error: &'static str,
    /// Every so many places are tried.
    every: usize,
    /// Only calls on the state and the output are counted; else all of the process are, those on files without names included.
    only_ours: bool,
}

fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap()
}

fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new()
        .with_plugin("example-plugins/summary")
        .asking(simulator)
        .with("BATCHGEN_CONCURRENCY", "1");
    let records: String = (0..RECORDS)
        .map(|id| format!("{{\"id\": \"r{id}\", \"name\": \"Thing {id}\", \"category\": \"c\"}}\n"))
        .collect();
    scene.write("records.jsonl", &records);
    scene.write("batchgen.toml", "[dataset]\npath = \"records.jsonl\"\n");
    scene
}

fn run(scene: &Scene) -> Ran {
    scene.host(&[&RUN[..], &["c"]].concat())
}

/// The output; nothing where there is none yet.
fn output(scene: &Scene) -> BTreeMap<String, String> {
    if scene.path("content").is_dir() {
        scene.content()
    } else {
        BTreeMap::new()
    }
}

/// A run in which one call fails, or all from it on; `None` once there are fewer calls.
fn disturbed(scene: &Scene, fault: &Fault, place: usize, for_ever: bool) -> Option<Ran> {
    let log = scene.path("strace.log");
    let more = if for_ever { "+" } else { "" };
    let Fault { call, error, .. } = fault;
    let inject = format!("inject={call}:error={error}:when={place}{more}");
    let trace = format!("trace={call}");
    let mut arguments: Vec<String> = [
        "-f",
        "-qq",
        "-o",
        &log.display().to_string(),
        "-e",
        &trace,
        "-e",
        &inject,
    ]
    .map(str::to_owned)
    .to_vec();
    if fault.only_ours {
        let state = [
            "",
            "-wal",
            "-shm",
            ".lock",
            ".seal",
            ".unfinished",
            ".unfinished.tmp",
        ];
        let state = state.map(|end| format!(".batchgen/state.db{end}"));
        let output = (0..RECORDS).map(|id| format!("content/summary/r{id}.txt"));
        let folders = [".batchgen", "content", "content/summary"].map(str::to_owned);
        for path in state.into_iter().chain(output).chain(folders) {
            arguments.extend(["-P".to_owned(), scene.path(&path).display().to_string()]);
        }
    }
    let host = crate::scene::program("batchgen").display().to_string();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.push(&host);
    arguments.extend(RUN);
    arguments.push("c");
    let mut strace = scene.command_of(Path::new("strace"), &arguments);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let ran = Ran::from(strace.env("PATH", path).output().expect("strace starts"));
    let hit = fs::read_to_string(&log).is_ok_and(|log| log.contains("(INJECTED)"));
    hit.then_some(ran)
}

/// Tries every place of one kind.
fn each_place(fault: &Fault) {
    let calm = simulator();
    let undisturbed = scene(&calm);
    run(&undisturbed).ended(0);
    let expected = undisturbed.content();
    assert_eq!(expected.len(), RECORDS);
    for for_ever in [false, true] {
        let hit = (1..PLACES)
            .step_by(fault.every)
            .take_while(|place| holds(fault, *place, for_ever, &expected))
            .count();
        assert!(hit > 0, "no call of {} was hit", fault.call);
    }
}

/// Whether the fault was hit; fails the test where the law is broken.
fn holds(fault: &Fault, place: usize, for_ever: bool, expected: &BTreeMap<String, String>) -> bool {
    let first = simulator();
    let scene_of_first = scene(&first);
    let Some(ran) = disturbed(&scene_of_first, fault, place, for_ever) else {
        return false;
    };
    let what = format!("{} {place} (for ever: {for_ever}): {ran:?}", fault.call);
    let before = output(&scene_of_first);
    let half: Vec<&String> = before
        .iter()
        .filter(|(name, text)| expected.get(*name) != Some(*text))
        .map(|(name, _)| name)
        .collect();
    assert!(half.is_empty(), "{half:?} are not whole: {what}");
    if ran.code == Some(0) {
        assert_eq!(&before, expected, "success was said: {what}");
    } else {
        assert!(!ran.stderr.is_empty(), "no cause was told: {what}");
    }
    let first = first.shutdown();
    let second = simulator();
    let scene = scene_of_first.asking(&second);
    let again = run(&scene);
    assert_eq!(again.code, Some(0), "the next run: {again:?}, after {what}");
    assert_eq!(&scene.content(), expected, "after {what}");
    let verified = scene.host(&["store", "verify"]);
    assert_eq!(verified.code, Some(0), "{verified:?}, after {what}");
    // One call was under way at most.
    let second = second.shutdown();
    let twice = billed(&second).intersection(&answered(&first)).count();
    assert!(
        twice <= 1,
        "{twice} answers were asked for twice, after {what}"
    );
    true
}

macro_rules! places {
    ($($name:ident: $call:literal $error:literal every $every:literal, only ours: $only_ours:literal;)*) => {
        $(
            #[test]
            fn $name() {
                each_place(&Fault { call: $call, error: $error, every: $every, only_ours: $only_ours });
            }
        )*
    };
}

places! {
    a_write_fails: "pwrite64" "EIO" every 2, only ours: true;
    a_sync_fails: "fsync" "EIO" every 1, only ours: false;
    a_sync_of_data_fails: "fdatasync" "EIO" every 1, only ours: false;
    the_disk_is_full_when_a_file_is_written: "write" "ENOSPC" every 2, only ours: true;
    a_file_cannot_be_named: "linkat" "EPERM" every 1, only ours: false;
    a_file_cannot_be_renamed: "rename" "EIO" every 1, only ours: false;
    a_file_cannot_be_cut: "ftruncate" "EIO" every 1, only ours: false;
    a_file_cannot_be_removed: "unlink" "EIO" every 1, only ours: false;
    a_directory_cannot_be_made: "mkdir" "EROFS" every 1, only ours: false;
    a_file_cannot_be_opened: "openat" "EIO" every 1, only ours: true;
    a_file_cannot_be_mapped: "mmap" "ENOMEM" every 1, only ours: true;
}
