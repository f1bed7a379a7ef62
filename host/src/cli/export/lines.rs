//! Rows as JSON Lines.

use std::borrow::Cow;

use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::super::exit::Failure;
use super::super::file::Writing;
use super::{Fields, Source};
use config::component::Component;
use engine::{ExportRow, as_json};

/// Writes a line of JSON for each row.
pub(super) fn write(
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    out: &mut Writing,
) -> Result<(u64, u64), Failure> {
    let args = source.args;
    source.rows(|row| {
        fields.see(row.record);
        let line = Line {
            id: row.record.written_id(),
            name: &row.record.name,
            category: row.record.written_category(),
            fields: if args.all_fields {
                Some(Picked::All(&row.record.fields))
            } else if args.field.is_empty() {
                None
            } else {
                Some(Picked::Named(&row.record.fields, &args.field))
            },
            components: files(row, source.components),
        };
        Ok(out.line(&line)?)
    })
}

/// A row as JSON.
#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    name: &'a str,
    category: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Picked<'a>>,
    components: Map<String, Value>,
}

/// Fields of a record, with their numbers as the dataset has them.
enum Picked<'a> {
    All(&'a dataset::Fields),
    Named(&'a dataset::Fields, &'a [String]),
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Picked::All(fields) => fields.serialize(serializer),
            Picked::Named(fields, names) => serializer.collect_map(names.iter().map(|name| {
                let json = fields.json(name).map(Cow::into_owned);
                (name, json.and_then(|json| RawValue::from_string(json).ok()))
            })),
        }
    }
}

/// The files of a row.
fn files(row: &ExportRow<'_>, components: &[Component]) -> Map<String, Value> {
    let files = components.iter().zip(&row.texts);
    let file = |(component, text): (&Component, &Option<String>)| {
        let file = match text {
            None => Value::Null,
            Some(text) => match as_json(text, component) {
                None => json!({"text": text}),
                Some(value) => json!({"text": text, "json": value}),
            },
        };
        (component.name.clone(), file)
    };
    files.map(file).collect()
}
