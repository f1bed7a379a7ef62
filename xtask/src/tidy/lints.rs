//! Runs rustfmt and clippy, and checks that every package inherits the workspace's lints.

use std::process::Command;

use anyhow::{Result, ensure};

use super::{Fault, Files};
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
    // In the profile of the builds, as everything is, so that build scripts, macros and libraries in C are built once.
    clean &= passes(
        clippy()
            .args(["--all-targets", "--release", "--package", "xtask"])
            .args(deny),
    )?;
    clean &= passes(
        clippy()
            .arg("--all-targets")
            .args(runner::EVERYTHING)
            .args(deny),
    )?;
    // Without what reads and writes heavy formats or reaches storage, which can be left out of the program.
    for package in ["batchgen-dataset", "batchgen-objects", "batchgen-tables"] {
        clean &= passes(
            clippy()
                .args(["--release", "--package", package, "--no-default-features"])
                .args(deny),
        )?;
    }
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

/// The packages that do not inherit the workspace's lints, so that clippy holds them to none.
pub fn inherited(files: &Files) -> Vec<Fault> {
    files
        .ending("toml")
        .filter_map(|(name, text)| check_manifest(name, text))
        .collect()
}

fn check_manifest(name: &str, text: &str) -> Option<Fault> {
    let manifest: toml::Table = toml::from_str(text).ok()?;
    let inherits = manifest
        .get("lints")
        .and_then(|lints| lints.get("workspace"))
        .and_then(toml::Value::as_bool);
    if !name.ends_with("Cargo.toml") || !manifest.contains_key("package") || inherits == Some(true)
    {
        return None;
    }
    Some(Fault {
        file: name.to_owned(),
        line: None,
        message: "the package does not obey the workspace's lints; add [lints] workspace = true"
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_without_the_lints_is_found() {
        let package = "[package]\nname = \"a\"\n";
        assert!(check_manifest("a/Cargo.toml", package).is_some());
        assert!(
            check_manifest(
                "a/Cargo.toml",
                &format!("{package}[lints]\nworkspace = true\n")
            )
            .is_none()
        );
        assert!(check_manifest("Cargo.toml", "[workspace]\n").is_none());
    }
}
