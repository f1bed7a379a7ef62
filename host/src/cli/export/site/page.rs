//! What a page says, whatever generator it is for.

use serde_json::{Map, Value};

use config::component::Component;
use engine::{ExportRow, as_json};
use plugin::manifest::MediaType;
use quality::without_front_matter;

/// A page about one record.
pub(super) struct Page {
    /// The record's id, which is safe in a path and in an address.
    pub slug: String,
    pub title: String,
    pub description: Option<String>,
    pub category: String,
    pub tags: Vec<String>,
    /// What is no text of the page: fields of the record under `fields`, and each file that is no Markdown, or the front matter
    /// of one that is, under the name of its component.
    pub data: Map<String, Value>,
    /// The Markdown of all components, in running order.
    pub body: String,
}

impl Page {
    /// With these fields of the record, or with all of them.
    pub fn of(
        row: &ExportRow<'_>,
        components: &[Component],
        fields: &[String],
        all_fields: bool,
    ) -> Page {
        let record = row.record;
        let mut data = Map::new();
        let wanted = |name: &String| all_fields || fields.contains(name);
        let picked: Map<String, Value> = record
            .fields
            .iter()
            .filter(|(name, _)| wanted(name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !picked.is_empty() {
            data.insert("fields".to_owned(), Value::Object(picked));
        }
        let mut bodies = Vec::new();
        for (component, text) in components.iter().zip(&row.texts) {
            let Some(text) = text else { continue };
            let found = as_json(text, component);
            if component.media_type == MediaType::Markdown {
                bodies.push(without_front_matter(text).trim());
            }
            let found = match component.media_type {
                MediaType::Markdown => found,
                _ => found.or_else(|| Some(Value::String(text.clone()))),
            };
            if let Some(found) = found {
                data.insert(component.name.clone(), found);
            }
        }
        bodies.retain(|body| !body.is_empty());
        let said = |key: &str| {
            let mut values = data.iter().filter(|(name, _)| *name != "fields");
            values.find_map(|(_, value)| value.get(key).cloned())
        };
        let text = |key: &str| {
            let text = said(key)?.as_str()?.trim().to_owned();
            (!text.is_empty()).then_some(text)
        };
        Page {
            slug: record.id.clone(),
            title: text("title").unwrap_or_else(|| record.name.clone()),
            description: text("description"),
            category: record.written_category().to_owned(),
            tags: said("tags")
                .or_else(|| said("keywords"))
                .map_or_else(Vec::new, tags),
            body: bodies.join("\n\n"),
            data,
        }
    }

    /// The name of its file, without the ending. Names that mean something to a generator get a beginning that no id has.
    pub fn stem(&self) -> String {
        let is_special =
            matches!(self.slug.as_str(), "index" | "readme") || self.slug.starts_with('_');
        match is_special {
            true => format!("page+{}", self.slug),
            false => self.slug.clone(),
        }
    }
}

/// The texts of a list, each once.
fn tags(value: Value) -> Vec<String> {
    let Value::Array(values) = value else {
        return Vec::new();
    };
    let mut tags: Vec<String> = Vec::new();
    for value in &values {
        let tag = value.as_str().unwrap_or_default().trim();
        let is_known = tags
            .iter()
            .any(|known| known.to_lowercase() == tag.to_lowercase());
        if !tag.is_empty() && !is_known {
            tags.push(tag.to_owned());
        }
    }
    tags
}
