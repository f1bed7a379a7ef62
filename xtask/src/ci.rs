//! `cargo xtask ci`: what has to hold before a change is merged.

use std::process::ExitCode;

use anyhow::Result;

use crate::{test, tidy, workspace::Workspace};

/// Runs tidy, then test.
#[derive(clap::Args)]
pub struct Args {}

/// Performs the task.
///
/// # Errors
/// See [`tidy::perform`] and [`test::perform`].
pub fn perform(workspace: &Workspace, _args: &Args) -> Result<ExitCode> {
    let tidied = tidy::perform(workspace, &tidy::Args {})?;
    if tidied != ExitCode::SUCCESS {
        return Ok(tidied);
    }
    test::perform(workspace, &test::Args::default())
}
