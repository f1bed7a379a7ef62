//! `cargo xtask run`: builds plugins and host, then becomes `batchgen run` with the same arguments.
//!
//! Knows none of the host's arguments. What is built goes to standard error, so that standard output is the host's.

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;

use crate::{
    build_plugins,
    workspace::{self, Workspace},
};

/// Builds plugins and host, then does what `batchgen run` does, from the root of the checkout.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub struct Args {
    /// Arguments of `batchgen run`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Performs the task. On Unix it returns only when the host could not be started.
///
/// # Errors
/// When something does not build, or the host cannot be started.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    build_plugins::bundled(workspace)?;
    build_host(workspace)?;
    let program = workspace.release("batchgen");
    workspace::replace(workspace.command(program).arg("run").args(&args.arguments))
}

/// Builds the host in release, the one profile that wasmtime is built in.
///
/// # Errors
/// When it does not build.
pub fn build_host(workspace: &Workspace) -> Result<()> {
    workspace::run(workspace.cargo().args(HOST))
}

/// cargo's arguments that build the host.
pub const HOST: [&str; 4] = ["build", "--release", "--package", "host"];
