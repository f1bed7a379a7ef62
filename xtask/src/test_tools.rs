//! Programs that some tests need besides Rust's: installs them where that may be done.

use std::{env, process::Command};

use anyhow::{Result, bail};

use crate::workspace;

/// Programs, and the tests that need them.
struct Tool {
    /// Beginnings of the tests' names.
    tests: &'static [&'static str],
    /// What these tests look at.
    of: &'static str,
    /// For each program that is needed, the commands that show that it is there. One of them is enough.
    commands: &'static [&'static [&'static [&'static str]]],
    /// A command that ends well where the system lets the programs do their work.
    trial: Option<&'static [&'static str]>,
    /// Packages that Debian and Ubuntu call so.
    packages: &'static [&'static str],
}

const TOOLS: [Tool; 4] = [
    Tool {
        tests: &[
            "e2e::watch_page::",
            "e2e::review_page::",
            "e2e::compare_page::",
        ],
        of: "the pages",
        commands: &[
            &[&["chromedriver", "--version"]],
            &[&["chromium", "--version"], &["google-chrome", "--version"]],
        ],
        trial: None,
        packages: &["chromium", "chromium-driver"],
    },
    Tool {
        tests: &[
            "e2e::batches_killed::",
            "e2e::io_errors::",
            "e2e::io_other_files::",
        ],
        of: "a disk that fails, and of a kill at a commit",
        commands: &[&[&["strace", "--version"]]],
        // Some containers let no process look into another.
        trial: Some(&["strace", "-f", "-o", "/dev/null", "true"]),
        packages: &["strace"],
    },
    Tool {
        tests: &["e2e::postgres::"],
        of: "a Postgres server",
        commands: &[&[&["sh", "-c", "ls /usr/lib/postgresql/*/bin/initdb"]]],
        trial: None,
        packages: &["postgresql"],
    },
    Tool {
        tests: &["e2e::prometheus::"],
        of: "Prometheus",
        commands: &[
            &[&["prometheus", "--version"]],
            &[&["promtool", "--version"]],
        ],
        trial: None,
        packages: &["prometheus"],
    },
];

/// Tests that cannot run here, by the beginning of their names; it is said why. Installs what they need where this is a Debian or
/// Ubuntu system and the user may.
///
/// # Errors
/// When something is missing in CI, where no test is left out.
pub fn left_out() -> Result<Vec<&'static str>> {
    let mut left_out = Vec::new();
    for tool in TOOLS {
        if !tool.is_there()? {
            left_out.extend(tool.tests);
        }
    }
    Ok(left_out)
}

impl Tool {
    fn is_there(&self) -> Result<bool> {
        if self.is_installed() {
            return Ok(self.is_allowed());
        }
        let packages = self.packages.join(" ");
        let hint = format!("apt-get install --no-install-recommends {packages}");
        if may_install() {
            eprintln!(
                "installing {packages} for the tests of {}: `{hint}`",
                self.of
            );
            install(self.packages);
            if self.is_installed() {
                return Ok(self.is_allowed());
            }
        }
        if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
            bail!("{packages} cannot be found: on Debian and Ubuntu, `{hint}`");
        }
        eprintln!(
            "the tests of {} (`{}`) are left out, since {packages} cannot be found; on Debian and Ubuntu, `{hint}` installs them",
            self.of,
            self.names(),
        );
        Ok(false)
    }

    fn names(&self) -> String {
        let names = self.tests.iter().map(|name| name.trim_end_matches("::"));
        names.collect::<Vec<_>>().join("`, `")
    }

    fn is_installed(&self) -> bool {
        let one_works = |ways: &&[&[&str]]| ways.iter().any(|command| ends_well(command));
        self.commands.iter().all(one_works)
    }

    fn is_allowed(&self) -> bool {
        let is_allowed = self.trial.is_none_or(ends_well);
        if !is_allowed {
            eprintln!(
                "the tests of {} (`{}`) are left out, since the system forbids `{}`",
                self.of,
                self.names(),
                self.trial.unwrap_or_default().join(" "),
            );
        }
        is_allowed
    }
}

fn ends_well(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else {
        return false;
    };
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

fn may_install() -> bool {
    let is_root = Command::new("id").arg("-u").output();
    is_root.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
        && Command::new("apt-get").arg("--version").output().is_ok()
}

/// What fails here is seen by what is missing afterwards.
fn install(packages: &[&str]) {
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command
            .env("DEBIAN_FRONTEND", "noninteractive")
            .args(["-o", "Acquire::Retries=5", "-q"])
            .args(arguments);
        workspace::status(&mut command).is_ok_and(|status| status.success())
    };
    if apt(&["update"]) {
        let mut arguments = vec!["install", "-y", "--no-install-recommends"];
        arguments.extend(packages);
        apt(&arguments);
    }
}
