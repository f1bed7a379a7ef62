//! The one JSON object of an answer, also where marks of JSON are wrong that can be read in one way only: commas too many,
//! comments, quotes of other kinds, line breaks in strings, words of other languages for `null`. What is broken otherwise is
//! left to the component, which has the model repair it; an object within a broken one is never taken for the answer.

use std::collections::BTreeMap;

use jsonc_parser::ast;
use jsonc_parser::tokens::Token;
use jsonc_parser::{CollectOptions, ParseOptions, Scanner, ScannerOptions, parse_to_ast};
use serde::de::IgnoredAny;
use serde_json::{Map, Number, Value};
use types::json::Json;

use super::is_control;

/// Most words of other languages that one answer is read with.
const MOST_WORDS: usize = 100;
/// Most objects, all equal, that one answer is read with.
const MOST_OBJECTS: usize = 10;

/// A text that is JSON already.
pub(super) enum Valid {
    /// Nothing is to be done.
    AsItIs,
    /// This is to be told in its place.
    Changed(String),
}

/// Whether the text is valid JSON already, white space around it apart; and that with objects in place of strings that hold
/// them, and without an object around all of it, where the schema says so.
pub(super) fn valid(text: &str, schema: Option<&Json>) -> Option<Valid> {
    let json = bare(text);
    if !json.starts_with('{') {
        return None;
    }
    let fields: BTreeMap<String, IgnoredAny> = serde_json::from_str(json).ok()?;
    let odd = ["\"{", "\"[", "\\u00", "\\b", "\\f"];
    let is_odd = odd.iter().any(|mark| json.contains(mark))
        || schema.is_some_and(|schema| is_unnamed(&fields, schema));
    if is_odd
        && let Ok(mut value) = serde_json::from_str::<Value>(json)
        && tidied(&mut value, schema.map(Json::value).as_ref())
    {
        return Some(Valid::Changed(value.to_string()));
    }
    Some(if json.len() == text.len() {
        Valid::AsItIs
    } else {
        Valid::Changed(json.to_owned())
    })
}

/// The one object of an answer as valid JSON. `None` if there is none, or more than one reading.
pub(super) fn mended(text: &str, schema: Option<&Json>) -> Option<String> {
    let schema = schema.map(Json::value);
    let list_is_wanted = schema
        .as_ref()
        .is_some_and(|schema| schema.get("type") == Some(&"array".into()));
    let found = found(text, list_is_wanted).or_else(|| {
        let straight = text.replace(['“', '”', '„', '‟'], "\"");
        (straight != text).then(|| found(&straight, list_is_wanted))?
    });
    let mut value = found?;
    tidied(&mut value, schema.as_ref());
    Some(value.to_string())
}

/// Takes control characters out of strings, and objects out of strings that hold them or from other objects around them;
/// whether there was something to do.
fn tidied(value: &mut Value, schema: Option<&Value>) -> bool {
    let dropped = drop_control_characters(value);
    let Some(schema) = schema else {
        return dropped;
    };
    let inside = wrapped(value, schema);
    let is_wrapped = inside.is_some();
    if let Some(inside) = inside {
        *value = inside;
    }
    unquote(value, schema, schema, 0) || is_wrapped || dropped
}

/// Fields of the calls of tools and of schemas, which a model may put around what was asked for.
const WRAPPERS: [&str; 5] = ["arguments", "name", "parameters", "properties", "type"];

/// Whether something may stand around what was asked for: a schema's text has none of these fields. To look at the text costs
/// less than to read it.
fn is_unnamed(fields: &BTreeMap<String, IgnoredAny>, schema: &Json) -> bool {
    let named = |field: &String| {
        !WRAPPERS.contains(&field.as_str()) && schema.as_str().contains(&format!("\"{field}\":"))
    };
    !fields.is_empty() && !fields.keys().any(named)
}

/// What a model put into another object, as in `{"result": {...}}` or in the call of a tool: the only one of its fields that
/// has all that is required, where it has no field itself that the schema names.
fn wrapped(value: &Value, schema: &Value) -> Option<Value> {
    let schema = resolved(schema, schema);
    let fields = value.as_object()?;
    let named = schema.get("properties")?.as_object()?;
    let required = schema.get("required")?.as_array()?;
    if required.is_empty() || fields.keys().any(|field| named.contains_key(field)) {
        return None;
    }
    let has_all = |inside: &Value| {
        let mut required = required.iter().filter_map(Value::as_str);
        inside.is_object() && required.all(|field| inside.get(field).is_some())
    };
    let objects = fields.values().filter_map(|field| match field {
        Value::String(text) => serde_json::from_str(text).ok().filter(has_all),
        field => Some(field.clone()).filter(has_all),
    });
    only(objects.collect())
}

/// The schema itself, or the one that it refers to.
fn resolved<'a>(schema: &'a Value, root: &'a Value) -> &'a Value {
    let target = schema.get("$ref").and_then(Value::as_str);
    target
        .and_then(|target| root.pointer(target.strip_prefix('#')?))
        .unwrap_or(schema)
}

/// Whether there was one.
fn drop_control_characters(value: &mut Value) -> bool {
    let mut changed = false;
    match value {
        Value::String(text) if text.contains(is_control) => {
            text.retain(|letter| !is_control(letter));
            changed = true;
        }
        Value::Array(items) => {
            for item in items {
                changed |= drop_control_characters(item);
            }
        }
        Value::Object(fields) => {
            for field in fields.values_mut() {
                changed |= drop_control_characters(field);
            }
        }
        _ => {}
    }
    changed
}

/// Without white space and byte order marks around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}')
}

fn found(text: &str, list_is_wanted: bool) -> Option<Value> {
    let text = bare(text);
    if text.starts_with('{') {
        return only(objects(text)?);
    }
    if text.starts_with('[')
        && let Some(value) = span(text).and_then(|(json, _)| lenient(&json))
        && value
            .as_array()
            .is_some_and(|items| list_is_wanted || items.iter().any(Value::is_object))
    {
        return alone(value, list_is_wanted);
    }
    if let Ok(inside) = serde_json::from_str::<String>(text) {
        return bare(&inside)
            .starts_with('{')
            .then(|| found(&inside, false))?;
    }
    let fenced = fenced(text);
    if !fenced.is_empty() {
        let whole = |text| {
            let (json, length) = span(bare(text))?;
            lenient(&json).filter(|_| length == bare(text).len())
        };
        let values: Option<Vec<Value>> = fenced.into_iter().map(whole).collect();
        return alone(only(values?)?, list_is_wanted);
    }
    only(objects(text)?)
}

/// An object; also the only one of a list, where an object is wanted.
fn alone(value: Value, list_is_wanted: bool) -> Option<Value> {
    match value {
        Value::Array(mut items) if !list_is_wanted => match items.as_slice() {
            [Value::Object(_)] => items.pop(),
            _ => None,
        },
        Value::Array(_) | Value::Object(_) => Some(value),
        _ => None,
    }
}

/// The one value that all are.
fn only(values: Vec<Value>) -> Option<Value> {
    let mut values = values.into_iter();
    let first = values.next()?;
    values.all(|other| other == first).then_some(first)
}

/// What stands in code fences that hold JSON.
fn fenced(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let fence = line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~");
        match start {
            None if fence => start = Some(at + line.len()),
            Some(from) if fence => {
                found.extend(text.get(from..at));
                start = None;
            }
            _ => {}
        }
        at += line.len();
    }
    if let Some(from) = start {
        found.extend(text.get(from..));
    }
    found.retain(|inside| bare(inside).starts_with(['{', '[']));
    found
}

/// The objects in a text, each with all that stands in it, but for empty ones. `None` if one is broken, or there are too many.
fn objects(text: &str) -> Option<Vec<Value>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = text.get(at..)?.find('{').map(|ahead| at + ahead) {
        let rest = text.get(start..)?;
        if !looks_like_json(rest) {
            at = start + 1;
            continue;
        }
        let (json, length) = span(rest)?;
        let value = lenient(&json)?;
        if value.as_object().is_some_and(|fields| !fields.is_empty()) {
            if found.len() == MOST_OBJECTS {
                return None;
            }
            found.push(value);
        }
        at = start + length;
    }
    Some(found)
}

/// Whether a text that begins with a brace begins an object, and not a placeholder or a set.
fn looks_like_json(text: &str) -> bool {
    let inside = text.get(1..).unwrap_or_default().trim_start();
    let key = inside.trim_start_matches(|letter: char| letter.is_alphanumeric() || letter == '_');
    inside.starts_with(['"', '\'', '“', '”', '„', '}'])
        || inside.starts_with("//")
        || inside.starts_with("/*")
        || (key.len() < inside.len() && key.trim_start().starts_with(':'))
}

/// The object or list that a text begins with, in words that JSON has, and its length in the text.
fn span(text: &str) -> Option<(String, usize)> {
    let mut json = text.to_owned();
    // How much shorter the text became by other words; they are never longer.
    let mut saved = 0;
    for _ in 0..MOST_WORDS {
        match end(&json)? {
            Ok(end) => {
                json.truncate(end);
                return Some((json, end + saved));
            }
            Err(at) => {
                let (word, meant) = word(json.get(at..)?)?;
                json.replace_range(at..at + word.len(), meant);
                saved += word.len() - meant.len();
            }
        }
    }
    None
}

/// Where the object or list ends that a text begins with, or where something stands that is no word of JSON.
fn end(text: &str) -> Option<Result<usize, usize>> {
    let mut scanner = Scanner::new(text, &ScannerOptions::default());
    let mut depth = 0_usize;
    loop {
        match scanner.scan() {
            Ok(Some(Token::OpenBrace | Token::OpenBracket)) => depth += 1,
            Ok(Some(Token::CloseBrace | Token::CloseBracket)) => depth = depth.checked_sub(1)?,
            // As the name of a field it is one of JSON5.
            Ok(Some(Token::Word(name)))
                if word(name).is_some() && !named(text, scanner.token_end()) =>
            {
                return Some(Err(scanner.token_start()));
            }
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(_) => return Some(Err(scanner.token_start())),
        }
        if depth == 0 {
            return Some(Ok(scanner.token_end()));
        }
    }
}

fn named(text: &str, end: usize) -> bool {
    text.get(end..)
        .is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// The value of a text that is JSON but for marks that can be read in one way only.
fn lenient(text: &str) -> Option<Value> {
    let options = ParseOptions {
        // `"a" "b"` may be two strings, or one with quotes in it.
        allow_missing_commas: false,
        ..ParseOptions::default()
    };
    let parsed = parse_to_ast(text, &CollectOptions::default(), &options).ok()?;
    value(&parsed.value?)
}

/// A word of Python or JavaScript that a text begins with, and what it is in JSON.
fn word(text: &str) -> Option<(&'static str, &'static str)> {
    const WORDS: [(&str, &str); 4] = [
        ("True", "true"),
        ("False", "false"),
        ("None", "null"),
        ("undefined", "null"),
    ];
    WORDS.into_iter().find(|(word, _)| {
        text.strip_prefix(word).is_some_and(|rest| {
            !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_')
        })
    })
}

fn value(node: &ast::Value<'_>) -> Option<Value> {
    Some(match node {
        ast::Value::StringLit(text) => Value::String(text.value.as_ref().to_owned()),
        ast::Value::NumberLit(text) => number(text.value)?,
        ast::Value::BooleanLit(truth) => Value::Bool(truth.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(list) => list.elements.iter().map(value).collect::<Option<_>>()?,
        ast::Value::Object(object) => {
            let fields = object.properties.iter();
            let field = |field: &ast::ObjectProp<'_>| {
                Some((field.name.as_str().to_owned(), value(&field.value)?))
            };
            Value::Object(fields.map(field).collect::<Option<Map<_, _>>>()?)
        }
    })
}

/// A number; what is none, such as `NaN`, is `null`.
fn number(text: &str) -> Option<Value> {
    let plain = text.strip_prefix('+').unwrap_or(text);
    if plain.ends_with("NaN") || plain.ends_with("Infinity") {
        return Some(Value::Null);
    }
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", plain),
    };
    if let Some(hexadecimal) = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        let size = i64::from_str_radix(hexadecimal, 16).ok()?;
        return Some(Value::from(if sign.is_empty() { size } else { -size }));
    }
    let (mantissa, power) = match digits.find(['e', 'E']) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let zero = if mantissa.starts_with('.') { "0" } else { "" };
    let mantissa = mantissa.strip_suffix('.').unwrap_or(mantissa);
    let number = format!("{sign}{zero}{mantissa}{power}");
    serde_json::from_str::<Number>(&number)
        .ok()
        .map(Value::Number)
}

/// What a schema may nest.
const DEPTH: usize = 32;

/// Puts objects and lists in the place of strings that hold them as JSON, where the schema wants them; whether there was one.
fn unquote(value: &mut Value, schema: &Value, root: &Value, depth: usize) -> bool {
    let schema = resolved(schema, root);
    if depth > DEPTH {
        return false;
    }
    if let Value::String(text) = value {
        let wanted = match schema.get("type").and_then(Value::as_str) {
            Some("object") => Value::is_object,
            Some("array") => Value::is_array,
            _ => return false,
        };
        let inside = serde_json::from_str::<Value>(text).ok().filter(wanted);
        return match inside {
            Some(inside) => {
                *value = inside;
                unquote(value, schema, root, depth + 1);
                true
            }
            None => false,
        };
    }
    let mut changed = false;
    match value {
        Value::Object(fields) => {
            for (key, field) in fields {
                let of_key = schema.get("properties").and_then(|named| named.get(key));
                if let Some(schema) = of_key.or_else(|| schema.get("additionalProperties")) {
                    changed |= unquote(field, schema, root, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            if let Some(schema) = schema.get("items") {
                for item in items {
                    changed |= unquote(item, schema, root, depth + 1);
                }
            }
        }
        _ => {}
    }
    changed
}
