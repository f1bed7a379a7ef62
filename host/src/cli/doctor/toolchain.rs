//! What the repository needs to build plugins; nothing where there is no repository.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::super::answered::answered;
use super::Check;

const AREA: &str = "toolchain";
/// A program says its version within this time, even where it has to be fetched from a slow disk.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Looks at it, in a checkout of the repository.
pub(super) fn look(show: &mut impl FnMut(Check)) {
    let Some(root) = checkout() else { return };
    let version = |program: &str| {
        let mut command = Command::new(program);
        let command = command.arg("--version").current_dir(&root);
        let output = answered(command, "", ANSWERS_WITHIN)?;
        let text = String::from_utf8(output.stdout).ok()?;
        let first = text.lines().next()?.to_owned();
        output.status.success().then_some(first)
    };
    for (program, hint) in [
        ("cargo", "install Rust by https://rustup.rs"),
        ("rustc", "install Rust by https://rustup.rs"),
        (
            "cc",
            "install a C compiler, for SQLite: for example `apt install gcc`",
        ),
    ] {
        show(match version(program) {
            Some(found) => Check::good(AREA, found),
            None => Check::problem(AREA, format!("there is no `{program}`"), hint),
        });
    }
}

/// The checkout that the working directory lies in.
fn checkout() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let is_root = |folder: &&Path| {
        folder.join("wit/component.wit").is_file() && folder.join("xtask/Cargo.toml").is_file()
    };
    here.ancestors().find(is_root).map(Path::to_owned)
}
