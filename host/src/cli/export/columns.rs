//! The columns of a table: those of every record, then its fields, then a column for each component's file. A file of
//! JSON or YAML has a column for each of its keys (`meta.title`).

use std::borrow::Cow;

use serde_json::Value;

use config::component::Component;
use engine::{ExportRow, as_json};
use plugin::manifest::MediaType;
use tables::{Column, Kind};

/// A component whose files have more keys than this has one column: they are no columns, but names of things.
const MOST_KEYS: usize = 200;

/// What a table holds. Rows are looked at with [`Columns::see`] before any is written.
pub(super) struct Columns<'a> {
    components: &'a [Component],
    fields: Vec<(String, Kind)>,
    all_fields: bool,
    files: Vec<File>,
}

/// The columns of one component.
#[derive(Default)]
struct File {
    keys: Vec<(String, Kind)>,
    /// Whether a file is no object.
    has_other: bool,
}

/// What stands in one column of a row.
pub(super) enum Cell {
    Absent,
    Text(String),
    /// No text. A number of a record may be written in another way than it is printed.
    Json {
        value: Value,
        written: Option<String>,
    },
}

impl Cell {
    fn of(value: Value, written: Option<String>) -> Cell {
        match value {
            Value::Null => Cell::Absent,
            Value::String(text) => Cell::Text(text),
            value => Cell::Json { value, written },
        }
    }

    /// As a text: what is absent is empty, and what is no text is JSON.
    pub fn into_text(self) -> String {
        match self {
            Cell::Absent => String::new(),
            Cell::Text(text) => text,
            Cell::Json { value, written } => written.unwrap_or_else(|| value.to_string()),
        }
    }

    /// As a value of a column.
    pub fn into_value(self, kind: &Kind) -> tables::Cell {
        match self {
            Cell::Absent => None,
            Cell::Json { value, .. } if *kind != Kind::Text => Some(value),
            text => Some(Value::String(text.into_text())),
        }
    }
}

impl File {
    fn see(&mut self, key: String, value: &Value) {
        if let Some((_, kind)) = self.keys.iter_mut().find(|(known, _)| *known == key) {
            kind.see(value);
        } else if self.keys.len() <= MOST_KEYS {
            let mut kind = Kind::default();
            kind.see(value);
            self.keys.push((key, kind));
        }
    }

    fn is_split(&self) -> bool {
        !self.keys.is_empty() && self.keys.len() <= MOST_KEYS
    }

    fn has_whole(&self) -> bool {
        self.has_other || !self.is_split()
    }
}

impl<'a> Columns<'a> {
    /// With these fields, or with all that any record has.
    pub fn new(components: &'a [Component], fields: &[String], all_fields: bool) -> Self {
        Self {
            components,
            fields: fields
                .iter()
                .map(|name| (name.clone(), Kind::default()))
                .collect(),
            all_fields,
            files: components.iter().map(|_| File::default()).collect(),
        }
    }

    /// Whether the columns, or their types where these are wanted, depend on what the rows hold.
    pub fn depend_on_rows(&self, with_types: bool) -> bool {
        self.all_fields
            || (with_types && !self.fields.is_empty())
            || self.components.iter().any(is_structured)
    }

    /// Takes note of the columns that a row needs, and of what stands in them.
    pub fn see(&mut self, row: &ExportRow<'_>) {
        let record = &row.record.fields;
        if self.all_fields {
            for name in record.keys() {
                if !self.fields.iter().any(|(known, _)| known == name) {
                    self.fields.push((name.clone(), Kind::default()));
                }
            }
        }
        for (name, kind) in &mut self.fields {
            if let Some(value) = record.get(name) {
                kind.see(value);
            }
        }
        let files = self.components.iter().zip(&row.texts);
        for ((component, text), file) in files.zip(&mut self.files) {
            let Some(text) = text else { continue };
            match cells_of(component, text) {
                None => file.has_other = true,
                Some(cells) => {
                    for (key, value) in cells {
                        file.see(key, &value);
                    }
                }
            }
        }
    }

    /// The names of the columns.
    pub fn header(&self) -> Vec<String> {
        let columns = self.described().into_iter();
        columns.map(|column| column.name).collect()
    }

    /// The columns with their types.
    pub fn described(&self) -> Vec<Column> {
        let column = |name: String, kind: &Kind| Column {
            name,
            kind: kind.clone().settled(),
        };
        let mut columns: Vec<Column> = ["id", "name", "category"]
            .map(|name| column(name.to_owned(), &Kind::Text))
            .into();
        let fields = self.fields.iter();
        columns.extend(fields.map(|(name, kind)| column(format!("fields.{name}"), kind)));
        for (component, file) in self.components.iter().zip(&self.files) {
            if file.has_whole() {
                columns.push(column(component.name.clone(), &Kind::Text));
            }
            if file.is_split() {
                let keys = file.keys.iter();
                columns.extend(
                    keys.map(|(key, kind)| column(format!("{}.{key}", component.name), kind)),
                );
            }
        }
        columns
    }

    /// The cells of a row.
    pub fn cells(&self, row: &ExportRow<'_>) -> Vec<Cell> {
        let record = row.record;
        let mut cells = vec![
            Cell::Text(record.written_id().to_owned()),
            Cell::Text(record.name.clone()),
            Cell::Text(record.written_category().to_owned()),
        ];
        cells.extend(self.fields.iter().map(|(name, _)| {
            let Some(value) = record.fields.get(name) else {
                return Cell::Absent;
            };
            let written = || record.fields.json(name).map(Cow::into_owned);
            let written = if value.is_string() { None } else { written() };
            Cell::of(value.clone(), written)
        }));
        let files = self.components.iter().zip(&row.texts);
        for ((component, text), file) in files.zip(&self.files) {
            let split = match text {
                Some(text) if file.is_split() => cells_of(component, text),
                _ => None,
            };
            if file.has_whole() {
                cells.push(match text {
                    Some(text) if split.is_none() => Cell::Text(text.clone()),
                    _ => Cell::Absent,
                });
            }
            if file.is_split() {
                let mut split = split.unwrap_or_default();
                cells.extend(file.keys.iter().map(|(key, _)| {
                    let found = split.iter_mut().rfind(|(other, _)| other == key);
                    found.map_or(Cell::Absent, |(_, value)| Cell::of(value.take(), None))
                }));
            }
        }
        cells
    }
}

/// Whether the files of a component are data and no text.
fn is_structured(component: &Component) -> bool {
    matches!(component.media_type, MediaType::Json | MediaType::Yaml)
}

/// The keys and values of a file that is an object.
fn cells_of(component: &Component, text: &str) -> Option<Vec<(String, Value)>> {
    if !is_structured(component) {
        return None;
    }
    let value = as_json(text, component)?;
    value.is_object().then(|| {
        let mut cells = Vec::new();
        flatten(value, "", &mut cells);
        cells
    })
}

fn flatten(value: Value, key: &str, cells: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(object) if key.is_empty() || !object.is_empty() => {
            for (name, value) in object {
                let key = if key.is_empty() {
                    name
                } else {
                    format!("{key}.{name}")
                };
                flatten(value, &key, cells);
            }
        }
        value => cells.push((key.to_owned(), value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn objects_within_objects_are_columns_and_lists_are_json() {
        let value = json!({"title": "A", "og": {"image": {"w": 5}, "none": {}}, "tags": ["a", "b"], "x": null, "y": true});
        let mut cells = Vec::new();
        flatten(value, "", &mut cells);
        let shown: Vec<String> = cells
            .into_iter()
            .map(|(key, value)| format!("{key}={}", Cell::of(value, None).into_text()))
            .collect();
        assert_eq!(
            shown,
            [
                "title=A",
                "og.image.w=5",
                "og.none={}",
                "tags=[\"a\",\"b\"]",
                "x=",
                "y=true"
            ]
        );
    }

    #[test]
    fn a_number_among_texts_is_the_text_that_the_dataset_has() {
        let cell = || Cell::of(json!(1.1), Some("1.10".to_owned()));
        assert_eq!(cell().into_value(&Kind::Text), Some(json!("1.10")));
        assert_eq!(cell().into_value(&Kind::Number), Some(json!(1.1)));
        assert_eq!(Cell::of(json!(null), None).into_value(&Kind::Number), None);
    }
}
