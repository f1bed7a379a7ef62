//! The same commit gives the same packages, wherever and by whomever they are built.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use super::sums;
use crate::workspace::{self, Workspace};

/// Builds the last commit twice, from nothing: in folders with other names, and with another home of cargo. Takes twice as long
/// as a first build.
///
/// # Errors
/// When a package differs, or one cannot be built.
pub fn perform(workspace: &Workspace, target: Option<&str>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let homes = [home()?, folder.path().join("the-home-of-another-user")];
    std::os::unix::fs::symlink(&homes[0], &homes[1])?;
    let one = build(workspace, &folder.path().join("a"), &homes[0], target)?;
    let other = build(
        workspace,
        &folder.path().join("another-folder"),
        &homes[1],
        target,
    )?;
    if one != other {
        let kept = folder.keep();
        bail!(
            "two builds of one commit differ:\n{one}and\n{other}hint: look at both in {}",
            kept.display()
        );
    }
    println!("two builds of one commit are the same:\n{one}");
    Ok(())
}

/// Checksums of the packages of the last commit.
fn build(
    workspace: &Workspace,
    folder: &Path,
    home: &Path,
    target: Option<&str>,
) -> Result<String> {
    let clone = ["clone", "--quiet", "--no-hardlinks"];
    workspace::run(
        workspace
            .command("git")
            .args(clone)
            .arg(workspace.root())
            .arg(folder),
    )?;
    workspace::run(
        workspace
            .cargo()
            .args(["xtask", "dist"])
            .args(target.iter().flat_map(|target| ["--target", target]))
            .current_dir(folder)
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_HOME", home),
    )?;
    let sums = fs::read_to_string(folder.join("target/dist").join(sums::FILE))
        .context("the build wrote no checksums")?;
    ensure!(!sums.trim().is_empty(), "the build made no packages");
    Ok(sums)
}

fn home() -> Result<PathBuf> {
    let set = env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    set.or_else(usual).context("HOME is not set")
}
