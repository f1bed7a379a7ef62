//! `cargo xtask bench`: builds what the benchmarks need and runs them, in release and one after another.
//!
//! Prints a Markdown table for docs/BENCHMARKS.md. Passes and fails nothing: machines differ.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    pypi, runner,
    workspace::{self, Workspace},
};

/// Runs the benchmarks and prints a table of what they measured.
#[derive(clap::Args)]
pub struct Args {
    /// Only benchmarks whose names contain one of these.
    filters: Vec<String>,
}

/// Performs the task. On Unix it returns only when the benchmarks could not be started.
///
/// # Errors
/// When something does not build, or the benchmarks cannot be started.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    runner::build_what_tests_need(workspace)?;
    // Without it, all but those of runs on several machines can be measured. These come last.
    pypi::left_out(workspace)?;
    workspace::replace(
        workspace
            .command(workspace.release("bench"))
            .args(&args.filters),
    )
}
