//! Makes the lanes of the models that are used. Keys are read from the environment here and nowhere
//! else, and only for a model that flag or configuration names.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail};

use super::settings::Settings;
use crate::component::Component;
use crate::config::{ProviderConfig, closest};
use crate::core::retry::RetryPolicy;
use crate::llm::lane::{Lane, LaneLimits, LaneSettings};
use crate::llm::provider::Provider;
use crate::llm::providers::{offline, openai};
use crate::run::{Interrupt, Meter};

/// The provider that needs no configuration.
const OPENAI: &str = "openai";
const OPENAI_URL: &str = "https://api.openai.com/v1";

/// One lane for each model that the components use.
pub(super) fn make(
    settings: &Settings,
    components: &[Component],
    meter: &Arc<Meter>,
    interrupt: &Interrupt,
) -> anyhow::Result<BTreeMap<String, Arc<Lane>>> {
    let models: BTreeSet<&str> = components
        .iter()
        .filter_map(|component| Some(component.parameters.as_ref()?.model.as_str()))
        .collect();
    let mut lanes = BTreeMap::new();
    for model in models {
        let (provider, limits) = provider(settings, model)?;
        let retry = &settings.config.retry;
        let lane_settings = LaneSettings {
            limits,
            retry: RetryPolicy {
                max_tries: retry.max_tries,
                max_elapsed: Duration::from_secs(retry.max_elapsed_seconds),
                ..RetryPolicy::default()
            },
            idle_timeout: Duration::from_secs(retry.idle_timeout_seconds),
        };
        let observer = Arc::clone(meter) as Arc<_>;
        let closing = interrupt.subscribe();
        let lane = Lane::new(model.to_owned(), provider, lane_settings, observer, closing);
        lanes.insert(model.to_owned(), Arc::new(lane));
    }
    Ok(lanes)
}

fn provider(settings: &Settings, model: &str) -> anyhow::Result<(Arc<dyn Provider>, LaneLimits)> {
    let config = &settings.config;
    if model == offline::NAME {
        let explicit = settings.explicit;
        let limits = LaneLimits {
            requests_per_minute: explicit.requests_per_minute,
            tokens_per_minute: explicit.tokens_per_minute,
            concurrency: explicit.concurrency,
        };
        return Ok((Arc::new(offline::Offline), limits));
    }
    let Some((name, _)) = model
        .split_once('/')
        .filter(|(name, rest)| !name.is_empty() && !rest.is_empty())
    else {
        let meant = closest(model, [offline::NAME].into_iter())
            .map(|meant| format!("did you mean `{meant}`? "))
            .unwrap_or_default();
        bail!(
            "`{model}` is not the name of a model\nhint: {meant}a model is written as provider/model, as in \
             openai/gpt-4o-mini, or `offline`"
        );
    };
    let empty = ProviderConfig::default();
    let configured = match config.provider.get(name) {
        Some(configured) => configured,
        None if name == OPENAI => &empty,
        None => {
            let known = config.provider.keys().map(String::as_str).chain([OPENAI]);
            let known: Vec<&str> = known.collect();
            bail!(
                "there is no provider `{name}` for the model `{model}`\nhint: add [provider.{name}] with \
                 base-url to batchgen.toml; known here: {}",
                known.join(", ")
            );
        }
    };
    let endpoint = openai::Endpoint {
        name: name.to_owned(),
        base_url: base_url(name, configured)?,
        key: key(name, configured)?,
        stream: configured.stream.unwrap_or(true),
    };
    let parameters = config.models.get(model).cloned().unwrap_or_default();
    let limits = LaneLimits {
        requests_per_minute: Some(config.limits.requests_per_minute),
        tokens_per_minute: config.limits.tokens_per_minute,
        concurrency: Some(config.limits.concurrency),
    };
    Ok((Arc::new(openai::OpenAi::new(endpoint, parameters)?), limits))
}

fn base_url(name: &str, configured: &ProviderConfig) -> anyhow::Result<String> {
    let from_environment = env::var("OPENAI_BASE_URL")
        .ok()
        .filter(|url| name == OPENAI && !url.is_empty());
    let url = from_environment
        .or_else(|| configured.base_url.clone())
        .or_else(|| (name == OPENAI).then(|| OPENAI_URL.to_owned()))
        .ok_or_else(|| {
            anyhow!("the provider `{name}` has no address\nhint: set base-url in [provider.{name}]")
        })?;
    match url::Url::parse(&url) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") && parsed.host().is_some() => {
            Ok(url)
        }
        _ => Err(anyhow!(
            "the address `{url}` of the provider `{name}` is not a web address\nhint: write it as in {OPENAI_URL}"
        )),
    }
}

fn key(name: &str, configured: &ProviderConfig) -> anyhow::Result<Option<String>> {
    let variable = match (&configured.api_key_env, name) {
        (Some(variable), _) => variable.as_str(),
        (None, OPENAI) => "OPENAI_API_KEY",
        (None, _) => return Ok(None),
    };
    if variable.is_empty() {
        return Ok(None);
    }
    match env::var(variable) {
        Ok(key) if !key.trim().is_empty() => Ok(Some(key.trim().to_owned())),
        _ => Err(anyhow!(
            "the provider `{name}` needs a key, and {variable} is not set\nhint: export {variable}=..., or use \
             `--model offline`, which needs none"
        )),
    }
}
