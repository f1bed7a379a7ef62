//! What all packages are made of: one tree, laid out as it is installed below a prefix such as `/usr`.
//!
//! The program finds `lib/batchgen/plugins` from `bin`, so that each package only has to keep the two beside each other.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use super::{
    PROGRAM, licences,
    machine::{self, Libc, Machine},
    packages, sbom,
};
use crate::workspace::{self, Workspace};

/// Where plugins lie below the prefix.
pub const PLUGINS: &str = "lib/batchgen/plugins";
/// Where licences and the list of packages lie below it.
pub const DOCS: &str = "share/doc/batchgen";
/// Licences of batchgen itself, at the user's option.
pub const LICENCES: [&str; 2] = ["LICENSE-MIT", "LICENSE-APACHE"];
/// Licences of what it contains.
pub const THIRD_PARTY: &str = "THIRD-PARTY-LICENSES.txt";
/// Where the manual pages lie below it.
pub const MANUAL: &str = "share/man/man1";
/// Shells with the file that holds their completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "share/bash-completion/completions/batchgen"),
    ("zsh", "share/zsh/vendor-completions/_batchgen"),
    ("fish", "share/fish/vendor_completions.d/batchgen.fish"),
];

/// The tree, and what is true of all that is in it.
pub struct Stage {
    /// The prefix.
    pub folder: PathBuf,
    pub version: String,
    pub machine: Machine,
    pub libc: Libc,
    /// What the files in packages are as old as, in seconds since 1970.
    pub made: u64,
}

impl Stage {
    /// Fills a folder with what was built. `runs` is the same program for this machine.
    ///
    /// # Errors
    /// When something is missing.
    pub fn fill(
        workspace: &Workspace,
        folder: PathBuf,
        built: &Path,
        runs: &Path,
        machine: Machine,
    ) -> Result<Stage> {
        let version = version(workspace)?;
        let program = folder.join("bin").join(PROGRAM);
        fs::create_dir_all(folder.join("bin"))?;
        fs::copy(built, &program)?;
        let strip = machine.tool("strip");
        workspace::run(workspace.command(&strip).arg(&program))
            .with_context(|| format!("`{strip}` comes with the C compiler (binutils)"))?;
        copy(&workspace.plugins(), &folder.join(PLUGINS))?;
        let docs = folder.join(DOCS);
        fs::create_dir_all(&docs)?;
        for name in LICENCES {
            copy(&workspace.root().join(name), &docs.join(name))?;
        }
        let metadata = packages::metadata(workspace)?;
        fs::write(
            docs.join(THIRD_PARTY),
            licences::collect(workspace, &metadata)?,
        )?;
        fs::write(
            docs.join(sbom::FILE),
            sbom::collect(workspace, &metadata, PROGRAM, &version)?,
        )?;
        for (shell, file) in COMPLETIONS {
            let script = workspace::output(workspace.command(runs).args(["completions", shell]))?;
            let file = folder.join(file);
            fs::create_dir_all(file.parent().context("a file lies in a folder")?)?;
            fs::write(file, script)?;
        }
        let mut manual = workspace.command(runs);
        manual.args(["reference", "--man"]).arg(folder.join(MANUAL));
        workspace::run(&mut manual)?;
        Ok(Stage {
            libc: machine::libc(&program)?,
            made: made(workspace)?,
            folder,
            version,
            machine,
        })
    }

    /// The program.
    pub fn program(&self) -> PathBuf {
        self.folder.join("bin").join(PROGRAM)
    }

    /// The completions: name of the shell, and the file.
    pub fn completions(&self) -> impl Iterator<Item = PathBuf> {
        COMPLETIONS.iter().map(|(_, file)| self.folder.join(file))
    }

    /// All files, by their paths below the prefix, in order.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn files(&self) -> Result<Vec<(String, PathBuf)>> {
        files(&self.folder)
    }
}

/// All files below a folder, by their paths from it, in order.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(next) = ahead.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                ahead.push(path);
            } else {
                let name = path.strip_prefix(folder)?.to_string_lossy().into_owned();
                found.push((name, path));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A file, or a folder with all that is in it, but for hidden files.
///
/// # Errors
/// When something cannot be copied.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.is_dir() {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with('.') {
            copy(&entry.path(), &to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

fn version(workspace: &Workspace) -> Result<String> {
    let manifest: toml::Table =
        toml::from_str(&fs::read_to_string(workspace.root().join("Cargo.toml"))?)?;
    let version = manifest
        .get("workspace")
        .and_then(|workspace| workspace.get("package")?.get("version")?.as_str())
        .context("[workspace.package] has no version")?;
    Ok(version.to_owned())
}

/// When the last commit was made.
fn made(workspace: &Workspace) -> Result<u64> {
    let made = ["log", "--max-count=1", "--format=%ct"];
    let made = workspace::output(workspace.command("git").args(made))
        .context("the files in packages are as old as the last commit: run this in a clone")?;
    Ok(made.trim().parse()?)
}
