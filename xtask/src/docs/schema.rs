//! A JSON Schema of `batchgen.toml`, from the file's own comments: with it an editor completes keys, shows what they mean, and
//! underlines those that do not exist. Kinds of values come from the examples; what a value may be is checked by the program.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::configuration::{Section, sections};

/// Keys whose values may be of other kinds than their example.
const KINDS: [(&str, &str, &[&str]); 7] = [
    ("dataset", "path", &["string", "array"]),
    ("dataset.lookup", "path", &["string", "array"]),
    ("component", "for-each", &["string", "array"]),
    ("component", "sample", &["integer", "string"]),
    ("component", "prompts", &["object"]),
    ("component", "input", &["object"]),
    ("provider", "endpoints", &["array"]),
];

/// The schema, as JSON.
pub fn schema(text: &str) -> String {
    let mut root = Node::default();
    for section in sections(text) {
        let title = section.title.trim_matches('`').trim_matches(['[', ']']);
        let path = path_of(title);
        root.at(&path).add(&path, &section);
    }
    let mut schema = root.schema();
    if let Some(schema) = schema.as_object_mut() {
        schema.insert(
            "$schema".to_owned(),
            json!("http://json-schema.org/draft-07/schema#"),
        );
        schema.insert("title".to_owned(), json!("batchgen.toml"));
    }
    format!("{schema:#}\n")
}

/// The tables that a title goes through. A name that a person gives stands for all names, as `*`.
fn path_of(title: &str) -> Vec<String> {
    /// Tables whose keys are names of the person's own.
    const NAMED: [&str; 6] = [
        "provider",
        "models",
        "component",
        "lookup",
        "profile",
        "matrix",
    ];
    if title == "At the top" {
        return Vec::new();
    }
    let mut path: Vec<String> = Vec::new();
    let mut rest = title;
    while !rest.is_empty() {
        let (part, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once('.').map_or((rest, ""), |(part, _)| {
                (part, rest.get(part.len()..).unwrap_or_default())
            }),
        };
        let is_name = path
            .last()
            .is_some_and(|table| NAMED.contains(&table.as_str()) && table != "matrix");
        path.push(if is_name { "*" } else { part }.to_owned());
        rest = after.trim_start_matches('.');
    }
    path
}

/// A table.
#[derive(Default)]
struct Node {
    about: String,
    keys: BTreeMap<String, Value>,
    tables: BTreeMap<String, Node>,
}

impl Node {
    fn at(&mut self, path: &[String]) -> &mut Node {
        path.iter().fold(self, |node, part| {
            node.tables.entry(part.clone()).or_default()
        })
    }

    fn add(&mut self, path: &[String], section: &Section) {
        if self.about.is_empty() {
            self.about.clone_from(&section.about);
        }
        // Values of the matrix have names of the person's own.
        if path == ["matrix"] {
            let values = json!({"type": "array", "items": {"type": "string"}});
            self.keys.insert("*".to_owned(), values);
            return;
        }
        let table: Vec<&str> = path
            .iter()
            .map(String::as_str)
            .filter(|part| *part != "*")
            .collect();
        for key in &section.keys {
            // What describes the key stands first; later sections are examples.
            let value = || value(&table.join("."), &key.name, &key.value, &key.about);
            self.keys.entry(key.name.clone()).or_insert_with(value);
        }
    }

    fn schema(&self) -> Value {
        let mut properties = Map::new();
        let mut others = json!(false);
        for (name, value) in &self.keys {
            match name.as_str() {
                "*" => others = value.clone(),
                _ => drop(properties.insert(name.clone(), value.clone())),
            }
        }
        for (name, table) in &self.tables {
            match name.as_str() {
                "*" => others = table.schema(),
                // A table may also be written as a value, as `limits = { ... }`, which says nothing of its keys.
                _ => drop(properties.insert(name.clone(), table.schema())),
            }
        }
        let mut schema = Map::new();
        schema.insert("type".to_owned(), json!("object"));
        if !self.about.is_empty() {
            schema.insert("description".to_owned(), json!(self.about));
        }
        schema.insert("properties".to_owned(), Value::Object(properties));
        schema.insert("additionalProperties".to_owned(), others);
        Value::Object(schema)
    }
}

/// What a key takes.
fn value(table: &str, name: &str, example: &str, about: &str) -> Value {
    let example = toml::from_str::<toml::Table>(&format!("x = {example}"))
        .ok()
        .and_then(|parsed| parsed.get("x").cloned());
    let told = KINDS
        .iter()
        .find(|(of, key, _)| *of == table && *key == name)
        .map(|(_, _, kinds)| kinds.to_vec());
    let kinds = told.unwrap_or_else(|| match &example {
        Some(toml::Value::String(_)) => vec!["string"],
        Some(toml::Value::Integer(_) | toml::Value::Float(_)) => vec!["number"],
        Some(toml::Value::Boolean(_)) => vec!["boolean"],
        Some(toml::Value::Array(_)) => vec!["array"],
        Some(toml::Value::Table(_)) => vec!["object"],
        _ => Vec::new(),
    });
    let mut schema = Map::new();
    match kinds.as_slice() {
        [] => {}
        [one] => drop(schema.insert("type".to_owned(), json!(one))),
        more => drop(schema.insert("type".to_owned(), json!(more))),
    }
    let words = words(about);
    if let (Some(toml::Value::String(example)), ["string"]) = (&example, kinds.as_slice())
        && words.len() > 1
        && words.contains(&example.as_str())
    {
        schema.insert("enum".to_owned(), json!(words));
    }
    if !about.is_empty() {
        schema.insert("description".to_owned(), json!(about));
    }
    Value::Object(schema)
}

/// Plain words in quotes: where there are several, a key takes one of them.
fn words(about: &str) -> Vec<&str> {
    let is_plain = |word: &&str| {
        let is_fine = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        !word.is_empty() && word.bytes().all(is_fine)
    };
    about
        .split('"')
        .skip(1)
        .step_by(2)
        .filter(is_plain)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_keys_and_words_become_a_schema() {
        let text = "# A model.\n# model = \"a\"\n\n# Records.\n[dataset]\n# Where, or a list.\npath = \"x\"\n# \"error\" or \"first\".\n# repeated = \"error\"\n\n[matrix]\n# Places.\n# locale = [\"a\"]\n\n# [models.\"a/b\"]\n# How warm.\n# temperature = 0.5\n";
        let schema: Value = serde_json::from_str(&schema(text)).unwrap();
        let at = |pointer: &str| schema.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!(at("/properties/model/type"), "string");
        assert_eq!(
            at("/properties/dataset/properties/path/type"),
            json!(["string", "array"])
        );
        assert_eq!(
            at("/properties/dataset/properties/repeated/enum"),
            json!(["error", "first"])
        );
        assert_eq!(at("/properties/dataset/additionalProperties"), false);
        assert_eq!(
            at("/properties/models/additionalProperties/properties/temperature/type"),
            "number"
        );
        assert_eq!(at("/properties/matrix/additionalProperties/type"), "array");
    }
}
