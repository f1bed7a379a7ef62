//! Builds what a component is given: the fields that it asks for and no others.

use std::sync::Arc;

use super::artifact;
use config::SiteConfig;
use config::component::Component;
use dataset::{self, Dataset, Fetching, Images, Record};
use plugin::manifest::Fields;
use plugin::sandbox::{Input, Prompt, Site, Upstream};
use types::image::Pictures;

/// A file that the component depends on.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamText<'a> {
    pub component: &'a Component,
    pub text: &'a str,
}

impl<'a> UpstreamText<'a> {
    /// Views of texts that are held elsewhere.
    pub(super) fn of(texts: &'a [(&'a Component, Arc<str>)]) -> Vec<UpstreamText<'a>> {
        let view =
            |(component, text): &'a (&'a Component, Arc<str>)| UpstreamText { component, text };
        texts.iter().map(view).collect()
    }
}

/// All that a component is told of a record, apart from any run.
pub fn prepared(
    component: &Component,
    site: &SiteConfig,
    record: &Record,
    category: &dataset::Fields,
    upstreams: &[UpstreamText<'_>],
) -> Input {
    Input {
        id: record.id.clone(),
        name: record.name.clone(),
        category: record.category.clone(),
        fields: pick(&record.fields, &component.input.record),
        category_fields: pick(category, &component.input.category),
        site: Site {
            base_url: site.base_url.clone(),
            name: site.name.clone(),
            locale: component.locale.as_ref().unwrap_or(&site.locale).clone(),
            output_path: component.output.path(&record.id, &record.category),
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
        upstreams: upstreams
            .iter()
            .map(|given| upstream(component, given))
            .collect(),
        images: component.input.images.clone(),
    }
}

/// The pictures of these fields of a record, as far as it has them.
pub fn pictures(
    images: &Images,
    names: &[String],
    fields: &dataset::Fields,
    fetching: Fetching,
) -> Pictures {
    names
        .iter()
        .filter_map(|name| {
            let of_field = images.of_field(name, fields.get(name), fetching)?;
            Some((name.clone(), of_field))
        })
        .collect()
}

/// Bytes of the prompts and fields that a component is given.
pub(super) fn bytes(component: &Component, dataset: &Dataset, record: &Record) -> u64 {
    let prompts: usize = component.prompts.iter().map(|(_, text)| text.len()).sum();
    let fields = pick(&record.fields, &component.input.record).len();
    let category = dataset.category_fields(&record.category);
    let category = category.map_or(0, |fields| pick(fields, &component.input.category).len());
    (prompts + fields + category) as u64
}

/// As JSON.
fn pick(fields: &dataset::Fields, wanted: &Fields) -> String {
    match wanted {
        Fields::Named(wanted) => fields.pick(wanted),
        Fields::All(_) => fields.to_json(),
    }
}

fn upstream(component: &Component, given: &UpstreamText<'_>) -> Upstream {
    let json = artifact::as_json(given.text, given.component.media_type);
    Upstream {
        component: component.called(&given.component.name).to_owned(),
        json: json.map(|json| json.to_string()),
        text: given.text.to_owned(),
    }
}
