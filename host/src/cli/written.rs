//! Which files the commands of a project wrote.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use objects::{Address, Tag};
use types::digest::Digest;

/// Files that are remembered as written by an earlier command.
const REMEMBERED: usize = 500;

/// Which files commands of a project wrote, with the hashes of what they wrote: such a file is replaced without a
/// question as long as nobody changed it.
#[derive(Clone, Debug)]
pub(super) struct Written {
    note: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct Note {
    files: BTreeMap<PathBuf, Digest>,
    /// Objects in storage, by their addresses, with what the storage called them.
    #[serde(default)]
    objects: BTreeMap<String, String>,
}

impl Written {
    /// The note beside a state.
    pub fn beside(state: &Path) -> Written {
        let mut note = state.as_os_str().to_owned();
        note.push(".written.json");
        Written { note: note.into() }
    }

    fn read(&self) -> Note {
        let note = fs::read(&self.note).ok();
        note.and_then(|note| serde_json::from_slice(&note).ok())
            .unwrap_or_default()
    }

    /// Whether a file is as it was written.
    pub fn has(&self, file: &Path) -> bool {
        let known = self.read().files.get(file).copied();
        known.is_some_and(|known| hash(file).is_ok_and(|found| found == known))
    }

    /// Remembers a file that is in its place now.
    pub fn note(&self, file: &Path, content: Digest) {
        let mut note = self.read();
        if note.files.len() >= REMEMBERED {
            note.files.retain(|file, _| file.exists());
        }
        note.files.insert(real(file), content);
        self.write(&note);
    }

    /// Whether an object in storage is as it was written.
    pub fn has_object(&self, address: &Address, tag: &Tag) -> bool {
        self.read().objects.get(&address.to_string()) == Some(&tag.0)
    }

    /// Remembers an object that is in its place now.
    pub fn note_object(&self, address: &Address, tag: &Tag) {
        let mut note = self.read();
        if note.objects.len() >= REMEMBERED {
            note.objects.pop_first();
        }
        note.objects.insert(address.to_string(), tag.0.clone());
        self.write(&note);
    }

    fn write(&self, note: &Note) {
        let temporary = self.note.with_extension("json.tmp");
        // Without the note, the next command asks before it replaces the file.
        let _ = serde_json::to_vec(note)
            .map_err(io::Error::from)
            .and_then(|note| store::write_private(&temporary, &note))
            .and_then(|()| fs::rename(&temporary, &self.note));
    }
}

fn hash(file: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(&mut File::open(file)?, &mut hash)?;
    Ok(Digest::from(hash))
}

/// The path without links, as far as it is there.
pub(super) fn real(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    match (folder.canonicalize(), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}
