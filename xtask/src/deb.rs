//! Programs of Debian and Ubuntu that tests start and that must not be installed, since their packages start services. They are
//! unpacked below `target/`; apt sees to it that they are those of the distribution.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::left_out::leave_out;
use crate::workspace::{self, Workspace};

/// A package, whose name is also that of the folder in `target` and of the program.
struct Package {
    name: &'static str,
    /// Tests that need it, by the beginning of their names.
    tests: &'static str,
}

const PACKAGES: [Package; 1] = [Package {
    name: "docker-registry",
    tests: "e2e::registry::",
}];

/// Unpacks what is not there yet. The tests that are left out because something cannot be had; it is said why.
///
/// # Errors
/// When something cannot be had in CI, where no test is left out.
pub fn left_out(workspace: &Workspace) -> Result<Vec<&'static str>> {
    let mut tests = Vec::new();
    for package in &PACKAGES {
        if package.works(workspace) {
            continue;
        }
        let unpacked = package.unpack(workspace);
        if package.works(workspace) {
            continue;
        }
        let cause = match unpacked {
            Ok(()) => "it does not start".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        let name = package.name;
        let lack = format!("{name} of Debian or Ubuntu cannot be had: {cause}");
        tests.push(leave_out(package.tests, &lack)?);
    }
    Ok(tests)
}

impl Package {
    fn works(&self, workspace: &Workspace) -> bool {
        let place = workspace.root().join("target").join(self.name);
        let program = place.join("usr/bin").join(self.name);
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| output.status.success())
    }

    fn unpack(&self, workspace: &Workspace) -> Result<()> {
        let place = workspace.root().join("target").join(self.name);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        eprintln!("unpacking {} into {}", self.name, workspace.shown(&place));
        // With lists of its own: those of the system may be old or missing, and only root may renew them.
        let apt = place.join("apt");
        for folder in ["lists/partial", "cache/archives/partial", "package"] {
            fs::create_dir_all(apt.join(folder))?;
        }
        for words in [&["update"][..], &["download", self.name]] {
            let mut command = workspace.command("apt-get");
            command
                .args(["-qq", "-o", "Acquire::Retries=5"])
                .args([
                    "-o",
                    &format!("Dir::State::Lists={}", apt.join("lists").display()),
                ])
                .args(["-o", &format!("Dir::Cache={}", apt.join("cache").display())])
                .args(words)
                .current_dir(apt.join("package"));
            workspace::run(&mut command)?;
        }
        let mut files = fs::read_dir(apt.join("package"))?;
        let package = files.next().context("apt-get downloaded nothing")??.path();
        let mut unpack = workspace.command("dpkg-deb");
        workspace::run(unpack.arg("--extract").arg(package).arg(&place))?;
        fs::remove_dir_all(apt)?;
        Ok(())
    }
}
