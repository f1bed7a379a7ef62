//! `batchgen store prune`: removes what no task refers to any more.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::super::args::StateArgs;
use super::super::display::{Display, emit, say};
use super::super::exit::{Exit, Failure};
use super::super::numbers::counted;
use super::places;
use super::stats::bytes;
use dataset::IMAGES;
use store::{Pruning, StoreError, prune};

/// Remove answers that another version of their task took the place of, and runs and recipes that no task refers to.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store prune --dry-run
  batchgen store prune --older-than 30d --unreferenced

What the current version of a task was told stays, and so does what a task that is not done could \
    still use. The file is then written again without gaps, which takes as much room on the disk as it has.")]
pub(super) struct PruneArgs {
    /// Only answers that are older, as in 30d or 12h. Younger than a day they count for the limits of a day
    #[arg(long, value_name = "AGE", default_value = "1d", value_parser = humantime::parse_duration)]
    older_than: Duration,
    /// Also answers that no task was told: of runs that were cut off, of deleted records. A task that asks the same would find them
    #[arg(long)]
    unreferenced: bool,
    /// Say what would go, and remove nothing
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

/// Removes pictures that were fetched so long ago: a component that is made again fetches its own. Returns how many there were.
fn pictures(folder: &Path, pruning: Pruning) -> io::Result<u64> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut count = 0;
    for entry in entries {
        let entry = entry?;
        let age = entry.metadata()?.modified()?.elapsed().unwrap_or_default();
        if age < pruning.older_than {
            continue;
        }
        count += 1;
        if !pruning.dry_run {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(count)
}

/// Runs the subcommand.
pub(super) fn perform(args: &PruneArgs, display: &Display) -> Result<Exit, Failure> {
    let (file, _) = places(&args.state)?;
    if !file.exists() {
        return Err(Failure::usage(StoreError::Missing { file }));
    }
    let pruning = Pruning {
        older_than: args.older_than,
        unreferenced: args.unreferenced,
        dry_run: args.dry_run,
    };
    let pruned = prune(&file, pruning).map_err(Failure::internal)?;
    let pictures = pictures(&file.with_file_name(IMAGES), pruning).map_err(Failure::internal)?;
    if args.json {
        let mut pruned = json!(pruned);
        if let Some(pruned) = pruned.as_object_mut() {
            pruned.insert("pictures".to_owned(), json!(pictures));
        }
        emit(&pruned);
        return Ok(Exit::Done);
    }
    let of_addresses = match pictures {
        0 => String::new(),
        count => format!(", {}", counted(count, "picture")),
    };
    let what = format!(
        "{}, {} of transcripts, {}, {}{of_addresses}\n",
        counted(pruned.completions, "completion"),
        counted(pruned.transcripts, "entry"),
        counted(pruned.recipes, "recipe"),
        counted(pruned.runs, "run")
    );
    if args.dry_run {
        say(&format!("would go: {what}"));
    } else {
        let (before, after) = (bytes(pruned.bytes_before), bytes(pruned.bytes_after));
        display.say(&format!(
            "removed: {what}the file had {before} and has {after}\n"
        ));
    }
    Ok(Exit::Done)
}
