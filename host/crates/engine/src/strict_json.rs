//! JSON that every reader understands alike. The format allows equal keys, and numbers and characters that no reader can hold:
//! one takes the first of two keys, another the last, and a third gives up.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Checks a document without keeping it.
///
/// # Errors
/// When it is no JSON, has equal keys in one object, a number beyond those of 64 bits, half a character, or too many levels.
pub(super) fn check(text: &str) -> Result<(), serde_json::Error> {
    serde_json::from_str::<Checked>(text).map(|Checked| ())
}

/// A value that was looked at.
struct Checked;

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Checked, D::Error> {
        deserializer.deserialize_any(Checked)
    }
}

impl<'de> Visitor<'de> for Checked {
    type Value = Checked;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Checked, A::Error> {
        while let Some(Checked) = values.next_element()? {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Checked, A::Error> {
        let mut keys = HashSet::new();
        while let Some(Key(key)) = entries.next_key()? {
            if keys.contains(&key) {
                let twice = format_args!("the key `{key}` appears twice");
                return Err(A::Error::custom(twice));
            }
            keys.insert(key);
            let Checked = entries.next_value()?;
        }
        Ok(Checked)
    }
}

/// A key, which stays where it is in the text unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key<'de>, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(Keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_readers_understand_in_different_ways_is_refused() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        for (text, said) in [
            (deep.as_str(), "recursion limit"),
            (r#"{"a": 1e999999}"#, "number out of range"),
            (r#"["\ud800"]"#, "hex escape"),
            (
                r#"{"a": 1, "b": {"c": 1, "\u0063": 2}}"#,
                "`c` appears twice",
            ),
            (r#"{"a": NaN}"#, "expected value"),
        ] {
            let error = check(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_is_accepted_can_be_read_as_a_value() {
        let text = r#"{"a": [1, -2, 2.5e3, null, true, "\ud83d\ude00"], "b": {"a": {}}, "": 18446744073709551616}"#;
        check(text).unwrap();
        assert!(serde_json::from_str::<Value>(text).is_ok());
    }
}
