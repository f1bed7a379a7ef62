//! What the bodies of questions have in common.

use serde_json::{Map, Value};

use crate::provider::Call;
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

/// The text of a body. What `Display` writes is the same, and takes several times as long for large texts.
pub(super) fn written(body: &Value) -> String {
    let texts = texts(body);
    // Room for what is escaped, so that a large text is not moved while it is written.
    let mut written = Vec::with_capacity(texts + texts / 16 + 512);
    let _ = serde_json::to_writer(&mut written, body);
    String::from_utf8(written).unwrap_or_default()
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
    use serde_json::json;

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
