//! Finds address and key of a provider. Keys are read from the environment, or from the file that the
//! configuration names, here and nowhere else, and only for a model that flag or configuration names.

use std::env;
use std::fs;
use std::sync::Arc;

use anyhow::{anyhow, bail};

use config::Config;
use gateway::provider::Provider;
use gateway::providers::{self, Endpoint, Key, Manner, Preset, offline};
use gateway::settings::ProviderConfig;
use types::suggest::closest;

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
    let own = model.split_once('/').map_or(model, |(_, own)| own);
    let manner = Manner::new(own, &preset, configured, config.models.get(model));
    Ok(providers::connect(endpoint, manner)?)
}

/// Passes the names of models that the configuration sets something for, or falls back to.
///
/// # Errors
/// When one is not written as provider/model, or its provider is not known.
pub(super) fn check_names(config: &Config) -> anyhow::Result<()> {
    let fallbacks = config.models.values().flat_map(|model| &model.fallback);
    for model in config.models.keys().chain(fallbacks) {
        if model == offline::NAME {
            continue;
        }
        let (name, own) = model.split_once('/').unwrap_or_default();
        if name.is_empty() || own.is_empty() {
            bail!(
                "`{model}` under [models] is not the name of a model\nhint: a model is written as provider/model, as \
                 in [models.\"openai/gpt-4o-mini\"]"
            );
        }
        if !config.provider.contains_key(name) && providers::preset(name).is_none() {
            bail!("{}", unknown(config, name, model));
        }
    }
    Ok(())
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
            "the provider `{name}` needs a key, and {variables} is not set\nhint: export {first}=..., write it into .env \
             beside batchgen.toml, name a file with api-key-file in [provider.{name}], or use `--model offline`, which needs none"
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What connecting to `p/m` says with this configuration; nothing when it succeeds.
    fn said(model: &str, configuration: &str) -> String {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("batchgen.toml");
        fs::write(directory.path().join("good.key"), "sk-from-file\n").unwrap();
        fs::write(directory.path().join("empty.key"), "\n").unwrap();
        fs::write(&file, configuration).unwrap();
        let config = Config::read(&file).unwrap();
        let (name, _) = model.split_once('/').unwrap();
        match connect(&config, name, model) {
            Ok(provider) => {
                assert_eq!(provider.name(), name);
                String::new()
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_preset_without_key_needs_no_configuration() {
        for name in ["vllm", "llamacpp", "ollama", "litellm"] {
            assert_eq!(said(&format!("{name}/m"), ""), "", "{name}");
        }
    }

    #[test]
    fn a_key_may_be_in_a_file() {
        let provider = "[provider.openai]\napi-key-file = ";
        assert_eq!(said("openai/m", &format!("{provider}'good.key'")), "");
        assert!(said("openai/m", &format!("{provider}'empty.key'")).contains("is empty"));
        assert!(said("openai/m", &format!("{provider}'no.key'")).contains("cannot be read"));
        let both = format!("{provider}'good.key'\napi-key-env = 'X'");
        assert!(said("openai/m", &both).contains("both"));
    }

    #[test]
    fn what_is_missing_is_named_with_what_to_do() {
        let unset = "BATCHGEN_TEST_UNSET_KEY";
        let key =
            format!("[provider.mine]\nbase-url = 'https://x.example/v1'\napi-key-env = '{unset}'");
        assert!(said("mine/m", &key).contains(&format!("hint: export {unset}=...")));
        assert!(said("gorq/m", "").contains("did you mean `groq`?"));
        assert!(said("azure/m", "").contains("<resource>.openai.azure.com/openai/v1"));
        assert!(
            said("mine/m", "[provider.mine]\npreset = 'olama'").contains("did you mean `ollama`?")
        );
        assert!(said("mine/m", "[provider.mine]").contains("set base-url in [provider.mine]"));
        let open = "[provider.mine]\nbase-url = 'http://10.0.0.1/v1'\n";
        assert!(said("mine/m", open).contains("allow-http = true"));
        assert_eq!(said("mine/m", &format!("{open}allow-http = true")), "");
    }
}
