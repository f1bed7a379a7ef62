//! Finds address and key of a provider. Keys are read from the environment, or from the file that the
//! configuration names, here and nowhere else, and only for a model that flag or configuration names.

use std::env;
use std::fs;
use std::sync::Arc;

use anyhow::{anyhow, bail};

use crate::config::{Config, ProviderConfig, closest};
use crate::llm::provider::Provider;
use crate::llm::providers::{self, Endpoint, Key, Manner, Preset};

/// The variable that beats the address of `openai`.
const OPENAI_BASE_URL: (&str, &str) = ("openai", "OPENAI_BASE_URL");

/// The provider `name`, set up for `model`, which is written `name/...`.
pub(super) fn connect(
    config: &Config,
    name: &str,
    model: &str,
) -> anyhow::Result<Arc<dyn Provider>> {
    let empty = ProviderConfig::default();
    let configured = config.provider.get(name);
    if configured.is_none() && providers::preset(name).is_none() {
        bail!("{}", unknown(config, name, model));
    }
    let configured = configured.unwrap_or(&empty);
    let preset = providers::preset_of(name, configured)?;
    let base_url = base_url(name, &preset, configured)?;
    providers::check(name, &preset, &base_url, configured.allow_http)?;
    let key = key(name, &preset, configured)?;
    let endpoint = Endpoint::new(name, &preset, configured, base_url, key);
    let manner = Manner::new(&preset, configured, config.models.get(model));
    Ok(providers::connect(endpoint, manner)?)
}

fn unknown(config: &Config, name: &str, model: &str) -> String {
    let configured: Vec<&str> = config.provider.keys().map(String::as_str).collect();
    let presets: Vec<&str> = providers::names().collect();
    let known = [configured, presets].concat();
    let meant = closest(name, known.iter().copied())
        .map(|meant| format!("did you mean `{meant}`? "))
        .unwrap_or_default();
    format!(
        "there is no provider `{name}` for the model `{model}`\nhint: {meant}add [provider.{name}] with base-url \
         to batchgen.toml; known here: {}",
        known.join(", ")
    )
}

fn base_url(name: &str, preset: &Preset, configured: &ProviderConfig) -> anyhow::Result<String> {
    let (provider, variable) = OPENAI_BASE_URL;
    let from_environment = (name == provider)
        .then(|| env::var(variable).ok())
        .flatten()
        .filter(|url| !url.is_empty());
    from_environment
        .or_else(|| configured.base_url.clone())
        .or_else(|| preset.base_url.map(ToOwned::to_owned))
        .ok_or_else(|| {
            anyhow!(
                "the provider `{name}` has no address\nhint: set base-url in [provider.{name}], as in {}",
                preset.example_url
            )
        })
}

fn key(name: &str, preset: &Preset, configured: &ProviderConfig) -> anyhow::Result<Option<Key>> {
    let read = |variable: &str| Key::new(&env::var(variable).ok()?);
    let missing = |variables: &str, first: &str| {
        anyhow!(
            "the provider `{name}` needs a key, and {variables} is not set\nhint: export {first}=..., name a file \
             with api-key-file in [provider.{name}], or use `--model offline`, which needs none"
        )
    };
    match (&configured.api_key_env, &configured.api_key_file) {
        (Some(_), Some(_)) => bail!(
            "[provider.{name}] has both api-key-env and api-key-file\nhint: keep the one that holds the key"
        ),
        (Some(variable), None) if variable.is_empty() => Ok(None),
        (Some(variable), None) => read(variable)
            .map(Some)
            .ok_or_else(|| missing(variable, variable)),
        (None, Some(file)) => {
            let text = fs::read_to_string(file).map_err(|error| {
                anyhow!(
                    "the key of the provider `{name}` cannot be read from {}: {error}\nhint: name a file that \
                     holds the key and nothing else",
                    file.display()
                )
            })?;
            Key::new(&text).map(Some).ok_or_else(|| {
                anyhow!(
                    "the key of the provider `{name}` is missing: {} is empty\nhint: put the key into it",
                    file.display()
                )
            })
        }
        (None, None) => match preset.keys.first() {
            None => Ok(None),
            Some(first) => preset
                .keys
                .iter()
                .find_map(|variable| read(variable))
                .map(Some)
                .ok_or_else(|| missing(&preset.keys.join(" or "), first)),
        },
    }
}
