//! The same commit gives the same archive, wherever and by whomever it is built.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use super::sha256;
use crate::workspace::{self, Workspace};

/// Builds the last commit twice, from nothing: in folders with other names, and with another home of cargo. Takes twice as long
/// as a first build.
///
/// # Errors
/// When the two archives differ, or one cannot be built.
pub fn perform(workspace: &Workspace) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let homes = [home()?, folder.path().join("the-home-of-another-user")];
    std::os::unix::fs::symlink(&homes[0], &homes[1])?;
    let archives = [
        build(workspace, &folder.path().join("a"), &homes[0])?,
        build(workspace, &folder.path().join("another-folder"), &homes[1])?,
    ];
    let [one, other] = [sha256(&archives[0])?, sha256(&archives[1])?];
    if one != other {
        let kept = folder.keep();
        bail!(
            "two builds of one commit differ: {one} and {other}\nhint: look at both in {}",
            kept.display()
        );
    }
    println!("two builds of one commit are the same: {one}");
    Ok(())
}

/// The archive of the last commit.
fn build(workspace: &Workspace, folder: &Path, home: &Path) -> Result<PathBuf> {
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
            .current_dir(folder)
            .env_remove("CARGO_TARGET_DIR")
            .env("CARGO_HOME", home),
    )?;
    let out = folder.join("target/dist");
    let archives = fs::read_dir(&out)?.filter_map(|entry| Some(entry.ok()?.path()));
    archives
        .into_iter()
        .find(|path| path.extension().is_some_and(|ending| ending == "gz"))
        .with_context(|| format!("there is no archive in {}", out.display()))
}

fn home() -> Result<PathBuf> {
    let set = env::var_os("CARGO_HOME").map(PathBuf::from);
    let usual = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    set.or_else(usual).context("HOME is not set")
}
