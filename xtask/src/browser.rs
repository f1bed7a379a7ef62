//! The browser that the tests of the page need: installs it where that may be done.

use std::{env, process::Command};

use anyhow::{Result, bail};

use crate::workspace;

/// Packages that Debian and Ubuntu call so.
const PACKAGES: [&str; 2] = ["chromium", "chromium-driver"];

/// Whether the tests of the page can run. Installs a browser where this is a Debian or Ubuntu system and the user may.
///
/// # Errors
/// When there is no browser in CI, where no test is left out.
pub fn is_there() -> Result<bool> {
    if is_installed() {
        return Ok(true);
    }
    let hint = format!(
        "apt-get install --no-install-recommends {}",
        PACKAGES.join(" ")
    );
    if may_install() {
        eprintln!("installing a browser for the tests of the page: `{hint}`");
        install();
        if is_installed() {
            return Ok(true);
        }
    }
    if env::var_os("CI").is_some_and(|value| !value.is_empty()) {
        bail!("chromium and chromedriver are not installed: on Debian and Ubuntu, `{hint}`");
    }
    eprintln!(
        "the tests of the page (`e2e::watch_page`) are left out, since chromium and chromedriver are not installed; on \
         Debian and Ubuntu, `{hint}` installs them"
    );
    Ok(false)
}

fn is_installed() -> bool {
    let starts = |program: &str| {
        let mut command = Command::new(program);
        command.arg("--version");
        command.output().is_ok_and(|output| output.status.success())
    };
    starts("chromedriver") && (starts("chromium") || starts("google-chrome"))
}

fn may_install() -> bool {
    let is_root = Command::new("id").arg("-u").output();
    is_root.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
        && Command::new("apt-get").arg("--version").output().is_ok()
}

/// What fails here is seen by what is missing afterwards.
fn install() {
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
        arguments.extend(PACKAGES);
        apt(&arguments);
    }
}
