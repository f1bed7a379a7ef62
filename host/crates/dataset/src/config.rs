//! Where a dataset is and what its parts are called.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::DatasetError;

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
            Some("gz" | "zst" | "bz2" | "xz" | "zip" | "tgz" | "7z") => {
                Err(packed("is compressed; unpack it first"))
            }
            Some("xlsx" | "xls" | "xlsm" | "ods" | "numbers") => {
                Err(packed("is a spreadsheet; save the table as CSV"))
            }
            Some("parquet" | "feather" | "arrow" | "avro" | "orc") => Err(packed(
                "is in a format that is not read; save it as CSV or JSON Lines",
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
        }
    }
}

/// The dataset part of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatasetConfig {
    /// The file that holds the records.
    pub path: PathBuf,
    /// How it is written; by its extension if absent.
    #[serde(default)]
    pub format: Option<Format>,
    /// Key of the list of records in a YAML or JSON document. A list at the top needs none.
    #[serde(default = "records")]
    pub records: String,
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
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            records: records(),
            categories: categories(),
            categories_file: None,
            id: id(),
            name: name(),
            category: category(),
            default_category: None,
            safe_ids: false,
            texts: Vec::new(),
            repeated: Repetition::Error,
        }
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
        insta::assert_snapshot!(error, @"unknown field `catgory`, expected one of `path`, `format`, `records`, `categories`, `categories-file`, `id`, `name`, `category`, `default-category`, `safe-ids`, `texts`, `repeated` at line 1 column 23");
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
        ] {
            assert_eq!(Format::of(Path::new(path)).unwrap(), format, "{path}");
        }
        insta::assert_snapshot!(Format::of(Path::new("data/list.xlsx")).unwrap_err(), @"data/list.xlsx: is a spreadsheet; save the table as CSV");
        insta::assert_snapshot!(Format::of(Path::new("yaml")).unwrap_err(), @"yaml: the extension tells no format; rename it to .yaml, .json, .jsonl, .csv or .tsv, or set `format`");
    }
}
