//! The schemas of a component's options, which a plugin's manifest brings along: what may stand in them, how much work they
//! may be, and whether options are as they say. A schema of three kilobytes can take for ever to check, and one of twenty can
//! take a gigabyte to compile.
//!
//! It knows neither manifests nor the configuration. What checks a schema is a library of much generic code; it is compiled
//! for this crate alone, so nothing of it but an error is handed out.

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

/// Most regular expressions in the schemas of one plugin, the length of one, and its size when it is compiled, bytes. To read
/// one takes three hundred times its length.
const PATTERNS: usize = 100;
const PATTERN_LENGTH: usize = 4 << 10;
const PATTERN_SIZE: usize = 256 << 10;
/// Steps that a check of options may take; a large configuration takes some hundred.
const STEPS: u32 = 100_000;
/// Schemas that lie in one another, references counted as what they point to.
const DEPTH: u32 = 200;
/// Keywords whose target depends on where a schema stands, so that the work could not be counted.
const UNCOUNTED: [&str; 6] = [
    "$id",
    "$anchor",
    "$dynamicAnchor",
    "$dynamicRef",
    "$recursiveAnchor",
    "$recursiveRef",
];

fn compile(schema: &Value) -> Result<Validator, ValidationError<'static>> {
    jsonschema::options()
        .with_pattern_options(
            PatternOptions::fancy_regex()
                .size_limit(PATTERN_SIZE)
                .dfa_size_limit(PATTERN_SIZE),
        )
        .should_validate_formats(true)
        .with_format("regex", |text: &str| regex_lite::Regex::new(text).is_ok())
        .build(schema)
}

/// What may not stand in a schema of options, or why it is none.
pub fn fault(schema: &Value) -> Option<String> {
    let mut patterns = Vec::new();
    if let Some(fault) = scan(schema, &mut patterns) {
        return Some(fault);
    }
    let count = patterns.len();
    if count > PATTERNS {
        return Some(format!(
            "it has {count} regular expressions, and {PATTERNS} are allowed"
        ));
    }
    let longest = patterns.into_iter().map(str::len).max().unwrap_or_default();
    if longest > PATTERN_LENGTH {
        return Some(format!(
            "it has a regular expression of {longest} bytes, and {PATTERN_LENGTH} are allowed"
        ));
    }
    compile(schema).err().map(|error| error.to_string())
}

/// The first thing in these options that the schema does not allow. A schema that has a fault allows everything.
pub fn violation<'a>(schema: &Value, options: &'a Value) -> Option<ValidationError<'a>> {
    compile(schema).ok()?.validate(options).err()
}

/// Whether the schema allows none of these values. A schema that has a fault allows everything.
pub fn allows_none_of(schema: &Value, values: &[Value]) -> bool {
    compile(schema).is_ok_and(|validator| !values.iter().any(|value| validator.is_valid(value)))
}

fn scan<'a>(schema: &'a Value, patterns: &mut Vec<&'a str>) -> Option<String> {
    match schema {
        Value::Object(keywords) => keywords.iter().find_map(|(keyword, value)| {
            match (keyword.as_str(), value) {
                ("pattern", Value::String(pattern)) => patterns.push(pattern),
                ("patternProperties", Value::Object(properties)) => {
                    patterns.extend(properties.keys().map(String::as_str));
                }
                (keyword, Value::String(_) | Value::Bool(_)) if UNCOUNTED.contains(&keyword) => {
                    return Some(format!("`{keyword}` is not supported in options"));
                }
                _ => {}
            }
            scan(value, patterns)
        }),
        Value::Array(values) => values.iter().find_map(|value| scan(value, patterns)),
        _ => None,
    }
}

/// Whether it takes too many steps to check these options against the schema.
pub fn is_too_much(schema: &Value, options: &Value) -> bool {
    let mut walk = Walk {
        root: schema,
        left: STEPS,
    };
    walk.step(schema, options, 0).is_none()
}

/// Goes where a validator goes, and counts. It follows every branch, of which a validator may leave some out.
struct Walk<'a> {
    root: &'a Value,
    left: u32,
}

impl Walk<'_> {
    /// Nothing once there are too many steps.
    fn step(&mut self, schema: &Value, value: &Value, depth: u32) -> Option<()> {
        self.left = self.left.checked_sub(1)?;
        if depth > DEPTH {
            return None;
        }
        let Value::Object(keywords) = schema else {
            return Some(());
        };
        for (keyword, below) in keywords {
            match keyword.as_str() {
                "$ref" => {
                    let target = below.as_str().and_then(|at| at.strip_prefix('#'));
                    let root = self.root;
                    if let Some(target) = target.and_then(|at| root.pointer(&decoded(at))) {
                        self.step(target, value, depth + 1)?;
                    }
                }
                "not" | "if" | "then" | "else" => self.step(below, value, depth + 1)?,
                "allOf" | "anyOf" | "oneOf" | "dependentSchemas" => {
                    for below in children(below) {
                        self.step(below, value, depth + 1)?;
                    }
                }
                "properties" => self.properties(below, value, depth)?,
                "patternProperties" => {
                    for below in children(below) {
                        self.each(below, value, depth)?;
                    }
                }
                "prefixItems" | "items" if below.is_array() => {
                    for (below, value) in children(below).zip(children(value)) {
                        self.step(below, value, depth + 1)?;
                    }
                }
                "items"
                | "contains"
                | "additionalItems"
                | "unevaluatedItems"
                | "additionalProperties"
                | "unevaluatedProperties"
                | "propertyNames" => {
                    self.each(below, value, depth)?;
                }
                _ => {}
            }
        }
        Some(())
    }

    fn properties(&mut self, schemas: &Value, value: &Value, depth: u32) -> Option<()> {
        let schemas = schemas.as_object().into_iter().flatten();
        for (name, below) in schemas {
            if let Some(value) = value.get(name) {
                self.step(below, value, depth + 1)?;
            }
        }
        Some(())
    }

    fn each(&mut self, schema: &Value, value: &Value, depth: u32) -> Option<()> {
        for value in children(value) {
            self.step(schema, value, depth + 1)?;
        }
        Some(())
    }
}

/// The values of an array or an object.
fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(values) => Box::new(values.iter()),
        Value::Object(values) => Box::new(values.values()),
        _ => Box::new(std::iter::empty()),
    }
}

/// A pointer without the escapes that an address has; only those that JSON pointers need.
fn decoded(pointer: &str) -> String {
    pointer
        .replace("%24", "$")
        .replace("%25", "%")
        .replace("%22", "\"")
        .replace("%20", " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_that_doubles_itself_is_too_much() {
        let mut definitions = serde_json::Map::new();
        for number in 0..40 {
            let next = json!({"$ref": format!("#/$defs/d{}", number + 1)});
            definitions.insert(format!("d{number}"), json!({"allOf": [next.clone(), next]}));
        }
        definitions.insert("d40".to_owned(), json!({"type": "object"}));
        let doubling = json!({"$ref": "#/$defs/d0", "$defs": definitions});
        assert!(is_too_much(&doubling, &json!({})));
        let circle = json!({"anyOf": [{"$ref": "#"}]});
        assert!(is_too_much(&circle, &json!({})));
        // Twice a level, along the value.
        let twice = json!({"allOf": [
            {"properties": {"a": {"$ref": "#"}}},
            {"properties": {"a": {"$ref": "#"}}},
        ]});
        let deep = (0..60).fold(json!({}), |below, _| json!({"a": below}));
        assert!(is_too_much(&twice, &deep));
        let tree = json!({"additionalProperties": {"$ref": "#"}});
        assert!(!is_too_much(&tree, &deep));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let many = vec![json!({"pattern": "a"}); PATTERNS + 1];
        for (schema, words) in [
            (
                json!({"properties": {"a": {"$dynamicRef": "#x"}}}),
                "$dynamicRef",
            ),
            (json!({"allOf": many}), "101 regular expressions"),
            (
                json!({"pattern": "a".repeat(PATTERN_LENGTH + 1)}),
                "regular expression of 4097 bytes",
            ),
            (
                json!({"patternProperties": {"a".repeat(PATTERN_LENGTH + 1): {}}}),
                "regular expression of 4097 bytes",
            ),
        ] {
            let fault = fault(&schema).unwrap_or_default();
            assert!(fault.contains(words), "{fault}");
        }
        assert_eq!(
            fault(&json!({"properties": {"$id": {"type": "string"}}})),
            None
        );
        let large = json!({"pattern": "(a{1000}){50}"});
        assert!(fault(&large).is_some());
    }
}
