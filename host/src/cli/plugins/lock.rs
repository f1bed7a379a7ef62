//! `batchgen plugins lock`: writes down which plugins the project uses.

use anyhow::anyhow;
use clap::Args;

use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::fetched;
use super::super::numbers::counted;
use super::super::settings;
use super::{Folder, FolderArgs};
use plugin::lock::Lock;

/// Write plugins.lock beside the configuration: from then on, every command refuses plugins other than those
/// that are there now.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  batchgen plugins lock")]
pub(super) struct LockArgs {
    #[command(flatten)]
    folder: FolderArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &LockArgs, display: &Display) -> Result<Exit, Failure> {
    let folder = Folder::open_to_lock(&args.folder, display)?;
    if let Some(error) = folder.broken.first() {
        return Err(Failure::usage(anyhow!(
            "nothing was locked: {error}; or remove the file"
        )));
    }
    let lock = Lock::of(&settings::of_project(&folder.plugins, &folder.config));
    let lock = match &folder.lock {
        Some(before) => lock.fetched_as(before),
        None => lock,
    };
    let file = &folder.lock_file;
    fetched::write(&lock, file)?;
    display.note(&format!(
        "locked {} in {}",
        counted(lock.len() as u64, "plugin"),
        file.display()
    ));
    Ok(Exit::Done)
}
