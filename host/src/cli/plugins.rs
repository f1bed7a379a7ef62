//! `batchgen plugins`: what the plugins are, whether they keep to the contract, and help for those who write them.

mod check;
mod dev;
mod inspect;
mod list;
mod lock;
mod new;
mod pack;
mod workbench;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::display::Display;
use super::exit::{Exit, Failure};
use super::settings;
use config::Config;
use plugin::load::{Places, Plugin, PluginError};
use plugin::{engine, lock as locking};

/// Look at plugins, lock them, and write and check your own.
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
    Check(check::CheckArgs),
    Dev(dev::DevArgs),
    New(new::NewArgs),
    Pack(pack::PackArgs),
}

/// Runs the subcommand.
pub(super) fn perform(args: &PluginsArgs, display: &Display) -> Result<Exit, Failure> {
    match &args.command {
        Command::List(args) => list::perform(args, display),
        Command::Inspect(args) => inspect::perform(args),
        Command::Lock(args) => lock::perform(args, display),
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
    /// Where the lock lies, if there is one.
    lock_file: PathBuf,
}

impl Folder {
    /// Reads all plugins, whatever is locked.
    fn open(args: &FolderArgs) -> Result<Folder, Failure> {
        let mut config = settings::configuration(args.config.as_deref()).map_err(Failure::usage)?;
        if let Some(plugins) = &args.plugins {
            config.plugins.directory = Some(plugins.clone());
        }
        let places = settings::plugins(&config);
        let (plugins, broken) = settings::load_plugins(&engine(args.config.as_deref())?, &places)?;
        Ok(Folder {
            plugins,
            broken,
            lock_file: settings::lock_file(args.config.as_deref()),
            places,
            config,
        })
    }

    /// What is locked.
    fn lock(&self) -> Result<Option<locking::Lock>, Failure> {
        locking::Lock::read(&self.lock_file).map_err(Failure::usage)
    }
}

/// The engine for the project of this configuration file, or of the nearest one.
fn engine(config: Option<&Path>) -> Result<engine::Engine, Failure> {
    let config = settings::file(config);
    let cache = settings::cache_directory(config.as_deref()).map_err(Failure::usage)?;
    settings::engine(&cache)
}
