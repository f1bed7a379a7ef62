//! Flags over environment over file over defaults: resolved once, here.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::run::RunArgs;
use crate::config::Config;
use crate::dataset::DatasetConfig;

/// The configuration with the flags laid over it.
#[derive(Debug)]
pub(super) struct Settings {
    pub config: Config,
    pub dataset: DatasetConfig,
    /// Limits that were asked for by flag or environment, and so hold for the offline provider too.
    pub explicit: ExplicitLimits,
    pub cache: PathBuf,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ExplicitLimits {
    pub requests_per_minute: Option<u64>,
    pub tokens_per_minute: Option<u64>,
    pub concurrency: Option<u64>,
}

impl Settings {
    /// Reads the configuration and lays the flags over it.
    pub fn resolve(args: &RunArgs) -> anyhow::Result<Settings> {
        let file = match &args.config {
            Some(file) => Some(file.clone()),
            None => Config::find(&env::current_dir()?),
        };
        let mut config = match file {
            Some(file) => Config::read(&relative(&file))?,
            None => Config::default(),
        };
        let dataset = match (config.dataset.take(), &args.data) {
            (Some(mut dataset), Some(path)) => {
                dataset.path.clone_from(path);
                dataset.format = None;
                dataset
            }
            (None, Some(path)) => DatasetConfig::new(path),
            (Some(dataset), None) => dataset,
            (None, None) => bail!(
                "there is no dataset\nhint: name one with --data FILE, or run where a batchgen.toml with \
                 [dataset] is found"
            ),
        };
        if let Some(output) = &args.output {
            config.output.directory.clone_from(output);
        }
        if let Some(state) = &args.state {
            config.state.file.clone_from(state);
        }
        if let Some(plugins) = &args.plugins {
            config.plugins.directory.clone_from(plugins);
        }
        let explicit = ExplicitLimits {
            requests_per_minute: args.requests_per_minute,
            tokens_per_minute: args.tokens_per_minute,
            concurrency: args.concurrency,
        };
        if let Some(limit) = explicit.requests_per_minute {
            config.limits.requests_per_minute = limit;
        }
        if let Some(limit) = explicit.tokens_per_minute {
            config.limits.tokens_per_minute = Some(limit);
        }
        if let Some(limit) = explicit.concurrency {
            config.limits.concurrency = limit;
        }
        check(&config)?;
        Ok(Settings {
            config,
            dataset,
            explicit,
            cache: cache_directory()?,
        })
    }
}

/// Values that no run can work with.
fn check(config: &Config) -> anyhow::Result<()> {
    let limits = &config.limits;
    for (key, value) in [
        ("requests-per-minute", Some(limits.requests_per_minute)),
        ("tokens-per-minute", limits.tokens_per_minute),
        ("concurrency", Some(limits.concurrency)),
        ("max-tries", Some(u64::from(config.retry.max_tries))),
        (
            "idle-timeout-seconds",
            Some(config.retry.idle_timeout_seconds),
        ),
    ] {
        if value == Some(0) {
            return Err(anyhow!(
                "`{key}` is 0, so nothing could ever be asked\nhint: set it to 1 or more"
            ));
        }
    }
    for temperature in config.temperature.into_iter().chain(
        config
            .component
            .values()
            .filter_map(|component| component.temperature),
    ) {
        if !(0.0..=2.0).contains(&temperature) {
            bail!("temperature {temperature} is out of range\nhint: use 0 to 2");
        }
    }
    Ok(())
}

/// The path as a person would write it from here: shorter in messages than the absolute one.
fn relative(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .map_or_else(|_| path.to_owned(), Path::to_owned)
}

/// Where compiled plugins are kept: `BATCHGEN_CACHE_DIR`, or the user's cache directory.
fn cache_directory() -> anyhow::Result<PathBuf> {
    let variable = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    variable("BATCHGEN_CACHE_DIR")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("batchgen")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/batchgen")))
        .ok_or_else(|| {
            anyhow!("there is no place for compiled plugins\nhint: set BATCHGEN_CACHE_DIR")
        })
}
