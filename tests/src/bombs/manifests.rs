//! Manifests and prompts that cost much to check.

use serde_json::{Map, Value, json};

use super::{Kind, Part, kind, package};

pub const KINDS: &[Kind] = &[
    of("doubled-definitions", [10, 60], doubled_definitions),
    of("definitions-in-a-circle", [2, 60], circle),
    of("patterns", [10, 2_000], patterns),
    of("large-patterns", [10, 1_000_000], large_pattern),
    of("backtracking", [20, 100_000], backtracking),
    of("options", [100, 20_000], options),
    of("values", [100, 150_000], values),
    of("required", [100, 150_000], required),
    of("alternatives", [100, 50_000], alternatives),
    of("equal-items", [100, 100_000], equal_items),
    of("deep-schema", [50, 100_000], deep_schema),
    of("deep-default", [50, 100_000], deep_default),
    of("remote-schemas", [10, 10_000], remote),
    of("dependencies", [100, 100_000], dependencies),
    of("fields-of-input", [100, 100_000], fields_of_input),
    of("prompts", [100, 100_000], prompts),
    of("template", [50, 100_000], template),
    of("description", [1_000, 1_900_000], description),
    of("escapes", [1_000, 300_000], escapes),
    of("doubled-keys", [100, 100_000], doubled_keys),
];

const fn of(name: &'static str, sizes: [usize; 2], make: fn(usize) -> Vec<u8>) -> Kind {
    kind(Part::Package, name, sizes, make)
}

/// A package with this at a place of its manifest.
fn with(key: &str, value: Value) -> Vec<u8> {
    let mut package = package();
    if let Some(manifest) = package.get_mut("manifest").and_then(Value::as_object_mut) {
        manifest.insert(key.to_owned(), value);
    }
    package.to_string().into_bytes()
}

/// With an option of this schema.
fn option(schema: Value) -> Vec<u8> {
    with("options", json!({"a": schema}))
}

fn reference(number: usize) -> Value {
    json!({"$ref": format!("#/$defs/d{number}")})
}

fn doubled_definitions(count: usize) -> Vec<u8> {
    let mut definitions = Map::new();
    for number in 0..count {
        let both = json!({"allOf": [reference(number + 1), reference(number + 1)]});
        definitions.insert(format!("d{number}"), both);
    }
    definitions.insert(format!("d{count}"), json!({"type": "object"}));
    with(
        "all-options",
        json!({"$defs": definitions, "allOf": [reference(0)]}),
    )
}

fn circle(count: usize) -> Vec<u8> {
    let mut definitions = Map::new();
    for number in 0..count {
        let next = reference((number + 1) % count);
        definitions.insert(format!("d{number}"), json!({"anyOf": [next.clone(), next]}));
    }
    with(
        "all-options",
        json!({"$defs": definitions, "allOf": [reference(0)]}),
    )
}

fn patterns(count: usize) -> Vec<u8> {
    let schema = json!({"type": "string", "pattern": "(a{1000}){50}"});
    let options: Map<String, Value> = (0..count)
        .map(|number| (format!("o{number}"), schema.clone()))
        .collect();
    with("options", Value::Object(options))
}

fn large_pattern(count: usize) -> Vec<u8> {
    option(json!({"type": "string", "pattern": "(a|b)".repeat(count.min(350_000)), "default": "a"}))
}

/// A look-ahead needs a machine that goes back.
fn backtracking(length: usize) -> Vec<u8> {
    let default = format!("{}b", "a".repeat(length));
    option(json!({"type": "string", "pattern": "^(?=a)(a|a|aa)*$", "default": default}))
}

fn options(count: usize) -> Vec<u8> {
    let schema = json!({"type": "array", "items": {"enum": ["a", "b"]}, "default": ["a"]});
    let options: Map<String, Value> = (0..count)
        .map(|number| (format!("o{number}"), schema.clone()))
        .collect();
    with("options", Value::Object(options))
}

fn values(count: usize) -> Vec<u8> {
    let values: Vec<String> = (0..count).map(|number| format!("v{number}")).collect();
    option(json!({"enum": values, "default": "v0"}))
}

fn required(count: usize) -> Vec<u8> {
    let names: Vec<String> = (0..count).map(|number| format!("v{number}")).collect();
    option(json!({"required": names, "default": {}}))
}

/// Each alternative is tried with each item.
fn alternatives(count: usize) -> Vec<u8> {
    let alternatives: Vec<Value> = (0..count).map(|number| json!({"const": number})).collect();
    let items: Vec<usize> = vec![count; count];
    option(json!({"items": {"anyOf": alternatives}, "default": items}))
}

fn equal_items(count: usize) -> Vec<u8> {
    let items: Vec<Value> = (0..count).map(|number| json!([number])).collect();
    option(json!({"uniqueItems": true, "default": items}))
}

/// Text, since a value cannot be so deep.
fn at_depth(open: &str, close: &str, count: usize, default: &str) -> Vec<u8> {
    let deep = format!("{}{{}}{}", open.repeat(count), close.repeat(count));
    let option = format!("{{\"a\":{}}}", default.replace("DEEP", &deep));
    let text = String::from_utf8(with("options", json!("OPTIONS"))).unwrap_or_default();
    text.replace("\"OPTIONS\"", &option).into_bytes()
}

fn deep_schema(count: usize) -> Vec<u8> {
    at_depth("{\"not\":", "}", count, "DEEP")
}

fn deep_default(count: usize) -> Vec<u8> {
    at_depth("[", "]", count, "{\"default\":DEEP}")
}

fn remote(count: usize) -> Vec<u8> {
    let schemas: Vec<Value> = (0..count)
        .map(|number| json!({"$ref": format!("http://127.0.0.1:1/{number}")}))
        .collect();
    option(json!({"anyOf": schemas, "default": "v"}))
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("name-{number}")).collect()
}

fn dependencies(count: usize) -> Vec<u8> {
    with(
        "component",
        json!({"enabled": true, "depends-on": names(count)}),
    )
}

fn fields_of_input(count: usize) -> Vec<u8> {
    with(
        "input",
        json!({"record": names(count), "category": names(count)}),
    )
}

fn prompts(count: usize) -> Vec<u8> {
    let mut package = package();
    let prompts: Map<String, Value> = names(count)
        .into_iter()
        .map(|name| (name, json!("?")))
        .collect();
    if let Some(package) = package.as_object_mut() {
        package.insert("prompts".to_owned(), Value::Object(prompts));
    }
    package.to_string().into_bytes()
}

/// A template with many blocks in one another.
fn template(count: usize) -> Vec<u8> {
    let text = format!(
        "{}{}",
        "{% for a in [1, 2, 3, 4] %}".repeat(count.min(40_000)),
        "{% endfor %}".repeat(count.min(40_000))
    );
    let mut package = package();
    if let Some(package) = package.as_object_mut() {
        package.insert("prompts".to_owned(), json!({"write": text}));
        if let Some(manifest) = package.get_mut("manifest").and_then(Value::as_object_mut) {
            manifest.insert("prompts".to_owned(), json!({"write": {"template": true}}));
            manifest.insert("llm".to_owned(), json!({"max-output-tokens": 100}));
        }
    }
    package.to_string().into_bytes()
}

fn description(length: usize) -> Vec<u8> {
    let about = json!({"name": "calm", "version": "1", "description": "d".repeat(length)});
    with("plugin", about)
}

fn escapes(length: usize) -> Vec<u8> {
    let about = json!({"name": "calm", "version": "1", "description": "\u{1}".repeat(length)});
    with("plugin", about)
}

fn doubled_keys(count: usize) -> Vec<u8> {
    let text = String::from_utf8(with("options", json!("OPTIONS"))).unwrap_or_default();
    let options = vec!["\"a\":{}"; count].join(",");
    text.replace("\"OPTIONS\"", &format!("{{{options}}}"))
        .into_bytes()
}
