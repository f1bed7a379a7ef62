//! Makes the lanes of the models that are used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::providers;
use super::settings::Settings;
use crate::component::Component;
use crate::config::closest;
use crate::core::retry::RetryPolicy;
use crate::llm::lane::{Lane, LaneLimits, LaneSettings};
use crate::llm::provider::Provider;
use crate::llm::providers::offline;
use crate::run::{Interrupt, Meter};

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
    let limits = LaneLimits {
        requests_per_minute: Some(config.limits.requests_per_minute),
        tokens_per_minute: config.limits.tokens_per_minute,
        concurrency: Some(config.limits.concurrency),
    };
    Ok((providers::connect(config, name, model)?, limits))
}
