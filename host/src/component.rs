//! Components: configured uses of plugins. Resolved once, from manifest and configuration, so that a
//! run meets no option that may be absent.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use crate::config::{ComponentConfig, Config, ConfigError, closest};
use crate::core::digest::Digest;
use crate::core::graph::Node;
use crate::core::key::Parameters;
use crate::core::recipe::Recipe;
use crate::plugin::limits::Limits;
use crate::plugin::load::Plugin;
use crate::plugin::manifest::MediaType;

/// Temperature of a batch where nothing else is said.
pub const DEFAULT_TEMPERATURE: f64 = 0.6;
/// Model where nothing else is said.
pub const DEFAULT_MODEL: &str = "offline";

/// A configured use of a plugin.
#[derive(Clone, Debug)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// What makes it.
    pub plugin: Arc<Plugin>,
    /// Whether it runs without `--all`.
    pub enabled: bool,
    /// Smaller runs earlier.
    pub priority: i64,
    /// Components whose files it reads.
    pub depends_on: Vec<String>,
    /// What its questions are asked with; `None` where its manifest needs no LLM.
    pub parameters: Option<Parameters>,
    /// Its options: the manifest's defaults with the configuration's laid over them.
    pub options: Value,
    /// Name and text of each prompt.
    pub prompts: Vec<(String, String)>,
    /// Where its files go.
    pub output: OutputTemplate,
    /// What its files are.
    pub media_type: MediaType,
    /// What it may use.
    pub limits: Limits,
    /// What all its tasks are made with.
    pub recipe: Recipe,
    /// The hash of that.
    pub recipe_digest: Digest,
}

impl Component {
    /// How the graph sees it.
    pub fn node(&self) -> Node {
        Node {
            name: self.name.clone(),
            priority: self.priority,
            depends_on: self.depends_on.clone(),
        }
    }
}

/// Path of a component's files below the output directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputTemplate {
    template: String,
    component: String,
    extension: String,
}

impl OutputTemplate {
    fn new(template: &str, component: &str, extension: &str) -> Result<OutputTemplate, String> {
        let mut rest = template;
        while let Some(start) = rest.find('{') {
            let Some((name, after)) = rest.get(start + 1..).and_then(|tail| tail.split_once('}'))
            else {
                return Err("a `{` is not closed".to_owned());
            };
            if !["component", "category", "shard", "id", "extension"].contains(&name) {
                return Err(format!("`{{{name}}}` is not known"));
            }
            rest = after;
        }
        if !template.contains("{id}") {
            return Err("it has no `{id}`, so all records would share one file".to_owned());
        }
        let parts = template.split('/');
        if template.contains('\\')
            || parts
                .into_iter()
                .any(|part| matches!(part, "" | "." | ".."))
        {
            return Err("it must stay below the output directory".to_owned());
        }
        Ok(OutputTemplate {
            template: template.to_owned(),
            component: component.to_owned(),
            extension: extension.to_owned(),
        })
    }

    /// The path of one record's file, with `/`. `{shard}` is the first two hexadecimal digits of the SHA-256 of
    /// the id: it spreads files evenly over 256 folders, and a record's stays the same for ever.
    pub fn path(&self, id: &str, category: &str) -> String {
        let path = self.pattern();
        let path = if path.contains("{shard}") {
            let shard = Digest::of(id.as_bytes()).seed() >> 56;
            path.replace("{shard}", &format!("{shard:02x}"))
        } else {
            path
        };
        path.replace("{category}", category).replace("{id}", id)
    }

    /// The path with all that depends on the record still open.
    fn pattern(&self) -> String {
        self.template
            .replace("{component}", &self.component)
            .replace("{extension}", &self.extension)
    }
}

/// Makes the components of all plugins and of the configuration. `model` is the flag's.
///
/// # Errors
/// A configured value that a plugin does not accept, or a plugin that is not there.
pub fn resolve(
    plugins: &[Arc<Plugin>],
    config: &Config,
    model: Option<&str>,
) -> Result<Vec<Component>, ConfigError> {
    let find = |name: &str| {
        plugins
            .iter()
            .find(|plugin| plugin.package.manifest.plugin.name == name)
            .cloned()
    };
    let mut components = Vec::new();
    let mut used = BTreeSet::new();
    for (name, settings) in &config.component {
        let wanted = settings.plugin.as_deref().unwrap_or(name);
        let Some(plugin) = find(wanted) else {
            let names: Vec<&str> = plugins
                .iter()
                .map(|plugin| plugin.package.manifest.plugin.name.as_str())
                .collect();
            let meant = closest(wanted, names.iter().copied())
                .map(|name| format!("did you mean `{name}`? "))
                .unwrap_or_default();
            return Err(ConfigError::Value {
                key: format!("component.{name}"),
                cause: format!("there is no plugin `{wanted}`"),
                hint: format!("{meant}The plugins are: {}", names.join(", ")),
            });
        };
        used.insert(wanted.to_owned());
        components.push(component(name, plugin, settings, config, model)?);
    }
    for plugin in plugins {
        let name = &plugin.package.manifest.plugin.name;
        if !used.contains(name) {
            let settings = ComponentConfig::default();
            components.push(component(
                name,
                Arc::clone(plugin),
                &settings,
                config,
                model,
            )?);
        }
    }
    distinct_outputs(&components)?;
    Ok(components)
}

fn component(
    name: &str,
    plugin: Arc<Plugin>,
    settings: &ComponentConfig,
    config: &Config,
    model: Option<&str>,
) -> Result<Component, ConfigError> {
    let manifest = &plugin.package.manifest;
    let wrong = |key: &str, cause: String, hint: &str| ConfigError::Value {
        key: format!("component.{name}.{key}"),
        cause,
        hint: hint.to_owned(),
    };
    if !crate::dataset::is_safe_id(name) {
        return Err(ConfigError::Value {
            key: format!("component.{name}"),
            cause: "a component's name becomes part of paths".to_owned(),
            hint: "use lower-case letters, digits and hyphens".to_owned(),
        });
    }
    let parameters = manifest.llm.as_ref().map(|llm| Parameters {
        model: model
            .or(settings.model.as_deref())
            .or(config.model.as_deref())
            .unwrap_or(DEFAULT_MODEL)
            .to_owned(),
        temperature: settings
            .temperature
            .or(llm.temperature)
            .or(config.temperature)
            .unwrap_or(DEFAULT_TEMPERATURE),
        max_output_tokens: settings.max_output_tokens.unwrap_or(llm.max_output_tokens),
    });
    let mut options = manifest.default_options();
    options.extend(settings.options.clone());
    let options = Value::Object(options);
    if let Ok(validator) = jsonschema::validator_for(&manifest.options_schema())
        && let Err(error) = validator.validate(&options)
    {
        let known: Vec<&str> = manifest.options.keys().map(String::as_str).collect();
        let hint = match known.as_slice() {
            [] => format!("the plugin `{}` has no options", manifest.plugin.name),
            known => format!(
                "the options of `{}` are: {}",
                manifest.plugin.name,
                known.join(", ")
            ),
        };
        return Err(wrong("options", error.to_string(), &hint));
    }
    let template = settings.output.as_ref().unwrap_or(&config.output.path);
    let output = OutputTemplate::new(template, name, &manifest.output.extension).map_err(|cause| {
        let key = match &settings.output {
            Some(_) => format!("component.{name}.output"),
            None => "output.path".to_owned(),
        };
        ConfigError::Value {
            key,
            cause: format!("`{template}`: {cause}"),
            hint: "use {component}, {category}, {shard}, {id} and {extension}, as in `{component}/{id}.{extension}`"
                .to_owned(),
        }
    })?;
    let prompts = prompts(name, &plugin, settings)?;
    let recipe = Recipe {
        plugin: manifest.plugin.name.clone(),
        version: manifest.plugin.version.clone(),
        code: plugin.digest,
        site: [
            &config.site.base_url,
            &config.site.name,
            &config.site.locale,
        ]
        .map(Clone::clone),
        output: output.pattern(),
        options: options
            .as_object()
            .cloned()
            .unwrap_or_default()
            .into_iter()
            .collect(),
        prompts: prompts
            .iter()
            .map(|(name, text)| (name.clone(), Digest::of(text.as_bytes())))
            .collect(),
        parameters: parameters.clone(),
        fields: manifest.input.record.clone(),
        category_fields: manifest.input.category.clone(),
        upstreams: manifest.component.depends_on.clone(),
    };
    Ok(Component {
        name: name.to_owned(),
        enabled: settings.enabled.unwrap_or(manifest.component.enabled),
        priority: settings.priority.unwrap_or(manifest.component.priority),
        depends_on: manifest.component.depends_on.clone(),
        parameters,
        options,
        prompts,
        output,
        media_type: manifest.output.media_type,
        limits: Limits::new(&manifest.limits),
        recipe_digest: recipe.digest(),
        recipe,
        plugin,
    })
}

/// The plugin's prompts, with the configuration's files in their place.
fn prompts(
    name: &str,
    plugin: &Plugin,
    settings: &ComponentConfig,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut prompts = plugin.package.prompts.clone();
    for (prompt, file) in &settings.prompts {
        let key = format!("component.{name}.prompts.{prompt}");
        let Some(text) = prompts.get_mut(prompt) else {
            let known: Vec<String> = prompts.keys().cloned().collect();
            return Err(ConfigError::Value {
                key,
                cause: format!("the plugin has no prompt `{prompt}`"),
                hint: format!("its prompts are: {}", known.join(", ")),
            });
        };
        *text = read_prompt(key, file)?;
    }
    Ok(prompts.into_iter().collect())
}

fn read_prompt(key: String, file: &PathBuf) -> Result<String, ConfigError> {
    fs::read_to_string(file).map_err(|error| ConfigError::Value {
        key,
        cause: format!("cannot read {}: {error}", file.display()),
        hint: "paths count from the configuration's directory".to_owned(),
    })
}

fn distinct_outputs(components: &[Component]) -> Result<(), ConfigError> {
    let mut paths: Vec<(String, &str)> = Vec::new();
    for component in components {
        let path = component.output.path("id", "category");
        if let Some((_, other)) = paths.iter().find(|(known, _)| *known == path) {
            return Err(ConfigError::Value {
                key: format!("component.{}.output", component.name),
                cause: format!(
                    "`{}` and `{other}` would write the same files",
                    component.name
                ),
                hint: "put {component} into the path".to_owned(),
            });
        }
        paths.push((path, &component.name));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_path_names_the_record_and_stays_below() {
        let make = |template| OutputTemplate::new(template, "text", "md");
        let template = make("{component}/{category}/{id}-laser-cleaning.{extension}").unwrap();
        assert_eq!(
            template.path("oak", "wood"),
            "text/wood/oak-laser-cleaning.md"
        );
        // As `printf oak | sha256sum` says.
        let template = make("{component}/{shard}/{id}.{extension}").unwrap();
        assert_eq!(template.path("oak", "wood"), "text/df/oak.md");
        let mut files = [0; 256];
        for number in 0..100_000 {
            let path = template.path(&format!("record-{number}"), "c");
            let shard = path.split('/').nth(1).unwrap();
            files[usize::from_str_radix(shard, 16).unwrap()] += 1;
        }
        assert!(files.iter().all(|count| (250..550).contains(count)));
        for bad in [
            "{component}.md",
            "{component}/{shard}.md",
            "../{id}",
            "/{id}",
            "a//{id}",
            "{id}/{colour}",
            "{id",
            "a\\{id}",
        ] {
            assert!(make(bad).is_err(), "{bad}");
        }
    }
}
