//! The facts as the model is told them: without those that the instructions quote.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value};

use super::Path;

/// No facts at all.
pub(super) const NOTHING: &str = "{}";

/// The JSON of the facts that are told. What is not an object has none.
pub(super) fn facts(facts: &Value, quoted: &[Path]) -> String {
    match facts {
        Value::Object(all) if !quoted.is_empty() => {
            let quoted: Vec<&[String]> = quoted.iter().map(Vec::as_slice).collect();
            // Only a map whose keys are no strings has no text.
            serde_json::to_string(&Told {
                all,
                quoted: &quoted,
            })
            .unwrap_or_default()
        }
        facts => facts.to_string(),
    }
}

/// An object without what the paths lead to.
struct Told<'a> {
    all: &'a Map<String, Value>,
    quoted: &'a [&'a [String]],
}

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in self.all {
            let inside: Vec<&[String]> = self
                .quoted
                .iter()
                .filter_map(|path| path.split_first())
                .filter_map(|(first, rest)| (first == key).then_some(rest))
                .collect();
            match value {
                _ if inside.is_empty() => map.serialize_entry(key, value)?,
                _ if inside.iter().any(|rest| rest.is_empty()) => {}
                Value::Object(all) => map.serialize_entry(
                    key,
                    &Told {
                        all,
                        quoted: &inside,
                    },
                )?,
                value => map.serialize_entry(key, value)?,
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_quoted_is_left_out_at_any_depth() {
        let known = json!({"a": 1, "b": {"c": 2, "d": {"e": 3, "f": 4}}, "g": [5]});
        let path = |keys: &[&str]| -> Path { keys.iter().map(|key| (*key).to_owned()).collect() };
        let told = |quoted: &[&[&str]]| {
            let quoted: Vec<Path> = quoted.iter().map(|keys| path(keys)).collect();
            facts(&known, &quoted)
        };
        assert_eq!(told(&[]), known.to_string());
        assert_eq!(
            told(&[&["a"], &["b", "d", "e"]]),
            r#"{"b":{"c":2,"d":{"f":4}},"g":[5]}"#
        );
        assert_eq!(told(&[&["b"], &["b", "c"], &["g"]]), r#"{"a":1}"#);
        assert_eq!(told(&[&["a", "x"], &["x"], &[]]), known.to_string());
        assert_eq!(told(&[&["a"], &["b"], &["g"]]), NOTHING);
    }
}
