//! `cargo xtask new-plugin NAME`: makes a plugin that builds, runs and has its snapshots.
//!
//! Touches `plugins/NAME/`, `snapshots/NAME/` and `Cargo.lock`, and no other file: nobody lists plugins by name.

use std::{fs, path::Path, process::ExitCode};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    snapshots,
    workspace::{self, Workspace},
};

/// Makes a plugin that builds, runs and has its snapshots, for you to change.
#[derive(clap::Args)]
pub struct Args {
    /// Lower-case letters, digits and hyphens, such as `safety-notes`.
    name: String,
}

/// Where each template goes in the plugin's folder.
const TEMPLATES: [(&str, &str); 4] = [
    ("Cargo.toml", include_str!("../templates/package.toml")),
    ("plugin.toml", include_str!("../templates/plugin.toml")),
    ("src/lib.rs", include_str!("../templates/lib.rs")),
    ("prompts/write.md", include_str!("../templates/write.md")),
];

/// Performs the task.
///
/// # Errors
/// When the name will not do, a file cannot be written, or the plugin does not build.
pub fn perform(workspace: &Workspace, args: &Args) -> Result<ExitCode> {
    let name = &args.name;
    check_name(name)?;
    let folder = workspace.root().join("plugins").join(name);
    for taken in [&folder, &workspace.snapshots(name)] {
        ensure!(
            !taken.exists(),
            "{} exists already; choose another name",
            workspace.shown(taken)
        );
    }
    check_package(workspace, name)?;

    for (file, template) in TEMPLATES {
        write_new(&folder.join(file), &filled(template, name))?;
    }
    // A new member changes the lock file; nothing else in it moves.
    workspace::run(
        workspace
            .cargo()
            .args(["update", "--workspace", "--offline", "--quiet"]),
    )?;
    if !snapshots::accept_first(workspace, name)? {
        eprintln!(
            "error: its snapshots could not be made; see above\n\
             hint: mend plugins/{name} and `cargo xtask snapshots {name} --accept`, or remove it and begin again"
        );
        return Ok(ExitCode::FAILURE);
    }
    eprintln!(
        "\nmade plugins/{name} and snapshots/{name}. Next:\n  \
         edit plugins/{name}/prompts/write.md, plugin.toml and src/lib.rs\n  \
         cargo xtask run --component {name} --limit 3\n  \
         cargo xtask snapshots {name}    shows what your edits changed, for review"
    );
    Ok(ExitCode::SUCCESS)
}

fn check_name(name: &str) -> Result<()> {
    let words = name.split('-');
    let allowed = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let well_formed = name.starts_with(|letter: char| letter.is_ascii_lowercase())
        && words
            .clone()
            .all(|word| !word.is_empty() && word.chars().all(allowed));
    if !well_formed {
        bail!(
            "`{name}` will not do as a name: use lower-case letters, digits and single hyphens, and start with a \
             letter, as in `safety-notes`"
        );
    }
    if ["sdk", "examples", "src", "core", "std", "alloc"].contains(&name) {
        bail!("`{name}` is the name of something else already; choose another");
    }
    Ok(())
}

/// cargo must be able to tell the package from all others that it builds.
fn check_package(workspace: &Workspace, name: &str) -> Result<()> {
    let lock = workspace.root().join("Cargo.lock");
    let text =
        fs::read_to_string(&lock).with_context(|| format!("cannot read {}", lock.display()))?;
    ensure!(
        !text
            .lines()
            .any(|line| line == format!("name = \"{name}\"")),
        "`{name}` is the name of a package that this workspace builds already; choose another"
    );
    Ok(())
}

fn filled(template: &str, name: &str) -> String {
    template
        .replace("new-plugin", name)
        .replace("NewPlugin", &type_name(name))
}

/// `safety-notes` as a type: `SafetyNotes`.
fn type_name(name: &str) -> String {
    name.split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters
                .next()
                .map(|first| first.to_ascii_uppercase())
                .into_iter()
                .chain(letters)
        })
        .collect()
}

fn write_new(path: &Path, text: &str) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cannot_be_a_folder_and_a_package_are_refused() {
        for good in ["tags", "safety-notes", "faq2"] {
            check_name(good).unwrap();
        }
        for bad in [
            "", "Tags", "a--b", "-a", "a-", "2d", "a_b", "../a", "sdk", "examples", "é",
        ] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn templates_name_the_plugin_everywhere() {
        for (file, template) in TEMPLATES {
            let text = filled(template, "safety-notes");
            assert!(
                !text.contains("new-plugin") && !text.contains("NewPlugin"),
                "{file}"
            );
        }
        assert!(filled(TEMPLATES[2].1, "safety-notes").contains("sdk::export!(SafetyNotes);"));
    }
}
