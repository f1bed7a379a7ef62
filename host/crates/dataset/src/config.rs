//! Where a dataset is and what its parts are called.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DatasetError;
use super::paths::Paths;
use super::query::DatabaseUrl;

/// How a dataset file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A block-style list, at the top or under a key, or one document for each record.
    Yaml,
    /// An array of objects, at the top or under a key.
    Json,
    /// One object a line.
    #[serde(alias = "ndjson")]
    Jsonl,
    /// A header row, then one row for each record.
    Csv,
    /// Columns of typed values.
    Parquet,
    /// The same as Arrow writes them to files and streams.
    #[serde(alias = "feather")]
    Arrow,
    /// A sheet of a workbook.
    #[serde(alias = "xlsx")]
    Excel,
    /// The rows that a query of a database gives.
    #[serde(skip)]
    Query,
}

impl Format {
    /// The format that the extension of `path` stands for.
    ///
    /// # Errors
    /// [`DatasetError::UnknownFormat`] if it stands for none.
    pub fn of(path: &Path) -> Result<Self, DatasetError> {
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let packed = |kind| DatasetError::Packed {
            file: path.into(),
            kind,
        };
        match extension.as_deref() {
            Some("yaml" | "yml") => Ok(Self::Yaml),
            Some("json") => Ok(Self::Json),
            Some("jsonl" | "ndjson") => Ok(Self::Jsonl),
            Some("csv" | "tsv" | "tab") => Ok(Self::Csv),
            // The name without it tells what is inside.
            Some("gz" | "zst" | "zstd") => Self::of(&path.with_extension("")),
            Some("bz2" | "xz" | "zip" | "tgz" | "7z") => Err(packed(
                "is packed in a way that is not read; unpack it, or pack it with gzip or zstd",
            )),
            Some("parquet") => Ok(Self::Parquet),
            Some("arrow" | "arrows" | "feather" | "ipc") => Ok(Self::Arrow),
            Some("xlsx" | "xlsm") => Ok(Self::Excel),
            Some("xls" | "xlsb" | "ods" | "numbers") => Err(packed(
                "is a spreadsheet of a kind that is not read; save it as .xlsx or CSV",
            )),
            Some("avro" | "orc") => Err(packed(
                "is in a format that is not read; save it as Parquet, CSV or JSON Lines",
            )),
            _ => Err(DatasetError::UnknownFormat { file: path.into() }),
        }
    }

    /// The name that messages use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Jsonl => "JSON Lines",
            Self::Csv => "CSV",
            Self::Parquet => "Parquet",
            Self::Arrow => "Arrow IPC",
            Self::Excel => "Excel",
            Self::Query => "a query",
        }
    }

    /// The format of rows that messages call so.
    pub(super) fn named(name: &str) -> Option<Self> {
        let all = [Self::Parquet, Self::Arrow, Self::Excel];
        all.into_iter().find(|format| format.as_str() == name)
    }

    /// Whether it holds rows of typed values and no text.
    pub(super) fn is_rows(self) -> bool {
        matches!(self, Self::Parquet | Self::Arrow | Self::Excel)
    }

    /// A format of rows, by the first bytes.
    pub(super) fn of_rows(head: &[u8]) -> Option<Self> {
        const KINDS: [(&[u8], Format); 3] = [
            (b"PAR1", Format::Parquet),
            (b"ARROW1", Format::Arrow),
            (b"PK\x03\x04", Format::Excel),
        ];
        let kind = KINDS.iter().find(|(magic, _)| head.starts_with(magic));
        kind.map(|(_, format)| *format)
    }
}

/// The dataset part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatasetConfig {
    /// The files that hold the records.
    #[serde(default)]
    pub path: Paths,
    /// The database that is asked for them instead.
    #[serde(default)]
    pub url: Option<DatabaseUrl>,
    /// What it is asked.
    #[serde(default)]
    pub sql: Option<String>,
    /// How they are written; by their extensions if absent.
    #[serde(default)]
    pub format: Option<Format>,
    /// How their text is encoded; by their first bytes if absent.
    #[serde(default)]
    pub encoding: Option<Encoding>,
    /// What separates the cells of a table; by its header if absent.
    #[serde(default)]
    pub separator: Option<Separator>,
    /// Sheet of a workbook; the first one if absent.
    #[serde(default)]
    pub sheet: Option<String>,
    /// Key of the list of records in a YAML or JSON document. A list at the top needs none.
    #[serde(default = "records")]
    pub records: String,
    /// The field that the keys of the records become, where they stand in an object, each under its key, and not in a list.
    #[serde(default)]
    pub key_field: Option<String>,
    /// Key of the list of category facts in a YAML or JSON document.
    #[serde(default = "categories")]
    pub categories: String,
    /// A file of its own for the category facts; those in the document then do not count.
    #[serde(default)]
    pub categories_file: Option<PathBuf>,
    /// Field of a record that holds its id.
    #[serde(default = "id")]
    pub id: String,
    /// Field of a record that holds its name.
    #[serde(default = "name")]
    pub name: String,
    /// Field of a record that holds the id of its category.
    #[serde(default = "category")]
    pub category: String,
    /// Category of a record that names none; without it such a record is an error.
    #[serde(default)]
    pub default_category: Option<String>,
    /// Whether ids and categories that are not safe as file names are made so.
    #[serde(default)]
    pub safe_ids: bool,
    /// Columns of a table that are texts whatever their cells look like, beside id, name and category.
    #[serde(default)]
    pub texts: Vec<String>,
    /// What a record is whose id an earlier one has.
    #[serde(default)]
    pub repeated: Repetition,
    /// Second files, each by the field that its rows become.
    #[serde(default)]
    pub lookup: BTreeMap<String, LookupConfig>,
}

/// A second file, whose row with the key of a record becomes a field of it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LookupConfig {
    /// The files that hold the rows.
    pub path: Paths,
    /// How they are written; by their extensions if absent.
    #[serde(default)]
    pub format: Option<Format>,
    /// Field of a row that holds its key.
    pub key: String,
    /// Field of a record that holds the same key; its id if absent.
    #[serde(default)]
    pub by: Option<String>,
}

/// What a record is whose id an earlier one has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repetition {
    /// A failure.
    #[default]
    Error,
    /// Nothing: the first one counts, as where a shop lists the variants of a product in rows of their own.
    First,
}

impl DatasetConfig {
    /// The configuration that says no more than where the file is.
    pub fn new(path: impl Into<Paths>) -> Self {
        Self {
            path: path.into(),
            url: None,
            sql: None,
            format: None,
            encoding: None,
            separator: None,
            sheet: None,
            records: records(),
            key_field: None,
            categories: categories(),
            categories_file: None,
            id: id(),
            name: name(),
            category: category(),
            default_category: None,
            safe_ids: false,
            texts: Vec::new(),
            repeated: Repetition::Error,
            lookup: BTreeMap::new(),
        }
    }
}

/// What messages call the whole of it: its database, or its files.
impl fmt::Display for DatasetConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.url {
            Some(url) => url.fmt(f),
            None => self.path.fmt(f),
        }
    }
}

/// What separates the cells of a table: one character of ASCII.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Separator(pub(super) u8);

impl TryFrom<String> for Separator {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_bytes() {
            [byte] if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r') => Ok(Self(*byte)),
            _ => Err(format!(
                "the separator {text:?} is not one character of ASCII; write `separator = \";\"` or \"\\t\""
            )),
        }
    }
}

/// How text is encoded, by a name of the Encoding Standard.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Encoding(pub(super) &'static encoding_rs::Encoding);

impl TryFrom<String> for Encoding {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let found = encoding_rs::Encoding::for_label_no_replacement(name.as_bytes());
        found.map(Self).ok_or_else(|| {
            format!(
                "there is no encoding {name:?}; names are those of web pages, as \"windows-1252\", \"iso-8859-2\" or \"shift_jis\""
            )
        })
    }
}

impl fmt::Debug for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

fn records() -> String {
    "records".into()
}

fn categories() -> String {
    "categories".into()
}

fn id() -> String {
    "id".into()
}

fn name() -> String {
    "name".into()
}

fn category() -> String {
    "category".into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_enough() {
        let config: DatasetConfig = serde_json::from_str(r#"{"path": "data.yaml"}"#).unwrap();
        assert_eq!(config, DatasetConfig::new("data.yaml"));
    }

    #[test]
    fn a_misspelt_key_is_refused() {
        let error = serde_json::from_str::<DatasetConfig>(r#"{"path": "a", "catgory": "kind"}"#)
            .unwrap_err();
        insta::assert_snapshot!(error, @"unknown field `catgory`, expected one of `path`, `url`, `sql`, `format`, `encoding`, `separator`, `sheet`, `records`, `key-field`, `categories`, `categories-file`, `id`, `name`, `category`, `default-category`, `safe-ids`, `texts`, `repeated`, `lookup` at line 1 column 23");
    }

    #[test]
    fn the_extension_tells_the_format_whatever_its_case() {
        for (path, format) in [
            ("a.yaml", Format::Yaml),
            ("a.YML", Format::Yaml),
            ("a.json", Format::Json),
            ("a.jsonl", Format::Jsonl),
            ("a.ndjson", Format::Jsonl),
            ("a.b.csv", Format::Csv),
            ("a.TSV", Format::Csv),
            ("a.csv.gz", Format::Csv),
            ("a.jsonl.ZST", Format::Jsonl),
            ("a.parquet", Format::Parquet),
            ("a.feather", Format::Arrow),
            ("a.xlsx", Format::Excel),
        ] {
            assert_eq!(Format::of(Path::new(path)).unwrap(), format, "{path}");
        }
        insta::assert_snapshot!(Format::of(Path::new("data/list.ods")).unwrap_err(), @"data/list.ods: is a spreadsheet of a kind that is not read; save it as .xlsx or CSV");
        insta::assert_snapshot!(Format::of(Path::new("yaml")).unwrap_err(), @"yaml: the extension tells no format; rename it to .yaml, .json, .jsonl, .csv, .tsv, .parquet, .arrow or .xlsx, or set `format`");
    }
}
