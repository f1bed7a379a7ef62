//! What the repository needs to build plugins; nothing where there is no repository.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::Check;

const AREA: &str = "toolchain";
/// A program says its version within this time, even where it has to be fetched from a slow disk.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks at it, in a checkout of the repository.
pub(super) fn look(show: &mut impl FnMut(Check)) {
    let Some(root) = checkout() else { return };
    let version = |program: &str| {
        let mut command = Command::new(program);
        let command = command.arg("--version").current_dir(&root);
        let output = answered(command, ANSWERS_WITHIN)?;
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

/// What a program writes before it ends; nothing where it does not end in time. It is to write little.
fn answered(command: &mut Command, within: Duration) -> Option<Output> {
    let command = command.stdin(Stdio::null()).stderr(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).spawn().ok()?;
    let end = Instant::now() + within;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= end {
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        thread::sleep(LOOK_EVERY);
    }
    child.wait_with_output().ok()
}

/// The checkout that the working directory lies in.
fn checkout() -> Option<PathBuf> {
    let here = env::current_dir().ok()?;
    let is_root = |folder: &&Path| {
        folder.join("wit/component.wit").is_file() && folder.join("xtask/Cargo.toml").is_file()
    };
    here.ancestors().find(is_root).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_read() {
        let said = answered(Command::new("echo").arg("1.0"), ANSWERS_WITHIN).unwrap();
        assert_eq!(said.stdout, b"1.0\n");
        assert!(answered(&mut Command::new("no-such-program"), ANSWERS_WITHIN).is_none());
    }

    #[test]
    fn a_program_that_never_ends_counts_as_missing() {
        let within = Duration::from_millis(50);
        assert!(answered(Command::new("sleep").arg("100000"), within).is_none());
    }
}
