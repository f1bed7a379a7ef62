//! What a run takes when its records are many: memory, time, and the time to see that there is nothing to do.

use std::fs;
use std::time::Instant;

use anyhow::{Context, ensure};

use super::measure::measure;
use super::online::{many, rows, simulator};
use super::report::{Goal, Row};
use crate::scene::{Scene, until};
use simulator::{Answers, Config};

const MILLION: u64 = 1_000_000;
const FEWER: u64 = 100_000;

/// A dataset of so many records for the embedded provider, with few enough files in each folder.
fn scene(records: u64) -> Scene {
    let scene = Scene::new().with_plugin("example-plugins/summary");
    scene.write("things.jsonl", &rows(records));
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"things.jsonl\"\n[output]\npath = \"{component}/{category}/{id}.{extension}\"\n",
    );
    scene
}

/// A dataset of a million records for the embedded provider.
pub(super) fn million_records() -> Scene {
    scene(MILLION)
}

/// One component that asks a model, over a hundred thousand records and over a million.
pub fn million() -> anyhow::Result<Vec<Row>> {
    let few = scene(FEWER);
    let run = |scene: &Scene| measure(scene.command(&["run", "--json"]));
    let fewer = run(&few).context("the smaller run")?.ran.summary();
    let edited = edit_one(&few)?;

    let scene = scene(MILLION);
    let made = run(&scene).context("the first run")?;
    ensure!(made.ran.code == Some(0), "tasks failed");
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let peak = megabytes(made.ran.summary().peak_memory());
    let again = run(&scene).context("the rerun")?;
    ensure!(
        again.ran.summary().count("made") == 0,
        "the rerun made something"
    );
    let first = first_call(&scene)?;
    Ok(vec![
        Row::new(
            "1,000,000 records, one call each: peak memory",
            peak,
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new(
            "that of 100,000 records",
            megabytes(fewer.peak_memory()),
            "MB",
            Goal::None,
        ),
        Row::new(
            "tasks per second",
            MILLION as f64 / made.wall.as_secs_f64(),
            "/s",
            Goal::AtLeast(3000.0),
        ),
        Row::new(
            "the same again, nothing to do, wall time",
            again.wall.as_secs_f64(),
            "s",
            Goal::AtMost(20.0),
        ),
        Row::new(
            "peak memory of that",
            megabytes(again.ran.summary().peak_memory()),
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new(
            "the file of the first record is gone: time until it is there again",
            first,
            "s",
            Goal::AtMost(2.0),
        ),
        Row::new(
            "one of 100,000 records edited: wall time of the rerun",
            edited,
            "s",
            Goal::AtMost(5.0),
        ),
    ])
}

/// Edits a record in the middle; gives the seconds of a run that makes its task and no other.
fn edit_one(scene: &Scene) -> anyhow::Result<f64> {
    let before = scene.read("things.jsonl");
    let middle = FEWER / 2;
    let after = before.replace(&format!("\"X{middle}\""), "\"Y\"");
    ensure!(before != after, "no record was edited");
    scene.write("things.jsonl", &after);
    let measured = measure(scene.command(&["run", "--json"]))?;
    let made = measured.ran.summary().count("made");
    ensure!(made == 1, "{made} artifacts were made");
    Ok(measured.wall.as_secs_f64())
}

/// Seconds from the start of the program until a file that was removed is there again.
fn first_call(scene: &Scene) -> anyhow::Result<f64> {
    let file = scene.path("content/summary/c0/thing-0.txt");
    fs::remove_file(&file)?;
    let start = Instant::now();
    let mut child = scene.start(&[]);
    until("the file", || file.exists());
    let seconds = start.elapsed().as_secs_f64();
    let ended = child.kill().and(child.wait());
    ended?;
    Ok(seconds)
}

/// What the state keeps of an answer of 2 KB.
pub fn state() -> anyhow::Result<Vec<Row>> {
    const CALLS: u64 = 20_000;
    let simulator = simulator(Config {
        answers: Answers::Long,
        ..Config::default()
    })?;
    let scene = many(CALLS, &simulator, "").with("BATCHGEN_CONCURRENCY", "64");
    measure(scene.command(&["run", "--json"]))?;
    let size = fs::metadata(scene.path(".batchgen/state.db"))?.len();
    let completions = scene.query("SELECT count(*) FROM completion");
    Ok(vec![Row::new(
        "state for each answer of 2 KB, checkpoint and index included",
        size as f64 / completions as f64 / 1e3,
        "KB",
        Goal::AtMost(3.2),
    )])
}
