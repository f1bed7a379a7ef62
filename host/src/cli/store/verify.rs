//! `batchgen store verify`: holds the state against its laws, and says what to do.

use clap::Args;
use serde_json::json;

use super::super::args::StateArgs;
use super::super::display::{Display, emit, say};
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::places;
use store::{Report, Store};

/// Look for damage in the state, and for output files that are not as they were written. Mends nothing.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store verify
  batchgen store verify --no-files

Exit codes: 0 all is well, 2 the state is damaged, or usage or configuration, 3 only output files \
    are missing or different.")]
pub(super) struct VerifyArgs {
    /// Look at the state only, and read no output file
    #[arg(long)]
    no_files: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &VerifyArgs, display: &Display) -> Result<Exit, Failure> {
    let (file, output) = places(&args.state)?;
    let output = (!args.no_files).then_some(output.as_path());
    let report = Store::open_reading(&file)
        .and_then(|store| store.verify(output))
        .map_err(Failure::internal)?;
    if args.json {
        emit(&json!(report));
    } else if !(report.broken.is_empty() && display.is_quiet()) {
        say(&render(&report, &file.display().to_string()));
    }
    Ok(if report.broken.iter().any(|broken| broken.in_state) {
        Exit::Usage
    } else if report.broken.is_empty() {
        Exit::Done
    } else {
        Exit::Partial
    })
}

fn render(report: &Report, file: &str) -> String {
    let mut text = String::new();
    for broken in &report.broken {
        let count = broken.count;
        text.push_str(&format!("{}: {}\n", broken.what, counted(count, "time")));
        for place in &broken.places {
            text.push_str(&format!("    {place}\n"));
        }
        let more = count - broken.places.len() as u64;
        if more > 0 {
            text.push_str(&format!("    and {more} more\n"));
        }
        text.push_str(&format!("  hint: {}\n", broken.remedy));
    }
    let (tasks, files) = (counted(report.tasks, "task"), counted(report.files, "file"));
    let end = if report.broken.is_empty() {
        "all is well"
    } else {
        "not all is well"
    };
    text.push_str(&format!("{file}: {tasks} and {files}: {end}\n"));
    text
}
