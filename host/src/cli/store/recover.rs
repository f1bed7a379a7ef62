//! `batchgen store recover`: saves what can be read of a damaged state into a new one.

use std::path::PathBuf;

use clap::Args;

use super::super::display::{Display, width};
use super::super::exit::{Exit, Failure};
use super::super::table::Table;
use store::recover;

/// Save what can be read of a damaged state into a new file. The old file is not changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen store recover .batchgen/state.db saved.db")]
pub(super) struct RecoverArgs {
    /// The damaged state
    old: PathBuf,
    /// Where the new state goes; it must not exist
    new: PathBuf,
}

/// Runs the subcommand.
pub(super) fn perform(args: &RecoverArgs, display: &Display) -> Result<Exit, Failure> {
    let saved = recover(&args.old, &args.new).map_err(Failure::internal)?;
    let mut table = Table::new(["table", "rows", "unreadable stretches", "why"]);
    for saved in &saved {
        let numbers = [saved.rows, saved.gaps].map(|number| number.to_string());
        let why = saved.error.clone().unwrap_or_default();
        table.row(
            [saved.table.to_owned()]
                .into_iter()
                .chain(numbers)
                .chain([why]),
        );
    }
    display.say(&format!(
        "{}hint: try it with `batchgen run --state {}`; what is lost is asked or made again\n",
        table.without_empty_columns(&["why"]).render(width()),
        args.new.display()
    ));
    let is_whole = saved.iter().all(|table| table.gaps == 0);
    if !is_whole && display.is_quiet() {
        display.print("some of the old state could not be read");
    }
    Ok(if is_whole { Exit::Done } else { Exit::Partial })
}
