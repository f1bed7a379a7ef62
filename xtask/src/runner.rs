//! Runs tests: by cargo-nextest where it is installed, else by `cargo test`, with the same selection.

use std::{ffi::OsString, process::Command};

use anyhow::Result;

use crate::{
    build_plugins, run,
    workspace::{self, Workspace},
};

/// Every package but this one, in release: the selection that all tests of the product are built in.
pub const EVERYTHING: [&str; 4] = ["--release", "--workspace", "--exclude", "xtask"];

/// cargo's arguments that build the programs of the end-to-end tests.
pub const TEST_PROGRAMS: [&str; 7] = [
    "build",
    "--release",
    "--package",
    "tests",
    "--package",
    "batchgen-simulator",
    "--bins",
];

/// The runner's command, without a selection.
pub fn command(workspace: &Workspace) -> Command {
    let mut cargo = workspace.cargo();
    if workspace.has_cargo_command("nextest") {
        cargo.args(["nextest", "run"]);
    } else {
        cargo.arg("test");
    }
    // So that insta need not ask cargo, once in every test, where the workspace is.
    cargo.env("INSTA_WORKSPACE_ROOT", workspace.root());
    cargo
}

/// Builds what tests start or load: plugins, examples, the host and the programs of the end-to-end tests. Gives the
/// names of the examples that were left out.
///
/// # Errors
/// When something does not build.
pub fn build_what_tests_need(workspace: &Workspace) -> Result<Vec<String>> {
    let left_out = run::build_beside(workspace, || {
        build_plugins::bundled(workspace)?;
        let left_out = build_plugins::examples(workspace)?;
        build_plugins::of_tests(workspace)?;
        Ok(left_out)
    })?;
    workspace::run(workspace.cargo().args(TEST_PROGRAMS))?;
    Ok(left_out)
}

/// This crate's own tests, in the profile that it is built in anyway.
///
/// # Errors
/// When the runner cannot be started.
pub fn own_tests(workspace: &Workspace) -> Result<bool> {
    let mut command = command(workspace);
    Ok(workspace::status(command.args(["--package", "xtask"]))?.success())
}

/// The product's tests. Gives whether all passed.
///
/// # Errors
/// When the runner cannot be started.
pub fn all_tests(command: &mut Command, arguments: &[OsString]) -> Result<bool> {
    command
        .args(EVERYTHING)
        .arg("--no-fail-fast")
        .args(arguments);
    Ok(workspace::status(command)?.success())
}
