//! What is taken from the front matter, which may have been edited: only title and description must
//! be there.

use sdk::{Map, Value};
use serde::Deserialize;

#[derive(Deserialize)]
pub(crate) struct FrontMatter {
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) headline: Option<String>,
    #[serde(default)]
    pub(crate) keywords: Vec<String>,
    pub(crate) category: Option<Category>,
    pub(crate) published_on: Option<String>,
    pub(crate) updated_on: Option<String>,
    pub(crate) byline: Option<Byline>,
    /// By what they show.
    #[serde(default)]
    pub(crate) images: Map<String, Value>,
    #[serde(default)]
    pub(crate) properties: Map<String, Value>,
    #[serde(default)]
    pub(crate) machine_settings: Map<String, Value>,
    #[serde(default)]
    pub(crate) contaminants: Vec<String>,
    #[serde(default)]
    pub(crate) compatibility: Compatibility,
    #[serde(default)]
    pub(crate) outcomes: Vec<Outcome>,
}

#[derive(Deserialize)]
pub(crate) struct Category {
    pub(crate) name: Option<String>,
}

/// A desk, never a person.
#[derive(Deserialize)]
pub(crate) struct Byline {
    pub(crate) name: String,
    pub(crate) profile: Option<String>,
    #[serde(default)]
    pub(crate) expertise: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(crate) struct Compatibility {
    pub(crate) applies_to: Option<String>,
    pub(crate) suited: Vec<String>,
    pub(crate) caution: Vec<String>,
}

#[derive(Deserialize)]
pub(crate) struct Outcome {
    pub(crate) outcome: String,
    pub(crate) metric: String,
}
