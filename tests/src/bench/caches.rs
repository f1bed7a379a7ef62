//! Instructions that all records share, at a provider that bills its prompt cache as Anthropic does.

use std::time::Duration;

use anyhow::ensure;

use super::measure::measure;
use super::online::{rows, simulator};
use super::report::{Goal, Row};
use crate::scene::{KEY, Ran, Scene};
use simulator::{Config, Dialect, Latency, Simulator};

const RECORDS: u64 = 1_000;
/// Tokens of the instructions, as the simulator counts them.
const SHARED: u64 = 2_000;
const BYTES_PER_TOKEN: u64 = 4;

/// How much of the instructions is read from the cache, and what that leaves of their cost.
pub fn shared_instructions() -> anyhow::Result<Vec<Row>> {
    let simulator = simulator(Config {
        dialect: Dialect::Anthropic,
        latency: Latency {
            first_token: Duration::from_millis(300),
            answer: Duration::from_millis(200),
        },
        ..Config::default()
    })?;
    let scene = scene(&simulator)?;
    let measured = measure(scene.command(&["run", "--json"]))?;
    ensure!(measured.ran.code == Some(0), "tasks failed");
    let tokens = simulator.totals().tokens;
    let of_all = |tokens: u64| 100.0 * tokens as f64 / (SHARED * RECORDS) as f64;
    // What is read costs a tenth, and what is written a quarter more.
    let (read, written) = (tokens.cached as f64, tokens.cache_write as f64);
    let fresh = tokens.input as f64 - read - written;
    let cost = fresh + 1.25 * written + 0.1 * read;
    Ok(vec![
        Row::new(
            "1,000 records, instructions of 2,000 tokens, 64 at once: of these tokens read from the cache",
            of_all(tokens.cached).min(100.0),
            "%",
            Goal::AtLeast(95.0),
        ),
        Row::new(
            "the same, times that they were written",
            written / SHARED as f64,
            "",
            Goal::None,
        ),
        Row::new(
            "the same, cost of all tokens in, over that without a cache",
            100.0 * cost / tokens.input as f64,
            "%",
            Goal::None,
        ),
    ])
}

/// The same in batches, of which the first has one question.
pub fn shared_instructions_in_batches() -> anyhow::Result<Vec<Row>> {
    let simulator = simulator(Config {
        dialect: Dialect::Anthropic,
        ..Config::default()
    })?;
    let scene = scene(&simulator)?;
    let prices = "input = 5.0, output = 25.0, cached-input = 0.5, cache-write = 6.25, long-cache-write = 10.0";
    let config = scene.read("batchgen.toml");
    scene.write(
        "batchgen.toml",
        &format!("{config}[models.\"anthropic/sim\"]\nbatch-price = {{ {prices} }}\n"),
    );
    let ran = Ran::from(
        scene
            .command(&["run", "--json", "--mode", "batch"])
            .output()?,
    );
    ensure!(ran.code == Some(0), "tasks failed");
    let tokens = simulator.totals().tokens;
    let (read, written) = (tokens.cached as f64, tokens.cache_write as f64);
    let fresh = tokens.input as f64 - read - written;
    // What is kept for an hour costs twice as much to write. All of it costs half.
    let cost = (fresh + 2.0 * written + 0.1 * read) / 2.0;
    Ok(vec![
        Row::new(
            "the same 1,000 records in batches: of the instructions read from the cache",
            (100.0 * read / (SHARED * RECORDS) as f64).min(100.0),
            "%",
            Goal::AtLeast(95.0),
        ),
        Row::new(
            "the same, cost of all tokens in, over that of single calls without a cache",
            100.0 * cost / tokens.input as f64,
            "%",
            Goal::None,
        ),
    ])
}

fn scene(simulator: &Simulator) -> anyhow::Result<Scene> {
    let scene = Scene::new()
        .with_plugin("plugins/prompt")
        .with("BATCHGEN_MODEL", "anthropic/sim")
        .with("BATCHGEN_CONCURRENCY", "64")
        .with("ANTHROPIC_API_KEY", KEY);
    scene.write("things.jsonl", &rows(RECORDS));
    let line = "Write plain sentences about the thing.\n";
    let lines = usize::try_from(SHARED * BYTES_PER_TOKEN)? / line.len() + 1;
    scene.write("write.md", &line.repeat(lines));
    scene.write(
        "batchgen.toml",
        &format!(
            "[dataset]\npath = \"things.jsonl\"\n[component.note]\nplugin = \"prompt\"\ninput = {{ record = [\"name\"] }}\n\
             [component.note.prompts]\nwrite = \"write.md\"\n[provider.anthropic]\nbase-url = \"{}\"\n",
            simulator.base_url()
        ),
    );
    Ok(scene)
}
