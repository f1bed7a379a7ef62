//! `batchgen plugins lock`: writes down which plugins the project uses.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;

use super::super::display::Display;
use super::super::exit::{Exit, Failure};
use super::super::file::Writing;
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
    let folder = Folder::open(&args.folder)?;
    if let Some(error) = folder.broken.first() {
        return Err(Failure::usage(anyhow!(
            "nothing was locked: {error}; or remove the file"
        )));
    }
    let lock = Lock::of(&settings::of_project(&folder.plugins, &folder.config));
    let file = &folder.lock_file;
    Writing::begin(file, None)
        .and_then(|mut writing| {
            writing.write_all(lock.text().as_bytes())?;
            writing.publish()
        })
        .map_err(Failure::internal)?;
    display.note(&format!(
        "locked {} in {}",
        counted(lock.len() as u64, "plugin"),
        file.display()
    ));
    Ok(Exit::Done)
}
