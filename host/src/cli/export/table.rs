//! The columns of a table: those of every record, then its fields, then a column for each component's file. A file of
//! JSON or YAML has a column for each of its keys (`meta.title`).

use serde_json::Value;

use config::component::Component;
use engine::{ExportRow, as_json};
use plugin::manifest::MediaType;

/// A component whose files have more keys than this has one column: they are no columns, but names of things.
const MOST_KEYS: usize = 200;

/// What a table holds. Rows are looked at with [`Columns::see`] before any is written.
pub(super) struct Columns<'a> {
    components: &'a [Component],
    fields: Vec<String>,
    all_fields: bool,
    files: Vec<File>,
}

/// The columns of one component.
#[derive(Default)]
struct File {
    keys: Vec<String>,
    /// Whether a file is no object.
    has_other: bool,
}

impl File {
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
            fields: fields.to_vec(),
            all_fields,
            files: components.iter().map(|_| File::default()).collect(),
        }
    }

    /// Whether the columns depend on what the rows hold.
    pub fn depend_on_rows(&self) -> bool {
        self.all_fields || self.components.iter().any(is_structured)
    }

    /// Takes note of the columns that a row needs.
    pub fn see(&mut self, row: &ExportRow<'_>) {
        if self.all_fields {
            for name in row.record.fields.keys() {
                if !self.fields.contains(name) {
                    self.fields.push(name.clone());
                }
            }
        }
        let files = self.components.iter().zip(&row.texts);
        for ((component, text), file) in files.zip(&mut self.files) {
            let Some(text) = text else { continue };
            match cells_of(component, text) {
                None => file.has_other = true,
                Some(cells) => {
                    let keys = cells.into_iter().map(|(key, _)| key);
                    for key in keys.take(MOST_KEYS + 1) {
                        if file.keys.len() <= MOST_KEYS && !file.keys.contains(&key) {
                            file.keys.push(key);
                        }
                    }
                }
            }
        }
    }

    /// The names of the columns.
    pub fn header(&self) -> Vec<String> {
        let mut names = ["id", "name", "category"].map(str::to_owned).to_vec();
        names.extend(self.fields.iter().map(|name| format!("fields.{name}")));
        for (component, file) in self.components.iter().zip(&self.files) {
            if file.has_whole() {
                names.push(component.name.clone());
            }
            if file.is_split() {
                let keys = file.keys.iter();
                names.extend(keys.map(|key| format!("{}.{key}", component.name)));
            }
        }
        names
    }

    /// The cells of a row. What is absent is an empty cell; a field that is no text is JSON.
    pub fn cells(&self, row: &ExportRow<'_>) -> Vec<String> {
        let record = row.record;
        let mut cells = vec![
            record.written_id().to_owned(),
            record.name.clone(),
            record.written_category().to_owned(),
        ];
        cells.extend(
            self.fields
                .iter()
                .map(|name| match record.fields.get(name) {
                    None | Some(Value::Null) => String::new(),
                    Some(Value::String(text)) => text.clone(),
                    Some(_) => record.fields.json(name).unwrap_or_default().into_owned(),
                }),
        );
        let files = self.components.iter().zip(&row.texts);
        for ((component, text), file) in files.zip(&self.files) {
            let text = text.as_deref().unwrap_or_default();
            let split = if file.is_split() {
                cells_of(component, text)
            } else {
                None
            };
            if file.has_whole() {
                let whole = if split.is_some() { "" } else { text };
                cells.push(whole.to_owned());
            }
            if file.is_split() {
                let split = split.unwrap_or_default();
                cells.extend(file.keys.iter().map(|key| {
                    let found = split.iter().rfind(|(other, _)| other == key);
                    found.map_or_else(String::new, |(_, cell)| cell.clone())
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

/// The keys and cells of a file that is an object.
fn cells_of(component: &Component, text: &str) -> Option<Vec<(String, String)>> {
    if !is_structured(component) {
        return None;
    }
    let value = as_json(text, component)?;
    value.is_object().then(|| {
        let mut cells = Vec::new();
        flatten(&value, "", &mut cells);
        cells
    })
}

fn flatten(value: &Value, key: &str, cells: &mut Vec<(String, String)>) {
    match value {
        Value::Object(object) if key.is_empty() || !object.is_empty() => {
            for (name, value) in object {
                let key = if key.is_empty() {
                    name.clone()
                } else {
                    format!("{key}.{name}")
                };
                flatten(value, &key, cells);
            }
        }
        Value::Null => cells.push((key.to_owned(), String::new())),
        Value::String(text) => cells.push((key.to_owned(), text.clone())),
        other => cells.push((key.to_owned(), other.to_string())),
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
        flatten(&value, "", &mut cells);
        let shown: Vec<String> = cells
            .iter()
            .map(|(key, cell)| format!("{key}={cell}"))
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
}
