//! What the bodies of questions have in common.

use std::io;

use serde_json::{Map, Value};

use crate::provider::Call;
use types::escaped;
use types::render;
use types::request::Role;

/// Bytes of a token where nobody counts.
pub(super) const BYTES_OF_TOKEN: u64 = 4;

/// About how many tokens a question has, for servers that do not count.
pub(super) fn estimate(call: Call<'_>) -> u64 {
    render::bytes(call.request).div_ceil(BYTES_OF_TOKEN)
}

/// A message as an API takes it.
pub(super) fn turn(role: Role, content: String) -> Value {
    // Moved, and not copied as `json!` would.
    let fields = [
        ("role", Value::from(role.as_str())),
        ("content", Value::from(content)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<String, Value>>()
        .into()
}

/// A message that shows pictures, made of parts.
pub(super) fn turn_of_parts(role: Role, parts: Vec<Value>) -> Value {
    let fields = [
        ("role", Value::from(role.as_str())),
        ("content", Value::Array(parts)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect::<Map<String, Value>>()
        .into()
}

/// The text of a body. `serde_json` writes the same, and takes several times as long for large texts.
pub(super) fn written(body: &Value) -> String {
    let texts = texts(body);
    // Room for what is escaped, so that a large text is not moved while it is written.
    let mut written = Vec::with_capacity(texts + texts / 16 + 512);
    // A vector takes whatever is written.
    let _ = write(body, &mut written);
    String::from_utf8(written).unwrap_or_default()
}

fn write(value: &Value, to: &mut Vec<u8>) -> io::Result<()> {
    match value {
        Value::String(text) => escaped::write(text, to),
        Value::Array(items) => {
            let mut separator: &[u8] = b"[";
            for item in items {
                to.extend_from_slice(separator);
                write(item, to)?;
                separator = b",";
            }
            to.extend_from_slice(if items.is_empty() { b"[]" } else { b"]" });
            Ok(())
        }
        Value::Object(fields) => {
            let mut separator: &[u8] = b"{";
            for (name, value) in fields {
                to.extend_from_slice(separator);
                escaped::write(name, &mut *to)?;
                to.push(b':');
                write(value, to)?;
                separator = b",";
            }
            to.extend_from_slice(if fields.is_empty() { b"{}" } else { b"}" });
            Ok(())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(serde_json::to_writer(to, value)?),
    }
}

/// Bytes of all texts.
fn texts(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(texts).sum(),
        Value::Object(fields) => fields.values().map(texts).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// Lays configured fields over a body: an object in an object field by field, anything else in its place.
pub(super) fn lay_over(body: &mut Map<String, Value>, extra: &Map<String, Value>) {
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => lay_over(inner, more),
            _ => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn any_body() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..4).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_body_is_written_as_by_serde_json(body in any_body()) {
            prop_assert_eq!(written(&body), body.to_string());
        }
    }

    #[test]
    fn fields_are_laid_over_one_by_one() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let mut body = object(json!({"a": {"b": 1, "c": 2}, "d": [1]}));
        lay_over(
            &mut body,
            &object(json!({"a": {"c": 3}, "d": [2], "e": null})),
        );
        assert_eq!(
            Value::from(body),
            json!({"a": {"b": 1, "c": 3}, "d": [2], "e": null})
        );
    }
}
