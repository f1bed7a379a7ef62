//! Mechanical mending of an answer, before anything is held against the model: code fences, chatter
//! around the answer, wrapping quotes, marks in a plain line, white space. It never changes what the answer says.

use serde_json::Value;

use crate::letters::lowercase;

/// What a model says before it answers.
const INTERJECTIONS: [&str; 10] = [
    "certainly",
    "sure",
    "sure thing",
    "of course",
    "absolutely",
    "okay",
    "ok",
    "great",
    "no problem",
    "gladly",
];

/// Beginnings of a line that presents the answer.
const PRESENTERS: [&str; 7] = [
    "here is",
    "here's",
    "here’s",
    "here are",
    "below is",
    "below are",
    "i have written",
];

/// Beginnings of a paragraph behind the answer.
const CLOSERS: [&str; 12] = [
    "let me know",
    "please let me know",
    "i hope",
    "hope this",
    "feel free",
    "if you need",
    "if you'd like",
    "if you would like",
    "would you like",
    "is there anything",
    "this answer",
    "note that this answer",
];

/// The most words of a line that is taken for chatter.
const MAX_CHATTER_WORDS: usize = 25;

/// The text without fences, chatter and wrapping quotes, with tidy white space.
pub fn text(answer: &str) -> String {
    let tidy = tidy(answer);
    let mut rest = tidy.as_str();
    loop {
        let next = without_quotes(without_closer(without_opener(without_fence(rest))));
        if next.len() == rest.len() {
            return tidy_paragraphs(rest);
        }
        rest = next;
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

/// The outermost JSON object of the answer, its strings trimmed.
///
/// # Errors
/// Says in a message for the model why there is none.
pub fn json(answer: &str) -> Result<Value, String> {
    let mut value = match first_object(answer) {
        Some(value) => value,
        None => first_object(&straight_quotes(answer)).ok_or_else(|| why_no_object(answer))?,
    };
    trim_strings(&mut value);
    Ok(value)
}

/// The first object that parses. An object inside another is never reached: the outer one comes first.
fn first_object(answer: &str) -> Option<Value> {
    answer.match_indices('{').find_map(|(start, _)| {
        let values = serde_json::Deserializer::from_str(answer.get(start..)?).into_iter::<Value>();
        values.take(1).find_map(Result::ok)
    })
}

fn why_no_object(answer: &str) -> String {
    let object = answer.find('{').and_then(|start| answer.get(start..));
    match object.map(serde_json::from_str::<Value>) {
        Some(Err(error)) => format!("the answer is not valid JSON: {error}"),
        _ => "the answer must be one JSON object and has none".to_owned(),
    }
}

fn straight_quotes(answer: &str) -> String {
    answer.replace(['“', '”', '„'], "\"")
}

fn trim_strings(value: &mut Value) {
    match value {
        Value::String(text) => *text = text.trim().to_owned(),
        Value::Array(items) => items.iter_mut().for_each(trim_strings),
        Value::Object(object) => object.values_mut().for_each(trim_strings),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Line feeds only, no byte order mark or zero-width space, no white space at the ends of lines.
fn tidy(answer: &str) -> String {
    let answer = answer.replace(['\u{feff}', '\u{200b}'], "");
    let lines: Vec<&str> = answer.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

/// At most one blank line in a row.
fn tidy_paragraphs(text: &str) -> String {
    let mut lines: Vec<&str> = Vec::new();
    for line in text.trim().lines() {
        if !(line.is_empty() && lines.last().is_some_and(|last| last.is_empty())) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// What stands in the only code fence, if all that stands around it is chatter.
fn without_fence(text: &str) -> &str {
    let mut parts = text.split("```");
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(before), Some(inside), Some(after), None)
            if is_chatter(before.trim()) && is_chatter(after.trim()) =>
        {
            let (language, content) = inside.split_once('\n').unwrap_or(("", inside));
            if language.trim().contains(' ') {
                inside.trim()
            } else {
                content.trim()
            }
        }
        _ => text,
    }
}

fn is_chatter(text: &str) -> bool {
    text.split_whitespace().count() <= MAX_CHATTER_WORDS && !text.contains("\n\n")
}

/// The text behind an interjection ("Certainly!") or a line that presents the answer.
fn without_opener(text: &str) -> &str {
    let interjection = interjection(text);
    let body = interjection.map_or(text, |(_, body)| body);
    if starts_with_any(body, &PRESENTERS) {
        let (line, rest) = body.split_once('\n').unwrap_or((body, ""));
        if let Some((head, tail)) = line.split_once(':')
            && is_chatter(head)
            && !(tail.trim().is_empty() && rest.trim().is_empty())
        {
            return body.get(head.len() + 1..).unwrap_or(body).trim();
        }
        if rest.starts_with('\n') && is_chatter(line) && !line.contains(". ") {
            return rest.trim();
        }
        if interjection.is_some()
            && let Some((_, tail)) = line.split_once(". ")
        {
            return body.get(line.len() - tail.len()..).unwrap_or(tail).trim();
        }
    }
    match interjection {
        Some(('!' | '.', body)) if !body.is_empty() => body,
        _ => text,
    }
}

/// The punctuation of a leading interjection and what stands behind it.
fn interjection(text: &str) -> Option<(char, &str)> {
    let (head, tail) = text.split_once(['!', '.', ','])?;
    let mark = text.get(head.len()..)?.chars().next()?;
    let said = lowercase(head.trim());
    INTERJECTIONS
        .contains(&said.as_str())
        .then(|| (mark, tail.trim_start()))
}

/// The text before a last paragraph that offers more.
fn without_closer(text: &str) -> &str {
    match text.rsplit_once("\n\n") {
        Some((before, last)) if starts_with_any(last, &CLOSERS) && is_chatter(last) => {
            before.trim()
        }
        _ => text,
    }
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

/// Whether the text begins with one of the phrases, whatever its case, and the phrase ends there.
fn starts_with_any(text: &str, phrases: &[&str]) -> bool {
    let start: String = lowercase(&text.chars().take(40).collect::<String>());
    phrases.iter().any(|phrase| {
        start
            .strip_prefix(phrase)
            .is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
    })
}

#[cfg(test)]
mod tests;
