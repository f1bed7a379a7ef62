//! The keywords that need no descent: types, closed sets of values, bounds of numbers.

use serde_json::{Map, Number, Value};

use super::name;

pub(super) fn closed_set(
    rules: &Map<String, Value>,
    value: &Value,
    place: &str,
    found: &mut Vec<String>,
) {
    if let Some(allowed) = rules.get("enum").and_then(Value::as_array)
        && !allowed.iter().any(|allowed| same(allowed, value))
    {
        let allowed: Vec<String> = allowed.iter().map(Value::to_string).collect();
        let (place, value, allowed) = (name(place), value.to_string(), allowed.join(", "));
        found.push(format!("{place} is {value}, must be one of {allowed}"));
    }
    if let Some(constant) = rules.get("const").filter(|constant| !same(constant, value)) {
        let (place, constant) = (name(place), constant.to_string());
        found.push(format!("{place} must be {constant}"));
    }
}

/// Whether two values are equal as JSON Schema sees it: 1 is 1.0.
pub(super) fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let found = |(key, left)| right.get(key).is_some_and(|right| same(left, right));
            left.len() == right.len() && left.iter().all(found)
        }
        _ => left == right,
    }
}

pub(super) fn bounds(
    rules: &Map<String, Value>,
    number: &Number,
    place: &str,
    found: &mut Vec<String>,
) {
    let bound = |keyword| rules.get(keyword).and_then(Value::as_number);
    if let Some(minimum) = bound("minimum").filter(|bound| number.as_f64() < bound.as_f64()) {
        found.push(format!(
            "{} is {number}, must be at least {minimum}",
            name(place)
        ));
    }
    if let Some(maximum) = bound("maximum").filter(|bound| number.as_f64() > bound.as_f64()) {
        found.push(format!(
            "{} is {number}, must be at most {maximum}",
            name(place)
        ));
    }
}

pub(super) fn has_type(expected: &Value, value: &Value) -> bool {
    match expected {
        Value::Array(any) => any.iter().any(|expected| has_type(expected, value)),
        Value::String(expected) => match expected.as_str() {
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "number" => value.is_number(),
            "string" => value.is_string(),
            "array" => value.is_array(),
            _ => expected == "object" && value.is_object(),
        },
        _ => false,
    }
}

pub(super) fn type_names(expected: &Value) -> String {
    match expected {
        Value::Array(any) => any.iter().map(type_names).collect::<Vec<_>>().join(" or "),
        Value::String(expected) => match expected.as_str() {
            "null" => "null".to_owned(),
            "array" | "integer" | "object" => format!("an {expected}"),
            _ => format!("a {expected}"),
        },
        other => other.to_string(),
    }
}
