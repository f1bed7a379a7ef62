//! What can be wrong with a dataset, where, and what to do about it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

/// A defect of a dataset. Lines count from 1 within the file.
#[derive(Debug, Error)]
pub enum DatasetError {
    /// There is no such file.
    #[error("{file}: there is no such file; check `path` in [dataset], or --data", file = file.display())]
    Missing {
        /// The dataset or the file of category facts.
        file: PathBuf,
    },
    /// The file cannot be opened or read.
    #[error("{file}: cannot be read: {cause}; check its permissions and that it is a plain file", file = file.display())]
    Unreadable {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// The file holds no record.
    #[error("{file}: holds no record; add at least one", file = file.display())]
    Empty {
        /// The dataset.
        file: PathBuf,
    },
    /// None of its records can be read.
    #[error("{file}: none of its {count} records can be read{causes}", file = file.display(), causes = listed(causes))]
    AllBad {
        /// The dataset.
        file: PathBuf,
        /// How many there are.
        count: u64,
        /// What is wrong with the first of them.
        causes: Vec<String>,
    },
    /// The bytes are not text in UTF-8.
    #[error("{file}:{line}: is not UTF-8; save the file as UTF-8", file = file.display())]
    NotUtf8 {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line that is not.
        line: u64,
    },
    /// The bytes are not text in the encoding that was told.
    #[error("{file}:{line}: is not {encoding}; name another `encoding` in [dataset], or save the file as UTF-8", file = file.display())]
    NotEncoded {
        /// The dataset.
        file: PathBuf,
        /// First line that is not.
        line: u64,
        /// What was told.
        encoding: &'static str,
    },
    /// The extension stands for no format.
    #[error("{file}: the extension tells no format; rename it to .yaml, .json, .jsonl, .csv, .tsv, .parquet, .arrow or .xlsx, or set `format`", file = file.display())]
    UnknownFormat {
        /// The dataset or the file of category facts.
        file: PathBuf,
    },
    /// The file holds no text that could be read.
    #[error("{file}: {kind}", file = file.display())]
    Packed {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// What it is, and what to do.
        kind: &'static str,
    },
    /// The dataset cannot be read as a whole.
    #[error("{file}: {cause}; {remedy}", file = file.display())]
    Refused {
        /// The dataset, with the part of it that is meant.
        file: PathBuf,
        /// What stands in the way.
        cause: String,
        /// What to do.
        remedy: Cow<'static, str>,
    },
    /// A document has no list under the key.
    #[error(
        "{file}: has no list under `{key}`; {found}; name the key of the list in the configuration, or write the list at the top",
        file = file.display(), found = found_keys(found)
    )]
    NoRecordList {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// Key that was looked for.
        key: String,
        /// First keys of the document.
        found: Vec<String>,
    },
    /// The file is not written so that one record can be read without the others.
    #[error("{file}:{line}: {cause}; {remedy}", file = file.display())]
    CannotSplit {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// Where it was noticed.
        line: u64,
        /// What stands in the way.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The text breaks the rules of its format.
    #[error("{file}:{line}: is not valid {format}: {cause}", file = file.display())]
    Syntax {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// Where it was noticed.
        line: u64,
        /// Format that was expected.
        format: &'static str,
        /// What is wrong and, where it is not plain, what to do.
        cause: String,
    },
    /// A record grows out of proportion when it is parsed.
    #[error("{file}:{line}: takes too much to parse: {cause}; write it with fewer levels, values or aliases", file = file.display())]
    OverBudget {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// Where the limit was passed, or the first line of the record.
        line: u64,
        /// Limit that was passed.
        cause: String,
    },
    /// A record, or the category facts, are too large.
    #[error("{file}:{line}: the {what} is larger than {limit} bytes; keep long texts in files of their own", file = file.display())]
    TooLarge {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line of the record, or of the category that is one too many.
        line: u64,
        /// `record`, `header` or `list of categories`.
        what: &'static str,
        /// Most bytes that it may have.
        limit: usize,
    },
    /// A record or a category is no object.
    #[error("{file}:{line}: expected an object with named fields, found {found}; write `field: value` pairs", file = file.display())]
    NotAnObject {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// What it is instead.
        found: &'static str,
    },
    /// A field that every record must have says nothing.
    #[error(
        "{file}:{line}: the field `{field}` {cause}; {meant}fill it in, or name another field in the configuration",
        file = file.display(), meant = did_you_mean(meant.as_deref())
    )]
    MissingField {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// Name of the field.
        field: String,
        /// `is missing`, `is null` or `is empty`.
        cause: &'static str,
        /// A field of the record with a name like it.
        meant: Option<String>,
    },
    /// A field has a value of the wrong type.
    #[error("{file}:{line}: the field `{field}` must be {expected}, found {found}; put it in quotes if it is meant as text", file = file.display())]
    WrongType {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// Name of the field.
        field: String,
        /// Type that it must have.
        expected: &'static str,
        /// Type that it has.
        found: &'static str,
    },
    /// An id that is not safe as a file name.
    #[error(
        "{file}:{line}: the {field} {id:?} is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `{safe}`",
        file = file.display()
    )]
    UnsafeId {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// Name of the field.
        field: String,
        /// Its value, shortened.
        id: String,
        /// A safe id like it.
        safe: String,
    },
    /// A record names a category that the category facts do not list.
    #[error("{file}:{line}: there is no category `{category}`; add it to the category facts, or use one of: {known}", file = file.display(), known = known.join(", "))]
    UnknownCategory {
        /// The dataset.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// What the record names.
        category: String,
        /// First ids of the category facts.
        known: Vec<String>,
    },
    /// A record and a second file do not fit together.
    #[error("{file}:{line}: {cause}; {remedy}", file = file.display())]
    Lookup {
        /// The dataset.
        file: PathBuf,
        /// First line of the record.
        line: u64,
        /// What stands in the way.
        cause: String,
        /// What to do.
        remedy: &'static str,
    },
    /// Two records become the same file name.
    #[error(
        "{file}:{second_line}: the ids {second:?} and {first:?} of {first_at} become the same file name, `{id}`; change one of them",
        file = file.display()
    )]
    SameName {
        /// The dataset.
        file: PathBuf,
        /// What both become.
        id: String,
        /// The first as it is written.
        first: String,
        /// Its first line, with its file where that is another one.
        first_at: Box<str>,
        /// The second as it is written.
        second: String,
        /// Its first line.
        second_line: u64,
    },
    /// Two records, or two categories, have the same id.
    #[error(
        "{file}:{second_line}: the id `{id}` is taken by {first_at}; give one of them another id, or remove it",
        file = file.display()
    )]
    DuplicateId {
        /// The dataset or the file of category facts.
        file: PathBuf,
        /// Id that both have.
        id: String,
        /// First line of the first, with its file where that is another one.
        first_at: Box<str>,
        /// First line of the second.
        second_line: u64,
    },
    /// The file is no longer what it was when its records were located.
    #[error("{file}:{line}: the file has changed since its records were located; run again", file = file.display())]
    Changed {
        /// The dataset.
        file: PathBuf,
        /// Line where the record was.
        line: u64,
    },
}

impl DatasetError {
    /// The line that the error points at, if it points at one.
    pub fn line(&self) -> Option<u64> {
        match self {
            Self::Missing { .. }
            | Self::Unreadable { .. }
            | Self::Empty { .. }
            | Self::UnknownFormat { .. }
            | Self::Packed { .. }
            | Self::Refused { .. }
            | Self::AllBad { .. }
            | Self::NoRecordList { .. } => None,
            Self::NotUtf8 { line, .. }
            | Self::NotEncoded { line, .. }
            | Self::CannotSplit { line, .. }
            | Self::Lookup { line, .. }
            | Self::Syntax { line, .. }
            | Self::OverBudget { line, .. }
            | Self::TooLarge { line, .. }
            | Self::NotAnObject { line, .. }
            | Self::MissingField { line, .. }
            | Self::WrongType { line, .. }
            | Self::UnsafeId { line, .. }
            | Self::UnknownCategory { line, .. }
            | Self::DuplicateId {
                second_line: line, ..
            }
            | Self::SameName {
                second_line: line, ..
            }
            | Self::Changed { line, .. } => Some(*line),
        }
    }

    /// What messages call the place of an earlier record: its line, with its file if that is another one.
    pub fn earlier(line: u64, file: Option<&Path>) -> Box<str> {
        match file {
            None => format!("line {line}").into(),
            Some(file) => format!("line {line} of {}", file.display()).into(),
        }
    }

    pub(super) fn refused(
        file: impl Into<PathBuf>,
        cause: impl Into<String>,
        remedy: &'static str,
    ) -> Self {
        Self::Refused {
            file: file.into(),
            cause: cause.into(),
            remedy: remedy.into(),
        }
    }

    pub(super) fn io(file: &Path, cause: std::io::Error) -> Self {
        let file = file.to_path_buf();
        match cause.kind() {
            std::io::ErrorKind::NotFound => Self::Missing { file },
            _ => Self::Unreadable { file, cause },
        }
    }
}

/// Where a piece of text lies, for messages.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    pub path: &'a Path,
    pub line: u64,
}

impl At<'_> {
    pub fn file(&self) -> PathBuf {
        self.path.to_path_buf()
    }
}

/// What messages call the type of a value.
pub(super) fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn listed(causes: &[String]) -> String {
    causes.iter().map(|cause| format!("\n  {cause}")).collect()
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map(|name| format!("did you mean `{name}`? "))
        .unwrap_or_default()
}

fn found_keys(found: &[String]) -> String {
    if found.is_empty() {
        "it has no key".into()
    } else {
        format!("its keys are {}", found.join(", "))
    }
}
