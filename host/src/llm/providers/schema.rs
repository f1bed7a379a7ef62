//! Makes a JSON Schema fit for servers that hold answers to it. Each knows a part of JSON Schema and refuses the
//! rest; what is left out here is still checked by the component, which asks to have it repaired.

use serde_json::{Map, Value};

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
/// The most that its `minItems` may be.
const FEWEST_ITEMS: u64 = 1;
/// Keywords whose value is a map of schemas by name, where a name is no keyword.
const MAPS: [&str; 3] = ["properties", "$defs", "definitions"];
/// Keywords whose value is data.
const DATA: [&str; 4] = ["enum", "const", "default", "examples"];

/// The instruction that stands in the prompt of a server that takes no schema.
pub(super) fn in_words(schema: &Value) -> String {
    format!("Answer with JSON that obeys this JSON Schema:\n{schema}")
}

/// For OpenAI's strict mode, which refuses `uniqueItems`.
pub(super) fn for_openai(schema: &Value) -> Value {
    let mut schema = schema.clone();
    visit(&mut schema, &|rules| {
        rules.shift_remove("uniqueItems");
    });
    schema
}

/// For Anthropic. What it does not know is told to the model in the description.
pub(super) fn for_anthropic(schema: &Value) -> Value {
    let mut schema = schema.clone();
    visit(&mut schema, &|rules| {
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
    schema
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
        let fit = for_openai(&schema);
        assert_eq!(
            fit["properties"]["uniqueItems"],
            schema["properties"]["uniqueItems"]
        );
        assert_eq!(
            fit["properties"]["tags"],
            json!({"type": "array", "items": {"type": "string"}})
        );
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
        assert_eq!(for_anthropic(&schema), expected);
        let fine = json!({"type": "array", "minItems": 1});
        assert_eq!(for_anthropic(&fine), fine);
    }
}
