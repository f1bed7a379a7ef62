//! Models that are asked in batches: memory and state while everything waits, the pace of collecting, and what is saved.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::ensure;

use super::online::{rows, simulator};
use super::report::{Goal, Row};
use crate::scene::{Ran, Scene};
use simulator::{Advance, Answers, BatchScript, Config, Pace, Simulator, Stage};

const RECORDS: u64 = 100_000;
/// Dollars for a million tokens.
const PRICES: &str = "[models.\"openai/sim\"]\nprice = { input = 10.0, output = 20.0 }\nbatch-price = { input = 5.0, output = 10.0 }\n";

/// A hundred thousand records in two batches, handed in by one run and collected by another.
pub fn hundred_thousand() -> anyhow::Result<Vec<Row>> {
    // Their two result files have 240 MB.
    let simulator = simulator(Config {
        answers: Answers::Long,
        batch: BatchScript {
            pace: Pace::told(),
            ..BatchScript::default()
        },
        ..Config::default()
    })?;
    let scene = scene(&simulator);
    let (handed_in, _) = ended(
        scene.command(&["run", "--json", "--mode", "batch", "--no-wait"]),
        6,
    )?;
    let state = std::fs::metadata(scene.path(".batchgen/state.db"))?.len();
    let to_end = Advance {
        to_end: true,
        ..Advance::default()
    };
    simulator
        .advance_batches(&to_end)
        .map_err(anyhow::Error::msg)?;
    while simulator
        .batches()
        .batches
        .iter()
        .any(|batch| batch.stage != Stage::Completed)
    {
        std::thread::sleep(Duration::from_millis(100));
    }
    let (collected, seconds) = ended(scene.command(&["batches", "collect"]), 0)?;
    ensure!(
        collected.stdout.contains("100.0k questions settled"),
        "{collected:?}"
    );
    let (made, _) = ended(
        scene.command(&["run", "--json", "--mode", "batch", "--no-wait"]),
        0,
    )?;
    ensure!(made.summary().complete() == RECORDS, "files are missing");
    let tokens = simulator.totals().tokens;
    let online = tokens.input * 10 + tokens.output * 20;
    let cost = scene.query("SELECT sum(cost_micros) FROM completion");
    let peak = handed_in
        .summary()
        .peak_memory()
        .max(made.summary().peak_memory());
    Ok(vec![
        Row::new(
            "100,000 records in two batches: peak memory",
            peak as f64 / 1e6,
            "MB",
            Goal::AtMost(200.0),
        ),
        Row::new(
            "the same, state per task that waits",
            state as f64 / RECORDS as f64 / 1e3,
            "kB",
            Goal::AtMost(4.0),
        ),
        Row::new(
            "the same, lines of 2.4 kB collected a second, start and end of the program included",
            RECORDS as f64 / seconds,
            "",
            Goal::AtLeast(30_000.0),
        ),
        Row::new(
            "the same, cost over that of single calls",
            cost as f64 / online as f64,
            "×",
            Goal::AtMost(0.52),
        ),
    ])
}

fn scene(simulator: &Simulator) -> Scene {
    let scene = Scene::new().with_plugin("plugins/prompt").asking(simulator);
    scene.write("things.jsonl", &rows(RECORDS));
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = \"things.jsonl\"\n[component.note]\nplugin = \"prompt\"\ninput = {{ record = [\"name\"] }}\n\
             [component.note.prompts]\nwrite = {{ text = \"Write a sentence about {{{{ record.name }}}}.\" }}\n{PRICES}"
        ),
    );
    scene
}

/// Runs a command to its end, which must be this; how many seconds it took.
fn ended(mut command: Command, code: i32) -> anyhow::Result<(Ran, f64)> {
    let start = Instant::now();
    let ran = Ran::from(command.output()?);
    let seconds = start.elapsed().as_secs_f64();
    ensure!(ran.code == Some(code), "{ran:?}");
    Ok((ran, seconds))
}
