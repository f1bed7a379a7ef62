//! Files that are being put in their places while their checkpoints are not durable yet, noted beside the state. A
//! host that is killed between the two leaves files that no checkpoint knows; the note tells that batchgen
//! wrote them, and not a person.
//!
//! The note is not synced: it outlives the process, and a power cut only as far as its file system cares.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::core::digest::Digest;

/// The note of one run.
#[derive(Debug)]
pub(super) struct Unfinished {
    path: PathBuf,
    /// What earlier runs left, as long as this one has not made it anew.
    left: BTreeSet<(String, Digest)>,
}

impl Unfinished {
    /// Path, below the output directory, and hash of every file that runs before left unfinished, by the note of
    /// the state in this file; none after an end in order. A note that cannot be read tells of none.
    pub fn left_unless(clean: bool, state: &Path) -> BTreeSet<(String, Digest)> {
        if clean {
            BTreeSet::new()
        } else {
            Unfinished::left(state)
        }
    }

    fn left(state: &Path) -> BTreeSet<(String, Digest)> {
        fs::read(note_of(state))
            .ok()
            .and_then(|note| serde_json::from_slice(&note).ok())
            .unwrap_or_default()
    }

    /// Begins the note of a run, with what is known to be left.
    pub fn start(state: &Path, left: BTreeSet<(String, Digest)>) -> Unfinished {
        Unfinished {
            path: note_of(state),
            left,
        }
    }

    /// Notes files that are about to be put in their places, instead of those before.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn note(&self, files: &[(String, Digest)]) -> io::Result<()> {
        let all: Vec<_> = self.left.iter().chain(files).collect();
        // Renamed, so that a kill leaves the one or the other.
        let temporary = self.path.with_extension("unfinished.tmp");
        fs::write(&temporary, serde_json::to_vec(&all)?)?;
        fs::rename(&temporary, &self.path)
    }

    /// These files have their checkpoints.
    pub fn finished(&mut self, paths: &[String]) {
        self.left.retain(|(path, _)| !paths.contains(path));
    }

    /// Where the note lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the note at the end of a run that has none.
    pub fn clear(state: &Path) {
        // After an end in order nobody reads it.
        let _ = fs::remove_file(note_of(state));
    }
}

fn note_of(state: &Path) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_stays_noted_until_it_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        assert!(Unfinished::left(&state).is_empty());
        let file = |path: &str, text: &str| (path.to_owned(), Digest::of(text.as_bytes()));
        let (before, now, other) = (file("a", "before"), file("a", "now"), file("b", "b"));
        let mut note = Unfinished::start(&state, BTreeSet::from([before.clone()]));
        note.note(std::slice::from_ref(&now)).unwrap();
        assert_eq!(
            Unfinished::left(&state),
            BTreeSet::from([before, now.clone()]),
            "either may lie there"
        );
        note.finished(&["a".to_owned()]);
        note.note(std::slice::from_ref(&other)).unwrap();
        assert_eq!(Unfinished::left(&state), BTreeSet::from([other]));
        Unfinished::clear(&state);
        assert!(Unfinished::left(&state).is_empty());
        fs::write(note_of(&state), "[[\"a\", \"cut o").unwrap();
        assert!(Unfinished::left(&state).is_empty());
    }
}
