//! Checks that every plugin is whole: its manifest, and snapshots that were reviewed.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use super::Fault;
use crate::{plugin_folder, workspace::Workspace};

/// The faults of `plugins/`, `plugins/examples/` and `snapshots/`.
///
/// # Errors
/// When a folder cannot be read, or a manifest is wrong.
pub fn check(workspace: &Workspace) -> Result<Vec<Fault>> {
    let mut faults = Vec::new();
    let plugins = workspace.root().join("plugins");
    for parent in [plugins.clone(), plugins.join("examples")] {
        for folder in packages(&parent)? {
            // The crates that plugins share are no plugins.
            let shared = ["sdk", "materials"]
                .map(|name| plugins.join(name))
                .contains(&folder);
            if !shared && !folder.join("plugin.toml").is_file() {
                let message = "no plugin.toml: the build does not see this plugin; write one, or remove the folder";
                faults.push(fault(workspace, &folder, message));
            }
        }
    }
    for plugin in plugin_folder::find_all(workspace, &plugins)? {
        for component in &plugin.reviewed {
            let folder = workspace.snapshots(component);
            if !has_snapshot(&folder) {
                let message = "the component has no reviewed snapshot; run `cargo xtask snapshots` and commit what you accept";
                faults.push(fault(workspace, &folder, message));
            }
        }
    }
    Ok(faults)
}

fn packages(parent: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut packages = Vec::new();
    for entry in
        fs::read_dir(parent).with_context(|| format!("cannot read {}", parent.display()))?
    {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            packages.push(folder);
        }
    }
    packages.sort();
    Ok(packages)
}

fn has_snapshot(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|entries| {
        entries.flatten().any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "snap")
        })
    })
}

fn fault(workspace: &Workspace, path: &Path, message: &str) -> Fault {
    Fault {
        file: workspace.shown(path).to_string(),
        line: None,
        message: message.to_owned(),
    }
}
