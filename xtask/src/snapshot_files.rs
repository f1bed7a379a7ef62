//! The files that insta keeps: reviewed snapshots (`.snap`), pending ones (`.snap.new`) and which of them tests asked for.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// Which snapshots a run of tests asked for.
pub struct References {
    file: PathBuf,
}

impl References {
    /// Starts an empty list.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.cargo_target().join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let file = folder.join("snapshot-references");
        fs::write(&file, "").with_context(|| format!("cannot write {}", file.display()))?;
        Ok(Self { file })
    }

    /// Makes the tests that `command` runs add to the list.
    pub fn collect_from(&self, command: &mut Command) {
        command.env("INSTA_SNAPSHOT_REFERENCES_FILE", &self.file);
    }

    /// Those of `snapshots` that no test asked for.
    ///
    /// # Errors
    /// When the list or a snapshot cannot be read.
    pub fn unreferenced(&self, snapshots: &[PathBuf]) -> Result<Vec<PathBuf>> {
        let list = fs::read_to_string(&self.file)
            .with_context(|| format!("cannot read {}", self.file.display()))?;
        // A test may have been given a path with `..` in it, and one to a snapshot that does not exist yet.
        let referenced: BTreeSet<_> = list
            .lines()
            .filter_map(|line| fs::canonicalize(line).ok())
            .collect();
        let mut unreferenced = Vec::new();
        for path in snapshots {
            if !referenced.contains(&fs::canonicalize(path)?) {
                unreferenced.push(path.clone());
            }
        }
        Ok(unreferenced)
    }
}

/// Every reviewed snapshot of the checkout, but those of plugins that were left out.
///
/// # Errors
/// When a folder cannot be read.
pub fn reviewed(workspace: &Workspace, left_out: &[String]) -> Result<Vec<PathBuf>> {
    let mut files = find(workspace, ".snap")?;
    for plugin in left_out {
        let folder = workspace.snapshots(plugin);
        files.retain(|file| !file.starts_with(&folder));
    }
    Ok(files)
}

/// Every snapshot that waits for a review.
///
/// # Errors
/// When a folder cannot be read.
pub fn pending(workspace: &Workspace) -> Result<Vec<PathBuf>> {
    find(workspace, ".snap.new")
}

/// The reviewed snapshot that a pending one would replace.
pub fn replaced_by(pending: &Path) -> PathBuf {
    pending.with_extension("")
}

/// Puts a pending snapshot in place of the reviewed one.
///
/// # Errors
/// When a file cannot be read or written.
pub fn accept(pending: &Path) -> Result<()> {
    let text = fs::read_to_string(pending)
        .with_context(|| format!("cannot read {}", pending.display()))?;
    let reviewed = replaced_by(pending);
    fs::write(&reviewed, without_line_number(&text))
        .with_context(|| format!("cannot write {}", reviewed.display()))?;
    fs::remove_file(pending).with_context(|| format!("cannot remove {}", pending.display()))
}

/// A pending snapshot says in which line it was asserted; a reviewed one does not, or every edit above would change it.
fn without_line_number(text: &str) -> String {
    let mut fences = 0;
    text.split_inclusive('\n')
        .filter(|line| {
            fences += usize::from(line.trim_end() == "---");
            fences != 1 || !line.starts_with("assertion_line:")
        })
        .collect()
}

fn find(workspace: &Workspace, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![workspace.root().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in
            fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?
        {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !name.starts_with('.') && entry.path() != workspace.root().join("target") {
                    folders.push(entry.path());
                }
            } else if name.ends_with(ending) {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepting_drops_the_line_number_from_the_header_only() {
        let folder = tempfile::tempdir().unwrap();
        let pending = folder.path().join("a.snap.new");
        fs::write(
            &pending,
            "---\nsource: a.rs\nassertion_line: 7\n---\nassertion_line: 7\n",
        )
        .unwrap();
        accept(&pending).unwrap();
        let reviewed = fs::read_to_string(folder.path().join("a.snap")).unwrap();
        assert_eq!(reviewed, "---\nsource: a.rs\n---\nassertion_line: 7\n");
        assert!(!pending.exists());
    }

    #[test]
    fn a_snapshot_that_no_test_asked_for_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let [asked, other] = ["asked.snap", "other.snap"].map(|name| folder.path().join(name));
        fs::write(&asked, "").unwrap();
        fs::write(&other, "").unwrap();
        let file = folder.path().join("references");
        fs::write(&file, format!("{}/./asked.snap\n", folder.path().display())).unwrap();
        let unreferenced = References { file }
            .unreferenced(&[asked, other.clone()])
            .unwrap();
        assert_eq!(unreferenced, [other]);
    }
}
