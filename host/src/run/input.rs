//! Builds what a component is given: the fields that its manifest asks for and no others.

use serde_json::{Map, Value};

use crate::component::Component;
use crate::config::SiteConfig;
use crate::dataset::{Dataset, Record};
use crate::plugin::sandbox::{Input, Prompt, Site, Upstream};

/// What one component may know of one record.
pub(super) struct Given {
    pub fields: Value,
    pub category_fields: Value,
    pub path: String,
}

/// Picks the fields.
pub(super) fn given(component: &Component, dataset: &Dataset, record: &Record) -> Given {
    let wanted = &component.plugin.package.manifest.input;
    let empty = Map::new();
    let category = dataset.category_fields(&record.category).unwrap_or(&empty);
    Given {
        fields: pick(&record.fields, &wanted.record),
        category_fields: pick(category, &wanted.category),
        path: component.output.path(&record.id, &record.category),
    }
}

fn pick(fields: &Map<String, Value>, wanted: &[String]) -> Value {
    let picked = wanted
        .iter()
        .filter_map(|name| fields.get(name).map(|value| (name.clone(), value.clone())));
    Value::Object(picked.collect())
}

/// The input as the contract has it.
pub(super) fn input(
    component: &Component,
    site: &SiteConfig,
    record: &Record,
    given: &Given,
    upstreams: Vec<Upstream>,
) -> Input {
    Input {
        id: record.id.clone(),
        name: record.name.clone(),
        category: record.category.clone(),
        fields: given.fields.to_string(),
        category_fields: given.category_fields.to_string(),
        site: Site {
            base_url: site.base_url.clone(),
            name: site.name.clone(),
            locale: site.locale.clone(),
            output_path: given.path.clone(),
        },
        options: component.options.to_string(),
        prompts: component
            .prompts
            .iter()
            .map(|(name, text)| Prompt {
                name: name.clone(),
                text: text.clone(),
            })
            .collect(),
        upstreams,
    }
}
