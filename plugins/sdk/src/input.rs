//! Typed access to what a component is given.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings;
use crate::prompt::Prompt;
use crate::{Failure, Site};

/// Everything that a component may know of its record. There is no clock: dates come from here.
///
/// A field that is `null` counts as absent, at any depth.
#[derive(Clone, Debug)]
pub struct Input {
    raw: bindings::Input,
}

impl Input {
    /// Wraps the contract's record.
    pub fn new(raw: bindings::Input) -> Self {
        Input { raw }
    }

    /// Id of the record: lower case, safe in a path.
    pub fn id(&self) -> &str {
        &self.raw.id
    }

    /// Name of the record, for people.
    pub fn name(&self) -> &str {
        &self.raw.name
    }

    /// Id of the record's category.
    pub fn category(&self) -> &str {
        &self.raw.category
    }

    /// Where the artifact will be published.
    pub fn site(&self) -> &Site {
        &self.raw.site
    }

    /// The record's fields that the manifest asks for and the record has.
    ///
    /// # Errors
    /// An unsuitable record, if a field is absent that `T` needs or is of another type.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.raw.fields).map_err(|why| {
            Failure::unsuitable_record(format!("the fields of record {}: {why}", self.raw.id))
        })
    }

    /// All of these fields, as they are.
    ///
    /// # Errors
    /// An unsuitable record, if they are no object.
    pub fn all_fields(&self) -> Result<Map<String, Value>, Failure> {
        object(&self.raw.fields).map_err(|why| {
            Failure::unsuitable_record(format!("the fields of record {}: {why}", self.raw.id))
        })
    }

    /// The JSON of the record's fields, with every number as it is written.
    pub fn fields_json(&self) -> &str {
        &self.raw.fields
    }

    /// The JSON of the category's fields, likewise.
    pub fn category_fields_json(&self) -> &str {
        &self.raw.category_fields
    }

    /// The category's fields that the manifest asks for and the category has.
    ///
    /// # Errors
    /// An unsuitable record, if a field is absent that `T` needs or is of another type.
    pub fn category_fields<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.raw.category_fields).map_err(|why| {
            Failure::unsuitable_record(format!(
                "the fields of category {}: {why}",
                self.raw.category
            ))
        })
    }

    /// All of these fields, as they are.
    ///
    /// # Errors
    /// An unsuitable record, if they are no object.
    pub fn all_category_fields(&self) -> Result<Map<String, Value>, Failure> {
        object(&self.raw.category_fields).map_err(|why| {
            Failure::unsuitable_record(format!(
                "the fields of category {}: {why}",
                self.raw.category
            ))
        })
    }

    /// Fields of the record whose pictures a question may show: those that the manifest or the configuration names.
    pub fn images(&self) -> &[String] {
        &self.raw.images
    }

    /// The component's options, defaults included.
    ///
    /// # Errors
    /// A component fault, if the options do not fit `T`.
    pub fn options<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        read(&self.raw.options)
            .map_err(|why| Failure::component_fault(format!("the options: {why}")))
    }

    /// The instruction file `prompts/<name>.md`.
    ///
    /// # Errors
    /// A component fault, if the plugin has no such file.
    pub fn prompt<'a>(&'a self, name: &'a str) -> Result<Prompt<'a>, Failure> {
        let prompt = self.raw.prompts.iter().find(|prompt| prompt.name == name);
        match prompt {
            Some(prompt) => Ok(Prompt {
                name,
                text: &prompt.text,
            }),
            None => Err(Failure::component_fault(format!(
                "there is no prompts/{name}.md"
            ))),
        }
    }

    /// All instruction files: its own, and those of the components that it depends on where the manifest asks for them, as
    /// `COMPONENT.NAME`.
    pub fn prompts(&self) -> impl Iterator<Item = Prompt<'_>> {
        self.raw.prompts.iter().map(|prompt| Prompt {
            name: &prompt.name,
            text: &prompt.text,
        })
    }

    /// Every file that other components made of this record, in the order of `depends-on`.
    pub fn upstreams(&self) -> impl Iterator<Item = Upstream<'_>> {
        self.raw.upstreams.iter().map(|raw| Upstream { raw })
    }

    /// The file that another component made of this record.
    ///
    /// # Errors
    /// A component fault, if the manifest does not name it in `depends-on`, or it failed and the configuration
    /// says that its dependents are made without it: use `.ok()` where you can do without.
    pub fn upstream<'a>(&'a self, component: &str) -> Result<Upstream<'a>, Failure> {
        let found = self
            .raw
            .upstreams
            .iter()
            .find(|upstream| upstream.component == component);
        found.map(|raw| Upstream { raw }).ok_or_else(|| {
            Failure::component_fault(format!(
                "there is no upstream {component}: name it in depends-on of plugin.toml, or do without where it was left out"
            ))
        })
    }
}

/// A file that another component made of the same record, as it is on disk now.
#[derive(Clone, Copy, Debug)]
pub struct Upstream<'a> {
    raw: &'a bindings::batchgen::component::types::Upstream,
}

impl Upstream<'_> {
    /// What made it.
    pub fn component(&self) -> &str {
        &self.raw.component
    }

    /// The file, byte for byte.
    pub fn text(&self) -> &str {
        &self.raw.text
    }

    /// The file's values as they are, if it can be read as data.
    pub fn value(&self) -> Option<Value> {
        parse(self.raw.json.as_deref()?).ok()
    }

    /// The file's values as a type.
    ///
    /// # Errors
    /// An unsuitable record, if the file cannot be read as data or its values do not fit `T`: it may
    /// have been edited.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let why = match &self.raw.json {
            Some(json) => match read(json) {
                Ok(values) => return Ok(values),
                Err(why) => why,
            },
            None => "it is not YAML front matter, YAML or JSON".to_owned(),
        };
        let component = &self.raw.component;
        Err(Failure::unsuitable_record(format!(
            "the file of {component}: {why}"
        )))
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, String> {
    // Its errors name the place in the value.
    serde_path_to_error::deserialize(&parse(json)?).map_err(|error| error.to_string())
}

/// Without what is `null`.
fn parse(json: &str) -> Result<Value, String> {
    let mut value: Value = serde_json::from_str(json).map_err(|error| error.to_string())?;
    drop_nulls(&mut value);
    Ok(value)
}

fn object(json: &str) -> Result<Map<String, Value>, String> {
    match parse(json)? {
        Value::Object(fields) => Ok(fields),
        _ => Err("they are no object".to_owned()),
    }
}

fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => {
            items.retain(|item| !item.is_null());
            items.iter_mut().for_each(drop_nulls);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests;
