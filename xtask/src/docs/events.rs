//! The page on events, from their JSON Schema.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

/// Parts of events that have tables of their own.
const PARTS: [(&str, &str); 2] = [("numbers", "Numbers of a run"), ("lane", "A lane")];

/// The page.
///
/// # Errors
/// When the schema is not written as this page needs it.
pub fn page(schema: &str) -> Result<String> {
    let schema: Value = serde_json::from_str(schema).context("docs/events.schema.json")?;
    let mut page = format!(
        "# Events\n\nThis page is made from [events.schema.json](../events.schema.json) by `cargo xtask docs`; a test holds every event \
         against that schema.\n\n`batchgen run --json` and `batchgen retry --json` print events on standard output, one object a line. {} Every event has:\n",
        text(&schema, "description")
    );
    let definitions = object(&schema, "$defs")?;
    table(&mut page, object(&schema, "properties")?);
    let kinds = schema.get("oneOf").and_then(Value::as_array);
    for kind in kinds.context("the schema has no `oneOf`")? {
        let name = text(kind, "$ref").rsplit('/').next().unwrap_or_default();
        let event = definitions
            .get(name)
            .with_context(|| format!("the schema does not define `{name}`"))?;
        let _ = writeln!(page, "\n## `{name}`\n\n{}.", text(event, "description"));
        let mut properties = object(event, "properties")?.clone();
        properties.retain(|name, _| name != "event" && name != "time");
        table(&mut page, &properties);
    }
    for (name, title) in PARTS {
        let part = definitions.get(name).context("a part is not defined")?;
        let _ = writeln!(page, "\n## {title}");
        table(&mut page, object(part, "properties")?);
    }
    Ok(page)
}

fn table(page: &mut String, properties: &Map<String, Value>) {
    if properties.is_empty() {
        return;
    }
    page.push_str("\n| property | type | meaning |\n|---|---|---|\n");
    rows(page, "", properties);
}

/// A row for each property, and for those of objects and of lists of them.
fn rows(page: &mut String, above: &str, properties: &Map<String, Value>) {
    for (name, property) in properties {
        let _ = writeln!(
            page,
            "| `{above}{name}` | {} | {} |",
            kind(property),
            text(property, "description")
        );
        if let Ok(below) = object(property, "properties") {
            rows(page, &format!("{above}{name}."), below);
        }
        let items = property
            .get("items")
            .map(|items| object(items, "properties"));
        if let Some(Ok(below)) = items {
            rows(page, &format!("{above}{name}[]."), below);
        }
    }
}

/// The type of a property in words.
fn kind(property: &Value) -> String {
    if let Some(reference) = property.get("$ref").and_then(Value::as_str) {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let title = PARTS.iter().find(|(part, _)| *part == name);
        let title = title.map_or(name, |(_, title)| title);
        let anchor = title.to_lowercase().replace(' ', "-");
        return format!("[{}](#{anchor})", title.to_lowercase());
    }
    if let Some(items) = property.get("items") {
        return format!("list of {}", kind(items));
    }
    let words = |values: &[Value]| {
        let words: Vec<String> = values
            .iter()
            .filter_map(Value::as_str)
            .map(|word| format!("`{word}`"))
            .collect();
        words.join(", ")
    };
    match (property.get("enum"), property.get("type")) {
        (Some(Value::Array(values)), _) => words(values),
        (_, Some(Value::Array(kinds))) => {
            let kinds: Vec<&str> = kinds.iter().filter_map(Value::as_str).collect();
            kinds.join(" or ")
        }
        (_, Some(Value::String(kind))) => kind.clone(),
        _ => "any".to_owned(),
    }
}

fn object<'a>(value: &'a Value, name: &str) -> Result<&'a Map<String, Value>> {
    let found = value.get(name).and_then(Value::as_object);
    found.with_context(|| format!("the schema has no object `{name}` where it should"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
