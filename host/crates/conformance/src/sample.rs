//! A record as the component is given it, with the files that it depends on, which good answers make.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::recorded::{ANSWERS_FILE, Recorded};
use super::trial;
use config::SiteConfig;
use config::component::Component;
use dataset::{Fields, Record};
use engine::{TaskFailure, UpstreamText, prepared};
use plugin::sandbox::Input;
use types::class::FailureClass;
use types::image::Pictures;

/// A record as a component is given it.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Id of the record.
    pub record: String,
    pub input: Arc<Input>,
}

/// A component cannot be given what it depends on.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// Nobody makes the file.
    #[error(
        "`{component}` depends on `{missing}`, and there is no such component\nhint: name the directory of the plugin that makes it with --plugins DIR"
    )]
    Missing { component: String, missing: String },
    /// The file cannot be made.
    #[error(
        "`{component}` depends on `{upstream}`, which makes nothing of the record {record}: {failure}\nhint: choose another record with --record ID{}",
        of_upstream(upstream, failure)
    )]
    Failed {
        component: String,
        upstream: String,
        /// Id of the record.
        record: String,
        failure: TaskFailure,
    },
}

/// The input of a component on a record. `others` has what it depends on, and `recorded` answers to the questions of these.
///
/// # Errors
/// When one of these is missing, or fails with good answers.
pub fn sample(
    component: &Component,
    others: &[Component],
    site: &SiteConfig,
    record: &Record,
    category: &Fields,
    recorded: &Recorded,
) -> Result<Sample, SampleError> {
    let mut files: Vec<(&Component, String)> = Vec::new();
    for name in &component.depends_on {
        let other = others.iter().find(|other| other.name == *name);
        let other = other.ok_or_else(|| SampleError::Missing {
            component: component.name.clone(),
            missing: name.clone(),
        })?;
        let below = sample(other, others, site, record, category, recorded)?;
        let made = trial::good(other, &below.input, recorded).end;
        let text = made.map_err(|failure| SampleError::Failed {
            component: component.name.clone(),
            upstream: name.clone(),
            record: record.id.clone(),
            failure,
        })?;
        files.push((other, text));
    }
    let upstreams: Vec<UpstreamText<'_>> = files
        .iter()
        .map(|(component, text)| UpstreamText { component, text })
        .collect();
    let input = prepared(component, site, record, category, &upstreams);
    Ok(Sample {
        record: record.id.clone(),
        input: Arc::new(input),
    })
}

/// What else helps where no answer was good enough.
fn of_upstream(upstream: &str, failure: &TaskFailure) -> String {
    match failure.class {
        FailureClass::InvalidOutput => format!(
            ", or record what its questions are answered, in {ANSWERS_FILE} beside the plugin, with component = \"{upstream}\""
        ),
        _ => String::new(),
    }
}

impl Sample {
    /// A made-up picture for each field whose pictures may be shown.
    pub fn pictures(&self) -> Pictures {
        trial::pictures(&self.input)
    }

    /// The record's fields.
    pub(super) fn fields(&self) -> Map<String, Value> {
        object(&self.input.fields)
    }

    /// The category's fields.
    pub(super) fn category_fields(&self) -> Map<String, Value> {
        object(&self.input.category_fields)
    }

    /// The input with a change.
    pub(super) fn with(&self, change: impl FnOnce(&mut Input)) -> Arc<Input> {
        let mut input = Input::clone(&self.input);
        change(&mut input);
        Arc::new(input)
    }

    /// The input with other fields of record or category.
    pub(super) fn with_fields(&self, of: Owner, fields: Map<String, Value>) -> Arc<Input> {
        let text = Value::Object(fields).to_string();
        self.with(|input| match of {
            Owner::Record => input.fields = text,
            Owner::Category => input.category_fields = text,
        })
    }

    /// The fields of record or category.
    pub(super) fn fields_of(&self, of: Owner) -> Map<String, Value> {
        match of {
            Owner::Record => self.fields(),
            Owner::Category => self.category_fields(),
        }
    }
}

/// What has fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    Record,
    Category,
}

impl Owner {
    /// Both.
    pub const ALL: [Owner; 2] = [Owner::Record, Owner::Category];

    /// Its name in `[input]`.
    pub fn name(self) -> &'static str {
        match self {
            Owner::Record => "record",
            Owner::Category => "category",
        }
    }
}

/// The contract has fields as the text of an object.
fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
