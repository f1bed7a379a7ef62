//! How the lists in a document are written, and where they begin.

use super::DatasetError;
use super::csv::Table;
use super::input::Mark;

/// First keys of a document that messages name.
const NAMED_KEYS: usize = 12;

/// How a list is written, and where.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// A block sequence; `start` is at a line before its first item.
    YamlList { start: Mark, key: Option<String> },
    /// One document for each element.
    YamlDocuments,
    /// An array; `start` is after its bracket.
    Json { start: Mark, key: Option<String> },
    /// A block mapping of records, each under its key, which becomes this field; `start` is at a line before its first key.
    YamlKeyed {
        start: Mark,
        key: Option<String>,
        field: String,
    },
    /// An object of records, likewise; `start` is after its brace.
    JsonKeyed {
        start: Mark,
        key: Option<String>,
        field: String,
    },
    /// One element a line.
    JsonLines,
    /// One element a row; `start` is after the header.
    Csv { start: Mark, table: Table },
}

/// The keys that lists are looked for under.
pub(super) struct Wanted<'a> {
    pub records: &'a str,
    /// The field that the keys of the records become, where they stand in no list.
    pub key_field: Option<&'a str>,
    /// `None` where category facts come from elsewhere.
    pub categories: Option<&'a str>,
    /// A first YAML document with this key and no list of records is itself a record.
    pub id: &'a str,
}

/// What a document is at its top.
pub(super) enum Located {
    Top(Layout),
    Keys(Box<Keys>),
}

/// What was found under the keys of a document. A key with something else than a list is an error only
/// where the list is needed.
#[derive(Default)]
pub(super) struct Keys {
    pub names: Vec<String>,
    pub has_id: bool,
    pub records: Option<Result<Layout, DatasetError>>,
    pub categories: Option<Result<Layout, DatasetError>>,
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
