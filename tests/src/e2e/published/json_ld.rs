//! JSON-LD by schema.org: types, the properties that each may have, and what a property may be.

use serde_json::{Map, Value};

/// What schema.org expects of a property.
#[derive(Clone, Copy)]
enum Expected {
    Text,
    Url,
    Date,
    Number,
    /// One of these types, or a reference to one.
    Thing(&'static [&'static str]),
    /// A thing or its address.
    ThingOrUrl(&'static [&'static str]),
}

use Expected::{Date, Number, Text, Thing, ThingOrUrl, Url};

/// Name, required properties, and all properties that are used here, as schema.org publishes them (30.0, and the npm
/// package schema-dts 2.1.0).
type Type = (
    &'static str,
    &'static [&'static str],
    &'static [(&'static str, Expected)],
);

const TYPES: [Type; 11] = [
    (
        "Article",
        &[
            "headline",
            "description",
            "author",
            "datePublished",
            "dateModified",
            "keywords",
            "image",
            "about",
        ],
        &[
            ("headline", Text),
            ("name", Text),
            ("description", Text),
            ("author", Thing(&["Organization"])),
            ("publisher", Thing(&["Organization"])),
            ("datePublished", Date),
            ("dateModified", Date),
            ("keywords", Text),
            ("image", ThingOrUrl(&["ImageObject"])),
            ("about", Thing(&["Thing", "PropertyValue"])),
            ("articleSection", Text),
            ("inLanguage", Text),
            ("url", Url),
            ("mainEntityOfPage", ThingOrUrl(&["WebPage"])),
            ("isPartOf", ThingOrUrl(&["WebSite"])),
        ],
    ),
    (
        "Organization",
        &["name"],
        &[
            ("name", Text),
            ("description", Text),
            ("knowsAbout", Text),
            ("parentOrganization", Thing(&["Organization"])),
            ("url", Url),
        ],
    ),
    (
        "ImageObject",
        &["url"],
        // A Distance; a bare number is read as pixels.
        &[
            ("url", Url),
            ("caption", Text),
            ("width", Number),
            ("height", Number),
        ],
    ),
    ("Thing", &["name"], &[("name", Text), ("url", Url)]),
    (
        "PropertyValue",
        &["name", "value"],
        &[
            ("name", Text),
            ("value", Number),
            ("minValue", Number),
            ("maxValue", Number),
            ("unitText", Text),
        ],
    ),
    ("WebPage", &["@id"], &[("name", Text), ("url", Url)]),
    ("WebSite", &["name"], &[("name", Text), ("url", Url)]),
    (
        "HowTo",
        &["name", "step"],
        &[
            ("name", Text),
            ("description", Text),
            ("isPartOf", ThingOrUrl(&["Article"])),
            ("step", Thing(&["HowToStep"])),
        ],
    ),
    (
        "HowToStep",
        &["name", "text"],
        &[("position", Number), ("name", Text), ("text", Text)],
    ),
    (
        "BreadcrumbList",
        &["itemListElement"],
        &[("itemListElement", Thing(&["ListItem"]))],
    ),
    (
        "ListItem",
        &["position", "name"],
        &[("position", Number), ("name", Text), ("item", Url)],
    ),
];

/// Types that every file has.
const WANTED: [&str; 2] = ["Article", "BreadcrumbList"];

/// What is wrong with a file.
pub fn faults(text: &str) -> Vec<String> {
    let json = text
        .strip_prefix("<script type=\"application/ld+json\">\n")
        .and_then(|text| text.strip_suffix("\n</script>\n"));
    let Some(json) = json else {
        return vec!["it is no script element".to_owned()];
    };
    if json.contains("</") {
        return vec!["something in it ends the script element".to_owned()];
    }
    let value: Value = match serde_json::from_str(json) {
        Ok(value) => value,
        Err(why) => return vec![format!("it is no JSON: {why}")],
    };
    let mut found = Vec::new();
    if value["@context"] != "https://schema.org" {
        found.push(format!("its context is {}", value["@context"]));
    }
    let nodes = value["@graph"].as_array().cloned().unwrap_or_default();
    for wanted in WANTED {
        if !nodes.iter().any(|node| node["@type"] == wanted) {
            found.push(format!("it has no {wanted}"));
        }
    }
    for article in nodes.iter().filter(|node| node["@type"] == "Article") {
        if article["keywords"]
            .as_array()
            .is_none_or(|keywords| keywords.len() < 5)
        {
            found.push("it has fewer than 5 keywords".to_owned());
        }
    }
    for node in &nodes {
        thing(node, "@graph", &mut found);
    }
    found
}

fn thing(value: &Value, place: &str, found: &mut Vec<String>) {
    let Some(node) = value.as_object() else {
        return found.push(format!("{place} is no object"));
    };
    let name = node
        .get("@type")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let Some((_, required, properties)) = TYPES.iter().find(|(known, _, _)| *known == name) else {
        return found.push(format!("{place}: the type `{name}` is not used here"));
    };
    for property in required
        .iter()
        .filter(|property| !node.contains_key(**property))
    {
        found.push(format!("{place}: {name} has no {property}"));
    }
    each(node, name, properties, found);
}

fn each(
    node: &Map<String, Value>,
    name: &str,
    properties: &[(&str, Expected)],
    found: &mut Vec<String>,
) {
    for (key, value) in node.iter().filter(|(key, _)| !key.starts_with('@')) {
        let Some((_, expected)) = properties.iter().find(|(known, _)| known == key) else {
            found.push(format!("{name} has no property `{key}`"));
            continue;
        };
        let place = format!("{name}.{key}");
        let values = value
            .as_array()
            .map_or(std::slice::from_ref(value), Vec::as_slice);
        if values.is_empty() {
            found.push(format!("{place} is empty"));
        }
        for value in values {
            one(value, *expected, &place, found);
        }
    }
}

fn one(value: &Value, expected: Expected, place: &str, found: &mut Vec<String>) {
    let text = value.as_str().unwrap_or_default();
    let is_url = url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
    let good = match expected {
        Text => !text.trim().is_empty() && !["None", "null"].contains(&text),
        Url => is_url,
        Date => is_date(text),
        Number => value.is_number(),
        ThingOrUrl(_) if value.is_string() => is_url,
        Thing(types) | ThingOrUrl(types) => {
            if value["@type"].is_string() {
                thing(value, place, found);
                types.iter().any(|name| value["@type"] == **name)
            } else {
                value["@id"].is_string()
            }
        }
    };
    if !good {
        found.push(format!("{place} may not be {value}"));
    }
}

/// ISO 8601: `2026-11-24`.
fn is_date(text: &str) -> bool {
    let parts: Vec<Option<u32>> = text.split('-').map(|part| part.parse().ok()).collect();
    matches!(parts.as_slice(), [Some(1900..), Some(1..=12), Some(1..=31)]) && text.len() == 10
}
