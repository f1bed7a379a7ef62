//! `cargo xtask run`: builds plugins and host, then becomes `batchgen run` with the same arguments.
//!
//! Knows none of the host's arguments. What is built goes to standard error, so that standard output is the host's.

use std::{ffi::OsString, process::ExitCode};

use anyhow::{Result, ensure};

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
    build_beside(workspace, || build_plugins::bundled(workspace))?;
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

/// Builds plugins and, at the same time, the host that will contain some of them. A plugin is compiled on one core, so most of
/// their time is that of the host.
///
/// # Errors
/// When either does not build. The host is not built to its end when a plugin does not build.
pub fn build_beside<T>(workspace: &Workspace, plugins: impl FnOnce() -> Result<T>) -> Result<T> {
    let mut host = workspace::start(workspace.cargo().args(HOST))?;
    let built = plugins();
    if built.is_err() {
        let _ = host.kill();
    }
    let status = host.wait()?;
    let built = built?;
    ensure!(status.success(), "the host does not build");
    // A plugin that was built late is put into it.
    build_host(workspace)?;
    Ok(built)
}

/// cargo's arguments that build the host.
pub const HOST: [&str; 4] = ["build", "--release", "--package", "host"];
