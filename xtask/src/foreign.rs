//! Builds plugins that are written in Python or JavaScript.
//!
//! Their tools are pinned, with hashes, in `xtask/toolchains/` and are installed below `target/` from PyPI and npm, never
//! into the system. What makes a component of a source file is theirs; embedding the manifest is not done here.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    plugin_folder::{PluginFolder, Source},
    workspace::{self, Workspace},
};

/// The world of `wit/` that a component is made for.
const WORLD: &str = "component";

/// A language other than Rust.
#[derive(Clone, Copy)]
pub enum Language {
    Python,
    JavaScript,
}

impl Language {
    /// The language of a plugin, unless it is Rust.
    pub fn of(plugin: &PluginFolder) -> Option<Self> {
        match plugin.source {
            Source::Rust { .. } => None,
            Source::Python => Some(Self::Python),
            Source::JavaScript => Some(Self::JavaScript),
        }
    }

    /// Which program is missing that the language needs, and what to do.
    pub fn missing(self, workspace: &Workspace) -> Option<&'static str> {
        let works = |program: &str, arguments: &[&str]| {
            workspace
                .command(program)
                .args(arguments)
                .output()
                .is_ok_and(|output| output.status.success())
        };
        match self {
            Self::Python if !works(PYTHON, &["--version"]) => Some(
                "there is no `python3`; install Python 3.10 or later (https://www.python.org) and run this again",
            ),
            Self::Python if !works(PYTHON, &["-m", "venv", "--help"]) => Some(
                "this Python has no `venv`; install it (Debian and Ubuntu: python3-venv) and run this again",
            ),
            Self::JavaScript if !works("node", &["--version"]) => Some(
                "there is no `node`; install Node.js 20 or later (https://nodejs.org) and run this again",
            ),
            Self::JavaScript if !works(NPM, &["--version"]) => Some(
                "there is no `npm`; install it (it comes with Node.js, https://nodejs.org) and run this again",
            ),
            Self::Python | Self::JavaScript => None,
        }
    }

    /// Installs the language's tools, unless just these are installed.
    ///
    /// # Errors
    /// When the package index cannot be reached, or gives other bytes than were pinned.
    pub fn install(self, workspace: &Workspace) -> Result<()> {
        let pinned = self.pinned(workspace);
        let folder = self.folder(workspace);
        let mark = folder.join("installed");
        let wanted = read_all(&pinned)?;
        if fs::read(&mark).is_ok_and(|installed| installed == wanted) {
            return Ok(());
        }
        if folder.exists() {
            fs::remove_dir_all(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        eprintln!(
            "installing {} into {}",
            self.tool(),
            workspace.shown(&folder)
        );
        self.install_into(workspace, &folder, &pinned)
            .with_context(|| {
                format!(
                    "{} could not be installed; is the package index within reach?",
                    self.tool()
                )
            })?;
        fs::write(&mark, wanted).with_context(|| format!("cannot write {}", mark.display()))
    }

    fn install_into(self, workspace: &Workspace, folder: &Path, pinned: &[PathBuf]) -> Result<()> {
        match self {
            Self::Python => {
                let venv = ["-m", "venv"];
                workspace::run(workspace.command(PYTHON).args(venv).arg(folder))?;
                let mut pip = workspace.command(in_venv(folder, "python"));
                pip.args(["-m", "pip", "install", "--quiet"])
                    .args(["--disable-pip-version-check", "--no-deps"])
                    .args(["--require-hashes", "--only-binary", ":all:"]);
                for file in pinned {
                    pip.arg("--requirement").arg(file);
                }
                workspace::run(&mut pip)
            }
            Self::JavaScript => {
                for file in pinned {
                    let name = file.file_name().context("a file")?;
                    fs::copy(file, folder.join(name))?;
                }
                let mut npm = workspace.command(NPM);
                npm.current_dir(folder)
                    .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
                    .args(["--loglevel", "error"]);
                workspace::run(&mut npm)
            }
        }
    }

    /// Makes a component of the plugin's source and writes it to `output`.
    ///
    /// # Errors
    /// When the tool does not accept the source; it has said why.
    pub fn componentize(
        self,
        workspace: &Workspace,
        plugin: &PluginFolder,
        output: &Path,
    ) -> Result<()> {
        let folder = self.folder(workspace);
        let wit = workspace.root().join("wit");
        let mut command = match self {
            Self::Python => {
                let mut tool = workspace.command(in_venv(&folder, "componentize-py"));
                // The modules beside the source, and no other.
                tool.args(["--quiet", "--world", WORLD, "--wit-path"])
                    .arg(wit)
                    .args(["componentize", "component", "--output"])
                    .arg(output);
                tool
            }
            Self::JavaScript => {
                let mut node = workspace.command("node");
                node.arg(folder.join("componentize.mjs"))
                    .arg("component.js")
                    .arg(wit)
                    .args([WORLD])
                    .arg(output);
                node
            }
        };
        // In a copy: Python leaves `__pycache__` behind where it reads sources.
        let copy = workspace.guest_tools().join("source").join(&plugin.name);
        copy_sources(&plugin.folder, &copy)?;
        workspace::run(command.current_dir(&copy))
    }

    fn tool(self) -> &'static str {
        match self {
            Self::Python => "componentize-py",
            Self::JavaScript => "ComponentizeJS",
        }
    }

    fn folder(self, workspace: &Workspace) -> PathBuf {
        workspace.guest_tools().join(match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        })
    }

    fn pinned(self, workspace: &Workspace) -> Vec<PathBuf> {
        let toolchains = workspace.root().join("xtask/toolchains");
        let files: &[&str] = match self {
            Self::Python => &["python/requirements.txt"],
            Self::JavaScript => &[
                "javascript/package.json",
                "javascript/package-lock.json",
                "javascript/componentize.mjs",
            ],
        };
        files.iter().map(|file| toolchains.join(file)).collect()
    }
}

const PYTHON: &str = if cfg!(windows) { "python" } else { "python3" };
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

fn in_venv(folder: &Path, program: &str) -> PathBuf {
    folder
        .join(if cfg!(windows) { "Scripts" } else { "bin" })
        .join(program)
}

/// All that a plugin is built from: its folder, the contract and the pinned tools.
///
/// # Errors
/// When a file cannot be read.
pub fn inputs(workspace: &Workspace, plugin: &PluginFolder, language: Language) -> Result<Vec<u8>> {
    let mut files = sources(&plugin.folder)?;
    files.extend(sources(&workspace.root().join("wit"))?);
    files.extend(language.pinned(workspace));
    read_all(&files)
}

/// The files of a folder itself, by name.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to).with_context(|| format!("cannot remove {}", to.display()))?;
    }
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for file in sources(from)? {
        let name = file.file_name().context("a file")?;
        fs::copy(&file, to.join(name))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

/// Names and contents, so that a file that moved is a change too.
fn read_all(files: &[PathBuf]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for file in files {
        let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        all.extend_from_slice(file.to_string_lossy().as_bytes());
        all.extend_from_slice(&bytes.len().to_le_bytes());
        all.extend(bytes);
    }
    Ok(all)
}
