//! Builds what a component is given: the fields that it asks for and no others.

use super::artifact;
use super::replay::UpstreamText;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::dataset::{self, Dataset, Record};
use crate::plugin::manifest::Fields;
use crate::plugin::sandbox::{Input, Prompt, Site, Upstream};

/// All that a component is told of a record, apart from any run.
pub fn prepared(
    component: &Component,
    site: &SiteConfig,
    record: &Record,
    category: &dataset::Fields,
    upstreams: &[UpstreamText<'_>],
) -> Input {
    let upstreams = upstreams
        .iter()
        .map(|other| upstream(other.component, other.text.to_owned()))
        .collect();
    let given = picked(component, category, record);
    input(component, site, record, &given, upstreams)
}

/// What one component may know of one record.
pub(super) struct Given {
    /// As JSON.
    pub fields: String,
    /// As JSON.
    pub category_fields: String,
    pub path: String,
}

/// Picks the fields.
pub(super) fn given(component: &Component, dataset: &Dataset, record: &Record) -> Given {
    let none = dataset::Fields::default();
    let category = dataset.category_fields(&record.category);
    picked(component, category.unwrap_or(&none), record)
}

fn picked(component: &Component, category: &dataset::Fields, record: &Record) -> Given {
    let wanted = &component.input;
    Given {
        fields: pick(&record.fields, &wanted.record),
        category_fields: pick(category, &wanted.category),
        path: component.output.path(&record.id, &record.category),
    }
}

fn pick(fields: &dataset::Fields, wanted: &Fields) -> String {
    match wanted {
        Fields::Named(wanted) => fields.pick(wanted).to_string(),
        Fields::All(_) => fields.to_string(),
    }
}

/// A file that the component depends on.
pub(super) fn upstream(component: &Component, text: String) -> Upstream {
    let json = artifact::as_json(&text, component.media_type);
    Upstream {
        component: component.name.clone(),
        json: json.map(|json| json.to_string()),
        text,
    }
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
        fields: given.fields.clone(),
        category_fields: given.category_fields.clone(),
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
