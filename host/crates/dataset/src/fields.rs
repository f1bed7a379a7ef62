//! The fields of a record or of a category: their values, and the JSON of those which hold a number that would be printed
//! in another way than it stands in the file.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Deref;

use serde::ser::{Error, Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::number::{self, AsWritten};
use types::digest::Digest;
use types::escaped;
use types::fields::FieldTexts;

/// Fields in the order of the file. As JSON they have their numbers as the file has them (`1.10`, `1E5`).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    values: Map<String, Value>,
    /// The JSON of each field that has such a number.
    written: BTreeMap<String, Box<str>>,
}

impl Fields {
    /// Takes the marks of a parser out of the values.
    pub(super) fn of_marked(mut values: Map<String, Value>) -> Self {
        let marked = values
            .iter_mut()
            .filter(|(_, value)| number::has_mark(value));
        let written = marked
            .map(|(name, value)| {
                let json = AsWritten(value).to_string();
                number::unmark(value);
                (name.clone(), json.into())
            })
            .collect();
        Self { values, written }
    }

    /// Fields from the JSON of an object, as [`Fields::to_json`] gives it; `None` if it is none.
    pub fn of_json(json: &str) -> Option<Self> {
        let values = serde_json::from_str(&number::marked(json)).ok()?;
        Some(Self::of_marked(values))
    }

    /// The JSON of one field.
    pub fn json(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.written.get(name) {
            Some(json) => Some(Cow::Borrowed(json)),
            None => Some(Cow::Owned(self.values.get(name)?.to_string())),
        }
    }

    /// Writes the JSON of one field, and nothing where it is not there.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn write_json(&self, name: &str, mut to: impl io::Write) -> io::Result<()> {
        match (self.written.get(name), self.values.get(name)) {
            (Some(json), _) => to.write_all(json.as_bytes()),
            (None, Some(Value::String(text))) => escaped::write(text, to),
            (None, Some(value)) => Ok(serde_json::to_writer(to, value)?),
            (None, None) => Ok(()),
        }
    }

    /// The JSON of these fields alone, in this order, as far as they are there.
    pub fn pick<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> String {
        let mut picked: Vec<&String> = Vec::new();
        for name in names {
            if self.values.contains_key(name) && !picked.contains(&name) {
                picked.push(name);
            }
        }
        self.write_object(&picked)
    }

    /// The JSON of all fields.
    pub fn to_json(&self) -> String {
        self.write_object(&self.values.keys().collect::<Vec<_>>())
    }

    fn write_object(&self, names: &[&String]) -> String {
        let texts = names
            .iter()
            .filter_map(|name| self.values.get(*name)?.as_str());
        let texts: usize = texts.map(str::len).sum();
        // Room for the names, for numbers and for what is escaped.
        let mut json = Vec::with_capacity(texts + texts / 16 + 32 * names.len() + 2);
        json.push(b'{');
        for name in names {
            if json.len() > 1 {
                json.push(b',');
            }
            // A vector takes whatever is written, and JSON values can be written.
            let _ = escaped::write(name, &mut json);
            json.push(b':');
            let _ = self.write_json(name, &mut json);
        }
        json.push(b'}');
        String::from_utf8(json).unwrap_or_default()
    }
}

impl Deref for Fields {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(values: Map<String, Value>) -> Self {
        Self {
            values,
            written: BTreeMap::new(),
        }
    }
}

impl From<Fields> for Value {
    fn from(fields: Fields) -> Self {
        Value::Object(fields.values)
    }
}

impl FromIterator<(String, Value)> for Fields {
    fn from_iter<T: IntoIterator<Item = (String, Value)>>(fields: T) -> Self {
        fields.into_iter().collect::<Map<_, _>>().into()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in &self.values {
            match self.written.get(name) {
                None => map.serialize_entry(name, value)?,
                Some(json) => {
                    let json = RawValue::from_string(json.to_string()).map_err(S::Error::custom)?;
                    map.serialize_entry(name, &json)?;
                }
            }
        }
        map.end()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl FieldTexts for Fields {
    fn one(&self, name: &str) -> Option<Digest> {
        match self.written.get(name) {
            Some(json) => Some(Digest::of(json.as_bytes())),
            None => self.values.get(name).map(|value| match value {
                Value::String(text) => {
                    let mut hash = Sha256::new();
                    // A hash takes whatever is written.
                    let _ = escaped::write(text, &mut hash);
                    hash.into()
                }
                value => Digest::of_json(value),
            }),
        }
    }

    fn all(&self) -> Digest {
        Digest::of_json(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn values_are_numbers_and_json_has_their_digits() {
        let line = r#"{"id": 1, "name": "A", "category": "c", "a": 1.10, "b": [{"c": 1.0e+12}, "1.10"], "d": 2.5, "e": 123456789012345678901}"#;
        let fields = Fixture::new("a.jsonl", line).records().remove(0).fields;
        assert_eq!(
            Value::from(fields.clone()),
            json!({"a": 1.1, "b": [{"c": 1.0e12}, "1.10"], "d": 2.5, "e": "123456789012345678901"})
        );
        assert_eq!(
            fields.to_string(),
            r#"{"a":1.10,"b":[{"c":1.0e+12},"1.10"],"d":2.5,"e":"123456789012345678901"}"#
        );
        let picked = fields.pick(&["d".to_owned(), "x".to_owned(), "a".to_owned()]);
        assert_eq!(picked, r#"{"d":2.5,"a":1.10}"#);
        assert_eq!(fields.json("a").as_deref(), Some("1.10"));
        assert_eq!(fields.json("x"), None);
    }

    #[test]
    fn the_facts_of_a_category_keep_their_digits_and_their_values() {
        let document = r#"{"categories": [{"id": "c", "limit": 1.0e+12}], "records": [{"id": 1, "name": 1.50, "category": "c"}]}"#;
        let fixture = Fixture::new("a.json", document);
        let dataset = fixture.open();
        let fields = dataset.category_fields("c").unwrap();
        assert_eq!(fields["limit"].as_f64(), Some(1e12));
        assert_eq!(fields.to_string(), r#"{"limit":1.0e+12}"#);
        assert_eq!(fixture.records()[0].name, "1.50");
    }

    /// Numbers in every way in which they are written.
    fn number() -> impl Strategy<Value = String> {
        "-?(0|[1-9][0-9]{0,22})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?"
    }

    fn nested() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            number(),
            "\"[a-z0-9.]{0,5}\"",
            Just("null".to_owned()),
            Just("true".to_owned())
        ];
        leaf.prop_recursive(3, 12, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(", "))),
                (inner.clone(), inner).prop_map(|(a, b)| format!("{{\"x\": {a}, \"1.10\": {b}}}")),
            ]
        })
    }

    proptest! {
        /// The mark with which the parsers tell how a number is written leaves them nowhere.
        #[test]
        fn nothing_but_the_characters_of_the_file_leaves_the_dataset(value in nested(), id in number()) {
            let id = id.trim_start_matches('-');
            let cell = id.replace('"', "");
            let files = [
                ("a.jsonl", format!("{{\"id\": {id}, \"name\": {id}, \"category\": {id}, \"v\": {value}}}")),
                ("a.json", format!("{{\"categories\": [{{\"id\": \"c\", \"v\": {value}}}], \
                    \"records\": [{{\"id\": {id}, \"name\": {id}, \"category\": \"c\", \"v\": {value}}}]}}")),
                ("a.yaml", format!("- id: {id}\n  name: {id}\n  category: {id}\n  v: {value}\n")),
                ("a.csv", format!("id,name,category,v\n{cell},{cell},{cell},{cell}\n")),
            ];
            for (name, content) in files {
                let fixture = Fixture::new(name, &content).with(|config| config.safe_ids = true);
                let dataset = fixture.open();
                for (_, record) in dataset.entries().map(Result::unwrap) {
                    let categories = format!("{:?}", dataset.categories());
                    for text in [format!("{record:?}"), record.fields.to_string(), categories] {
                        prop_assert!(text.is_ascii() && !text.contains("\\u"), "{name}: {text}");
                    }
                    prop_assert_eq!(&record.name, id, "{}", name);
                    // What is read again from the JSON is the same number, or a text with all of its digits.
                    let again: Value = serde_json::from_str(&record.fields.to_string()).unwrap();
                    prop_assert_eq!(again, Value::from(record.fields), "{}: {}", name, content);
                }
            }
        }
    }
}
