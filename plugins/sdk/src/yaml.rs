//! Writes JSON values as YAML that every parser of YAML 1.1 and 1.2 reads back as the same values.
//!
//! Block style with two spaces; a string is plain only where no parser can take it for anything
//! else, and in double quotes otherwise. It does not read YAML: the host gives upstream files as JSON.

use std::fmt::Write;

use serde_json::{Map, Number, Value};

/// The value between `---` lines, as front matter.
pub fn front_matter(fields: &Map<String, Value>) -> String {
    let mut out = String::from("---\n");
    mapping(&mut out, fields, 0);
    out.push_str("---\n");
    out
}

/// The value as a document of its own.
pub fn document(fields: &Map<String, Value>) -> String {
    if fields.is_empty() {
        return "{}\n".to_owned();
    }
    let mut out = String::new();
    mapping(&mut out, fields, 0);
    out
}

fn mapping(out: &mut String, fields: &Map<String, Value>, depth: usize) {
    for (index, (key, value)) in fields.iter().enumerate() {
        // The first line of a mapping in a list stands behind the list's dash.
        if index > 0 || out.is_empty() || out.ends_with('\n') {
            indent(out, depth);
        }
        scalar_text(out, key);
        out.push(':');
        entry(out, value, depth);
    }
}

/// A value behind a key, up to the end of its last line.
fn entry(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.push('\n');
            mapping(out, fields, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            sequence(out, items, depth + 1);
        }
        value => {
            out.push(' ');
            scalar(out, value);
            out.push('\n');
        }
    }
}

fn sequence(out: &mut String, items: &[Value], depth: usize) {
    for item in items {
        indent(out, depth);
        out.push('-');
        match item {
            Value::Object(fields) if !fields.is_empty() => {
                out.push(' ');
                mapping(out, fields, depth + 1);
            }
            item => entry(out, item, depth),
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    for _ in 0..depth {
        out.push_str("  ");
    }
}

fn scalar(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(true) => out.push_str("true"),
        Value::Bool(false) => out.push_str("false"),
        Value::Number(number) => scalar_number(out, number),
        Value::String(text) => scalar_text(out, text),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

/// YAML 1.1 wants a point and a signed exponent: `1.0e+20`, where JSON has `1e20`.
fn scalar_number(out: &mut String, number: &Number) {
    let text = number.to_string();
    let Some((mantissa, exponent)) = text.split_once(['e', 'E']) else {
        out.push_str(&text);
        return;
    };
    out.push_str(mantissa);
    if !mantissa.contains('.') {
        out.push_str(".0");
    }
    out.push('e');
    if !exponent.starts_with(['+', '-']) {
        out.push('+');
    }
    out.push_str(exponent);
}

fn scalar_text(out: &mut String, text: &str) {
    if is_plain(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            // What YAML calls not printable, and what it takes for a line break or a byte order mark.
            c if c.is_control()
                || matches!(
                    c,
                    '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
                ) =>
            {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// Whether a parser can take the text for nothing but itself.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    let safe = |c: char| {
        c.is_alphanumeric()
            || matches!(
                c,
                ' ' | '-' | '_' | '.' | '/' | '(' | ')' | ';' | '°' | '·' | '²' | '³'
            )
    };
    text.starts_with(char::is_alphabetic)
        && text.chars().all(safe)
        && !text.ends_with(' ')
        && !WORDS.contains(&text.to_lowercase().as_str())
}

#[cfg(test)]
mod tests;
