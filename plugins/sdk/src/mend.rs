//! Mechanical mending of an answer, before anything is held against the model: a code fence around all of it, chatter,
//! wrapping quotes, white space that shows nothing. It never changes what the answer says.
//!
//! Thoughts, tokens of chat models and small faults of JSON are mended by the host before a component is told the answer.

mod chatter;
mod fences;

use serde_json::Value;

use fences::Fences;

/// The text without a fence around it, chatter and wrapping quotes, with tidy white space.
pub fn text(answer: &str) -> String {
    let plain = answer
        .replace('\u{feff}', "")
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let mut rest = tidy(&plain);
    loop {
        let next = tidy(without_quotes(bare(&rest)));
        if next.len() == rest.len() {
            return rest;
        }
        rest = next;
    }
}

/// The text without a fence around all of it, or else without the chatter around it.
fn bare(text: &str) -> &str {
    if let Some(fence) = fences::around(text) {
        return fence.inside;
    }
    let said = chatter::removed(text);
    match fences::around(said) {
        // Code that somebody presents is a part of a text; a text in a fence is the text.
        Some(fence) if said.len() < text.len() && !fence.holds_a_document() => text,
        _ => said,
    }
}

/// The text without a first line that is a heading of the first level.
pub fn without_title(text: &str) -> &str {
    match text.strip_prefix("# ") {
        Some(rest) => rest
            .split_once('\n')
            .map_or("", |(_, body)| body)
            .trim_start(),
        None => text,
    }
}

/// A field of an answer as one line of plain text: white space collapsed, marks of bold text and code
/// dropped.
pub fn line(text: &str) -> String {
    let plain = text.replace("**", "").replace('`', "");
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ")
}

/// The answer's JSON object, its strings trimmed.
///
/// # Errors
/// Says in a message for the model why there is none.
pub fn json(answer: &str) -> Result<Value, String> {
    let mut value: Value = match serde_json::from_str(answer) {
        Ok(value @ Value::Object(_)) => value,
        _ => return Err(why_no_object(answer)),
    };
    trim_strings(&mut value);
    Ok(value)
}

fn why_no_object(answer: &str) -> String {
    let Some(object) = answer.find('{').and_then(|start| answer.get(start..)) else {
        return "the answer must be one JSON object and has none".to_owned();
    };
    let mut values = serde_json::Deserializer::from_str(object).into_iter::<Value>();
    match values.next() {
        Some(Err(error)) => format!("the answer is not valid JSON: {error}"),
        _ => "the answer must be one JSON object and has more than that".to_owned(),
    }
}

fn trim_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.trim().to_owned(),
        Value::Array(items) => items.iter_mut().for_each(trim_strings),
        Value::Object(object) => object.values_mut().for_each(trim_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Without white space around it; the indent of a first line of code stays.
fn trimmed(text: &str) -> &str {
    let text = text.trim_end_matches(is_blank);
    let body = text.trim_start_matches(is_blank);
    let start = text.len() - body.len();
    let line = text
        .get(..start)
        .and_then(|before| before.rfind('\n'))
        .map_or(0, |at| at + 1);
    let indent = text.get(line..start).unwrap_or_default();
    if indent.len() >= 4 && indent.bytes().all(|byte| byte == b' ') {
        text.get(line..).unwrap_or(body)
    } else {
        body
    }
}

fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || letter == '\u{200b}'
}

/// No white space at the ends of lines but that of a hard line break, and at most one blank line in a row; code stays as it is.
fn tidy(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut fences = Fences::default();
    for line in text.split('\n') {
        if fences.holds(line) {
            lines.push(line.to_owned());
            continue;
        }
        let said = line.trim_end();
        match lines.last_mut() {
            Some(last) if said.is_empty() => {
                // What breaks the last line of a paragraph breaks nothing.
                last.truncate(last.trim_end().len());
                if last.is_empty() {
                    continue;
                }
            }
            _ => {}
        }
        let breaks = !said.is_empty() && line.ends_with("  ");
        lines.push(if breaks {
            format!("{said}  ")
        } else {
            said.to_owned()
        });
    }
    trimmed(&lines.join("\n")).to_owned()
}

/// The text inside a pair of quotes that wraps all of it.
fn without_quotes(text: &str) -> &str {
    for (open, close) in [('"', '"'), ('“', '”')] {
        let inside = text
            .strip_prefix(open)
            .and_then(|text| text.strip_suffix(close));
        if let Some(inside) = inside.filter(|inside| !inside.contains([open, close])) {
            return inside.trim();
        }
    }
    text
}

#[cfg(test)]
mod tests;
