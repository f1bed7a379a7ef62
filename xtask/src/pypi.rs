//! Programs of others that tests start. They are pinned, with hashes, in `xtask/toolchains`, and are installed below `target/` from
//! PyPI, never into the system.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::left_out::leave_out;
use crate::workspace::{self, Workspace};

/// What is installed together.
struct Tool {
    /// The folder in `xtask/toolchains` that pins it, and the folder in `target` that has it.
    folder: &'static str,
    what: &'static str,
    /// Tests that need it, by the beginning of their names.
    tests: &'static str,
    /// A program that it brings, with arguments that show that it works.
    trial: (&'static str, &'static [&'static str]),
}

const TOOLS: [Tool; 8] = [
    Tool {
        folder: "nats",
        what: "the NATS server",
        tests: "e2e::cluster::",
        trial: ("nats-server", &["--version"]),
    },
    Tool {
        folder: "moto",
        what: "moto, which speaks the API of S3",
        tests: "e2e::storage::",
        trial: ("moto_server", &["--help"]),
    },
    Tool {
        folder: "hugo",
        what: "Hugo",
        tests: "e2e::hugo::",
        trial: ("hugo", &["version"]),
    },
    Tool {
        folder: "oras",
        what: "ORAS",
        tests: "e2e::registry::",
        trial: ("python", &["-c", "import oras.client"]),
    },
    Tool {
        folder: "readers",
        what: "DuckDB, pandas and PyArrow",
        tests: "e2e::readers::",
        trial: ("python", &["-c", "import duckdb, pandas, pyarrow"]),
    },
    Tool {
        folder: "otlp",
        what: "OpenTelemetry's library for Python",
        tests: "e2e::otlp::",
        trial: (
            "python",
            &["-c", "import opentelemetry.proto.trace.v1.trace_pb2"],
        ),
    },
    Tool {
        folder: "rotel",
        what: "the collector Rotel",
        tests: "e2e::rotel::",
        trial: (
            "python",
            // The package has its program among its modules.
            &[
                "-c",
                "import rotel, subprocess; subprocess.check_call([rotel.__path__[0] + '/rotel-agent', '--version'])",
            ],
        ),
    },
    Tool {
        folder: "taplo",
        what: "Taplo",
        tests: "e2e::taplo::",
        trial: ("taplo", &["--version"]),
    },
];

/// Installs what is not installed yet. The tests that are left out because something cannot be had; it is said why.
///
/// # Errors
/// When something cannot be had in CI, where no test is left out.
pub fn left_out(workspace: &Workspace) -> Result<Vec<&'static str>> {
    let mut tests = Vec::new();
    for tool in &TOOLS {
        if let Err(cause) = tool.provide(workspace) {
            let lack = format!("{} cannot be installed from PyPI: {cause}", tool.what);
            tests.push(leave_out(tool.tests, &lack)?);
        }
    }
    Ok(tests)
}

impl Tool {
    /// Sees to it that it is there as it is pinned.
    fn provide(&self, workspace: &Workspace) -> Result<()> {
        let note = self.place(workspace).join("pinned.txt");
        let pinned = fs::read(self.pinned(workspace))?;
        if fs::read(&note).is_ok_and(|installed| installed == pinned) && self.works(workspace) {
            return Ok(());
        }
        let installed = self.install(workspace);
        if self.works(workspace) {
            fs::write(note, pinned)?;
            return Ok(());
        }
        installed?;
        bail!("it does not start")
    }

    fn place(&self, workspace: &Workspace) -> PathBuf {
        workspace.root().join("target").join(self.folder)
    }

    fn pinned(&self, workspace: &Workspace) -> PathBuf {
        let toolchains = workspace.root().join("xtask/toolchains");
        toolchains.join(self.folder).join("requirements.txt")
    }

    fn works(&self, workspace: &Workspace) -> bool {
        let (program, arguments) = self.trial;
        let program = self.place(workspace).join("bin").join(program);
        let output = Command::new(program).args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    }

    fn install(&self, workspace: &Workspace) -> Result<()> {
        let place = self.place(workspace);
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        eprintln!("installing {} into {}", self.what, workspace.shown(&place));
        workspace::run(
            workspace
                .command("python3")
                .args(["-m", "venv"])
                .arg(&place),
        )?;
        workspace::run(
            workspace
                .command(place.join("bin/python"))
                .args(["-m", "pip", "install", "--quiet"])
                .args(["--disable-pip-version-check", "--no-deps"])
                .args([
                    "--require-hashes",
                    "--only-binary",
                    ":all:",
                    "--requirement",
                ])
                .arg(self.pinned(workspace)),
        )
    }
}
