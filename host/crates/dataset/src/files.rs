//! The open files of a dataset: their rows as they are written, each of them again by place.
//!
//! Of several files, the places count through all of them, as if each began where the one before ends.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::copies::{self, Copies};
use super::error::At;
use super::input::{Chunk, Place};
use super::layout::Wanted;
use super::list::{Element, List};
use super::origin::{self, FileStamp, Told};
use super::query::Query;
use super::split::{Piece, Split};
use super::{DatasetConfig, DatasetError, Format};

/// Most bytes of one record.
const RECORD_LIMIT: usize = 1024 * 1024;
/// Most bytes of all category facts.
pub(super) const CATEGORIES_LIMIT: usize = 4 * 1024 * 1024;

/// The files, at least one of which has rows. Threads may share them.
pub(super) struct Files {
    config: DatasetConfig,
    parts: Vec<Part>,
}

/// One of its files.
pub(super) struct Part {
    pub records: List,
    /// What its places begin with.
    base: u64,
}

impl Part {
    pub fn at(&self, place: Place) -> At<'_> {
        self.records.at(place.line)
    }

    /// The place of what was found in this file among all files.
    pub fn place(&self, chunk: &Chunk) -> Place {
        let mut place = chunk.place;
        place.offset += self.base;
        place
    }

    /// The same place as it is in this file alone.
    fn own(&self, mut place: Place) -> Place {
        place.offset = place.offset.saturating_sub(self.base);
        place
    }
}

impl Files {
    /// Opens the files; gives the category facts that stand in them as well.
    ///
    /// # Errors
    /// A file or its layout is not as it must be. Records are not looked at.
    pub fn open(config: DatasetConfig, copies: &Copies) -> Result<(Self, Vec<List>), DatasetError> {
        let texts = [&config.id, &config.name, &config.category];
        let record = Element {
            texts: texts.into_iter().chain(&config.texts).cloned().collect(),
            what: "record",
            limit: RECORD_LIMIT,
            check_rest: true,
        };
        let has_own_file = config.categories_file.is_some();
        let wanted = Wanted {
            records: &config.records,
            key_field: config.key_field.as_deref(),
            categories: (!has_own_file).then_some(config.categories.as_str()),
            id: &config.id,
        };
        let told = Told {
            format: config.format,
            encoding: config.encoding,
            sheet: config.sheet.clone(),
        };
        let sources = sources(&config, copies)?;
        let is_one = sources.len() == 1;
        let (mut parts, mut lists) = (Vec::new(), Vec::new());
        let mut base = 0;
        for source in sources {
            let opened = match source {
                Source::File(file) => origin::open(file, &told, copies)?,
                Source::Query(query) => query.open(copies)?,
            };
            let length = opened.0.length;
            let found = List::open(
                opened,
                config.separator,
                &wanted,
                record.clone(),
                of_categories(),
            );
            let (records, inner) = match found {
                // Of many files, one may be empty.
                Err(DatasetError::Empty { .. }) if !is_one => continue,
                found => found?,
            };
            parts.push(Part { records, base });
            lists.extend(inner);
            base += length;
        }
        let files = Self { config, parts };
        match files.parts.is_empty() {
            true => Err(files.empty()),
            false => Ok((files, lists)),
        }
    }

    /// What they were opened with.
    pub fn config(&self) -> &DatasetConfig {
        &self.config
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.parts.len()
    }

    /// The states of the open files, one behind the other.
    ///
    /// # Errors
    /// [`DatasetError::Unreadable`] if the system does not tell.
    pub fn states(&self) -> Result<String, DatasetError> {
        let mut states = String::new();
        for Part { records, .. } in &self.parts {
            let shared = records.shared();
            let _ = match &shared.state {
                Some(state) => write!(states, "{state} {}", copies::VERSION),
                None => {
                    let file = FileStamp::of(&shared.file);
                    let file = file.map_err(|cause| DatasetError::io(&shared.path, cause))?;
                    write!(states, "{file:?}")
                }
            };
        }
        Ok(states)
    }

    /// What tells whether they have changed since.
    ///
    /// # Errors
    /// Like [`Files::states`].
    pub fn stamp(&self) -> Result<String, DatasetError> {
        let states = self.states()?;
        Ok(match self.count() {
            1 => states,
            _ => copies::short(&states),
        })
    }

    /// How the files are encoded, if not in UTF-8, as far as they were read.
    pub fn encoding(&self) -> Option<&'static str> {
        self.parts.iter().find_map(|part| part.records.encoding())
    }

    /// What separates the cells, if it is a table.
    pub fn separator(&self) -> Option<u8> {
        self.parts.first()?.records.separator()
    }

    /// How its first file is written.
    pub fn format(&self) -> Option<Format> {
        Some(self.parts.first()?.records.format())
    }

    /// The file that a record lies in.
    pub fn file_of(&self, place: Place) -> &Path {
        match self.part(place) {
            Some(part) => &part.records.shared().path,
            None => Path::new(""),
        }
    }

    fn part(&self, place: Place) -> Option<&Part> {
        let after = self.parts.partition_point(|part| part.base <= place.offset);
        self.parts.get(after.checked_sub(1)?)
    }

    fn empty(&self) -> DatasetError {
        DatasetError::Empty { file: self.label() }
    }

    /// What messages about all of it call it.
    pub fn label(&self) -> PathBuf {
        self.config.to_string().into()
    }

    /// The text of each row, in the order of the files.
    pub fn chunks(&self) -> Chunks<'_> {
        Chunks {
            files: self,
            next: 0,
            split: None,
            found: false,
            done: false,
            is_cut_off: false,
        }
    }

    /// All rows as they are written, in the order of the files, each with its place.
    pub fn rows(&self) -> Rows<'_> {
        Rows(self.chunks())
    }

    /// Reads one row again, as it is written.
    pub fn row(&self, place: Place) -> Result<Value, DatasetError> {
        let (part, chunk) = self.chunk(place)?;
        part.records.parse(&chunk)
    }

    /// The text of one row again.
    ///
    /// # Errors
    /// The file has changed since `place` was found, or cannot be read.
    pub fn chunk(&self, place: Place) -> Result<(&Part, Chunk), DatasetError> {
        let part = self.part(place).ok_or_else(|| self.empty())?;
        let at = part.at(place);
        let length = usize::try_from(place.length)
            .unwrap_or(usize::MAX)
            .min(part.records.limit() + 1);
        let mut bytes = vec![0; length];
        let own = part.own(place);
        let file = &part.records.shared().file;
        file.read_exact_at(&mut bytes, own.offset)
            .map_err(|source| match source.kind() {
                ErrorKind::UnexpectedEof => DatasetError::Changed {
                    file: at.file(),
                    line: place.line,
                },
                _ => DatasetError::io(at.path, source),
            })?;
        Ok((part, Chunk { place: own, bytes }))
    }
}

/// What records are read from.
enum Source<'a> {
    File(PathBuf),
    Query(Query<'a>),
}

/// What is to be read: files, or a query of a database.
fn sources<'a>(
    config: &'a DatasetConfig,
    copies: &Copies,
) -> Result<Vec<Source<'a>>, DatasetError> {
    match (&config.url, &config.sql) {
        (None, None) => {
            let files = origin::files(&config.path, copies)?;
            Ok(files.into_iter().map(Source::File).collect())
        }
        (Some(url), Some(sql)) => Ok(vec![Source::Query(Query::new(url, sql)?)]),
        (url, _) => {
            let (there, absent) = match url {
                Some(_) => ("url", "sql"),
                None => ("sql", "url"),
            };
            Err(DatasetError::refused(
                "[dataset]",
                format!("has `{there}` and no `{absent}`"),
                "set both for a query of a database, or `path` for files",
            ))
        }
    }
}

/// The text of each row. An error of a file ends that file, and the next one follows.
pub(super) struct Chunks<'a> {
    files: &'a Files,
    /// The file that is next.
    next: usize,
    split: Option<(&'a Part, Box<dyn Split>)>,
    found: bool,
    done: bool,
    /// Whether an error ended one of the files.
    pub is_cut_off: bool,
}

impl<'a> Chunks<'a> {
    /// The next piece of any file; behind the last of all, an error where there was none.
    fn piece(&mut self) -> Result<Option<(&'a Part, Piece)>, DatasetError> {
        loop {
            let (part, split) = match &mut self.split {
                Some(split) => split,
                None => {
                    let Some(part) = self.files.parts.get(self.next) else {
                        self.done = true;
                        return match self.found {
                            true => Ok(None),
                            false => Err(self.files.empty()),
                        };
                    };
                    self.next += 1;
                    self.split.insert((part, part.records.split()?))
                }
            };
            match split.next()? {
                Some(piece) => return Ok(Some((*part, piece))),
                None => self.split = None,
            }
        }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<(&'a Part, Chunk), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        match self.piece() {
            Ok(Some((part, Piece::Element(chunk)))) => {
                self.found = true;
                Some(Ok((part, chunk)))
            }
            Ok(Some((_, Piece::Broken(error)))) => {
                self.found = true;
                Some(Err(error))
            }
            Ok(None) => None,
            Err(error) => {
                self.split = None;
                self.found |= !self.done;
                self.is_cut_off = true;
                Some(Err(error))
            }
        }
    }
}

/// The rows of [`Files`]; see [`Files::rows`].
pub(super) struct Rows<'a>(Chunks<'a>);

impl Iterator for Rows<'_> {
    type Item = Result<(Place, Value), DatasetError>;

    fn next(&mut self) -> Option<Self::Item> {
        let found = self.0.next()?;
        Some(found.and_then(|(part, chunk)| Ok((part.place(&chunk), part.records.parse(&chunk)?))))
    }
}

/// How category facts are treated.
pub(super) fn of_categories() -> Element {
    Element {
        texts: vec!["id".into()],
        what: "list of categories",
        limit: CATEGORIES_LIMIT,
        // The records may follow, and opening a dataset does not read them.
        check_rest: false,
    }
}
