//! `cargo xtask fuzz TARGET`: builds the fuzzer and gives it a target. Its corpora are `tests/corpus/`.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use crate::{
    runner,
    workspace::{self, Workspace},
};

/// Gives random input to what reads plugins (loader, manifest), datasets (dataset) or answers (provider).
#[derive(clap::Args)]
pub struct Args {
    /// Target, and `--minutes N` or `--seed N`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    arguments: Vec<OsString>,
}

/// Performs the task. On Unix it returns only when the fuzzer could not be started.
///
/// # Errors
/// When it does not build, or cannot be started.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    workspace::run(workspace.cargo().args(runner::TEST_PROGRAMS))?;
    workspace::replace(
        workspace
            .command(workspace.release("fuzz"))
            .args(&args.arguments),
    )
}
