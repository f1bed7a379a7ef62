//! A component without its plugin, as it is sent to another machine of the same run.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Component, GateRules, OutputTemplate};
use plan::gate::Gate;
use plan::policy::FailurePolicy;
use plan::recipe::Recipe;
use plugin::limits::Limits;
use plugin::load::Plugin;
use plugin::manifest::{InputFields, MediaType};
use types::digest::Digest;
use types::key::Parameters;

/// A component without its plugin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ComponentParts {
    name: String,
    base: String,
    locale: Option<String>,
    priority: i64,
    depends_on: Vec<String>,
    aliases: BTreeMap<String, String>,
    input: InputFields,
    parameters: Option<Parameters>,
    /// As JSON, since the order of keys counts.
    options: String,
    prompts: Vec<(String, String)>,
    output: OutputTemplate,
    media_type: MediaType,
    limits: Limits,
    on_failure: FailurePolicy,
    gate: Option<Gate>,
    rules: Option<GateRules>,
    judges: Option<String>,
    recipe: Recipe,
    recipe_digest: Digest,
}

impl ComponentParts {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hash of the plugin's file.
    pub fn code(&self) -> Digest {
        self.recipe.code
    }

    /// The component with its plugin.
    pub fn with(self, plugin: Arc<Plugin>) -> Component {
        Component {
            name: self.name,
            base: self.base,
            locale: self.locale,
            plugin,
            enabled: true,
            priority: self.priority,
            depends_on: self.depends_on,
            aliases: self.aliases,
            input: self.input,
            parameters: self.parameters,
            // Questions in batches are the coordinator's.
            mode: None,
            options: serde_json::from_str(&self.options).unwrap_or_default(),
            prompts: self.prompts,
            output: self.output,
            media_type: self.media_type,
            limits: self.limits,
            on_failure: self.on_failure,
            gate: self.gate,
            rules: self.rules,
            judges: self.judges,
            // Which records are in it is among the terms of the run.
            sample: None,
            texts: None,
            recipe: self.recipe,
            recipe_digest: self.recipe_digest,
        }
    }
}

impl Component {
    /// All of it but its plugin.
    pub fn parts(&self) -> ComponentParts {
        ComponentParts {
            name: self.name.clone(),
            base: self.base.clone(),
            locale: self.locale.clone(),
            priority: self.priority,
            depends_on: self.depends_on.clone(),
            aliases: self.aliases.clone(),
            input: self.input.clone(),
            parameters: self.parameters.clone(),
            options: self.options.to_string(),
            prompts: self.prompts.clone(),
            output: self.output.clone(),
            media_type: self.media_type,
            limits: self.limits,
            on_failure: self.on_failure,
            gate: self.gate.clone(),
            rules: self.rules.clone(),
            judges: self.judges.clone(),
            recipe: self.recipe.clone(),
            recipe_digest: self.recipe_digest,
        }
    }
}
