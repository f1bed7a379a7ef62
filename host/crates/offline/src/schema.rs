//! Reads the subset of JSON Schema that requests use. It only looks things up; `json` does the writing.

use std::borrow::Cow;
use std::cell::Cell;

use serde_json::{Map, Value};

/// References that are followed before a schema counts as endless.
const MOST_REFERENCES: usize = 16;

/// Which type of value to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction.
    Integer,
    Number,
    String,
    Array,
    Object,
}

/// Keywords and values that may be copied for one answer. A schema of a hundred bytes can ask for more copies than there is
/// time for.
const MOST_COPIES: usize = 200_000;

/// What is left of the work that one answer may take.
#[derive(Debug)]
pub struct Work(Cell<usize>);

impl Default for Work {
    fn default() -> Work {
        Work(Cell::new(MOST_COPIES))
    }
}

impl Work {
    /// Whether there is enough left to copy a value, which is booked.
    fn allows(&self, value: &Map<String, Value>) -> bool {
        let mut left = self.0.get();
        let enough = value.values().all(|value| book(value, &mut left));
        self.0.set(left);
        enough
    }
}

/// Books the parts of a value; false once nothing is left.
fn book(value: &Value, left: &mut usize) -> bool {
    *left = left.saturating_sub(1);
    *left > 0
        && match value {
            Value::Array(values) => values.iter().all(|value| book(value, left)),
            Value::Object(values) => values.values().all(|value| book(value, left)),
            _ => true,
        }
}

/// The schema without references and alternatives: those are followed, and the first alternative
/// that is not null is taken (null, if `shallow`, so that recursive schemas end).
pub fn resolve<'s>(
    root: &'s Value,
    schema: &'s Value,
    shallow: bool,
    work: &Work,
) -> Cow<'s, Value> {
    follow(root, schema, shallow, MOST_REFERENCES, work)
}

fn follow<'s>(
    root: &'s Value,
    schema: &'s Value,
    shallow: bool,
    most: usize,
    work: &Work,
) -> Cow<'s, Value> {
    let mut schema = Cow::Borrowed(schema);
    for left in (0..most).rev() {
        let Some(object) = schema.as_object() else {
            break;
        };
        let next = if let Some(reference) = object.get("$ref").and_then(Value::as_str) {
            let target = reference
                .strip_prefix('#')
                .and_then(|pointer| root.pointer(pointer));
            merge(object, "$ref", target, work)
        } else if let Some(all) = object.get("allOf").and_then(Value::as_array) {
            whole(root, object, all, shallow, left, work)
        } else if let Some((key, any)) = ["anyOf", "oneOf"]
            .iter()
            .find_map(|key| Some((*key, object.get(*key)?.as_array()?)))
        {
            let chosen = any
                .iter()
                .find(|one| is_null(one) == shallow)
                .or_else(|| any.first());
            merge(object, key, chosen, work)
        } else {
            break;
        };
        let Some(next) = next else {
            break;
        };
        schema = Cow::Owned(next);
    }
    schema
}

/// A schema with all parts of its `allOf`; nothing where that is too much work.
fn whole(
    root: &Value,
    object: &Map<String, Value>,
    all: &[Value],
    shallow: bool,
    left: usize,
    work: &Work,
) -> Option<Value> {
    if !work.allows(object) {
        return None;
    }
    let mut merged = object.clone();
    merged.remove("allOf");
    for part in all {
        let part = follow(root, part, shallow, left, work);
        if part.as_object().is_some_and(|part| !work.allows(part)) {
            return None;
        }
        lay_over(&mut merged, &part);
    }
    Some(Value::Object(merged))
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("null")
}

/// A schema with another one in the place of a keyword; nothing where that is too much work.
fn merge(
    object: &Map<String, Value>,
    without: &str,
    with: Option<&Value>,
    work: &Work,
) -> Option<Value> {
    let more = with.and_then(Value::as_object);
    if !work.allows(object) || more.is_some_and(|more| !work.allows(more)) {
        return None;
    }
    let mut merged = object.clone();
    merged.remove(without);
    if let Some(with) = with {
        lay_over(&mut merged, with);
    }
    Some(Value::Object(merged))
}

fn lay_over(below: &mut Map<String, Value>, above: &Value) {
    for (key, value) in above.as_object().into_iter().flatten() {
        match (below.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) if key == "properties" => {
                old.extend(new.clone());
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "required" => {
                old.extend(new.iter().cloned());
            }
            // What stands nearer to the value says better what it is.
            (Some(Value::String(_)), Value::String(_)) if key == "description" => {}
            _ => {
                below.insert(key.clone(), value.clone());
            }
        }
    }
}

/// The type to write, null only if nothing else is allowed (or if `shallow`).
pub fn kind(schema: &Value, shallow: bool) -> Kind {
    let named: Vec<Kind> = match schema.get("type") {
        Some(Value::String(name)) => named(name).into_iter().collect(),
        Some(Value::Array(names)) => names
            .iter()
            .filter_map(Value::as_str)
            .filter_map(named)
            .collect(),
        _ => Vec::new(),
    };
    if shallow && named.contains(&Kind::Null) {
        return Kind::Null;
    }
    if let Some(kind) = named
        .iter()
        .find(|kind| **kind != Kind::Null)
        .or_else(|| named.first())
    {
        return *kind;
    }
    let has = |keys: &[&str]| keys.iter().any(|key| schema.get(*key).is_some());
    if has(&["properties", "required", "additionalProperties"]) {
        Kind::Object
    } else if has(&["items", "minItems", "maxItems", "uniqueItems"]) {
        Kind::Array
    } else if has(&["minimum", "maximum"]) {
        Kind::Number
    } else {
        Kind::String
    }
}

fn named(name: &str) -> Option<Kind> {
    Some(match name {
        "null" => Kind::Null,
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Number,
        "string" => Kind::String,
        "array" => Kind::Array,
        "object" => Kind::Object,
        _ => return None,
    })
}

/// A count or length that the schema limits by this keyword.
pub fn limit(schema: &Value, keyword: &str) -> Option<usize> {
    let number = schema.get(keyword)?;
    let whole = number.as_u64().or_else(|| {
        let number = number.as_f64()?;
        (number >= 0.0 && number.fract() == 0.0).then_some(number as u64)
    })?;
    usize::try_from(whole).ok()
}

/// A number that the schema limits by this keyword.
pub fn bound(schema: &Value, keyword: &str) -> Option<f64> {
    schema.get(keyword)?.as_f64()
}
