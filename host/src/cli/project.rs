//! The project that a subcommand works on: configuration, dataset, plugins and components.

mod state;

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;

use super::args::{BatchArgs, LimitArgs, ProjectArgs, SelectionArgs};
use super::display::Display;
use super::exit::{Exit, Failure};
use super::fetched;
use super::selector::{self, Selector, names_components};
use super::settings::{self, Settings};
use super::trust;
use config::component::{self, Component};
use config::{Config, ConfigError};
use dataset::{Copies, Dataset};
use plan::graph::{self, GraphError};
use plugin::load::{Plugin, PluginError};
use plugin::lock::Lock;
use store::{Selection, WithTasks};
use types::suggest::closest;

pub(super) use state::{Chosen, State};

/// A project without its state.
pub(super) struct Project {
    pub settings: Settings,
    pub dataset: Arc<Dataset>,
    /// Every component, enabled or not.
    pub components: Vec<Component>,
    plugins: Vec<Arc<Plugin>>,
    /// The model that the command line names.
    pub model: Option<String>,
    /// Components whose plugins cannot be used, each with the reason.
    unusable: BTreeMap<String, Unusable>,
    /// Plugins of the directory that no component uses.
    unused: Vec<String>,
    /// Whether a plugin could not be loaded.
    pub broken: bool,
}

impl Project {
    /// Reads the configuration and loads the plugins; says which of these are broken, and goes on. Of a dataset from standard
    /// input or a server it takes what came the last time.
    pub fn open(args: &ProjectArgs, display: &Display) -> Result<Project, Failure> {
        Project::open_with(args, display, |copies| copies)
    }

    /// The same for a command that takes in records.
    pub fn open_with_input(args: &ProjectArgs, display: &Display) -> Result<Project, Failure> {
        Project::open_with(args, display, settings::asking)
    }

    fn open_with(
        args: &ProjectArgs,
        display: &Display,
        choose: fn(Copies) -> Copies,
    ) -> Result<Project, Failure> {
        let mut settings = Settings::resolve(args).map_err(Failure::usage)?;
        trust::check_sources(&settings, display).map_err(Failure::usage)?;
        let copies = choose(settings.copies());
        let dataset = Dataset::open_with(settings.dataset.clone(), &copies);
        let dataset = Arc::new(dataset.map_err(Failure::usage)?);
        let engine = settings::engine(&settings.cache)?;
        let lock = Lock::read(&settings.lock).map_err(Failure::usage)?;
        settings.plugins.fetched =
            fetched::files(settings.fetching(), lock.as_ref(), args.no_fetch, display)?;
        let (plugins, broken) = settings::load_plugins(&engine, &settings.plugins)?;
        for error in &broken {
            display.print(&format!("warning: {error}"));
        }
        if let Some(lock) = lock {
            let directory = &settings.plugins.directory;
            let concerned = settings::of_project(&plugins, &settings.config);
            lock.enforce(&settings.lock, directory, &concerned)
                .map_err(Failure::usage)?;
        }
        let mut config = settings.config.clone();
        let unusable = unusable(&mut config, &broken);
        let components =
            component::resolve(&plugins, &config, args.model.name()).map_err(Failure::usage)?;
        let unused = unused(&plugins, &components);
        Ok(Project {
            settings,
            dataset,
            components,
            plugins,
            model: args.model.name().map(str::to_owned),
            unusable,
            unused,
            broken: !broken.is_empty(),
        })
    }

    /// Lays the limits over the configuration's.
    pub fn limited(mut self, args: &LimitArgs) -> Result<Project, Failure> {
        self.settings.limit(args).map_err(Failure::usage)?;
        Ok(self)
    }

    /// The same project, whose questions are asked as these flags say.
    pub fn asked_as(mut self, args: &BatchArgs) -> Project {
        self.settings.mode = args.mode;
        self
    }

    /// The components that are wanted, each behind what it depends on. Those of [`Self::left_out`] are not among them.
    pub fn wanted(&self, args: &SelectionArgs) -> Result<Vec<Component>, Failure> {
        selector::names_all_or_some(args.all, &args.component)?;
        let named = self.named(&args.component)?;
        let left_out = self.left_out(args);
        let asked = self
            .components
            .iter()
            .filter(|component| {
                is_asked(args, component, &named) && !left_out.contains_key(&component.name)
            })
            .map(|component| component.name.clone());
        let asked_broken = self
            .unusable
            .values()
            .find(|unusable| !names_components(&args.component) && (args.all || unusable.enabled));
        if let Some(unusable) = asked_broken {
            return Err(unusable.failure());
        }
        let components = self.with_dependencies(asked)?;
        if components.is_empty() {
            let unused = self.unused.iter().map(|name| without_component(name));
            let hint = if self.components.is_empty() && !self.unused.is_empty() {
                unused.collect::<Vec<_>>().join("; ")
            } else {
                "run with --all, or name one with --component NAME".to_owned()
            };
            return Err(Failure::usage(anyhow!(
                "no component is enabled\nhint: {hint}"
            )));
        }
        Ok(components)
    }

    /// Compiles the plugins of these components, so that one that is broken is told before anything is paid for.
    pub fn compile(components: &[Component]) -> Result<(), Failure> {
        let mut plugins = components.iter().map(|component| &component.plugin);
        plugins
            .try_for_each(|plugin| plugin.compile())
            .map_err(Failure::usage)
    }

    /// Components that would be wanted, if something that their plugins depend on were not missing. A component that was
    /// named is not left out but an error, and so is a dependency that the configuration names.
    pub fn left_out(&self, args: &SelectionArgs) -> BTreeMap<String, GraphError> {
        let nodes: Vec<graph::Node> = self.components.iter().map(Component::node).collect();
        let mut found = graph::unsatisfied(&nodes);
        found.retain(|name, error| {
            let component = |name: &str| {
                let mut components = self.components.iter();
                components.find(|component| component.name == name)
            };
            let by_plugin = match &*error {
                GraphError::Missing {
                    component: lacking, ..
                } => component(lacking)
                    .is_some_and(|lacking| !lacking.plugin.package.manifest.component.configured),
                GraphError::Circle { .. } => false,
            };
            let asked = component(name).is_some_and(|component| is_asked(args, component, &[]));
            by_plugin && asked && !names_components(&args.component)
        });
        found
    }

    /// Says which components are left out; whether some are.
    pub fn tell_left_out(&self, args: &SelectionArgs, display: &Display) -> bool {
        let left_out = self.left_out(args);
        for (name, error) in &left_out {
            display.print(&format!("warning: `{name}` is left out: {error}"));
        }
        !left_out.is_empty()
    }

    /// The configuration without the components whose plugins cannot be used.
    pub fn usable_config(&self) -> Config {
        let mut config = self.settings.config.clone();
        config
            .component
            .retain(|name, _| !self.unusable.contains_key(name));
        config
    }

    /// The components that another configuration gives with the same plugins.
    pub fn resolved(&self, config: &Config) -> Result<Vec<Component>, ConfigError> {
        component::resolve(&self.plugins, config, None)
    }

    /// The components of the project with another build of a plugin.
    pub fn with_plugin(&self, build: Arc<Plugin>) -> Result<Vec<Component>, ConfigError> {
        let name = |plugin: &Plugin| plugin.package.manifest.plugin.name.clone();
        let others = self.plugins.iter().filter(|one| name(one) != name(&build));
        let plugins: Vec<Arc<Plugin>> = others.cloned().chain([Arc::clone(&build)]).collect();
        component::resolve(&plugins, &self.usable_config(), self.model.as_deref())
    }

    /// Components and what they depend on, each behind what it depends on.
    pub fn with_dependencies(
        &self,
        asked: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Component>, Failure> {
        self.with_dependencies_among(&self.components, asked)
    }

    /// The same among these components.
    pub fn with_dependencies_among(
        &self,
        components: &[Component],
        asked: impl IntoIterator<Item = String>,
    ) -> Result<Vec<Component>, Failure> {
        let nodes: Vec<graph::Node> = components.iter().map(Component::node).collect();
        let wanted =
            graph::with_dependencies(&nodes, asked).map_err(|error| self.missing(error))?;
        let nodes: Vec<graph::Node> = nodes
            .into_iter()
            .filter(|node| wanted.contains(&node.name))
            .collect();
        let order = graph::order(&nodes).map_err(Failure::usage)?;
        let mut components: Vec<Component> = components
            .iter()
            .filter(|component| wanted.contains(&component.name))
            .cloned()
            .collect();
        components.sort_by_key(|component| order.iter().position(|name| *name == component.name));
        Ok(components)
    }

    /// Names of all components; `None` where a plugin could not be loaded, so that some may be missing.
    pub fn known_components(&self) -> Option<Vec<String>> {
        let names = self
            .components
            .iter()
            .map(|component| component.name.clone());
        (!self.broken).then(|| names.collect())
    }

    /// A dependency that is not there, or whose plugin cannot be used.
    fn missing(&self, error: GraphError) -> Failure {
        let GraphError::Missing { component, missing } = &error else {
            return Failure::usage(error);
        };
        if let Some(unusable) = self.unusable.get(missing) {
            return unusable.failure();
        }
        match self.settings.config.component.get(component) {
            Some(settings) if settings.origin.is_some() => {
                let place = settings.place(component, "depends-on");
                Failure::usage(anyhow!("{place}: {error}"))
            }
            _ => Failure::usage(error),
        }
    }

    /// The records that are meant.
    pub fn selection(&self, args: &SelectionArgs) -> Result<Selection, Failure> {
        Ok(Selection {
            categories: selector::categories(&args.component, &args.category),
            records: args.record.clone(),
            with: self.with_tasks(&args.component)?,
            limit: args.limit,
            sample: args.sample,
        })
    }

    /// What tasks the records have that are meant.
    pub fn with_tasks(&self, selectors: &[Selector]) -> Result<Option<WithTasks>, Failure> {
        let states = selector::states(selectors);
        if states.is_empty() {
            return Ok(None);
        }
        let components = self.named(selectors)?;
        Ok(Some(WithTasks { states, components }))
    }

    /// The components that selectors stand for.
    pub fn named(&self, selectors: &[Selector]) -> Result<Vec<String>, Failure> {
        let mut found: Vec<String> = Vec::new();
        for selector in selectors {
            let Selector::Component(named) = selector else {
                continue;
            };
            let meant = self.called(&named.name)?;
            let nodes: Vec<graph::Node> = self.components.iter().map(Component::node).collect();
            if named.brings_dependencies {
                let before = graph::with_dependencies(&nodes, meant.clone());
                found.extend(before.map_err(|error| self.missing(error))?);
            }
            if named.brings_dependents {
                found.extend(graph::with_dependents(&nodes, meant.clone()));
            }
            found.extend(meant);
        }
        Ok(found)
    }

    /// The components that a name stands for: that of a component that is made for each of several values stands for all of these.
    pub fn called(&self, name: &str) -> Result<Vec<String>, Failure> {
        let components = self.components.iter();
        let meant = components.filter(|component| is_called(component, name));
        let mut meant: Vec<String> = meant.map(|component| component.name.clone()).collect();
        if meant.is_empty() {
            meant.push(self.component(name)?.name.clone());
        }
        Ok(meant)
    }

    /// The component of a name.
    pub fn component(&self, name: &str) -> Result<&Component, Failure> {
        if let Some(unusable) = self.unusable.get(name) {
            return Err(unusable.failure());
        }
        let names = || {
            self.components
                .iter()
                .map(|component| component.name.as_str())
        };
        self.components
            .iter()
            .find(|component| component.name == name)
            .ok_or_else(|| {
                let own = self.unused.iter().find(|unused| *unused == name);
                let meant = own
                    .map(|name| format!("{}. ", without_component(name)))
                    .or_else(|| Some(format!("did you mean `{}`? ", closest(name, names())?)))
                    .unwrap_or_default();
                Failure::usage(anyhow!(
                    "there is no component `{name}`\nhint: {meant}The components are: {}",
                    names().collect::<Vec<_>>().join(", ")
                ))
            })
    }
}

/// A component of the configuration whose plugin cannot be used.
struct Unusable {
    name: String,
    enabled: bool,
    cause: String,
}

impl Unusable {
    fn failure(&self) -> Failure {
        Failure::usage(anyhow!(
            "the component `{}` cannot run: {}",
            self.name,
            self.cause
        ))
    }
}

/// Takes the components out whose plugins are broken: who does not ask for them is not stopped by them.
fn unusable(config: &mut Config, broken: &[PluginError]) -> BTreeMap<String, Unusable> {
    let mut found = BTreeMap::new();
    config.component.retain(|name, settings| {
        let plugin = settings.plugin.as_ref().unwrap_or(name);
        let error = broken
            .iter()
            .find(|error| error.plugin() == Some(plugin.as_str()));
        if let Some(error) = error {
            let unusable = Unusable {
                name: name.clone(),
                enabled: settings.enabled.unwrap_or(true),
                cause: error.to_string(),
            };
            found.insert(name.clone(), unusable);
        }
        error.is_none()
    });
    found
}

/// Names of the plugins in files that no component uses.
fn unused(plugins: &[Arc<Plugin>], components: &[Component]) -> Vec<String> {
    let plugins = plugins
        .iter()
        .filter(|plugin| plugin.origin.file().is_some())
        .map(|plugin| &plugin.package.manifest.plugin.name);
    let is_used = |name: &String| {
        let mut components = components.iter();
        components.any(|component| component.plugin.package.manifest.plugin.name == *name)
    };
    plugins.filter(|name| !is_used(name)).cloned().collect()
}

/// What to do with a plugin that no component uses.
fn without_component(plugin: &str) -> String {
    format!(
        "the plugin `{plugin}` is there, and no component uses it: write [component.{plugin}] into batchgen.toml"
    )
}

/// Whether a name means a component, or all that are made for the same.
pub(super) fn is_called(component: &Component, name: &str) -> bool {
    component.name == name || component.base == name
}

/// Whether a component is asked for, by its name or with others.
fn is_asked(args: &SelectionArgs, component: &Component, named: &[String]) -> bool {
    args.all
        || named.contains(&component.name)
        || (!names_components(&args.component) && component.enabled)
}

/// Runs what is asynchronous of a subcommand.
pub(super) fn block_on(work: impl Future<Output = Result<Exit, Failure>>) -> Result<Exit, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(Failure::internal)?;
    let result = runtime.block_on(work);
    // What a second Ctrl-C or an error left behind must not keep the program.
    runtime.shutdown_background();
    result
}
