//! Flags over environment over file over defaults: resolved once, here.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};

use super::args::{LimitArgs, ProjectArgs};
use crate::config::{Config, LimitsConfig, closest};
use crate::core::class::FailureClass;
use crate::dataset::DatasetConfig;
use crate::plugin::lock;

/// The configuration with the flags laid over it.
#[derive(Debug)]
pub(super) struct Settings {
    pub config: Config,
    pub dataset: DatasetConfig,
    /// Limits that were asked for by flag or environment, and so hold for every lane, the offline one too.
    pub explicit: LimitsConfig,
    pub cache: PathBuf,
    /// The file that may say which plugins are used.
    pub lock: PathBuf,
    /// Millionths of a dollar that the run may cost.
    pub max_cost: Option<u64>,
}

impl Settings {
    /// Reads the configuration and lays the flags over it.
    pub fn resolve(args: &ProjectArgs) -> anyhow::Result<Settings> {
        let mut config = configuration(args.place.config.as_deref())?;
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
        if let Some(output) = &args.place.output {
            config.output.directory.clone_from(output);
        }
        if let Some(state) = &args.place.state {
            config.state.file.clone_from(state);
        }
        if let Some(plugins) = &args.plugins {
            config.plugins.directory.clone_from(plugins);
        }
        check(&config)?;
        Ok(Settings {
            config,
            dataset,
            explicit: LimitsConfig::default(),
            cache: cache_directory()?,
            lock: lock_file(args.place.config.as_deref())?,
            max_cost: None,
        })
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

/// The configuration: of this file, or of the nearest one upwards.
pub(super) fn configuration(file: Option<&Path>) -> anyhow::Result<Config> {
    Ok(match configuration_file(file)? {
        Some(file) => Config::read(&relative(&file))?,
        None => Config::default(),
    })
}

/// `plugins.lock` beside the configuration; in the working directory where there is none.
pub(super) fn lock_file(file: Option<&Path>) -> anyhow::Result<PathBuf> {
    Ok(match configuration_file(file)? {
        Some(file) => relative(&file).with_file_name(lock::FILE_NAME),
        None => PathBuf::from(lock::FILE_NAME),
    })
}

fn configuration_file(file: Option<&Path>) -> anyhow::Result<Option<PathBuf>> {
    Ok(match file {
        Some(file) => Some(file.to_owned()),
        None => Config::find(&env::current_dir()?),
    })
}

/// Reads an amount of dollars.
pub(super) fn dollars(text: &str) -> Result<f64, String> {
    let amount: f64 = text
        .trim_start_matches('$')
        .parse()
        .map_err(|_| "it is not a number of dollars, as in 2.50".to_owned())?;
    if amount.is_finite() && amount > 0.0 && amount < 1e9 {
        Ok(amount)
    } else {
        Err("it must be more than 0".to_owned())
    }
}

/// Reads the name of a class of failures.
pub(super) fn class(text: &str) -> Result<FailureClass, String> {
    text.parse().map_err(|error| {
        let names = FailureClass::all().map(FailureClass::as_str);
        let meant = closest(text, names.clone())
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        let names: Vec<&str> = names.collect();
        format!("{error}; {meant}the classes are: {}", names.join(", "))
    })
}

/// Values that no run can work with.
fn check(config: &Config) -> anyhow::Result<()> {
    let of_models = config.models.values().map(|model| &model.limits);
    if let Some(key) = of_models
        .chain([&config.limits])
        .find_map(LimitsConfig::zero)
    {
        return Err(zero(key));
    }
    for (key, value) in [
        ("max-tries", u64::from(config.retry.max_tries)),
        ("idle-timeout-seconds", config.retry.idle_timeout_seconds),
    ] {
        if value == 0 {
            return Err(zero(key));
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

fn zero(key: &str) -> anyhow::Error {
    anyhow!("`{key}` is 0, so nothing could ever be asked\nhint: set it to 1 or more")
}

/// The path as a person would write it from here: shorter in messages than the absolute one.
fn relative(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .map_or_else(|_| path.to_owned(), Path::to_owned)
}

/// Where compiled plugins are kept: `BATCHGEN_CACHE_DIR`, or the user's cache directory.
pub(super) fn cache_directory() -> anyhow::Result<PathBuf> {
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
