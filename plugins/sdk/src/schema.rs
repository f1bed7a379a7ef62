//! Validates an answer against a part of JSON Schema.
//!
//! A keyword outside that part is a component fault, never silently true. Lengths of strings are
//! counted in characters. Messages name the place and say what must be, so that they can be shown
//! to a language model as they are.

mod value;

use serde_json::{Map, Value};

use crate::Failure;
use value::{bounds, closed_set, has_type, same, type_names};

/// What a schema may nest; a reference that leads to itself stops here.
const MAX_DEPTH: usize = 64;

/// Keywords that say nothing of validity.
const ANNOTATIONS: [&str; 7] = [
    "$schema",
    "$defs",
    "title",
    "description",
    "default",
    "examples",
    "format",
];

/// Keywords that are checked.
const CHECKED: [&str; 17] = [
    "$ref",
    "anyOf",
    "type",
    "enum",
    "const",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "maxItems",
    "uniqueItems",
    "minLength",
    "maxLength",
    "pattern",
    "minimum",
    "maximum",
];

/// The rules of `schema` that `answer` breaks, one each; none if it obeys.
///
/// # Errors
/// A component fault, if the schema has a keyword that is not supported or a reference to nothing.
pub fn violations(schema: &Value, answer: &Value) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    Validator { root: schema }.check(schema, answer, "", 0, &mut found)?;
    Ok(found)
}

/// Why no value could obey the schema, if so: the first bounds that cross, or a closed set without a value.
pub(crate) fn contradiction(schema: &Value) -> Option<String> {
    const PAIRS: [(&str, &str); 3] = [
        ("minLength", "maxLength"),
        ("minItems", "maxItems"),
        ("minimum", "maximum"),
    ];
    let nested = match schema {
        Value::Array(schemas) => return schemas.iter().find_map(contradiction),
        Value::Object(rules) => rules,
        _ => return None,
    };
    let crossed = PAIRS.iter().find_map(|(low, high)| {
        let bound = |keyword: &str| nested.get(keyword).and_then(Value::as_f64);
        (bound(low)? > bound(high)?).then(|| format!("{low} is greater than {high}"))
    });
    let empty = || {
        let values = nested.get("enum").and_then(Value::as_array)?;
        values.is_empty().then(|| "enum has no value".to_owned())
    };
    crossed.or_else(empty).or_else(|| {
        let data = ["enum", "const", "default", "examples"];
        let nested = nested
            .iter()
            .filter(|(key, _)| !data.contains(&key.as_str()));
        nested.map(|(_, schema)| schema).find_map(contradiction)
    })
}

struct Validator<'a> {
    root: &'a Value,
}

impl Validator<'_> {
    fn check(
        &self,
        schema: &Value,
        value: &Value,
        place: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let rules = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(rules) => rules,
            _ => return Err(fault(place, "a schema is an object")),
        };
        if depth > MAX_DEPTH {
            return Err(fault(place, "the schema refers to itself without end"));
        }
        for keyword in rules.keys().map(String::as_str) {
            if !CHECKED.contains(&keyword) && !ANNOTATIONS.contains(&keyword) {
                return Err(fault(
                    place,
                    &format!("the keyword {keyword} is not supported"),
                ));
            }
        }
        if let Some(target) = rules.get("$ref") {
            self.check(self.resolve(target, place)?, value, place, depth + 1, found)?;
        }
        if let Some(forms) = rules.get("anyOf").and_then(Value::as_array) {
            self.any_of(forms, value, place, depth, found)?;
        }
        if let Some(expected) = rules
            .get("type")
            .filter(|expected| !has_type(expected, value))
        {
            found.push(format!("{} must be {}", name(place), type_names(expected)));
            return Ok(());
        }
        closed_set(rules, value, place, found);
        match value {
            Value::Object(object) => self.object(rules, object, place, depth, found)?,
            Value::Array(items) => self.array(rules, items, place, depth, found)?,
            Value::String(text) => {
                let (min, max) = (count(rules, "minLength"), count(rules, "maxLength"));
                span(text.chars().count(), min, max, "characters", place, found);
                if let Some(pattern) = rules.get("pattern") {
                    matches(pattern, text, place, found)?;
                }
            }
            Value::Number(number) => bounds(rules, number, place, found),
            Value::Null | Value::Bool(_) => {}
        }
        Ok(())
    }

    fn resolve(&self, target: &Value, place: &str) -> Result<&Value, Failure> {
        let target = target.as_str().unwrap_or_default();
        let pointed = target
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer));
        pointed.ok_or_else(|| fault(place, &format!("$ref {target} leads nowhere")))
    }

    fn any_of(
        &self,
        forms: &[Value],
        value: &Value,
        place: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let mut nearest: Option<Vec<String>> = None;
        for form in forms {
            let mut broken = Vec::new();
            self.check(form, value, place, depth + 1, &mut broken)?;
            if broken.is_empty() {
                return Ok(());
            }
            if nearest
                .as_ref()
                .is_none_or(|nearest| broken.len() < nearest.len())
            {
                nearest = Some(broken);
            }
        }
        found.extend(nearest.unwrap_or_default());
        Ok(())
    }

    fn object(
        &self,
        rules: &Map<String, Value>,
        object: &Map<String, Value>,
        place: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<(), Failure> {
        for key in rules
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let key = key.as_str().unwrap_or_default();
            if !object.contains_key(key) {
                found.push(format!("{} is missing", inside(place, key)));
            }
        }
        let properties = rules.get("properties").and_then(Value::as_object);
        for (key, value) in object {
            let place = inside(place, key);
            let property = properties.and_then(|properties| properties.get(key));
            match (property, rules.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, value, &place, depth + 1, found)?,
                (None, None) => {}
                (None, Some(Value::Bool(false))) => {
                    found.push(format!("{place} was not asked for"));
                }
                (None, Some(schema)) => self.check(schema, value, &place, depth + 1, found)?,
            }
        }
        Ok(())
    }

    fn array(
        &self,
        rules: &Map<String, Value>,
        items: &[Value],
        place: &str,
        depth: usize,
        found: &mut Vec<String>,
    ) -> Result<(), Failure> {
        span(
            items.len(),
            count(rules, "minItems"),
            count(rules, "maxItems"),
            "items",
            place,
            found,
        );
        if rules.get("uniqueItems").and_then(Value::as_bool) == Some(true) {
            for (index, item) in items.iter().enumerate() {
                if items.iter().take(index).any(|earlier| same(earlier, item)) {
                    let (place, item) = (name(place), item.to_string());
                    found.push(format!("{place} has {item} more than once"));
                }
            }
        }
        if let Some(schema) = rules.get("items") {
            for (index, item) in items.iter().enumerate() {
                self.check(schema, item, &format!("{place}[{index}]"), depth + 1, found)?;
            }
        }
        Ok(())
    }
}

/// Reports a text in which a regular expression is not found.
#[cfg(feature = "pattern")]
fn matches(
    pattern: &Value,
    text: &str,
    place: &str,
    found: &mut Vec<String>,
) -> Result<(), Failure> {
    let expression = pattern.as_str().unwrap_or_default();
    let regex = regex_lite::Regex::new(expression)
        .map_err(|why| fault(place, &format!("the pattern `{expression}`: {why}")))?;
    if !regex.is_match(text) {
        let (place, text) = (name(place), Value::from(text).to_string());
        found.push(format!(
            "{place} is {text}, must match the regular expression `{expression}`"
        ));
    }
    Ok(())
}

#[cfg(not(feature = "pattern"))]
fn matches(_: &Value, _: &str, place: &str, _: &mut Vec<String>) -> Result<(), Failure> {
    Err(fault(
        place,
        "the keyword pattern needs the feature `pattern` of the SDK in Cargo.toml",
    ))
}

/// Reports a count outside its bounds, such as "description has 181 characters, must have 120 to 170".
fn span(
    actual: usize,
    min: Option<usize>,
    max: Option<usize>,
    unit: &str,
    place: &str,
    found: &mut Vec<String>,
) {
    if min.is_none_or(|min| actual >= min) && max.is_none_or(|max| actual <= max) {
        return;
    }
    let wanted = match (min, max) {
        (Some(min), Some(max)) if min == max => format!("exactly {min}"),
        (Some(min), Some(max)) => format!("{min} to {max}"),
        (Some(min), None) => format!("at least {min}"),
        (None, max) => format!("at most {}", max.unwrap_or_default()),
    };
    found.push(format!(
        "{} has {actual} {unit}, must have {wanted}",
        name(place)
    ));
}

fn count(rules: &Map<String, Value>, keyword: &str) -> Option<usize> {
    rules
        .get(keyword)
        .and_then(Value::as_u64)
        .and_then(|count| usize::try_from(count).ok())
}

fn name(place: &str) -> &str {
    if place.is_empty() {
        "the answer"
    } else {
        place
    }
}

fn inside(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

fn fault(place: &str, why: &str) -> Failure {
    Failure::component_fault(format!("the JSON Schema of {}: {why}", name(place)))
}

#[cfg(test)]
mod tests;
