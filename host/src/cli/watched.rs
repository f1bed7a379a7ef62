//! Files that a person works on: whether one of them was saved.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How often files are looked at.
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// What changes when a file is written: its time and its length.
type Stamp = (SystemTime, u64);

/// Some files as they were when they were looked at.
#[derive(Debug)]
pub(super) struct WatchedFiles {
    files: Vec<PathBuf>,
    /// Folders, with the ending of those of their files that count.
    folders: Vec<(PathBuf, &'static str)>,
    seen: BTreeMap<PathBuf, Stamp>,
    before: BTreeMap<PathBuf, Stamp>,
}

impl WatchedFiles {
    /// Watches files, and those in folders that have an ending.
    pub fn new(files: Vec<PathBuf>, folders: Vec<(PathBuf, &'static str)>) -> WatchedFiles {
        let mut watched = WatchedFiles {
            files,
            folders,
            seen: BTreeMap::new(),
            before: BTreeMap::new(),
        };
        watched.seen = watched.stamps();
        watched.before = watched.seen.clone();
        watched
    }

    /// Looks again: whether a file has changed since the last change and is no longer being written. A file that is gone is being
    /// written.
    pub fn have_changed(&mut self) -> bool {
        let now = self.stamps();
        let is_whole = self.files.iter().all(|file| now.contains_key(file));
        let is_still = now == self.before;
        let has_changed = is_whole && is_still && now != self.seen;
        if has_changed {
            self.seen.clone_from(&now);
        }
        self.before = now;
        has_changed
    }

    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut stamps = BTreeMap::new();
        let mut add = |file: &Path| {
            if let Some(stamp) = stamp(file) {
                stamps.insert(file.to_owned(), stamp);
            }
        };
        for file in &self.files {
            add(file);
        }
        for (folder, ending) in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for file in entries.map(|entry| entry.path()) {
                if file.extension().is_some_and(|found| found == *ending) {
                    add(&file);
                }
            }
        }
        stamps
    }
}

fn stamp(file: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(file).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_counts_once_the_file_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("prompt.md");
        fs::write(&file, "one").unwrap();
        let prompts = folder.path().join("prompts");
        fs::create_dir(&prompts).unwrap();
        let mut watched = WatchedFiles::new(vec![file.clone()], vec![(prompts.clone(), "md")]);
        assert!(!watched.have_changed());
        fs::write(&file, "longer").unwrap();
        assert!(!watched.have_changed(), "it may still be being written");
        assert!(watched.have_changed());
        assert!(!watched.have_changed(), "it was told");
        fs::remove_file(&file).unwrap();
        assert!(!watched.have_changed() && !watched.have_changed());
        fs::write(&file, "the longest").unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
        fs::write(prompts.join("other.txt"), "").unwrap();
        assert!(!watched.have_changed() && !watched.have_changed());
        fs::write(prompts.join("new.md"), "").unwrap();
        assert!(!watched.have_changed());
        assert!(watched.have_changed());
    }
}
