//! Flags over environment over file over defaults: resolved once, here.

use std::env;
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{anyhow, bail};

use super::args::{LimitArgs, ProjectArgs};
use super::config_file;
use super::display;
use super::embedded;
use super::environment::{is_trusted_by_variable, server_variables, variable};
use super::exit::Failure;
use super::real_paths::{came_with_project, real_path};
use config::{Config, OutputConfig};
use dataset::{Copies, DatasetConfig, is_safe_id, safe_id};
use engine::{LaneError, Models};
use gateway::providers::{Catalogue, ConnectError};
use gateway::settings::{LimitsConfig, Mode};
use objects::Address;
use plugin::compile::Compiler;
use plugin::engine::Engine;
use plugin::load::{self, Places, Plugin, PluginError};

/// The configuration with the flags laid over it.
#[derive(Debug)]
pub(super) struct Settings {
    pub config: Config,
    /// The address of the output, if it is one: then the output directory is its working copy.
    pub storage: Option<Address>,
    /// Whether the person named the place of the output, and not the project.
    pub output_is_named: bool,
    /// The same of the state.
    pub state_is_named: bool,
    pub dataset: DatasetConfig,
    /// Whether the person named the files of the dataset, and not the project.
    pub dataset_is_named: bool,
    /// Limits that were asked for by flag or environment, and so hold for every lane, the offline one too.
    pub explicit: LimitsConfig,
    pub plugins: Places,
    pub cache: PathBuf,
    /// The file that may say which plugins are used.
    pub lock: PathBuf,
    /// The configuration file, where there is one.
    pub file: Option<PathBuf>,
    /// Millionths of a dollar that the run may cost.
    pub max_cost: Option<u64>,
    /// Whether all questions are asked one by one or in batches, where a flag says so.
    pub mode: Option<Mode>,
}

/// Where things lie that have to do with fetched plugins.
#[derive(Clone, Copy)]
pub(super) struct Fetching<'a> {
    /// The lock.
    pub lock: &'a Path,
    /// The user's cache.
    pub cache: &'a Path,
    /// The configuration, where there is one.
    pub config: Option<&'a Path>,
}

impl Settings {
    /// Reads the configuration and lays the flags over it.
    pub fn resolve(args: &ProjectArgs) -> anyhow::Result<Settings> {
        let mut config = config_file::read(args.place.config.as_deref())?;
        let mut dataset = match (config.dataset.take(), &args.data) {
            (Some(mut dataset), Some(path)) => {
                dataset.path = path.into();
                dataset.format = None;
                (dataset.url, dataset.sql) = (None, None);
                dataset
            }
            (None, Some(path)) => DatasetConfig::new(path),
            (Some(dataset), None) => dataset,
            (None, None) => bail!(
                "there is no dataset here\nhint: `batchgen init YOUR-FILE` writes a batchgen.toml for one; or go to the folder \
                 of your project, or name a dataset with --data FILE"
            ),
        };
        if let Some(output) = &args.place.output {
            config.output.directory.clone_from(output);
        }
        if let Some(state) = &args.place.state {
            config.state.file.clone_from(state);
        }
        if let Some(plugins) = &args.plugins {
            config.plugins.directory = Some(plugins.clone());
        }
        let storage = take_place(&mut config)?;
        check(&config)?;
        check_apart(&config.output)?;
        let file = config_file::find(args.place.config.as_deref());
        let cache = cache_directory(file.as_deref())?;
        if let Some(category) = &dataset.default_category
            && !is_safe_id(category)
        {
            bail!(
                "`default-category` is {category:?}, which is not safe as a file name\nhint: write `{}`",
                safe_id(category)
            );
        }
        if let (Some(url), Some(password)) = (&mut dataset.url, variable("PGPASSWORD")) {
            url.add_password(&password);
        }
        Ok(Settings {
            plugins: plugins(&config),
            config,
            storage,
            output_is_named: args.place.output.is_some(),
            state_is_named: args.place.state.is_some(),
            dataset,
            dataset_is_named: args.data.is_some(),
            explicit: LimitsConfig::default(),
            file,
            cache,
            lock: config_file::lock_file(args.place.config.as_deref()),
            max_cost: None,
            mode: None,
        })
    }

    /// Copies of what cannot be read by place, which are kept beside the state.
    pub fn copies(&self) -> Copies {
        copies_beside(&self.config)
    }

    /// Where fetched plugins and what is known of them lie.
    pub fn fetching(&self) -> Fetching<'_> {
        Fetching {
            lock: &self.lock,
            cache: &self.cache,
            config: self.file.as_deref(),
        }
    }

    /// What is asked of models. Keys come from the environment.
    pub fn models(&self) -> Models<'_> {
        Models {
            config: &self.config,
            explicit: &self.explicit,
            variables: &variable,
            mode: self.mode,
        }
    }

    /// Lays limits over it that were asked for.
    pub fn limit(&mut self, args: &LimitArgs) -> anyhow::Result<()> {
        let explicit = LimitsConfig {
            requests_per_minute: args.requests_per_minute,
            tokens_per_minute: args.tokens_per_minute,
            concurrency: args.concurrency,
            ..LimitsConfig::default()
        };
        if let Some(key) = explicit.zero() {
            return Err(zero(key));
        }
        self.explicit = explicit;
        self.max_cost = args.max_cost.map(|dollars| (dollars * 1e6).round() as u64);
        Ok(())
    }
}

/// Copies of what cannot be read by place, which are kept beside the state.
pub(super) fn copies_beside(config: &Config) -> Copies {
    let copies = Copies::kept_in(config.state.file.with_file_name("copies"));
    let copies = copies.of_project(&config.folder);
    reading_rows(copies.reaching_own_networks(is_trusted_by_variable()))
}

/// The same copies for a command that takes in records: from standard input, too, unless that is a terminal.
pub(super) fn asking(copies: Copies) -> Copies {
    let input = std::io::stdin();
    let is_silent = input.is_terminal();
    let input = (!is_silent).then(|| input.as_fd().try_clone_to_owned().ok());
    copies
        .asking(input.flatten().map(File::from))
        .with_variables(server_variables())
}

/// The same copies with this program as the reader of rows.
pub(super) fn reading_rows(copies: Copies) -> Copies {
    match own_program() {
        Ok(program) => copies.reading_rows_with(program),
        Err(_) => copies,
    }
}

/// This program. One that was replaced or removed meanwhile is still there under the first name.
fn own_program() -> std::io::Result<PathBuf> {
    let running = PathBuf::from("/proc/self/exe");
    if running.exists() {
        Ok(running)
    } else {
        env::current_exe()
    }
}

/// What a person does about a model that cannot be asked.
pub(super) fn cannot_ask(error: LaneError) -> Failure {
    match error {
        LaneError::NoPrice { .. } => Failure::usage(anyhow!(
            "{error}\nhint: leave --max-cost out, or set price in the model's configuration, as in price = {{ input = 0.15, \
             output = 0.6 }} (dollars per million tokens)"
        )),
        error @ LaneError::NoBatches { .. } => Failure::usage(error),
        LaneError::Connect(error) => Failure::usage(cannot_connect(&error)),
        LaneError::Store(error) => Failure::internal(error),
    }
}

/// The same of its provider alone.
pub(super) fn cannot_connect(error: &ConnectError) -> anyhow::Error {
    match error {
        ConnectError::NoKey { .. } => {
            anyhow!("{error}; `--model offline` needs none")
        }
        error => anyhow!("{error}"),
    }
}

/// Where plugins are.
pub(super) fn plugins(config: &Config) -> Places {
    Places {
        directory: plugins_directory(config),
        named: config.plugins.directory.is_some(),
        fetched: Vec::new(),
        embedded: embedded::plugins(),
    }
}

/// Reads the plugins' manifests, and says what to do where there is none.
pub(super) fn load_plugins(
    engine: &Engine,
    places: &Places,
) -> Result<(Vec<Arc<Plugin>>, Vec<PluginError>), Failure> {
    load::load_all(engine, places).map_err(|error| {
        let hint = match error {
            PluginError::Directory { .. } | PluginError::None { .. } => {
                "\nhint: name the directory of your plugins with --plugins DIR, or under [plugins]; in the repository, \
                 `cargo xtask build-plugins` builds them"
            }
            PluginError::Refused { .. } | PluginError::Twice { .. } => "",
        };
        Failure::usage(anyhow!("{error}{hint}"))
    })
}

/// The plugins that the project is made with: all of the directory, and the one in the program if a component uses it.
/// These are what a lock is about.
pub(super) fn of_project(plugins: &[Arc<Plugin>], config: &Config) -> Vec<Arc<Plugin>> {
    let plugins = plugins.iter();
    plugins
        .filter(|plugin| is_of_project(plugin, config))
        .cloned()
        .collect()
}

/// Whether a lock is about this plugin.
pub(super) fn is_of_project(plugin: &Plugin, config: &Config) -> bool {
    plugin.origin.file().is_some() || is_named(plugin, config)
}

/// Whether a component of the configuration uses this plugin.
pub(super) fn is_named(plugin: &Plugin, config: &Config) -> bool {
    let name = &plugin.package.manifest.plugin.name;
    let mut components = config.component.iter();
    components.any(|(component, settings)| settings.plugin.as_ref().unwrap_or(component) == name)
}

/// Directory of plugins: as configured; else where the repository builds them; else where an archive or a package
/// puts them, counted from the program.
pub(super) fn plugins_directory(config: &Config) -> PathBuf {
    if let Some(directory) = &config.plugins.directory {
        return directory.clone();
    }
    let built = config.folder.join("target/plugins");
    let program = env::current_exe().unwrap_or_default();
    let beside = program.parent().unwrap_or(Path::new(""));
    let installed = ["plugins", "../plugins", "../lib/batchgen/plugins"];
    let mut places = std::iter::once(built.clone())
        .chain(installed.iter().map(|place| beside.join(place)))
        .filter(|place| place.is_dir());
    places.next().unwrap_or(built)
}

/// Values that no run can work with.
fn check(config: &Config) -> anyhow::Result<()> {
    let catalogue = Catalogue {
        providers: &config.provider,
        models: &config.models,
    };
    catalogue.check_models()?;
    let of_models = config.models.values().map(|model| &model.limits);
    if let Some(key) = of_models
        .chain([&config.limits])
        .find_map(LimitsConfig::zero)
    {
        return Err(zero(key));
    }
    for (key, value) in [
        ("max-tries", u64::from(config.retry.max_tries)),
        ("ack-wait-seconds", config.cluster.ack_wait_seconds),
        ("replicas", config.cluster.replicas as u64),
        (
            "idle-timeout-seconds",
            config.retry.idle_timeout_seconds.unwrap_or(1),
        ),
    ] {
        if value == 0 {
            return Err(zero(key));
        }
    }
    let own = config
        .temperature
        .map(|temperature| ("`temperature`".to_owned(), temperature));
    let of_components = config.component.iter().filter_map(|(name, component)| {
        Some((component.place(name, "temperature"), component.temperature?))
    });
    for (place, temperature) in own.into_iter().chain(of_components) {
        if !(0.0..=2.0).contains(&temperature) {
            bail!("{place} is {temperature}, which is out of range\nhint: use 0 to 2");
        }
    }
    Ok(())
}

fn zero(key: &str) -> anyhow::Error {
    anyhow!("`{key}` is 0, so nothing could ever be asked\nhint: set it to 1 or more")
}

/// The engine that runs plugins. Those that were not compiled before are compiled by a process of their own.
pub(super) fn engine(cache: &Path) -> Result<Engine, Failure> {
    let engine = plugin::engine::engine(cache).map_err(Failure::usage)?;
    let program = own_program().map_err(Failure::internal)?;
    Ok(engine.compiling_with(Compiler {
        program,
        tell: Arc::new(display::tell),
    }))
}

/// Where compiled plugins are kept: `BATCHGEN_CACHE_DIR`, or the user's cache directory. What lies in a project may have come
/// with it, and compiled code runs outside of the sandbox.
pub(super) fn cache_directory(config: Option<&Path>) -> anyhow::Result<PathBuf> {
    let variable = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    if let Some(directory) = variable("BATCHGEN_CACHE_DIR") {
        if config.is_some_and(|config| came_with_project(&directory, config)) {
            bail!(
                "BATCHGEN_CACHE_DIR is {}, which lies in the project, and compiled plugins that came with a project are not safe \
                 to run\nhint: name a directory outside of the project, or unset it",
                directory.display()
            );
        }
        return Ok(directory);
    }
    variable("XDG_CACHE_HOME")
        .map(|cache| cache.join("batchgen"))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/batchgen")))
        .ok_or_else(|| {
            anyhow!("there is no place for compiled plugins\nhint: set BATCHGEN_CACHE_DIR")
        })
}

/// Passes a folder of accepted files that lies apart from the output directory: neither is in the other.
fn check_apart(output: &OutputConfig) -> anyhow::Result<()> {
    let Some(folder) = &output.publish else {
        return Ok(());
    };
    let (published, made) = (real_path(folder), real_path(&output.directory));
    if published.starts_with(&made) || made.starts_with(&published) {
        bail!(
            "`publish` of [output] is {}, and the output directory is {}: one lies in the other\nhint: name a folder beside it, as in \
             publish = \"public\"",
            folder.display(),
            output.directory.display()
        );
    }
    Ok(())
}

/// Puts a working copy in the place of an address, so that all that reads and writes files does so there. The address, if it is one.
pub(super) fn take_place(config: &mut Config) -> anyhow::Result<Option<Address>> {
    let output = &mut config.output;
    if let Some(folder) = &output.publish
        && dataset::is_remote(folder)
    {
        bail!(
            "`publish` of [output] is {}, and accepted files are copied into a folder of this machine\nhint: name a folder, and copy that",
            dataset::shown(folder).display()
        );
    }
    if !dataset::is_remote(&output.directory) {
        return Ok(None);
    }
    let address = Address::parse(&output.directory.to_string_lossy())?;
    output.directory = mirror::working_copy(&config.state.file);
    Ok(Some(address))
}
