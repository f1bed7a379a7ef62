//! rustfmt and clippy, with what to do where they are not installed.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::{
    guest_toolchain::GuestToolchain,
    plugin_folder::{self, Source},
    runner,
    workspace::{self, Workspace},
};

/// Runs all of them with this program's terminal. Gives whether all had nothing to say.
///
/// # Errors
/// When a tool is missing or cannot be started.
pub fn check(workspace: &Workspace) -> Result<bool> {
    for tool in ["fmt", "clippy"] {
        let component = if tool == "fmt" { "rustfmt" } else { tool };
        ensure!(
            workspace.has_cargo_command(tool),
            "`cargo {tool}` is not installed; `rustup component add {component}` adds it"
        );
    }
    let mut clean = passes(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    let clippy = || {
        let mut cargo = workspace.cargo();
        cargo.args(["clippy", "--quiet"]);
        cargo
    };
    let deny = ["--", "-D", "warnings"];
    clean &= passes(
        clippy()
            .args(["--all-targets", "--package", "xtask"])
            .args(deny),
    )?;
    clean &= passes(
        clippy()
            .arg("--all-targets")
            .args(runner::EVERYTHING)
            .args(deny),
    )?;
    // Code for the guests' target alone is seen only there.
    let mut guests = clippy();
    GuestToolchain::prepare(workspace)?.select(&mut guests);
    for folder in ["plugins", "plugins/examples"] {
        for plugin in plugin_folder::find_all(workspace, &workspace.root().join(folder))? {
            if let Source::Rust { package, .. } = &plugin.source {
                guests.args(["--package", package]);
            }
        }
    }
    clean &= passes(guests.args(deny))?;
    Ok(clean)
}

fn passes(command: &mut Command) -> Result<bool> {
    eprintln!("{}", workspace::shown(command));
    Ok(workspace::status(command)?.success())
}
