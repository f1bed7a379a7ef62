//! Which revision the state of this project comes from, by address: a note beside the state.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::revision::{Content, Revision};
use objects::Address;
use types::digest::Digest;

/// What is noted of one address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    /// The revision that the state comes from.
    base: Option<Base>,
    /// One that is being pushed. If the process is killed before it knows how that ended, this tells whose it is.
    begun: Option<Base>,
    /// One that is being pulled. If the process is killed, the content of the state tells whether it is in its place.
    #[serde(default)]
    coming: Option<Base>,
}

/// A revision, and the state that it was here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Base {
    number: u64,
    /// Content of the revision.
    there: Digest,
    /// Content of the state here, which may have been brought up to date since.
    here: Digest,
}

impl Base {
    fn is(&self, revision: &Revision) -> bool {
        (self.number, self.there) == (revision.number, revision.sha256)
    }
}

/// The note about one address.
pub(super) struct BaseNote {
    file: PathBuf,
    address: String,
    entry: Entry,
}

impl BaseNote {
    /// The note beside a state.
    pub fn beside(state: &Path, address: &Address) -> BaseNote {
        let mut file = state.as_os_str().to_owned();
        file.push(".pushed.json");
        let (file, address) = (PathBuf::from(file), address.to_string());
        let entry = read(&file).remove(&address).unwrap_or_default();
        BaseNote {
            file,
            address,
            entry,
        }
    }

    /// Number of the revision that the state comes from, if it comes from one.
    pub fn number(&self) -> Option<u64> {
        self.entry.base.map(|base| base.number)
    }

    /// Whether a state with this content comes from this revision.
    pub fn is_of(&self, revision: &Revision, content: &Content) -> bool {
        let mut known = self.entry.base.iter().chain(&self.entry.begun);
        known.any(|base| base.is(revision)) || {
            let mut come = self.come(content);
            come.any(|base| base.is(revision))
        }
    }

    /// Whether a state with this content has no changes that nobody pushed, where this revision is the newest.
    pub fn is_unchanged(&self, content: &Content, newest: &Revision) -> bool {
        // One that was begun may not have arrived.
        let begun = self.entry.begun.iter().filter(|base| base.is(newest));
        let mut known = self.entry.base.iter().chain(begun);
        known.any(|base| base.here == content.sha256) || self.come(content).next().is_some()
    }

    /// The revision that was being pulled, if a state with this content is that one.
    fn come(&self, content: &Content) -> impl Iterator<Item = &Base> {
        let coming = self.entry.coming.iter();
        let content = content.sha256;
        coming.filter(move |base| base.here == content)
    }

    /// Notes that a revision is being pushed.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn begin(&mut self, revision: &Revision) -> io::Result<()> {
        self.entry.begun = Some(Base {
            number: revision.number,
            there: revision.sha256,
            here: revision.sha256,
        });
        self.write()
    }

    /// Notes that a revision is about to be put in the place of the state; `here` is its content.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn expect(&mut self, revision: &Revision, here: Digest) -> io::Result<()> {
        self.entry.coming = Some(Base {
            number: revision.number,
            there: revision.sha256,
            here,
        });
        self.write()
    }

    /// Notes that the state comes from a revision; `here` is its content.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn set(&mut self, revision: &Revision, here: Digest) -> io::Result<()> {
        let base = Base {
            number: revision.number,
            there: revision.sha256,
            here,
        };
        let entry = Entry {
            base: Some(base),
            ..Entry::default()
        };
        if self.entry == entry {
            return Ok(());
        }
        self.entry = entry;
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let mut entries = read(&self.file);
        entries.insert(self.address.clone(), self.entry.clone());
        let temporary = self.file.with_extension("json.tmp");
        store::write_private(&temporary, &serde_json::to_vec(&entries)?)?;
        File::open(&temporary)?.sync_all()?;
        fs::rename(&temporary, &self.file)
    }
}

/// What cannot be read tells nothing: then a person decides.
fn read(file: &Path) -> BTreeMap<String, Entry> {
    let note = fs::read(file).ok();
    note.and_then(|note| serde_json::from_slice(&note).ok())
        .unwrap_or_default()
}
