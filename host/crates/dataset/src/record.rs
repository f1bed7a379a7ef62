//! One record, one category, and what they must have.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::error::{At, DatasetError, kind_of};
use super::fields::Fields;
use super::id::{is_safe_id, safe_id};
use super::number;
use types::suggest::closest;

/// SHA-256 of a record; see [`Record::hash`].
pub type RecordHash = [u8; 32];

/// One row of a dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Names the record, its files and its state: safe as a file name.
    pub id: String,
    /// What people call it. Not empty.
    pub name: String,
    /// Id of the category that it belongs to: safe as a file name.
    pub category: String,
    /// All other fields, in the order of the file.
    pub fields: Fields,
    /// Id and category as they are written, where they were made safe.
    pub written: Written,
}

/// Id and category as a dataset has them, where they are not safe as file names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// The id.
    pub id: Option<Box<str>>,
    /// The category.
    pub category: Option<Box<str>>,
}

/// What is known of a category as such.
#[derive(Clone, Debug, PartialEq)]
pub struct Category {
    /// What records name it by.
    pub id: String,
    /// All other fields, in the order of the file.
    pub fields: Fields,
}

/// The fields that hold what every record must have, and what is done where one does not fit.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub id: String,
    pub name: String,
    pub category: String,
    /// Whether ids and categories that are not safe as file names are made so.
    pub safe_ids: bool,
    /// Category of a record that names none.
    pub default_category: Option<String>,
}

impl Record {
    /// The id as the dataset has it.
    pub fn written_id(&self) -> &str {
        self.written.id.as_deref().unwrap_or(&self.id)
    }

    /// The category as the dataset has it.
    pub fn written_category(&self) -> &str {
        self.written.category.as_deref().unwrap_or(&self.category)
    }

    /// A hash of all that the record says. Comments, white space and the format do not count; the order
    /// of the fields does, since components see it.
    pub fn hash(&self) -> RecordHash {
        let mut hash = Sha256::new();
        for part in [&self.id, &self.name, &self.category] {
            hash.update(part.as_bytes());
            // No part can hold a zero byte and shift the border: ids cannot, and JSON escapes it.
            hash.update([0]);
        }
        for key in self.fields.keys() {
            // A hash takes whatever is written, and JSON values can be written.
            let _ = serde_json::to_writer(&mut hash, key);
            let _ = self.fields.write_json(key, &mut hash);
        }
        hash.finalize().into()
    }

    /// Takes id, name and category out of a parsed row. Fields whose text may have been changed stay.
    pub(super) fn from_value(
        value: Value,
        names: &Names,
        at: &At<'_>,
    ) -> Result<Self, DatasetError> {
        let mut fields = object(value, at)?;
        let (id, written_id) = own_id(&fields, &names.id, names.safe_ids, at)?;
        let name = text_of(&fields, &names.name, at)?;
        let (category, written_category) = category_of(&fields, names, at)?;
        fields.shift_remove(&names.name);
        if !names.safe_ids {
            fields.shift_remove(&names.id);
            fields.shift_remove(&names.category);
        }
        Ok(Self {
            id,
            name,
            category,
            // Collected anew, since what was taken out of them leaves its room.
            fields: Fields::of_marked(fields.into_iter().collect()),
            written: Written {
                id: written_id,
                category: written_category,
            },
        })
    }
}

impl Category {
    /// Takes the id out of a parsed entry.
    pub(super) fn from_value(value: Value, at: &At<'_>) -> Result<Self, DatasetError> {
        let mut fields = object(value, at)?;
        let (id, _) = own_id(&fields, "id", false, at)?;
        fields.shift_remove("id");
        Ok(Self {
            id,
            fields: Fields::of_marked(fields),
        })
    }
}

/// The id of a parsed row, whatever else is wrong with it.
pub(super) fn id_of(value: &Value, names: &Names, at: &At<'_>) -> Option<String> {
    let fields = value.as_object()?;
    own_id(fields, &names.id, names.safe_ids, at)
        .ok()
        .map(|(id, _)| id)
}

pub(super) fn object(value: Value, at: &At<'_>) -> Result<Map<String, Value>, DatasetError> {
    match value {
        Value::Object(fields) => Ok(fields),
        other => Err(DatasetError::NotAnObject {
            file: at.file(),
            line: at.line,
            found: kind_of(&other),
        }),
    }
}

/// An id as it is used, and as it is written where that is something else.
type Used = (String, Option<Box<str>>);

fn own_id(
    fields: &Map<String, Value>,
    field: &str,
    make_safe: bool,
    at: &At<'_>,
) -> Result<Used, DatasetError> {
    safe(text_of(fields, field, at)?, field, make_safe, at)
}

fn category_of(
    fields: &Map<String, Value>,
    names: &Names,
    at: &At<'_>,
) -> Result<Used, DatasetError> {
    let category = match (
        text_of(fields, &names.category, at),
        &names.default_category,
    ) {
        (Err(DatasetError::MissingField { .. }), Some(category)) => category.clone(),
        (Ok(found), Some(category)) if is_placeholder(&found) => category.clone(),
        (found, _) => found?,
    };
    safe(category, &names.category, names.safe_ids, at)
}

/// Whether a text only says that there is none.
pub(super) fn is_placeholder(text: &str) -> bool {
    const PLACEHOLDERS: [&str; 10] = [
        "n/a", "#n/a", "n.a.", "-", "--", "---", "\u{2013}", "\u{2014}", "null", "(blank)",
    ];
    PLACEHOLDERS.contains(&text.to_lowercase().as_str())
}

fn safe(id: String, field: &str, make_safe: bool, at: &At<'_>) -> Result<Used, DatasetError> {
    if make_safe && !is_safe_id(&id) {
        return Ok((safe_id(&id), Some(id.into())));
    }
    check_id(&id, field, at)?;
    Ok((id, None))
}

/// The text of a field that must have one, without white space around it. A number is its digits.
pub(super) fn text_of(
    fields: &Map<String, Value>,
    field: &str,
    at: &At<'_>,
) -> Result<String, DatasetError> {
    let missing = |cause| {
        let others = fields
            .keys()
            .map(String::as_str)
            .filter(|other| *other != field);
        DatasetError::MissingField {
            file: at.file(),
            line: at.line,
            field: field.into(),
            cause,
            meant: closest(field, others).map(Into::into),
        }
    };
    match fields.get(field) {
        None => Err(missing("is missing")),
        Some(Value::Null) => Err(missing("is null")),
        Some(Value::String(text)) if text.trim().is_empty() => Err(missing("is empty")),
        Some(value @ Value::String(text)) => {
            Ok(number::written(value).unwrap_or(text.trim()).to_owned())
        }
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other) => Err(DatasetError::WrongType {
            file: at.file(),
            line: at.line,
            field: field.into(),
            expected: "a text or a number",
            found: kind_of(other),
        }),
    }
}

fn check_id(id: &str, field: &str, at: &At<'_>) -> Result<(), DatasetError> {
    if is_safe_id(id) {
        return Ok(());
    }
    Err(DatasetError::UnsafeId {
        file: at.file(),
        line: at.line,
        field: field.into(),
        id: id.chars().take(160).collect(),
        safe: safe_id(id),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use serde_json::json;

    #[test]
    fn every_record_needs_an_id_a_name_and_a_category() {
        let lines = [
            json!({"name": "A", "category": "metal"}),
            json!({"id": "", "name": "A", "category": "metal"}),
            json!({"id": "a", "name": null, "category": "metal"}),
            json!({"id": "a", "name": "  ", "category": "metal"}),
            json!({"id": "a", "name": "A"}),
            json!({"id": 1.5, "name": "A", "category": "metal"}),
            json!({"id": "a", "name": 304, "category": "metal"}),
            json!({"id": "a", "name": "A", "category": ["metal"]}),
            json!({"id": "Stainless Steel", "name": "A", "category": "metal"}),
            json!({"id": "../../etc/passwd", "name": "A", "category": "metal"}),
            json!({"id": -5, "name": "A", "category": "metal"}),
            json!({"id": "a".repeat(200), "name": "A", "category": "metal"}),
            json!({"id": "a", "name": "A", "category": "Metals & Alloys"}),
            json!({"id": 304, "name": "A", "category": "metal"}),
        ];
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        insta::assert_snapshot!(Fixture::new("a.jsonl", lines.join("\n")).report(), @r#"
        a.jsonl:1: the field `id` is missing; fill it in, or name another field in the configuration
        a.jsonl:2: the field `id` is empty; fill it in, or name another field in the configuration
        a.jsonl:3: the field `name` is null; fill it in, or name another field in the configuration
        a.jsonl:4: the field `name` is empty; fill it in, or name another field in the configuration
        a.jsonl:5: the field `category` is missing; fill it in, or name another field in the configuration
        line 6: 1.5
        line 7: a
        a.jsonl:8: the field `category` must be a text or a number, found a list; put it in quotes if it is meant as text
        a.jsonl:9: the id "Stainless Steel" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `stainless-steel`
        a.jsonl:10: the id "../../etc/passwd" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `etc-passwd`
        a.jsonl:11: the id "-5" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `5`
        a.jsonl:12: the id "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-c2a908d9`
        a.jsonl:13: the category "Metals & Alloys" is not safe as a file name; use 1 to 128 lower-case letters, digits, `-`, `_` and `.`, not starting with `.` or `-`: `metals-alloys`
        line 14: 304
        "#);
    }

    #[test]
    fn the_names_of_the_fields_are_configured() {
        let line = r#"{"slug": "a", "title": "A", "kind": "metal", "id": 5, "name": null}"#;
        let fixture = Fixture::new("a.jsonl", line).with(|config| {
            config.id = "slug".into();
            config.name = "title".into();
            config.category = "kind".into();
        });
        let record = fixture.records().remove(0);
        assert_eq!(
            (
                record.id.as_str(),
                record.name.as_str(),
                record.category.as_str()
            ),
            ("a", "A", "metal")
        );
        assert_eq!(Value::from(record.fields), json!({"id": 5, "name": null}));
    }

    #[test]
    fn ids_and_categories_are_made_safe_on_request_and_their_fields_stay() {
        let line = r#"{"Name": "Stainless Steel", "kind": "Metals & Alloys", "n": 5}"#;
        let fixture = Fixture::new("a.jsonl", line).with(|config| {
            config.id = "Name".into();
            config.name = "Name".into();
            config.category = "kind".into();
            config.safe_ids = true;
        });
        let record = fixture.records().remove(0);
        assert_eq!(
            (
                record.id.as_str(),
                record.name.as_str(),
                record.category.as_str()
            ),
            ("stainless-steel", "Stainless Steel", "metals-alloys")
        );
        assert_eq!(
            Value::from(record.fields),
            json!({"kind": "Metals & Alloys", "n": 5})
        );
    }

    #[test]
    fn a_record_without_category_may_have_a_default_one() {
        let lines = r#"{"id": 1, "name": "A"}
{"id": 2, "name": "B", "category": " "}
{"id": 4, "name": "D", "category": "N/A"}
{"id": 3, "name": "C", "category": "metal"}"#;
        let fixture = Fixture::new("a.jsonl", lines)
            .with(|config| config.default_category = Some("things".into()));
        let records = fixture.records();
        let categories: Vec<&str> = records
            .iter()
            .map(|record| record.category.as_str())
            .collect();
        assert_eq!(categories, ["things", "things", "things", "metal"]);
    }

    #[test]
    fn a_field_that_was_probably_meant_is_named() {
        let fixture = Fixture::new("a.jsonl", r#"{"id": 1, "nmae": "A", "category": "c"}"#);
        insta::assert_snapshot!(fixture.report(), @"a.jsonl:1: the field `name` is missing; did you mean `nmae`? fill it in, or name another field in the configuration");
    }

    #[test]
    fn the_hash_sees_content_and_nothing_else() {
        let hash = |name: &str, content: &str| Fixture::new(name, content).records()[0].hash();
        let json = hash(
            "a.json",
            r#"[{"id": "a", "name": "A", "category": "c", "x": 1, "y": "2"}]"#,
        );
        assert_eq!(
            json,
            hash(
                "b.yaml",
                "# note\n- {id: a, category: c,\n   name: A, x: 1, y: '2'}\n"
            )
        );
        for other in [
            r#"[{"id": "b", "name": "A", "category": "c", "x": 1, "y": "2"}]"#,
            r#"[{"id": "a", "name": "A", "category": "c", "y": "2", "x": 1}]"#,
            r#"[{"id": "a", "name": "A", "category": "c", "x": 1, "y": 2}]"#,
            r#"[{"id": "a", "name": "A", "category": "c", "x": 1}]"#,
        ] {
            assert_ne!(json, hash("a.json", other), "{other}");
        }
    }
}
