//! A list of objects in a file: where it is, how it is split, how one of its elements is parsed. Records and
//! category facts are both such lists.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::csv::{self, CsvSplit};
use super::error::At;
use super::input::{Chunk, Input, Mark, Shared};
use super::json::{self, JsonSplit};
use super::jsonl::JsonlSplit;
use super::yaml;
use super::yaml_split::{DocumentSplit, ListSplit};
use super::{DatasetError, Format};

/// First keys of a document that messages name.
const NAMED_KEYS: usize = 12;

/// Walks through a list, one element at a time.
pub(super) trait Split: Send {
    /// The next element. After an error the list cannot be walked any further.
    fn next(&mut self) -> Result<Option<Chunk>, DatasetError>;
}

/// How a list is written, and where.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// A block sequence; `start` is at a line before its first item.
    YamlList { start: Mark, key: Option<String> },
    /// One document for each element.
    YamlDocuments,
    /// An array; `start` is after its bracket.
    Json { start: Mark, key: Option<String> },
    /// One element a line.
    JsonLines,
    /// One element a row; `start` is after the header.
    Csv { start: Mark, header: Vec<String> },
}

/// The keys that lists are looked for under.
pub(super) struct Wanted<'a> {
    pub records: &'a str,
    /// `None` where category facts come from elsewhere.
    pub categories: Option<&'a str>,
    /// A first YAML document with this key and no list of records is itself a record.
    pub id: &'a str,
}

/// What a document is at its top.
pub(super) enum Located {
    Top(Layout),
    Keys(Keys),
}

/// What was found under the keys of a document. A key with something else than a list is an error only
/// where the list is needed.
#[derive(Default)]
pub(super) struct Keys {
    names: Vec<String>,
    has_id: bool,
    records: Option<Result<Layout, DatasetError>>,
    categories: Option<Result<Layout, DatasetError>>,
}

impl Keys {
    /// Notes a key. Whether a wanted one was there before.
    pub fn add(
        &mut self,
        key: &str,
        wanted: &Wanted<'_>,
        layout: impl FnOnce() -> Result<Layout, DatasetError>,
    ) -> bool {
        if self.names.len() < NAMED_KEYS {
            self.names.push(key.into());
        }
        self.has_id |= key == wanted.id;
        let slot = if key == wanted.records {
            &mut self.records
        } else if Some(key) == wanted.categories {
            &mut self.categories
        } else {
            return false;
        };
        slot.replace(layout()).is_some()
    }

    /// Whether nothing wanted is left to find.
    pub fn complete(&self, wanted: &Wanted<'_>) -> bool {
        self.records.is_some() && (self.categories.is_some() || wanted.categories.is_none())
    }
}

/// A list in a file.
pub(super) struct List {
    shared: Shared,
    format: Format,
    layout: Layout,
    element: Element,
}

/// How a list and its elements are treated.
#[derive(Clone)]
pub(super) struct Element {
    /// CSV columns that are texts whatever they look like.
    pub texts: Vec<String>,
    /// What messages call what is too large.
    pub what: &'static str,
    /// Most bytes of an element.
    pub limit: usize,
    /// Whether what follows the list in its file is looked at when it ends.
    pub check_rest: bool,
}

impl List {
    /// Finds the wanted lists in a file: the records, and category facts where the document has them.
    pub fn open(
        path: PathBuf,
        format: Option<Format>,
        wanted: &Wanted<'_>,
        records: Element,
        categories: Element,
    ) -> Result<(Self, Option<Self>), DatasetError> {
        let format = format.map_or_else(|| Format::of(&path), Ok)?;
        let shared = Shared::open(path)?;
        let mut input = Input::new(&shared, Mark::START)?;
        let located = match format {
            Format::Yaml => yaml::locate(input, &shared.path, wanted)?,
            Format::Json => json::locate(input, &shared.path, wanted)?,
            Format::Jsonl => Located::Top(Layout::JsonLines),
            Format::Csv => {
                let header = read_header(&mut input, &shared.path, records.limit)?;
                Located::Top(Layout::Csv {
                    start: input.mark(),
                    header,
                })
            }
        };
        let (layout, category_layout) = match located {
            Located::Top(layout) => (layout, None),
            Located::Keys(keys) => choose(keys, format, &shared.path, wanted)?,
        };
        let list = |layout: Layout, element: Element| Self {
            shared: shared.clone(),
            format,
            layout,
            element,
        };
        Ok((
            list(layout, records),
            category_layout.map(|layout| list(layout, categories)),
        ))
    }

    /// The file.
    pub fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Where messages about a line point.
    pub fn at(&self, line: u64) -> At<'_> {
        At {
            path: &self.shared.path,
            line,
        }
    }

    /// Most bytes of an element.
    pub fn limit(&self) -> usize {
        self.element.limit
    }

    /// Starts at the first element.
    pub fn split(&self) -> Result<Box<dyn Split>, DatasetError> {
        let input = |mark| Input::new(&self.shared, mark);
        let (path, limit) = (self.shared.path.clone(), self.element.limit);
        Ok(match &self.layout {
            Layout::YamlList { start, key } => Box::new(ListSplit::new(
                input(*start)?,
                path,
                key.clone(),
                limit,
                self.element.check_rest,
            )),
            Layout::YamlDocuments => Box::new(DocumentSplit::new(input(Mark::START)?, limit)),
            Layout::Json { start, key } => Box::new(JsonSplit::new(
                input(*start)?,
                path,
                key.clone(),
                limit,
                self.element.check_rest,
            )),
            Layout::JsonLines => Box::new(JsonlSplit {
                input: input(Mark::START)?,
                limit,
            }),
            Layout::Csv { start, .. } => Box::new(CsvSplit {
                input: input(*start)?,
                limit,
            }),
        })
    }

    /// Parses one element.
    pub fn parse(&self, chunk: &Chunk) -> Result<Value, DatasetError> {
        let at = self.at(chunk.place.line);
        if chunk.place.length > self.element.limit as u64 {
            return Err(DatasetError::TooLarge {
                file: at.file(),
                line: at.line,
                what: self.element.what,
                limit: self.element.limit,
            });
        }
        let text = utf8(&chunk.bytes, &at)?;
        match &self.layout {
            Layout::YamlList { .. } => yaml::parse_item(text, &at, self.element.limit),
            Layout::YamlDocuments => yaml::parse(text, &at, self.element.limit),
            Layout::Json { .. } | Layout::JsonLines => {
                json::parse(text, &at, self.element.limit, self.format.as_str())
            }
            Layout::Csv { header, .. } => csv::parse(text, header, &self.element.texts, &at),
        }
    }
}

fn read_header(input: &mut Input, path: &Path, limit: usize) -> Result<Vec<String>, DatasetError> {
    let empty = || DatasetError::Empty {
        file: path.to_path_buf(),
    };
    let chunk = csv::next_row(input, limit)?.ok_or_else(empty)?;
    let at = At {
        path,
        line: chunk.place.line,
    };
    if chunk.place.length > limit as u64 {
        return Err(DatasetError::TooLarge {
            file: at.file(),
            line: at.line,
            what: "header",
            limit,
        });
    }
    csv::header(utf8(&chunk.bytes, &at)?, &at)
}

/// The layouts of records and category facts among the keys of a document.
fn choose(
    keys: Keys,
    format: Format,
    path: &Path,
    wanted: &Wanted<'_>,
) -> Result<(Layout, Option<Layout>), DatasetError> {
    match keys.records {
        Some(records) => Ok((records?, keys.categories.transpose()?)),
        None if keys.has_id && format == Format::Yaml => Ok((Layout::YamlDocuments, None)),
        None => Err(DatasetError::NoRecordList {
            file: path.to_path_buf(),
            key: wanted.records.into(),
            found: keys.names,
        }),
    }
}

fn utf8<'a>(bytes: &'a [u8], at: &At<'_>) -> Result<&'a str, DatasetError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = bytes.iter().take(error.valid_up_to());
        let line = at.line + valid.filter(|byte| **byte == b'\n').count() as u64;
        DatasetError::NotUtf8 {
            file: at.file(),
            line,
        }
    })
}
