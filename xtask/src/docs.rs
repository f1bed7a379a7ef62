//! `cargo xtask docs`: writes the pages of the documentation that follow from the code: commands from the host's own
//! command line, the configuration and its schema from `batchgen.toml`, events from their schema, and a list of the pages for models.

mod configuration;
mod events;
mod llms;
mod schema;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::{
    run,
    workspace::{self, Workspace},
};

/// Writes the pages of the documentation that follow from the code.
#[derive(clap::Args)]
pub struct Args {}

/// Performs the task.
///
/// # Errors
/// When the host does not build, or a file cannot be read or written.
pub fn perform(workspace: &Workspace, _args: &Args) -> Result<ExitCode> {
    run::build_host(workspace)?;
    for (path, text) in pages(workspace)? {
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
            println!("{} is written", workspace.shown(&path));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The pages that are not as the code says, once the host is built.
///
/// # Errors
/// When a file cannot be read.
pub fn outdated(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    let mut outdated = Vec::new();
    for (path, text) in pages(workspace)? {
        if fs::read_to_string(&path).ok().as_deref() != Some(&text) {
            outdated.push(path);
        }
    }
    Ok(outdated)
}

fn pages(workspace: &Workspace) -> Result<Vec<(PathBuf, String)>> {
    let root = workspace.root();
    let folder = root.join("docs/reference");
    let read = |path: &Path| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let mut host = workspace.command(workspace.release("batchgen"));
    let commands = workspace::output(host.arg("reference"))?;
    let configuration = read(&root.join("batchgen.toml"))?;
    // Components that someone appended to try them are no documentation.
    let documented = configuration
        .split_once("\n[component.")
        .map_or(configuration.as_str(), |(documented, _)| documented);
    let schema = schema::schema(&configuration);
    let configuration = configuration::page(documented);
    let docs = root.join("docs");
    let llms = llms::text(&read(&docs.join("SUMMARY.md"))?, |page| {
        read(&docs.join(page)).ok()
    });
    let events = events::page(&read(&root.join("docs/events.schema.json"))?)?;
    Ok(vec![
        (folder.join("commands.md"), commands),
        (folder.join("configuration.md"), configuration),
        (folder.join("events.md"), events),
        (docs.join("batchgen.schema.json"), schema),
        (docs.join("llms.txt"), llms),
    ])
}
