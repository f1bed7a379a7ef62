//! A list of objects in a file: where it is, how it is split, how one of its elements is parsed. Records and
//! category facts are both such lists.

use std::borrow::Cow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use super::config::Separator;
use super::csv::{self, CsvSplit, Table};
use super::encoding;
use super::error::At;
use super::input::{Chunk, Input, Mark, Shared};
use super::json::{self, JsonSplit};
use super::jsonl::JsonlSplit;
use super::keyed::{self, KeyedSplit};
use super::layout::{Keys, Layout, Located, Wanted};
use super::split::Split;
use super::yaml;
use super::yaml_split::{DocumentSplit, ListSplit};
use super::{DatasetError, Format};

/// A list in a file.
pub(super) struct List {
    shared: Shared,
    format: Format,
    layout: Layout,
    element: Element,
    /// Whether a row was read that is in Windows-1252.
    is_western: AtomicBool,
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
        (shared, format): (Shared, Format),
        separator: Option<Separator>,
        wanted: &Wanted<'_>,
        records: Element,
        categories: Element,
    ) -> Result<(Self, Option<Self>), DatasetError> {
        if wanted.key_field.is_some() && !matches!(format, Format::Json | Format::Yaml) {
            return Err(DatasetError::refused(
                &shared.path,
                format!(
                    "`key-field` is for JSON and YAML, and this is {}",
                    format.as_str()
                ),
                "remove `key-field`",
            ));
        }
        let mut input = Input::new(&shared, Mark::START)?;
        let located = match format {
            Format::Yaml => yaml::locate(input, &shared.path, wanted)?,
            Format::Json if json::is_lines(Input::new(&shared, Mark::START)?, records.limit)? => {
                Located::Top(Layout::JsonLines)
            }
            Format::Json => json::locate(input, &shared.path, wanted)?,
            // Whoever saved an array under this name meant its elements.
            Format::Jsonl if json::is_array(Input::new(&shared, Mark::START)?)? => {
                json::locate(input, &shared.path, wanted)?
            }
            // Its copy is written so.
            Format::Jsonl | Format::Parquet | Format::Arrow | Format::Excel | Format::Query => {
                Located::Top(Layout::JsonLines)
            }
            Format::Csv => {
                let separator = separator.map(|Separator(separator)| separator);
                let table = read_header(&shared, &mut input, separator, records.limit)?;
                Located::Top(Layout::Csv {
                    start: input.mark(),
                    table,
                })
            }
        };
        let (layout, category_layout) = match located {
            Located::Top(layout) => (layout, None),
            Located::Keys(keys) => choose(*keys, format, &shared.path, wanted)?,
        };
        let list = |layout: Layout, element: Element| Self {
            shared: shared.clone(),
            format,
            layout,
            element,
            is_western: AtomicBool::new(false),
        };
        Ok((
            list(layout, records),
            category_layout.map(|layout| list(layout, categories)),
        ))
    }

    /// How the file is written.
    pub fn format(&self) -> Format {
        self.format
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
            Layout::YamlKeyed { start, key, .. } => {
                Box::new(KeyedSplit::new(input(*start)?, path, key.is_some(), limit))
            }
            Layout::YamlDocuments => Box::new(DocumentSplit::new(input(Mark::START)?, limit)),
            Layout::Json { start, key } | Layout::JsonKeyed { start, key, .. } => {
                Box::new(JsonSplit::new(
                    (input(*start)?, path),
                    matches!(self.layout, Layout::JsonKeyed { .. }),
                    key.clone(),
                    limit,
                    self.element.check_rest,
                ))
            }
            Layout::JsonLines => Box::new(JsonlSplit {
                input: input(Mark::START)?,
                limit,
            }),
            Layout::Csv { start, table } => Box::new(CsvSplit::new(
                input(*start)?,
                self.shared.clone(),
                table.clone(),
                limit,
            )),
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
        let text = match &self.layout {
            Layout::Csv { .. } => {
                let text = row_text(&chunk.bytes, &at)?;
                if matches!(text, Cow::Owned(_)) {
                    self.is_western.store(true, Ordering::Relaxed);
                }
                text
            }
            _ => Cow::Borrowed(utf8(&chunk.bytes, &at)?),
        };
        let text = text.as_ref();
        match &self.layout {
            Layout::YamlList { .. } => yaml::parse_item(text, &at, self.element.limit),
            Layout::YamlKeyed { field, .. } => {
                keyed::record(yaml::parse(text, &at, self.element.limit)?, field, &at)
            }
            Layout::JsonKeyed { field, .. } => {
                let entry = format!("{{{text}}}");
                let entry = json::parse(&entry, &at, self.element.limit, self.format.as_str())?;
                keyed::record(entry, field, &at)
            }
            Layout::YamlDocuments => yaml::parse(text, &at, self.element.limit),
            Layout::Json { .. } | Layout::JsonLines => {
                json::parse(text, &at, self.element.limit, self.format.as_str())
            }
            Layout::Csv { table, .. } => csv::parse(text, table, &self.element.texts, &at),
        }
    }

    /// How the file is encoded, if not in UTF-8, as far as it was read.
    pub fn encoding(&self) -> Option<&'static str> {
        let western = || {
            let is_western = self.is_western.load(Ordering::Relaxed);
            is_western.then_some("Windows-1252")
        };
        self.shared.encoding.or_else(western)
    }

    /// What separates the cells, if it is a table.
    pub fn separator(&self) -> Option<u8> {
        match &self.layout {
            Layout::Csv { table, .. } => Some(table.separator),
            _ => None,
        }
    }
}

fn read_header(
    shared: &Shared,
    input: &mut Input,
    separator: Option<u8>,
    limit: usize,
) -> Result<Table, DatasetError> {
    let path = &shared.path;
    let empty = || DatasetError::Empty { file: path.clone() };
    // Where a quote opens depends on what separates the cells, so the line itself is looked at first.
    let mut ahead = Input::new(shared, input.mark())?;
    let (wanted, mut separator) = (separator, None);
    while let Some(line) = ahead.line(limit)? {
        if let Some(told) = csv::told_separator(line.text()) {
            separator = wanted.or(Some(told));
            input.line(limit)?;
        } else if csv::is_blank(line.text()) {
            input.line(limit)?;
        } else {
            let found = || csv::separator_of(line.text(), path);
            separator = Some(separator.or(wanted).unwrap_or_else(found));
            break;
        }
    }
    let separator = separator.ok_or_else(empty)?;
    let chunk = csv::next_row(input, separator, limit, limit as u64)?.ok_or_else(empty)?;
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
    csv::header(&row_text(&chunk.bytes, &at)?, separator, &at)
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

/// The text of a row, which a spreadsheet may have written as Windows-1252.
fn row_text<'a>(bytes: &'a [u8], at: &At<'_>) -> Result<Cow<'a, str>, DatasetError> {
    encoding::row_text(bytes).ok_or_else(|| not_utf8(bytes, at))
}

fn utf8<'a>(bytes: &'a [u8], at: &At<'_>) -> Result<&'a str, DatasetError> {
    std::str::from_utf8(bytes).map_err(|_| not_utf8(bytes, at))
}

/// Names the line of the first byte that is not.
fn not_utf8(bytes: &[u8], at: &At<'_>) -> DatasetError {
    let valid = match std::str::from_utf8(bytes) {
        Ok(text) => text.len(),
        Err(error) => error.valid_up_to(),
    };
    let before = bytes.iter().take(valid);
    DatasetError::NotUtf8 {
        file: at.file(),
        line: at.line + before.filter(|byte| **byte == b'\n').count() as u64,
    }
}
