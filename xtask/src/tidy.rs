//! `cargo xtask tidy`: formatting, lints and the rules of the repository that a compiler does not know.
//!
//! Every rule is checked, and every break of one is shown, before it fails. Changes no file.

mod circles;
mod features;
mod layout;
mod links;
mod lints;
mod text;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use crate::workspace::{self, Workspace};

/// Checks formatting, lints and the rules of the repository. Changes nothing.
#[derive(clap::Args)]
pub struct Args {}

/// Performs the task.
///
/// # Errors
/// When a tool is missing or a file cannot be read.
pub fn perform(workspace: &Workspace, _args: &Args) -> Result<ExitCode> {
    let files = Files::find(workspace)?;
    let mut faults = Vec::new();
    faults.extend(text::check(&files));
    faults.extend(lints::inherited(&files));
    faults.extend(links::check(&files));
    faults.extend(circles::check(&files));
    faults.extend(layout::check(workspace)?);
    faults.extend(features::check(workspace)?);
    for fault in &faults {
        eprintln!("{fault}");
    }
    let clean = lints::check(workspace)?;
    if !faults.is_empty() {
        eprintln!(
            "error: {} break(s) of the repository's rules, shown above",
            faults.len()
        );
    }
    Ok(if clean && faults.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// One break of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// File, relative to the root.
    file: String,
    /// Counted from 1; absent where the whole file is meant.
    line: Option<usize>,
    /// What is wrong and what to do.
    message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "{}:{line}: {}", self.file, self.message),
            None => write!(formatter, "{}: {}", self.file, self.message),
        }
    }
}

/// The files of the checkout with their texts: what git tracks or would add. A picture has no text.
pub struct Files(Vec<(String, String)>);

impl Files {
    fn find(workspace: &Workspace) -> Result<Self> {
        let list = [
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ];
        let names = workspace::output(workspace.command("git").args(list))
            .context("tidy looks at the files that git knows: run it in a clone")?;
        let mut files = Vec::new();
        for name in names.split_terminator('\0') {
            let path: PathBuf = workspace.root().join(name);
            // git lists files that were deleted and not yet committed.
            let Ok(bytes) = fs::read(&path) else { continue };
            let text = String::from_utf8(bytes).unwrap_or_default();
            files.push((name.to_owned(), text));
        }
        Ok(Self(files))
    }

    /// Name, relative to the root with `/`, and text of every file.
    fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// Those with this ending.
    fn ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(move |(name, _)| {
            Path::new(name)
                .extension()
                .is_some_and(|found| found == ending)
        })
    }
}
