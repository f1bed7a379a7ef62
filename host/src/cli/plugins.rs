//! `batchgen plugins`: what the plugins are, whether they keep to the contract, and help for those who write them.

mod add;
mod check;
mod dev;
mod inspect;
mod intake;
mod list;
mod lock;
mod new;
mod pack;
mod publish;
mod terms;
mod update;
mod workbench;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::config_file;
use super::display::Display;
use super::exit::{Exit, Failure};
use super::fetched;
use super::settings::{self, Fetching};
use config::Config;
use plugin::engine;
use plugin::load::{Places, Plugin, PluginError};
use plugin::lock::Lock;
use registry::cache::Cache;

/// Look at plugins, lock them, take others' from elsewhere, and write, check and publish your own.
#[derive(Debug, Args)]
pub(super) struct PluginsArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::ListArgs),
    Inspect(inspect::InspectArgs),
    Lock(lock::LockArgs),
    Add(add::AddArgs),
    Update(update::UpdateArgs),
    Publish(publish::PublishArgs),
    Check(check::CheckArgs),
    Dev(dev::DevArgs),
    New(new::NewArgs),
    Pack(pack::PackArgs),
}

/// Runs the subcommand.
pub(super) fn perform(args: &PluginsArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list::perform(args, display),
        Command::Inspect(args) => inspect::perform(args, display),
        Command::Lock(args) => lock::perform(args, display),
        Command::Add(args) => add::perform(args, display),
        Command::Update(args) => update::perform(args, display),
        Command::Publish(args) => publish::perform(args, display),
        Command::Check(args) => check::perform(args, display),
        Command::Dev(args) => dev::perform(args, display),
        Command::New(args) => new::perform(args, display),
        Command::Pack(args) => pack::perform(args, display),
    }
}

/// Where the plugins are. What is absent comes from the configuration.
#[derive(Debug, Args)]
#[command(next_help_heading = "Project")]
struct FolderArgs {
    /// Directory of plugins
    #[arg(
        long,
        value_name = "DIR",
        env = "BATCHGEN_PLUGINS",
        hide_env_values = true
    )]
    plugins: Option<PathBuf>,
    /// Fetch no plugin: those that plugins.lock has from elsewhere must be in the cache
    #[arg(long)]
    no_fetch: bool,
    /// Configuration file, instead of the nearest batchgen.toml in this folder or above
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_CONFIG",
        hide_env_values = true
    )]
    config: Option<PathBuf>,
}

/// The plugins of a folder, and what concerns them.
struct Folder {
    config: Config,
    places: Places,
    plugins: Vec<Arc<Plugin>>,
    broken: Vec<PluginError>,
    /// What is locked.
    lock: Option<Lock>,
    /// Where the lock lies, if there is one.
    lock_file: PathBuf,
    /// The configuration file, where there is one.
    config_file: Option<PathBuf>,
    /// The user's cache.
    cache: PathBuf,
}

impl Folder {
    /// Reads all plugins, whatever is locked.
    fn open(args: &FolderArgs, display: &Display) -> Result<Folder, Failure> {
        Folder::with(args, Folder::locked(args)?, |places, lock| {
            fetched::files(places, lock, args.no_fetch, display)
        })
    }

    /// The same where the lock is written again: one that is not well formed counts for nothing.
    fn open_to_lock(args: &FolderArgs, display: &Display) -> Result<Folder, Failure> {
        let lock = Folder::locked(args).unwrap_or_else(|failure| {
            display.print(&format!("warning: {:#}", failure.error));
            None
        });
        Folder::with(args, lock, |places, lock| {
            fetched::files(places, lock, args.no_fetch, display)
        })
    }

    /// The same without those from elsewhere that would have to be fetched: who changes what is locked need not have them.
    fn open_to_change(args: &FolderArgs) -> Result<Folder, Failure> {
        Folder::with(args, Folder::locked(args)?, |places, lock| {
            Ok(fetched::cached(&Cache::below(places.cache), lock))
        })
    }

    fn locked(args: &FolderArgs) -> Result<Option<Lock>, Failure> {
        Lock::read(&config_file::lock_file(args.config.as_deref())).map_err(Failure::usage)
    }

    fn with(
        args: &FolderArgs,
        lock: Option<Lock>,
        fetched: impl FnOnce(Fetching<'_>, Option<&Lock>) -> Result<Vec<PathBuf>, Failure>,
    ) -> Result<Folder, Failure> {
        let mut config = config_file::read(args.config.as_deref()).map_err(Failure::usage)?;
        if let Some(plugins) = &args.plugins {
            config.plugins.directory = Some(plugins.clone());
        }
        let mut places = settings::plugins(&config);
        let config_file = config_file::find(args.config.as_deref());
        let cache = settings::cache_directory(config_file.as_deref()).map_err(Failure::usage)?;
        let lock_file = config_file::lock_file(args.config.as_deref());
        let fetching = Fetching {
            lock: &lock_file,
            cache: &cache,
            config: config_file.as_deref(),
        };
        places.fetched = fetched(fetching, lock.as_ref())?;
        let (plugins, broken) = settings::load_plugins(&settings::engine(&cache)?, &places)?;
        Ok(Folder {
            plugins,
            broken,
            lock,
            lock_file,
            config_file,
            cache,
            places,
            config,
        })
    }
}

/// The engine for the project of this configuration file, or of the nearest one.
fn engine(config: Option<&Path>) -> Result<engine::Engine, Failure> {
    let config = config_file::find(config);
    let cache = settings::cache_directory(config.as_deref()).map_err(Failure::usage)?;
    settings::engine(&cache)
}
