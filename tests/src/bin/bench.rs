//! The benchmarks as a program: prints a Markdown table. `cargo xtask bench` builds what it needs and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;

/// Benchmarks of batchgen.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
struct Arguments {
    /// Only benchmarks whose names contain one of these.
    filters: Vec<String>,
    /// Instead of a benchmark, make calls to the server at this address and keep nothing: what a benchmark
    /// holds the host against.
    #[arg(long, value_name = "URL", requires_all = ["calls", "at_once"])]
    bare_loop: Option<String>,
    /// Calls of the bare loop.
    #[arg(long, value_name = "N")]
    calls: Option<u64>,
    /// Calls of the bare loop at once.
    #[arg(long, value_name = "N")]
    at_once: Option<usize>,
    /// Bytes of each prompt of the bare loop; a short question where absent.
    #[arg(long, value_name = "N", requires = "bare_loop")]
    prompt_bytes: Option<usize>,
    /// The bare loop tries a call again until it is answered.
    #[arg(long, requires = "bare_loop")]
    until_answered: bool,
    /// Instead of a benchmark, run the command that follows and write to this file what it took: microseconds of CPU
    /// time and bytes of memory.
    #[arg(long, value_name = "FILE", requires = "command")]
    cost: Option<PathBuf>,
    /// The command.
    #[arg(last = true)]
    command: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(file) = arguments.cost {
        return tests::bombs::measure(&arguments.command, &file);
    }
    match (arguments.bare_loop, arguments.calls, arguments.at_once) {
        (Some(url), Some(calls), Some(at_once)) => {
            let key = std::env::var("OPENAI_API_KEY").context("OPENAI_API_KEY is not set")?;
            let asked = tests::bench::Asked {
                calls,
                at_once,
                prompt_bytes: arguments.prompt_bytes,
                patient: arguments.until_answered,
            };
            tests::bench::bare_loop(&url, &key, asked)?;
        }
        _ => tests::bench::run(&arguments.filters, std::io::stdout())?,
    }
    Ok(ExitCode::SUCCESS)
}
