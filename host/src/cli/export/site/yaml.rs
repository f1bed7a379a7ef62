//! Front matter: YAML that every parser of version 1.1 and 1.2 reads alike. All texts are in quotes, as JSON has them.

use serde_json::{Map, Value};

/// Keys that a parser of YAML 1.1 would take for something else.
const WORDS: [&str; 8] = ["y", "n", "yes", "no", "on", "off", "true", "false"];

/// Writes the lines of a mapping.
pub(super) fn write(fields: &Map<String, Value>, out: &mut String) {
    lines(fields, 0, out);
}

fn lines(fields: &Map<String, Value>, depth: usize, out: &mut String) {
    for (key, value) in fields {
        out.push_str(&"  ".repeat(depth));
        out.push_str(&name(key));
        out.push(':');
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                out.push('\n');
                lines(inner, depth + 1, out);
            }
            Value::Array(values) if values.iter().any(|value| value.is_object()) => {
                for value in values {
                    out.push('\n');
                    out.push_str(&"  ".repeat(depth + 1));
                    out.push_str("- ");
                    out.push_str(&flow(value));
                }
                out.push('\n');
            }
            value => {
                out.push(' ');
                out.push_str(&flow(value));
                out.push('\n');
            }
        }
    }
}

/// A value on one line.
fn flow(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(flow).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(fields) => {
            let fields = fields.iter();
            let fields: Vec<String> = fields
                .map(|(key, value)| format!("{}: {}", name(key), flow(value)))
                .collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

fn name(key: &str) -> String {
    let is_plain = key.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-'))
        && !WORDS.contains(&key.to_ascii_lowercase().as_str())
        && !key.eq_ignore_ascii_case("null");
    match is_plain {
        true => key.to_owned(),
        false => quoted(key),
    }
}

/// A text in quotes. What some parser would take for the end of a line, or refuse, is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(letter)));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn written(value: &Value) -> String {
        let mut out = String::new();
        write(value.as_object().unwrap(), &mut out);
        out
    }

    #[test]
    fn it_is_readable() {
        let value = json!({
            "title": "Oak: \"hard\"", "tags": ["a", 1], "none": [], "empty": {}, "on": true, "1": null,
            "meta": {"og": {"image": "x"}, "list": [{"a": 1, "b c": [2]}, "d"], "date": "2024-01-01"},
        });
        insta::assert_snapshot!(written(&value), @r#"
        title: "Oak: \"hard\""
        tags: ["a", 1]
        none: []
        empty: {}
        "on": true
        "1": null
        meta:
          og:
            image: "x"
          list:
            - {a: 1, "b c": [2]}
            - "d"
          date: "2024-01-01"
        "#);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<String>().prop_map(Value::from),
            "[-0-9:.eE~ynoYNtrufalsT#'>|&*!%@` ]{0,8}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<bool>().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(".{0,6}", inner, 0..4)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_again(value in value()) {
            let text = written(&json!({ "data": value }));
            let read: Value = serde_saphyr::from_str(&text)
                .map_err(|error| TestCaseError::fail(format!("{error}:\n{text}")))?;
            prop_assert_eq!(&read["data"], &value, "{}", text);
        }
    }
}
