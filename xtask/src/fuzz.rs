//! `cargo xtask fuzz TARGET`: builds the fuzzer and gives it a target. Its corpora are `tests/corpus/`.
//!
//! libFuzzer needs to be told which code an input reaches. The compiler adds that to the crates of this repository and to
//! no others, so that these are not built again.

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, ensure};

use crate::{
    run,
    workspace::{self, Workspace},
};

/// Looks for inputs that break what reads datasets, answers, plugins and states.
#[derive(clap::Args)]
pub struct Args {
    /// csv, json, jsonl, yaml, answer, stream, refusal, limits, manifest, component or state.
    target: String,
    /// How long to go on.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u32,
}

/// Longest input, bytes.
const MOST: &str = "-max_len=16384";
/// Longest that one input may take, seconds, and most memory, MB.
const LIMITS: [&str; 2] = ["-timeout=10", "-rss_limit_mb=2048"];

/// Performs the task: an input that reaches new code is kept in the corpus, and one that is at fault ends it.
///
/// # Errors
/// When the fuzzer does not build, or an input is at fault: it was written down.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let corpus = workspace.root().join("tests/corpus").join(&args.target);
    ensure!(corpus.is_dir(), "there is no {}", corpus.display());
    // All that was found, of which few inputs are worth to be kept.
    let found = workspace.cargo_target().join("fuzz").join(&args.target);
    fs::create_dir_all(&found)?;
    run::build_host(workspace)?;
    build(workspace)?;
    let fuzzer = || {
        let mut command = workspace.command(workspace.release("fuzz"));
        command
            .env("FUZZ_TARGET", &args.target)
            // In memory: most inputs go to a file first.
            .env("TMPDIR", "/dev/shm")
            .args(LIMITS)
            .arg(MOST);
        command
    };
    let status = workspace::status(
        fuzzer()
            .arg(format!("-max_total_time={}", args.seconds))
            .arg(format!("-artifact_prefix={}/", corpus.display()))
            .arg(&found)
            .arg(&corpus),
    )?;
    if !status.success() {
        eprintln!(
            "error: an input is at fault; it lies in {}",
            workspace.shown(&corpus)
        );
        return Ok(ExitCode::FAILURE);
    }
    // The fewest inputs that reach all code that was reached; how often they reach it does not count.
    let merge = ["-set_cover_merge=1", "-use_counters=0"];
    workspace::run(fuzzer().args(merge).arg(&corpus).arg(&found))
        .context("what was found cannot be merged into the corpus")?;
    Ok(ExitCode::SUCCESS)
}

fn build(workspace: &Workspace) -> Result<()> {
    let instrument = workspace.root().join("xtask/src/fuzz/instrument.sh");
    workspace::run(
        workspace
            .cargo()
            .args(["build", "--release", "--package", "tests"])
            .args(["--bin", "fuzz", "--features", "fuzz"])
            .env("RUSTC_WORKSPACE_WRAPPER", instrument),
    )
    .context("the fuzzer needs a compiler for C++")
}
