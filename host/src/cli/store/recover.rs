//! `batchgen store recover`: saves what can be read of a damaged state into a new one.

use std::path::PathBuf;

use clap::Args;

use super::super::display::say;
use super::super::exit::{Exit, Failure};
use crate::store::recover;

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
pub(super) fn perform(args: &RecoverArgs) -> Result<Exit, Failure> {
    let saved = recover(&args.old, &args.new).map_err(Failure::internal)?;
    let mut text = format!(
        "{:12} {:>10} {:>22}\n",
        "table", "rows", "unreadable stretches"
    );
    for table in &saved {
        text.push_str(&format!(
            "{:12} {:>10} {:>22}  {}\n",
            table.table,
            table.rows,
            table.gaps,
            table.error.as_deref().unwrap_or_default()
        ));
    }
    let new = args.new.display();
    text.push_str(&format!(
        "hint: try it with `batchgen run --state {new}`; what is lost is asked or made again\n"
    ));
    say(&text);
    Ok(if saved.iter().all(|table| table.gaps == 0) {
        Exit::Done
    } else {
        Exit::Partial
    })
}
