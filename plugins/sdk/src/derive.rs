//! The JSON Schema of a Rust type, in the strict form that providers ask for: every object is
//! closed, every property is required, and nothing stands in it but rules and descriptions.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

/// The schema of `T`. A property that may be absent in Rust is one that may be `null`.
pub fn schema_of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    tighten(&mut schema);
    schema
}

fn tighten(schema: &mut Value) {
    let Some(rules) = schema.as_object_mut() else {
        return;
    };
    for noise in ["$schema", "title", "format", "default"] {
        rules.remove(noise);
    }
    if let Some(properties) = rules.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(tighten);
        let names: Vec<&String> = properties.keys().collect();
        let required = json!(names);
        rules.insert("required".to_owned(), required);
        rules.insert("additionalProperties".to_owned(), json!(false));
    }
    if let Some(items) = rules.get_mut("items") {
        tighten(items);
    }
    if let Some(forms) = rules.get_mut("anyOf").and_then(Value::as_array_mut) {
        forms.iter_mut().for_each(tighten);
    }
    if let Some(definitions) = rules.get_mut("$defs").and_then(Value::as_object_mut) {
        definitions.values_mut().for_each(tighten);
    }
}

#[cfg(test)]
mod tests;
