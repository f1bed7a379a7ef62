//! Brings the working copy up to date with what others did to the objects.
//!
//! An object whose state is not the remembered one was written by somebody else, or by a run that was killed before it could note its
//! own write: its bytes tell. What others wrote takes the place of the file here, where it counts as an edit. An object that is gone
//! takes its file with it. Objects that the project does not know are left alone.

use std::io::Read;
use std::path::PathBuf;

use objects::{Address, ObjectError, Tag};
use types::digest::Digest;

use super::notes::{Known, Made, Note};
use super::working_copy::Local;
use super::{Mirror, MirrorError, for_each};

/// Paths that are looked at together.
pub(super) const PAGE: u64 = 1000;
/// An object that is larger is no artifact.
const LARGEST: u64 = 256 << 20;
/// Names that are told of many.
const NAMED: usize = 5;

/// What was found at the address.
#[derive(Debug, Default)]
pub struct Seen {
    /// Files that were not here, as the state knows them.
    pub fetched: u64,
    /// Files that others wrote there.
    pub edited: u64,
    /// The first of these.
    pub names: Vec<String>,
    /// Files whose objects are gone.
    pub deleted: u64,
    /// Files here that gave way, and that nothing else has.
    pub aside: Vec<PathBuf>,
    /// Objects that the project does not know.
    pub strangers: u64,
    /// Of these, those that lie where a task writes.
    pub claimed: u64,
}

impl Seen {
    fn note(&mut self, path: String, met: Met, aside: Option<PathBuf>) {
        self.aside.extend(aside);
        match met {
            Met::Nothing => {}
            Met::Fetched => self.fetched += 1,
            Met::Deleted => self.deleted += 1,
            Met::Edited => {
                self.edited += 1;
                if self.names.len() < NAMED {
                    self.names.push(path);
                }
            }
        }
    }
}

/// What became of a path.
enum Met {
    Nothing,
    Fetched,
    Edited,
    Deleted,
}

impl Mirror {
    /// Looks at all objects, and brings the working copy up to date. Nothing is written there.
    ///
    /// # Errors
    /// When the server does not answer, or files cannot be written: what was done so far is right, and the next look goes on.
    pub fn look(&self) -> Result<Seen, MirrorError> {
        self.list()?;
        self.note_made()?;
        self.notes().keep_made()?;
        let mut seen = Seen::default();
        let mut after = String::new();
        loop {
            let known = self.notes().known(&after, PAGE)?;
            let Some(last) = known.last() else {
                seen.strangers = self.notes().strangers()?;
                return Ok(seen);
            };
            after.clone_from(&last.path);
            for (path, met, aside) in for_each(known, |known| self.meet(known))? {
                seen.note(path, met, aside);
            }
        }
    }

    /// Takes objects that the project does not know and that lie where its tasks write: as in a folder, each counts as an edit, and nothing
    /// is paid to write there.
    ///
    /// # Errors
    /// Like [`Mirror::look`], behind which it is called.
    pub fn claim(&self, paths: Vec<String>, seen: &mut Seen) -> Result<(), MirrorError> {
        let mut strangers = Vec::new();
        for path in paths {
            if let Some(tag) = self.notes().stranger(&path)? {
                strangers.push(Known {
                    path,
                    note: None,
                    there: Some(tag),
                    made: None,
                    was_made: false,
                });
            }
        }
        let taken = for_each(strangers, |known| match self.copy.look(&known.path)? {
            Local::Other => Ok((known.path, Met::Nothing, None)),
            Local::Absent | Local::File(_) => {
                let (met, aside) = self.fetch(&known)?;
                Ok((known.path, met, aside))
            }
        })?;
        for (path, met, aside) in taken {
            seen.claimed += 1;
            seen.note(path, met, aside);
        }
        Ok(())
    }

    /// Lists the objects.
    fn list(&self) -> Result<(), MirrorError> {
        let prefix = match self.address().key.as_str() {
            "" => String::new(),
            key => format!("{key}/"),
        };
        self.notes().begin_listing()?;
        let mut listing = self.bucket.states(self.address())?;
        while let Some(page) = listing.next_page()? {
            let below = page.into_iter().filter_map(|(address, tag)| {
                let path = address.key.strip_prefix(&prefix)?.to_owned();
                Some((path, tag))
            });
            let below: Vec<(String, Tag)> = below.collect();
            self.notes().add_there(&below)?;
        }
        Ok(())
    }

    fn meet(&self, known: Known) -> Result<(String, Met, Option<PathBuf>), MirrorError> {
        let local = self.copy.look(&known.path)?;
        let is_here = local != Local::Absent;
        let is_made = known.made.is_some();
        let (met, aside) = match (&known.note, &known.there) {
            _ if local == Local::Other => (Met::Nothing, None),
            (Some(note), Some(tag)) if note.tag == *tag && (is_here || !is_made && note.is_own) => {
                (Met::Nothing, None)
            }
            // Nobody needs it any more, and it is not what was put there.
            (_, Some(_)) if !is_made && !is_here => {
                self.notes().forget(&known.path)?;
                (Met::Nothing, None)
            }
            (_, Some(_)) => self.fetch(&known)?,
            (Some(note), None) => self.gone(&known, note)?,
            (None, None) => (Met::Nothing, None),
        };
        Ok((known.path, met, aside))
    }

    /// Takes an object that may have been written by others.
    fn fetch(&self, known: &Known) -> Result<(Met, Option<PathBuf>), MirrorError> {
        let path = &known.path;
        let Some((tag, bytes)) = self.object(path)? else {
            return match &known.note {
                Some(note) => self.gone(known, note),
                None => Ok((Met::Nothing, None)),
            };
        };
        let content = Digest::of(&bytes);
        let here = self.copy.digest(path)?;
        let before = known.note.as_ref().map(|note| note.content);
        let made = known.made.map(|made| made.content);
        if let Some((own, file)) = here {
            if own == content {
                let is_own = known.made.is_some();
                let note = Note {
                    tag,
                    content,
                    file,
                    is_own,
                };
                self.notes().remember(path, &note)?;
                return Ok((Met::Nothing, None));
            }
            if let Some(note) = known.note.clone().filter(|note| note.content == content) {
                // Only the file here has changed.
                self.notes().remember(path, &Note { tag, ..note })?;
                return Ok((Met::Nothing, None));
            }
        }
        let aside = match here {
            Some((own, _)) if Some(own) != before && !is_made_again(known.made, own) => {
                Some(self.copy.set_aside(path)?)
            }
            _ => None,
        };
        let file = self.copy.write(path, &bytes)?;
        let is_own = Some(content) == made;
        let note = Note {
            tag,
            content,
            file,
            is_own,
        };
        self.notes().remember(path, &note)?;
        match is_own {
            true => Ok((Met::Fetched, aside)),
            false => Ok((Met::Edited, aside)),
        }
    }

    /// Lets go of a file whose object is gone, unless it has changed here since.
    fn gone(&self, known: &Known, note: &Note) -> Result<(Met, Option<PathBuf>), MirrorError> {
        let here = self.copy.digest(&known.path)?;
        let mut aside = None;
        let met = match here {
            Some((own, _)) if own == note.content => {
                match is_made_again(known.made, own) {
                    true => self.copy.remove(&known.path)?,
                    false => aside = Some(self.copy.set_aside(&known.path)?),
                }
                Met::Deleted
            }
            _ => Met::Nothing,
        };
        self.notes().forget(&known.path)?;
        Ok((met, aside))
    }

    /// An object as it is now.
    pub(super) fn object(&self, path: &str) -> Result<Option<(Tag, Vec<u8>)>, MirrorError> {
        let address = self.address().below(path);
        let mut download = match self.bucket.download(&address) {
            Ok(download) => download,
            Err(ObjectError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let tag = download.tag()?;
        let mut bytes = Vec::new();
        let read = download.by_ref().take(LARGEST + 1).read_to_end(&mut bytes);
        read.map_err(|error| cut_off(&address, error.to_string()))?;
        if bytes.len() as u64 > LARGEST {
            let cause = format!("it has more than {} MB, as no artifact has", LARGEST >> 20);
            return Err(cut_off(&address, cause));
        }
        Ok(Some((tag, bytes)))
    }
}

/// Whether a run makes these bytes again of its answers.
fn is_made_again(made: Option<Made>, content: Digest) -> bool {
    made.is_some_and(|made| made.content == content && !made.is_by_person)
}

fn cut_off(address: &Address, cause: String) -> MirrorError {
    let address = address.clone();
    ObjectError::Unreachable { address, cause }.into()
}
