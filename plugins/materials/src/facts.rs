//! What a language model is told of a material: names for people, values with their units. What the
//! record lacks is left out.

use sdk::{Map, Value};

use crate::material::{Category, Material, Standard, value_text};
use crate::quantity;
use sdk::Input;

/// The facts of a record, from what `material` and `category` hold. What is true of a category's
/// other members is not among them, lest it be told of this one.
pub fn facts(input: &Input, material: &Material, category: &Category) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("name".to_owned(), input.name().into());
    let category_name = category.name.as_deref().unwrap_or(input.category());
    facts.insert("category".to_owned(), category_name.into());
    put(
        &mut facts,
        "kind",
        material.subcategory.clone().map(Value::from),
    );
    put(
        &mut facts,
        "formula",
        material.formula.clone().map(Value::from),
    );
    put(&mut facts, "industries", list(&material.industries));
    let uses = material.applications.iter();
    let uses: Vec<String> = uses
        .map(|use_| format!("{}: {}", use_.industry, use_.purpose))
        .collect();
    put(&mut facts, "applications", list(&uses));
    put(&mut facts, "contaminants", list(&material.contaminants));
    put(&mut facts, "properties", labelled(&material.properties));
    put(&mut facts, "performance", labelled(&material.performance));
    put(&mut facts, "environment", labelled(&material.environment));
    put(&mut facts, "laser settings", settings(material));
    put(&mut facts, "standards", standards(&material.standards));
    put(
        &mut facts,
        "regulatory standards",
        standards(&category.regulatory_standards),
    );
    put(&mut facts, "notes", list(&material.cleaning_notes));
    facts
}

/// Whether facts of [`facts`] say more than what the record is called: without that, prose about it
/// would be made up.
pub fn tell(facts: &Map<String, Value>) -> bool {
    facts.keys().any(|key| key != "name" && key != "category")
}

fn put(facts: &mut Map<String, Value>, label: &str, value: Option<Value>) {
    if let Some(value) = value {
        facts.insert(label.to_owned(), value);
    }
}

fn list(items: &[String]) -> Option<Value> {
    (!items.is_empty()).then(|| items.into())
}

fn object(fields: Map<String, Value>) -> Option<Value> {
    (!fields.is_empty()).then_some(Value::Object(fields))
}

fn labelled(values: &Map<String, Value>) -> Option<Value> {
    let mut fields = Map::new();
    for (key, value) in values {
        let quantity = quantity(key);
        if let Some(text) = value_text(value, quantity.unit) {
            fields.insert(quantity.label, Value::String(text));
        }
    }
    object(fields)
}

fn settings(material: &Material) -> Option<Value> {
    let mut fields = Map::new();
    for setting in material.settings() {
        let text = match (setting.window_text(), setting.typical_text()) {
            (Some(window), Some(typical)) if window != typical => {
                format!("{window}, typically {typical}")
            }
            (Some(only), _) | (None, Some(only)) => only,
            (None, None) => continue,
        };
        fields.insert(setting.quantity.label, Value::String(text));
    }
    object(fields)
}

fn standards(standards: &[Standard]) -> Option<Value> {
    let named = standards.iter().map(|standard| match &standard.title {
        Some(title) => format!("{} ({title})", standard.code),
        None => standard.code.clone(),
    });
    list(&named.collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
