//! Components: configured uses of plugins. Resolved once, from manifest and configuration, so that a
//! run meets no option that may be absent.

mod contradictions;
mod copy;
mod gate;
mod options;
mod output;
mod parts;
mod prompts;
mod sampled;
mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::matrix::LOCALE;
use crate::{ComponentConfig, Config, ConfigError};
use gateway::settings::Mode;
use plan::gate::Gate;
use plan::graph::Node;
use plan::policy::FailurePolicy;
use plan::recipe::Recipe;
use plan::sample::Sample;
use plugin::limits::Limits;
use plugin::load::Plugin;
use plugin::manifest::{InputFields, Manifest, MediaType};
use quality::Form;
use types::digest::Digest;
use types::key::Parameters;
use types::suggest::closest;

pub use copy::COMPARED;
pub use gate::GateRules;
pub use output::OutputTemplate;
pub use parts::ComponentParts;

/// Temperature of a batch where nothing else is said.
pub const DEFAULT_TEMPERATURE: f64 = 0.6;
/// Model where nothing else is said.
pub const DEFAULT_MODEL: &str = "offline";

/// A configured use of a plugin.
#[derive(Clone, Debug)]
pub struct Component {
    pub name: String,
    pub plugin: Arc<Plugin>,
    /// Whether it runs without `--all`.
    pub enabled: bool,
    pub priority: i64,
    /// Name of the component of the configuration that it is made for a value of; else its own name.
    pub base: String,
    /// Locale that it writes for, where that is not the site's.
    pub locale: Option<String>,
    /// Components whose files it reads.
    pub depends_on: Vec<String>,
    /// What it calls those of them whose names have values in them.
    pub aliases: BTreeMap<String, String>,
    /// Fields that it is given.
    pub input: InputFields,
    /// What its questions are asked with; `None` where its manifest needs no LLM.
    pub parameters: Option<Parameters>,
    /// Whether they are asked one by one or in batches, where that is not as its model says.
    pub mode: Option<Mode>,
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
    /// What its failure means for the rest of the record.
    pub on_failure: FailurePolicy,
    /// What its files must be before others get them.
    pub gate: Option<Gate>,
    /// The rules of that gate.
    pub rules: Option<GateRules>,
    /// Component on whose files it gives verdicts, if that is what it does.
    pub judges: Option<String>,
    /// The records that it is made for, where not for all.
    pub sample: Option<Sample>,
    /// Texts that stand in the place of what it would make, by the id of their record.
    pub texts: Option<Arc<BTreeMap<String, String>>>,
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
            needs: self.needs(),
        }
    }

    /// Components that must run where it does: what it depends on, and its judge.
    pub fn needs(&self) -> Vec<String> {
        let judge = self.gate.as_ref().and_then(|gate| gate.judge.clone());
        self.depends_on.iter().cloned().chain(judge).collect()
    }

    /// What its files are to the measures of texts; nothing where they are data.
    pub fn form(&self) -> Option<Form> {
        match self.media_type {
            MediaType::Markdown => Some(Form::Markdown),
            MediaType::Html => Some(Form::Html),
            MediaType::Plain => Some(Form::Plain),
            MediaType::Yaml | MediaType::Json => None,
        }
    }

    /// What it calls a component that it depends on.
    pub fn called<'a>(&'a self, upstream: &'a str) -> &'a str {
        self.aliases.get(upstream).map_or(upstream, String::as_str)
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
    all(plugins, config, model).map_err(|error| error.at_its_place(config))
}

fn all(
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
            let of_plugin = settings.plugin.iter().map(|_| ".plugin");
            return Err(ConfigError::Value {
                key: format!("component.{name}{}", of_plugin.collect::<String>()),
                cause: format!("there is no plugin `{wanted}`"),
                hint: format!("{meant}The plugins are: {}", names.join(", ")),
            });
        };
        used.insert(wanted.to_owned());
        components.push(component(name, plugin, settings, config, model)?);
    }
    for plugin in plugins {
        let name = &plugin.package.manifest.plugin.name;
        let own = config.plugins.implicit && !plugin.package.manifest.component.configured;
        // A component that was given this name is what runs under it.
        if own && !used.contains(name) && !config.component.contains_key(name) {
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
    give_upstream_prompts(&mut components);
    gate::check(&components, config)?;
    sampled::check(&components)?;
    Ok(components)
}

/// Gives the components whose plugins want them the prompts of what they depend on.
fn give_upstream_prompts(components: &mut [Component]) {
    let known: BTreeMap<String, Vec<(String, String)>> = components
        .iter()
        .map(|component| (component.name.clone(), component.prompts.clone()))
        .collect();
    for component in components {
        if !component.plugin.package.manifest.component.upstream_prompts {
            continue;
        }
        for upstream in &component.depends_on {
            let called = component.called(upstream);
            let of_upstream = known.get(upstream).into_iter().flatten();
            let given: Vec<(String, String)> = of_upstream
                .map(|(name, text)| (format!("{called}.{name}"), text.clone()))
                .collect();
            for (name, text) in &given {
                let digest = Digest::of(text.as_bytes());
                component.recipe.prompts.insert(name.clone(), digest);
            }
            component.prompts.extend(given);
        }
        component.recipe_digest = component.recipe.digest();
    }
}

/// What a component asks its model with: the command line before the component's section, that before the manifest and the
/// rest of the configuration.
///
/// # Errors
/// When two keys say how much is to be thought.
fn parameters(
    name: &str,
    manifest: &Manifest,
    settings: &ComponentConfig,
    config: &Config,
    model: Option<&str>,
) -> Result<Option<Parameters>, ConfigError> {
    let Some(llm) = &manifest.llm else {
        return Ok(None);
    };
    let model = model
        .or(settings.model.as_deref())
        .or(config.model.as_deref())
        .unwrap_or(DEFAULT_MODEL);
    let own = config.models.get(model);
    let extra_body = own.map(|model| &model.extra_body);
    let extra_body = extra_body.filter(|extra| !extra.is_empty());
    let reasoning = settings
        .reasoning
        .or_else(|| own.and_then(|model| model.reasoning));
    if let Some(field) = extra_body.and_then(gateway::reasoning::said_by)
        && reasoning.is_some()
    {
        let key = match settings.reasoning {
            Some(_) => format!("component.{name}.reasoning"),
            None => format!("models.\"{model}\".reasoning"),
        };
        return Err(ConfigError::Value {
            key,
            cause: format!("`{field}` in the extra-body of `{model}` says the same"),
            hint: "keep one of them".to_owned(),
        });
    }
    Ok(Some(Parameters {
        model: model.to_owned(),
        temperature: settings
            .temperature
            .or(llm.temperature)
            .or(config.temperature)
            .unwrap_or(DEFAULT_TEMPERATURE),
        max_output_tokens: settings.max_output_tokens.unwrap_or(llm.max_output_tokens),
        extra_body: extra_body.cloned().map(Value::Object),
        reasoning,
    }))
}

/// Passes the limits that the configuration sets for a component.
fn check_limits(
    name: &str,
    settings: &ComponentConfig,
    config: &Config,
) -> Result<(), ConfigError> {
    for (key, limits) in [
        ("plugins.limits".to_owned(), &config.plugins.limits),
        (format!("component.{name}.limits"), &settings.limits),
    ] {
        if let Some(cause) = limits.fault() {
            return Err(ConfigError::Value {
                key,
                cause,
                hint: "leave out what need not be limited further".to_owned(),
            });
        }
    }
    Ok(())
}

/// Where a component's files go.
fn output(
    name: &str,
    settings: &ComponentConfig,
    config: &Config,
    extension: &str,
) -> Result<OutputTemplate, ConfigError> {
    let template = settings.output.as_ref().unwrap_or(&config.output.path);
    let (path, component) = match &settings.variant {
        Some(variant) => variant.path(template, name),
        // It writes for the site's own locale.
        None if config.matrix.contains_key(LOCALE) => (
            template.replace(&format!("{{{LOCALE}}}"), &config.site.locale),
            name,
        ),
        None => (template.clone(), name),
    };
    OutputTemplate::new(&path, component, extension).map_err(|cause| {
        let key = match &settings.output {
            Some(_) => format!("component.{name}.output"),
            None => "output.path".to_owned(),
        };
        ConfigError::Value {
            key,
            cause: format!("`{template}`: {cause}"),
            hint: "use {component}, {category}, {shard}, {id} and {extension}, as in `{component}/{id}.{extension}`, and what \
                   `for-each` of the component names"
                .to_owned(),
        }
    })
}

fn component(
    name: &str,
    plugin: Arc<Plugin>,
    settings: &ComponentConfig,
    config: &Config,
    model: Option<&str>,
) -> Result<Component, ConfigError> {
    let manifest = &plugin.package.manifest;
    if !dataset::is_safe_id(name) {
        return Err(ConfigError::Value {
            key: format!("component.{name}"),
            cause: "a component's name becomes part of paths".to_owned(),
            hint: "use lower-case letters, digits and hyphens".to_owned(),
        });
    }
    let parameters = parameters(name, manifest, settings, config, model)?;
    let (input, wanted) = given(name, settings, manifest)?;
    let (depends_on, aliases) = upstreams(name, &wanted, settings, config)?;
    let options = options::options(name, settings, manifest)?;
    let (media_type, extension) = file_type(manifest, &options);
    check_limits(name, settings, config)?;
    let output = output(name, settings, config, extension)?;
    let prompts = prompts::prompts(name, &plugin.package, settings, &input, &wanted)?;
    let (gate, rules) = gate::gate(name, settings, config)?;
    let judges = gate::judged(name, manifest, &depends_on)?;
    let variant = settings.variant.as_ref();
    let locale = variant.and_then(|variant| variant.locale());
    let recipe = Recipe {
        plugin: manifest.plugin.name.clone(),
        version: manifest.plugin.version.clone(),
        code: plugin.digest,
        site: [
            config.site.base_url.as_str(),
            &config.site.name,
            locale.unwrap_or(&config.site.locale),
        ]
        .map(str::to_owned),
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
        fields: input.record.names(),
        category_fields: input.category.names(),
        upstreams: depends_on
            .iter()
            .map(|name| match aliases.get(name) {
                Some(alias) => format!("{alias}={name}"),
                None => name.clone(),
            })
            .collect(),
        images: input.images.clone(),
    };
    Ok(Component {
        name: name.to_owned(),
        enabled: settings.enabled.unwrap_or(manifest.component.enabled),
        priority: settings.priority.unwrap_or(manifest.component.priority),
        base: variant.map_or_else(|| name.to_owned(), |variant| variant.base.clone()),
        locale: locale.map(str::to_owned),
        prompts,
        depends_on,
        aliases,
        input,
        parameters,
        mode: settings.mode,
        options,
        output,
        media_type,
        limits: Limits::new(
            &manifest.limits,
            &[&config.plugins.limits, &settings.limits],
        ),
        on_failure: settings.on_failure,
        gate,
        rules,
        judges,
        sample: settings.sample,
        texts: None,
        recipe_digest: recipe.digest(),
        recipe,
        plugin,
    })
}

/// The components that it reads, and what it calls those of them whose names have values in them. One for a value may depend on
/// another one for another value, and so on itself: the others do, and it does not.
fn upstreams(
    name: &str,
    wanted: &[String],
    settings: &ComponentConfig,
    config: &Config,
) -> Result<(Vec<String>, BTreeMap<String, String>), ConfigError> {
    let mut depends_on = Vec::new();
    let mut aliases = BTreeMap::new();
    for called in wanted {
        let upstream = config.upstream(name, called)?;
        if upstream == name && settings.variant.is_some() {
            continue;
        }
        if upstream != *called {
            aliases.insert(upstream.clone(), called.clone());
        }
        depends_on.push(upstream);
    }
    Ok((depends_on, aliases))
}

/// What it is given: as its plugin says, or as the configuration does where the plugin leaves it to that.
fn given(
    name: &str,
    settings: &ComponentConfig,
    manifest: &Manifest,
) -> Result<(InputFields, Vec<String>), ConfigError> {
    let fixed = |key: &str| ConfigError::Value {
        key: format!("component.{name}.{key}"),
        cause: format!("the plugin `{}` says this itself", manifest.plugin.name),
        hint: "remove it; its plugin.toml has what counts".to_owned(),
    };
    if manifest.component.configured {
        let mut input = settings.input.as_ref().unwrap_or(&manifest.input).clone();
        if let Some(images) = &settings.images {
            if !input.images.is_empty() {
                return Err(ConfigError::Value {
                    key: format!("component.{name}.input.images"),
                    cause: "`images` of the component says the same".to_owned(),
                    hint: "keep `images`, which stands beside `plugin`".to_owned(),
                });
            }
            input.images.clone_from(images);
        }
        let depends_on = settings.depends_on.as_ref();
        let depends_on = depends_on.unwrap_or(&manifest.component.depends_on);
        return Ok((input, depends_on.clone()));
    }
    if settings.input.is_some() {
        return Err(fixed("input"));
    }
    if settings.images.is_some() {
        return Err(fixed("images"));
    }
    if settings.depends_on.is_some() {
        return Err(fixed("depends-on"));
    }
    Ok((
        manifest.input.clone(),
        manifest.component.depends_on.clone(),
    ))
}

/// Media type and extension of its files: the manifest's, or those that an option chooses.
fn file_type<'a>(manifest: &'a Manifest, options: &Value) -> (MediaType, &'a str) {
    let chosen = manifest
        .output
        .media_type_option
        .as_ref()
        .and_then(|option| options.get(option))
        .and_then(|value| serde_json::from_value::<MediaType>(value.clone()).ok());
    match chosen {
        Some(media_type) => (media_type, media_type.extension()),
        None => (manifest.output.media_type, &manifest.output.extension),
    }
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
