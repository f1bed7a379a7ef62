//! JSON that is kept as its text. As a tree of values it would take up to 36 times as many bytes, and most of it is only passed
//! on.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use serde_json::{Error, Map, Number, Value};

use super::digest::DigestBuilder;

/// A JSON value as its text, without white space between its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json(Box<str>);

impl Json {
    /// Keeps a text.
    ///
    /// # Errors
    /// When it is not JSON, or nested more than 127 levels deep.
    pub fn new(mut text: String) -> Result<Json, Error> {
        serde_json::from_str::<Checked>(&text)?;
        without_spaces(&mut text);
        Ok(Json(text.into_boxed_str()))
    }

    /// `{}`.
    pub fn empty_object() -> Json {
        Json("{}".into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.0.starts_with('{')
    }

    /// Whether it is an object that holds something.
    pub fn has_entries(&self) -> bool {
        self.is_object() && self.as_str() != "{}"
    }

    /// The tree of values, built anew.
    pub fn value(&self) -> Value {
        // The text was read when this was made.
        serde_json::from_str(&self.0).unwrap_or_default()
    }

    /// The entries of an object, built anew; none of anything else.
    pub fn entries(&self) -> Map<String, Value> {
        match self.value() {
            Value::Object(entries) => entries,
            _ => Map::new(),
        }
    }

    /// Adds it to a hash, as [`DigestBuilder::json`] adds its tree of values.
    pub fn add_to(&self, builder: &mut DigestBuilder) {
        add(builder, &self.0);
    }
}

impl From<&Value> for Json {
    fn from(value: &Value) -> Json {
        Json(value.to_string().into_boxed_str())
    }
}

impl From<Value> for Json {
    fn from(value: Value) -> Json {
        Json::from(&value)
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        Value::deserialize(deserializer).map(Json::from)
    }
}

fn without_spaces(text: &mut String) {
    let mut in_string = false;
    let mut escaped = false;
    text.retain(|letter| {
        if in_string {
            in_string = escaped || letter != '"';
            escaped = !escaped && letter == '\\';
            return true;
        }
        in_string = letter == '"';
        !letter.is_ascii_whitespace()
    });
}

/// Adds valid JSON to a hash, level by level: of each level only its parts are held, as views of the text.
fn add(builder: &mut DigestBuilder, text: &str) {
    if add_parts(builder, text).is_err() {
        debug_assert!(false, "the JSON was read before: {text}");
    }
}

fn add_parts(builder: &mut DigestBuilder, text: &str) -> Result<(), Error> {
    match text.bytes().next() {
        Some(b'{') => {
            let Entries(mut entries) = serde_json::from_str(text)?;
            // Of equal keys the last one counts, as in a tree of values.
            entries.reverse();
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            entries.dedup_by(|(later, _), (earlier, _)| later == earlier);
            builder.object(entries.len());
            for (key, value) in entries {
                builder.text(&key);
                add(builder, value.get());
            }
        }
        Some(b'[') => {
            let Length(items) = serde_json::from_str(text)?;
            builder.array(items);
            let mut reader = serde_json::Deserializer::from_str(text);
            reader.deserialize_seq(Items(builder))?;
        }
        Some(b'"') => {
            let Text(text) = serde_json::from_str(text)?;
            builder.text(&text);
        }
        Some(b't') => {
            builder.truth(true);
        }
        Some(b'f') => {
            builder.truth(false);
        }
        Some(b'n') => {
            builder.null();
        }
        _ => {
            let number: Number = serde_json::from_str(text)?;
            builder.digits(&number.to_string());
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// How many items an array has.
struct Length(usize);

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Length, D::Error> {
        deserializer.deserialize_seq(Length(0))
    }
}

impl<'de> Visitor<'de> for Length {
    type Value = Length;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Length, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {
            self.0 += 1;
        }
        Ok(self)
    }
}

/// Adds the items of an array to a hash, one after the other: a list of a million would take sixteen times its text.
struct Items<'b>(&'b mut DigestBuilder);

impl<'de> Visitor<'de> for Items<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            add(self.0, item.get());
        }
        Ok(())
    }
}

/// The entries of an object in their order, equal keys included.
struct Entries<'t>(Vec<(Cow<'t, str>, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Entries<'de>, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some((Text(key), value)) = map.next_entry()? {
                    entries.push((key, value));
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(Reader)
    }
}

/// Any value, of which nothing is kept. Unlike `IgnoredAny`, it reads texts and numbers, so it refuses what a tree of values
/// could not hold.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked, A::Error> {
        while entries.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::digest::Digest;

    fn digest(add: impl FnOnce(&mut DigestBuilder)) -> Digest {
        let mut builder = DigestBuilder::new("test");
        add(&mut builder);
        builder.finish()
    }

    /// Texts of JSON, and of what is nearly JSON.
    fn text() -> impl Strategy<Value = String> {
        let part = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            " ",
            "\n",
            "\"a\"",
            "\"b c\"",
            "\"\\\"\"",
            "\"\\\\\"",
            "\"\\ud800\"",
            "\"\\ud83d\\ude00\"",
            "\"é\"",
            "1",
            "-0",
            "1.50",
            "1e3",
            "1e999",
            "01",
            "18446744073709551616",
            "true",
            "false",
            "null",
            "nul",
            "{\"a\":1,\"a\":2}",
            "[1,[]]",
        ]);
        prop::collection::vec(part, 0..8).prop_map(|parts| parts.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn a_text_is_taken_and_hashed_as_its_tree_of_values(text in text()) {
            let kept = Json::new(text.clone());
            match serde_json::from_str::<Value>(&text) {
                Ok(value) => {
                    let kept = kept.unwrap();
                    prop_assert_eq!(kept.value(), value.clone());
                    prop_assert_eq!(kept.is_object(), value.is_object());
                    let of_text = digest(|builder| kept.add_to(builder));
                    let of_value = digest(|builder| { builder.json(&value); });
                    prop_assert_eq!(of_text, of_value);
                }
                Err(_) => prop_assert!(kept.is_err(), "{} was taken", text),
            }
        }
    }

    #[test]
    fn only_spaces_between_parts_go() {
        let text = "{ \"a b\" : [1,\t\"\\\" \\\\\" ],\n\"c\": \" \" }".to_owned();
        let kept = Json::new(text).unwrap();
        assert_eq!(kept.as_str(), "{\"a b\":[1,\"\\\" \\\\\"],\"c\":\" \"}");
    }
}
