//! `batchgen store export`: rows of the state as JSON Lines.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::super::args::{ForceArgs, StateArgs};
use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::guard::Guard;
use super::super::numbers::counted;
use super::places;
use store::{Exported, Store};

/// Write answers, transcripts or tasks as JSON Lines.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store export completions --to answers.jsonl
  batchgen store export tasks")]
pub(super) struct ExportArgs {
    /// What to write
    #[arg(value_enum)]
    what: What,
    /// File to write to, instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum What {
    /// Every answer that was paid for
    Completions,
    /// Which answers each task was told, in order
    Transcripts,
    /// How each task ended
    Tasks,
}

/// Runs the subcommand.
pub(super) fn perform(args: &ExportArgs, display: &Display) -> Result<Exit, Failure> {
    let (file, _) = places(&args.state)?;
    let store = Store::open_reading(&file).map_err(Failure::internal)?;
    let cannot = |error: io::Error| {
        // Standard output says that by itself.
        let to = args.to.as_ref().filter(|to| *to != Path::new("-"));
        let error = anyhow::Error::new(error);
        Failure::internal(match to {
            None => error,
            Some(to) => error.context(format!("cannot write to {}", to.display())),
        })
    };
    let guard = Guard::of_state(&args.state, &args.force).map_err(Failure::usage)?;
    let mut target = guard.begin(args.to.as_deref()).map_err(Failure::usage)?;
    let what = match args.what {
        What::Completions => Exported::Completions,
        What::Transcripts => Exported::Transcripts,
        What::Tasks => Exported::Tasks,
    };
    let mut rows: u64 = 0;
    let mut written = Ok(());
    store
        .export(what, |row| {
            rows += 1;
            written = target.line(&row);
            written.is_ok()
        })
        .map_err(Failure::internal)?;
    written.and_then(|()| target.flush()).map_err(cannot)?;
    target.publish().map_err(Failure::internal)?;
    if args.to.is_some() {
        display.note(&counted(rows, "row"));
    }
    Ok(Exit::Done)
}
