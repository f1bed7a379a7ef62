//! Makes a JSON Schema fit for servers that hold answers to it. Each knows a part of JSON Schema and refuses the
//! rest; what is left out here is still checked by the component, which asks to have it repaired.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use types::json::Json;

/// Keywords that Anthropic refuses.
const UNKNOWN_TO_ANTHROPIC: [&str; 13] = [
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "maxItems",
    "uniqueItems",
    "minProperties",
    "maxProperties",
    "patternProperties",
    "propertyNames",
];
/// Keywords that OpenAI's strict mode refuses, or that hold no answer to what they say.
const UNKNOWN_TO_OPENAI: [&str; 13] = [
    "allOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "dependentSchemas",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
];
/// The most that its `minItems` may be.
const FEWEST_ITEMS: u64 = 1;
/// Keywords whose value is a map of schemas by name, where a name is no keyword.
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];
/// Keywords whose value is data.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];

/// The instruction that stands in the prompt of a server that takes no schema.
pub(super) fn in_words(schema: &Json) -> String {
    format!("Answer with JSON that obeys this JSON Schema:\n{schema}")
}

/// For OpenAI, and whether its strict mode takes it. That mode refuses `uniqueItems`, wants every object closed and every
/// property required: one that may be left out may be null there instead, and [`without_nulls`] takes it out again.
pub(super) fn for_openai(mut schema: Value) -> (Value, bool) {
    if !is_strict(&schema) {
        return (schema, false);
    }
    visit(&mut schema, &|rules| {
        rules.shift_remove("uniqueItems");
        let Some(Value::Object(properties)) = rules.get_mut("properties") else {
            return;
        };
        let names: Vec<Value> = properties.keys().cloned().map(Value::String).collect();
        let required = rules.get("required").and_then(Value::as_array).cloned();
        let required = required.unwrap_or_default();
        if let Some(Value::Object(properties)) = rules.get_mut("properties") {
            for (name, property) in properties {
                if !required.iter().any(|required| required == name.as_str()) {
                    allow_null(property);
                }
            }
        }
        rules.insert("required".to_owned(), Value::Array(names));
        rules.insert("additionalProperties".to_owned(), Value::Bool(false));
    });
    (schema, true)
}

/// Whether strict mode can hold an answer to it: it knows no object with names that are not told, and few ways to combine
/// schemas.
fn is_strict(schema: &Value) -> bool {
    let is_refused = |rules: &Map<String, Value>| {
        let is_map = is_object(rules) && is_map(rules);
        let is_unknown = UNKNOWN_TO_OPENAI
            .iter()
            .any(|word| rules.contains_key(*word));
        is_open(rules) || is_map || is_unknown
    };
    schema.get("properties").is_some() && !any(schema, &is_refused)
}

/// Lets null pass, too.
fn allow_null(schema: &mut Value) {
    if takes_null(schema) {
        return;
    }
    let null = || Value::String("null".to_owned());
    let Value::Object(rules) = schema else {
        return;
    };
    let is_simple = rules.get("type").is_some() && !rules.contains_key("const");
    if is_simple {
        match rules.get_mut("type") {
            Some(Value::Array(kinds)) => kinds.push(null()),
            Some(kind) => *kind = Value::Array(vec![kind.take(), null()]),
            None => {}
        }
        if let Some(Value::Array(values)) = rules.get_mut("enum") {
            values.push(Value::Null);
        }
    } else if let Some(Value::Array(choices)) = rules.get_mut("anyOf") {
        choices.push(serde_json::json!({"type": "null"}));
    } else {
        *schema = serde_json::json!({"anyOf": [schema.take(), {"type": "null"}]});
    }
}

/// Whether null obeys a schema, as far as that is sure.
fn takes_null(schema: &Value) -> bool {
    let names_null = |kind: &Value| kind == "null";
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        return choices.iter().any(takes_null);
    }
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(names_null),
        Some(kind) => names_null(kind),
        None => schema
            .get("enum")
            .and_then(Value::as_array)
            .is_some_and(|values| values.iter().any(Value::is_null)),
    }
}

/// The same answer without the nulls of properties that may be left out and may not be null; `None` where there are none.
/// What stays keeps its digits and its order.
pub(super) fn without_nulls(schema: &Value, text: &str) -> Option<String> {
    if !is_strict(schema) || !has_optional(schema) {
        return None;
    }
    let value: &RawValue = serde_json::from_str(text.trim()).ok()?;
    stripped(schema, schema, value.get())
}

fn has_optional(schema: &Value) -> bool {
    any(schema, &|rules| {
        let required = rules
            .get("required")
            .and_then(Value::as_array)
            .map_or(0, Vec::len);
        let properties = rules.get("properties").and_then(Value::as_object);
        properties.is_some_and(|properties| properties.len() > required)
    })
}

/// The JSON without such nulls, if there are any.
fn stripped(root: &Value, schema: &Value, json: &str) -> Option<String> {
    let schema = resolved(root, schema);
    if let Some(Value::Array(choices)) = schema.get("anyOf") {
        return choices
            .iter()
            .find_map(|choice| stripped(root, choice, json));
    }
    if json.starts_with('[') {
        let items = schema.get("items")?;
        let values: Vec<&RawValue> = serde_json::from_str(json).ok()?;
        let mut changed = false;
        let values: Vec<String> = values
            .iter()
            .map(|value| match stripped(root, items, value.get()) {
                Some(value) => {
                    changed = true;
                    value
                }
                None => value.get().to_owned(),
            })
            .collect();
        return changed.then(|| format!("[{}]", values.join(",")));
    }
    let properties = schema.get("properties").and_then(Value::as_object)?;
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
    let Entries(values) = serde_json::from_str(json).ok()?;
    let mut changed = false;
    let mut kept = Vec::new();
    for (name, value) in values {
        let property = properties.get(&name);
        let is_left_out = value.get() == "null"
            && !is_required(&name)
            && property.is_some_and(|property| !takes_null(resolved(root, property)));
        if is_left_out {
            changed = true;
            continue;
        }
        let inner = property.and_then(|property| stripped(root, property, value.get()));
        changed |= inner.is_some();
        let value = inner.unwrap_or_else(|| value.get().to_owned());
        kept.push(format!("{}:{value}", Value::String(name)));
    }
    changed.then(|| format!("{{{}}}", kept.join(",")))
}

/// The entries of an object in their order, as they are written.
struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Entries<'de>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = object.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        from.deserialize_map(Object)
    }
}

/// What a reference leads to, within the schema.
fn resolved<'a>(root: &'a Value, schema: &'a Value) -> &'a Value {
    let place = schema.get("$ref").and_then(Value::as_str);
    let target = place.and_then(|place| root.pointer(place.strip_prefix('#')?));
    target.unwrap_or(schema)
}

/// For Anthropic, which wants every object closed: `None` where one is open. What else it does not know is told to the model in
/// the description.
pub(super) fn for_anthropic(mut schema: Value) -> Option<Value> {
    let is_open =
        |rules: &Map<String, Value>| is_open(rules) || (is_object(rules) && is_map(rules));
    if any(&schema, &is_open) {
        return None;
    }
    visit(&mut schema, &|rules| {
        if is_object(rules) {
            rules.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
        let mut told: Vec<String> = Vec::new();
        rules.retain(|keyword, value| {
            let unknown = UNKNOWN_TO_ANTHROPIC.contains(&keyword.as_str())
                || (keyword == "minItems" && value.as_u64() > Some(FEWEST_ITEMS));
            if unknown {
                told.push(format!("{keyword}: {value}"));
            }
            !unknown
        });
        if told.is_empty() {
            return;
        }
        let told = told.join(", ");
        let description = rules.get("description").and_then(Value::as_str);
        let description = match description {
            Some(description) => format!("{description} ({told})"),
            None => told,
        };
        rules.insert("description".to_owned(), Value::String(description));
    });
    Some(schema)
}

fn is_object(rules: &Map<String, Value>) -> bool {
    let kind = rules.get("type");
    kind.is_some_and(|kind| kind == "object") || rules.contains_key("properties")
}

/// Whether an object may have properties that are not named.
fn is_open(rules: &Map<String, Value>) -> bool {
    let more = rules.get("additionalProperties");
    more.is_some_and(|more| *more != Value::Bool(false))
}

/// Whether an object names no property.
fn is_map(rules: &Map<String, Value>) -> bool {
    !rules.contains_key("properties")
}

/// Whether a schema, or one within it, is such.
fn any(schema: &Value, is_such: &impl Fn(&Map<String, Value>) -> bool) -> bool {
    match schema {
        Value::Object(rules) => {
            let within = |(keyword, value): (&String, &Value)| match value {
                Value::Object(named) if MAPS.contains(&keyword.as_str()) => {
                    named.values().any(|schema| any(schema, is_such))
                }
                _ => !DATA.contains(&keyword.as_str()) && any(value, is_such),
            };
            is_such(rules) || rules.iter().any(within)
        }
        Value::Array(schemas) => schemas.iter().any(|schema| any(schema, is_such)),
        _ => false,
    }
}

/// Lets `change` see every schema in a schema.
fn visit(schema: &mut Value, change: &impl Fn(&mut Map<String, Value>)) {
    match schema {
        Value::Object(rules) => {
            change(rules);
            for (keyword, value) in rules {
                match value {
                    Value::Object(named) if MAPS.contains(&keyword.as_str()) => {
                        named.values_mut().for_each(|schema| visit(schema, change));
                    }
                    _ if DATA.contains(&keyword.as_str()) => {}
                    _ => visit(value, change),
                }
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(|schema| visit(schema, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_data_are_no_keywords() {
        let schema = json!({
            "type": "object",
            "properties": {
                "uniqueItems": {"type": "boolean", "default": {"uniqueItems": true}},
                "tags": {"type": "array", "uniqueItems": true, "items": {"type": "string"}},
            },
        });
        let (fit, is_strict) = for_openai(schema.clone());
        assert!(is_strict);
        assert_eq!(
            fit["properties"]["uniqueItems"],
            json!({"type": ["boolean", "null"], "default": {"uniqueItems": true}})
        );
        assert_eq!(
            fit["properties"]["tags"],
            json!({"type": ["array", "null"], "items": {"type": "string"}})
        );
    }

    #[test]
    fn what_may_be_left_out_may_be_null_in_strict_mode_and_is_taken_out_again() {
        let schema = json!({
            "type": "object",
            "required": ["title", "parts"],
            "properties": {
                "title": {"type": "string"},
                "subtitle": {"type": "string"},
                "kind": {"enum": ["a", "b"]},
                "size": {"type": "string", "enum": ["s", "m"]},
                "price": {"type": ["number", "null"]},
                "by": {"$ref": "#/$defs/by"},
                "parts": {"type": "array", "items": {
                    "type": "object", "required": ["n"],
                    "properties": {"n": {"type": "number"}, "note": {"type": "string"}},
                }},
            },
            "$defs": {"by": {"type": "object", "properties": {"name": {"type": "string"}}}},
        });
        let (fit, is_strict) = for_openai(schema.clone());
        assert!(is_strict);
        let names = json!(["title", "subtitle", "kind", "size", "price", "by", "parts"]);
        assert_eq!(fit["required"], names);
        assert_eq!(fit["additionalProperties"], false);
        let of = |name: &str| &fit["properties"][name];
        assert_eq!(*of("title"), json!({"type": "string"}));
        assert_eq!(*of("subtitle"), json!({"type": ["string", "null"]}));
        assert_eq!(
            *of("kind"),
            json!({"anyOf": [{"enum": ["a", "b"]}, {"type": "null"}]})
        );
        assert_eq!(
            *of("size"),
            json!({"type": ["string", "null"], "enum": ["s", "m", null]})
        );
        assert_eq!(*of("price"), json!({"type": ["number", "null"]}));
        assert_eq!(
            *of("by"),
            json!({"anyOf": [{"$ref": "#/$defs/by"}, {"type": "null"}]})
        );
        assert_eq!(
            of("parts")["items"]["properties"]["note"],
            json!({"type": ["string", "null"]})
        );
        let answer = r#"{"title": "Oak", "subtitle": null, "kind": null, "size": "s", "price": null,
            "by": {"name": null}, "parts": [{"n": 1.10, "note": null}, {"n": 2}]}"#;
        let expected =
            r#"{"title":"Oak","size":"s","price":null,"by":{},"parts":[{"n":1.10},{"n": 2}]}"#;
        assert_eq!(without_nulls(&schema, answer).unwrap(), expected);
        for same in [expected, "no JSON", "[]", "null"] {
            assert_eq!(without_nulls(&schema, same), None, "{same}");
        }
    }

    #[test]
    fn what_strict_mode_refuses_is_sent_without_it() {
        for schema in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {"type": "object"}}}),
            json!({"type": "object", "properties": {"a": {"oneOf": [{"type": "string"}]}}}),
            json!({"type": "array", "items": {"type": "string"}}),
        ] {
            assert_eq!(for_openai(schema.clone()), (schema.clone(), false));
            assert_eq!(without_nulls(&schema, r#"{"a": null}"#), None);
        }
    }

    #[test]
    fn what_anthropic_refuses_is_told_to_the_model() {
        let schema = json!({
            "type": "array", "minItems": 3, "maxItems": 5, "description": "Tags.",
            "items": {"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]},
        });
        let expected = json!({
            "type": "array", "description": "Tags. (minItems: 3, maxItems: 5)",
            "items": {"anyOf": [{"type": "string", "description": "minLength: 2"}, {"type": "null"}]},
        });
        assert_eq!(for_anthropic(schema), Some(expected));
        let fine = json!({"type": "array", "minItems": 1});
        assert_eq!(for_anthropic(fine.clone()), Some(fine));
    }

    #[test]
    fn objects_are_closed_for_anthropic_and_open_ones_are_not_sent() {
        let schema = json!({"$defs": {"a": {"properties": {}}}, "type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}});
        let expected = json!({
            "$defs": {"a": {"properties": {}, "additionalProperties": false}},
            "type": "object", "properties": {"a": {"$ref": "#/$defs/a"}}, "additionalProperties": false,
        });
        assert_eq!(for_anthropic(schema), Some(expected));
        for open in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {"a": {"type": "object", "additionalProperties": {"type": "string"}}}}),
            json!({"type": "array", "items": {"type": "object", "properties": {}, "additionalProperties": true}}),
        ] {
            assert_eq!(for_anthropic(open), None);
        }
    }
}
