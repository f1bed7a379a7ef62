//! `cargo xtask snapshots`: makes the snapshots again and shows what changed, for review.
//!
//! With the name of a plugin it builds and runs that one only. Without `--accept` no reviewed snapshot changes.
//! Completions that a snapshot needs and that were never recorded are recorded from the offline provider; those that
//! exist are replayed, so nothing here needs a network or a key.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::{
    build_plugins,
    plugin_folder::PluginFolder,
    runner,
    snapshot_files::{self, References},
    workspace::{self, Workspace},
};

/// Makes the snapshots again and shows what changed. Accepts nothing by itself.
#[derive(clap::Args)]
pub struct Args {
    /// Only those of this plugin, which takes seconds.
    plugin: Option<String>,
    /// Accepts every change, and removes snapshots that belong to no test.
    #[arg(long)]
    accept: bool,
}

/// Tells the crate `snapshots` to record completions that it has none of, where it would fail otherwise.
const RECORD: (&str, &str) = ("SNAPSHOTS_RECORD", "1");

/// Tells it which plugin is looked at.
const ONLY: &str = "SNAPSHOTS_ONLY";

/// The test that makes the snapshots of the bundled plugins.
pub const OF_PLUGINS: [&str; 4] = [
    "--release",
    "--package",
    "snapshots",
    "every_plugin_is_as_it_was_reviewed",
];
/// The test that makes those of the examples.
const OF_EXAMPLES: [&str; 4] = [
    "--release",
    "--package",
    "snapshots",
    "every_example_is_as_it_was_reviewed",
];

fn test_of(workspace: &Workspace, plugin: &PluginFolder) -> [&'static str; 4] {
    let examples = workspace.root().join("plugins/examples");
    if plugin.folder.starts_with(examples) {
        OF_EXAMPLES
    } else {
        OF_PLUGINS
    }
}

/// Performs the task.
///
/// # Errors
/// When something does not build, or a file cannot be read or written.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    if let Some(plugin) = &args.plugin {
        return of_one(workspace, plugin, args.accept);
    }
    let references = References::start(workspace)?;
    let left_out = runner::build_what_tests_need(workspace)?;
    if !make(workspace, &references, &runner::EVERYTHING, None)? {
        eprintln!("error: a test failed for another reason than a snapshot; nothing was accepted");
        return Ok(ExitCode::FAILURE);
    }
    if args.accept {
        accept_all(
            workspace,
            &snapshot_files::pending(workspace)?,
            &unreferenced(workspace, &references, &left_out)?,
        )?;
    } else {
        review(
            workspace,
            &snapshot_files::pending(workspace)?,
            &unreferenced(workspace, &references, &left_out)?,
            "",
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows or accepts the snapshots of one plugin, and leaves all others as they are.
fn of_one(workspace: &Workspace, plugin: &str, accept: bool) -> Result<ExitCode> {
    let folder = build_plugins::one(workspace, plugin)?;
    let references = References::start(workspace)?;
    if !make(
        workspace,
        &references,
        &test_of(workspace, &folder),
        Some(plugin),
    )? {
        eprintln!("error: a snapshot could not be made; nothing was accepted");
        return Ok(ExitCode::FAILURE);
    }
    let folders = folder.reviewed.iter().map(|name| workspace.snapshots(name));
    let folders: Vec<PathBuf> = folders.collect();
    let is_of_it = |path: &PathBuf| folders.iter().any(|folder| path.starts_with(folder));
    let mut pending = snapshot_files::pending(workspace)?;
    pending.retain(is_of_it);
    let mut unreferenced = unreferenced(workspace, &references, &[])?;
    unreferenced.retain(is_of_it);
    if accept {
        accept_all(workspace, &pending, &unreferenced)?;
    } else {
        review(workspace, &pending, &unreferenced, plugin)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Records and accepts the first snapshots of one plugin, leaving all others as they are.
///
/// # Errors
/// When something does not build, or a file cannot be read or written.
pub fn accept_first(workspace: &Workspace, plugin: &str) -> Result<bool> {
    let test = test_of(workspace, &build_plugins::one(workspace, plugin)?);
    let references = References::start(workspace)?;
    let made = make(workspace, &references, &test, Some(plugin))?;
    let folder = workspace.snapshots(plugin);
    for pending in snapshot_files::pending(workspace)? {
        if pending.starts_with(&folder) {
            accept(workspace, &pending)?;
        }
    }
    Ok(made)
}

/// Runs the snapshot tests so that what differs is written beside what was reviewed. Gives whether all else passed.
fn make(
    workspace: &Workspace,
    references: &References,
    selection: &[&str],
    only: Option<&str>,
) -> Result<bool> {
    for pending in snapshot_files::pending(workspace)? {
        fs::remove_file(pending)?;
    }
    let mut command = runner::command(workspace);
    references.collect_from(&mut command);
    command
        .args(selection)
        .env("INSTA_UPDATE", "new")
        .env("INSTA_FORCE_PASS", "1")
        .env(RECORD.0, RECORD.1);
    if let Some(plugin) = only {
        command.env(ONLY, plugin);
    }
    Ok(workspace::status(&mut command)?.success())
}

fn review(
    workspace: &Workspace,
    pending: &[PathBuf],
    unreferenced: &[PathBuf],
    plugin: &str,
) -> Result<()> {
    if pending.is_empty() && unreferenced.is_empty() {
        eprintln!("no snapshot changed");
        return Ok(());
    }
    for path in unreferenced {
        eprintln!("{}: belongs to no test", workspace.shown(path));
    }
    if !pending.is_empty() {
        if workspace.has_cargo_command("insta") {
            return workspace::run(workspace.cargo().args(["insta", "review", "--workspace"]));
        }
        for path in pending {
            show(workspace, path)?;
        }
    }
    eprintln!(
        "hint: `cargo xtask snapshots {plugin}{}--accept` accepts {} new or changed and removes {} that belong to no test; to \
         choose one by one, `cargo install cargo-insta` and run this again",
        if plugin.is_empty() { "" } else { " " },
        pending.len(),
        unreferenced.len()
    );
    Ok(())
}

fn accept_all(workspace: &Workspace, pending: &[PathBuf], unreferenced: &[PathBuf]) -> Result<()> {
    for path in unreferenced {
        remove(path)?;
        eprintln!("removed {}", workspace.shown(path));
    }
    for pending in pending {
        accept(workspace, pending)?;
    }
    Ok(())
}

fn accept(workspace: &Workspace, pending: &Path) -> Result<()> {
    snapshot_files::accept(pending)?;
    eprintln!(
        "accepted {}",
        workspace.shown(&snapshot_files::replaced_by(pending))
    );
    Ok(())
}

/// Removes a snapshot, the completions that were recorded for it, and the folder if nothing else is in it.
fn remove(snapshot: &Path) -> Result<()> {
    fs::remove_file(snapshot).with_context(|| format!("cannot remove {}", snapshot.display()))?;
    let completions = snapshot.with_extension("completions.json");
    if completions.exists() {
        fs::remove_file(&completions)
            .with_context(|| format!("cannot remove {}", completions.display()))?;
    }
    if let Some(folder) = snapshot.parent()
        && fs::read_dir(folder)?.next().is_none()
    {
        fs::remove_dir(folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    }
    Ok(())
}

/// A plugin that is no more leaves such snapshots behind.
fn unreferenced(
    workspace: &Workspace,
    references: &References,
    left_out: &[String],
) -> Result<Vec<PathBuf>> {
    references.unreferenced(&snapshot_files::reviewed(workspace, left_out)?)
}

/// Shows the difference as git does, in colour on a terminal. It ends with 1 where there is one.
fn show(workspace: &Workspace, pending: &Path) -> Result<()> {
    let in_root = |path: &Path| {
        path.strip_prefix(workspace.root())
            .unwrap_or(path)
            .to_owned()
    };
    let reviewed = snapshot_files::replaced_by(pending);
    let before = if reviewed.exists() {
        in_root(&reviewed)
    } else {
        "/dev/null".into()
    };
    let mut git = workspace.command("git");
    git.args(["--no-pager", "diff", "--no-index", "--"])
        .args([before, in_root(pending)]);
    workspace::status(&mut git).map(drop)
}
