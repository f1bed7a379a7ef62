//! Files that are being put in their places while their checkpoints are not durable yet, noted beside the state. A
//! host that is killed between the two leaves files that no checkpoint knows; the note tells that batchgen
//! wrote them, and not a person.
//!
//! The note is not synced. It outlives the process, but not for certain the machine: so it names the boot that it was
//! written in, and after another one it is not relied on.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::process::boot;
use store::{Store, StoreError};
use types::digest::Digest;

/// Path of a file below the output directory, and hash of its text.
type PlacedFile = (String, Digest);

#[derive(Default, Serialize, Deserialize)]
struct Note {
    /// The boot that it was written in, where it is the whole truth in that.
    boot: Option<String>,
    files: BTreeSet<PlacedFile>,
}

/// What runs before left unfinished.
#[derive(Clone, Debug, Default)]
pub(super) struct PendingWrites {
    /// The files that no checkpoint may know.
    pub files: BTreeSet<PlacedFile>,
    /// Whether there are no others.
    is_whole: bool,
}

impl PendingWrites {
    /// By the note of the state in this file. One that cannot be read tells of nothing.
    pub fn by(state: &Path) -> PendingWrites {
        let note: Note = fs::read(note_of(state))
            .ok()
            .and_then(|note| serde_json::from_slice(&note).ok())
            .unwrap_or_default();
        PendingWrites {
            is_whole: note.boot.is_some() && note.boot == boot(),
            files: note.files,
        }
    }

    /// Whether a file that is neither as its checkpoint says nor among these was edited by a person: after an end in
    /// order, and after one that the note outlived.
    fn is_certain(&self, ended_in_order: bool) -> bool {
        ended_in_order || self.is_whole
    }

    /// The same of a state; and nothing is certain where damage cost it checkpoints.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn is_certain_in(&self, store: &Store) -> Result<bool, StoreError> {
        Ok(!store.has_lost_checkpoints()? && self.is_certain(store.runs_are_settled()?))
    }
}

/// Whether every file that is not as its checkpoint says was edited by a person, or is known to be a killed run's.
pub fn edits_are_certain(store: &Store) -> Result<bool, StoreError> {
    PendingWrites::by(store.file()).is_certain_in(store)
}

/// Notes, beside a state that nobody uses, files that its checkpoints do not know and that nobody edited: those of a note that
/// came from elsewhere with the state, and these, each a path below the output directory and the hash of its bytes. The next run
/// replaces them.
///
/// # Errors
/// When the note cannot be written.
pub fn note_files_of_others(
    state: &Path,
    came: Option<&str>,
    files: BTreeSet<PlacedFile>,
) -> io::Result<()> {
    let came: Note = came
        .and_then(|note| serde_json::from_str(note).ok())
        .unwrap_or_default();
    let mut left = PendingWrites::by(state);
    left.files.extend(came.files);
    left.files.extend(files);
    if left.files.is_empty() {
        return Ok(());
    }
    IntentLog::start(state, left, false).map(drop)
}

/// The note of one run.
#[derive(Debug)]
pub(super) struct IntentLog {
    path: PathBuf,
    boot: Option<String>,
    /// What earlier runs left, or this one could not finish, until it is made anew.
    left: BTreeSet<PlacedFile>,
}

impl IntentLog {
    /// Begins the note of a run; `is_certain` as [`PendingWrites::is_certain_in`] had it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn start(state: &Path, left: PendingWrites, is_certain: bool) -> io::Result<IntentLog> {
        let unfinished = IntentLog {
            path: note_of(state),
            boot: boot().filter(|_| is_certain),
            left: left.files,
        };
        unfinished.note(&[])?;
        Ok(unfinished)
    }

    /// Notes files that are about to be put in their places, instead of those before.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn note(&self, files: &[PlacedFile]) -> io::Result<()> {
        let note = Note {
            boot: self.boot.clone(),
            files: self.left.iter().chain(files).cloned().collect(),
        };
        // Renamed, so that a kill leaves the one or the other.
        let temporary = self.path.with_extension("unfinished.tmp");
        store::write_private(&temporary, &serde_json::to_vec(&note)?)?;
        fs::rename(&temporary, &self.path)
    }

    /// This file may be in its place, and has no checkpoint: it stays noted.
    pub fn leave(&mut self, path: &str, content: Digest) {
        self.left.insert((path.to_owned(), content));
    }

    /// Files that stay noted until they have their checkpoints.
    pub fn left(&self) -> BTreeSet<String> {
        self.left.iter().map(|(path, _)| path.clone()).collect()
    }

    /// These files have their checkpoints.
    pub fn finished(&mut self, paths: &BTreeSet<String>) {
        self.left.retain(|(path, _)| !paths.contains(path));
    }

    /// All files of this run have their checkpoints. The note stays: a host may be killed before it begins one.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn end(&self) -> io::Result<()> {
        self.note(&[])
    }

    /// Where the note lies.
    pub fn path(&self) -> &Path {
        &self.path
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

    fn file(path: &str, text: &str) -> PlacedFile {
        (path.to_owned(), Digest::of(text.as_bytes()))
    }

    #[test]
    fn what_is_left_stays_noted_until_it_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        assert!(PendingWrites::by(&state).files.is_empty());
        let left = PendingWrites {
            files: BTreeSet::from([file("a", "before")]),
            is_whole: true,
        };
        let mut note = IntentLog::start(&state, left.clone(), true).unwrap();
        assert_eq!(PendingWrites::by(&state).files, left.files);
        note.note(&[file("a", "now")]).unwrap();
        let both = BTreeSet::from([file("a", "before"), file("a", "now")]);
        assert_eq!(
            PendingWrites::by(&state).files,
            both,
            "either may lie there"
        );
        note.end().unwrap();
        assert_eq!(
            PendingWrites::by(&state).files,
            left.files,
            "it was not made again"
        );
        note.finished(&note.left());
        note.note(&[file("b", "b")]).unwrap();
        assert_eq!(
            PendingWrites::by(&state).files,
            BTreeSet::from([file("b", "b")])
        );
        note.end().unwrap();
        assert!(PendingWrites::by(&state).files.is_empty());
        note.leave("b", Digest::of(b"b"));
        note.note(&[]).unwrap();
        assert_eq!(
            PendingWrites::by(&state).files,
            BTreeSet::from([file("b", "b")])
        );
    }

    #[test]
    fn files_of_others_are_added_to_what_is_noted() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        note_files_of_others(&state, None, BTreeSet::new()).unwrap();
        assert!(!note_of(&state).exists());
        let came = serde_json::to_string(&Note {
            boot: boot(),
            files: BTreeSet::from([file("b", "b")]),
        })
        .unwrap();
        note_files_of_others(&state, Some(&came), BTreeSet::from([file("a", "a")])).unwrap();
        note_files_of_others(&state, Some("no note"), BTreeSet::from([file("c", "c")])).unwrap();
        let noted = PendingWrites::by(&state);
        let expected = BTreeSet::from([file("a", "a"), file("b", "b"), file("c", "c")]);
        assert_eq!(noted.files, expected);
        assert!(
            !noted.is_certain(false),
            "the boot was one of another machine"
        );
    }

    #[test]
    fn only_a_note_of_this_boot_is_relied_on() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state.db");
        assert!(
            !PendingWrites::by(&state).is_certain(false),
            "there is none"
        );
        assert!(PendingWrites::by(&state).is_certain(true));
        IntentLog::start(&state, PendingWrites::default(), true).unwrap();
        assert_eq!(
            PendingWrites::by(&state).is_certain(false),
            boot().is_some()
        );
        IntentLog::start(&state, PendingWrites::default(), false).unwrap();
        assert!(
            !PendingWrites::by(&state).is_certain(false),
            "nor was it before"
        );
        fs::write(note_of(&state), r#"{"boot": "another", "files": []}"#).unwrap();
        assert!(!PendingWrites::by(&state).is_certain(false));
        fs::write(note_of(&state), r#"{"boot": "cut o"#).unwrap();
        assert!(!PendingWrites::by(&state).is_certain(false));
    }
}
