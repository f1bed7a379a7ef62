//! Makes the lanes of the models that are used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;

use super::providers;
use super::settings::Settings;
use config::component::Component;
use engine::{Interrupt, Meter};
use gateway::Chain;
use gateway::lane::{Lane, LaneSettings};
use gateway::limits::retry::RetryPolicy;
use gateway::prices;
use gateway::provider::Provider;
use gateway::providers::offline;
use gateway::purse::Purse;
use gateway::settings::LimitsConfig;
use store::Store;
use types::limit::Size;
use types::suggest::closest;

/// A lane that has answered within so long is known to work.
const PROVEN: Duration = Duration::from_secs(3600);

/// What lanes are made from besides the settings.
pub(super) struct Making<'a> {
    /// What was used before is booked from here.
    pub store: &'a Store,
    /// What the run may spend.
    pub purse: &'a Purse,
    /// Is told what happens.
    pub meter: &'a Arc<Meter>,
    /// Once it is thrown, no call begins any more.
    pub interrupt: &'a Interrupt,
}

/// A chain of lanes for each model that the components use: its own and those that it falls back to. A model
/// that several chains lead to has one lane.
pub(super) fn make(
    settings: &Settings,
    components: &[Component],
    making: &Making<'_>,
) -> anyhow::Result<BTreeMap<String, Chain>> {
    let models: BTreeSet<&str> = components
        .iter()
        .filter_map(|component| Some(component.parameters.as_ref()?.model.as_str()))
        .collect();
    let mut lanes: BTreeMap<String, Arc<Lane>> = BTreeMap::new();
    let mut chains = BTreeMap::new();
    for model in models {
        let parameters = settings
            .config
            .models
            .get(model)
            .cloned()
            .unwrap_or_default();
        let mut chain = Chain {
            lanes: Vec::new(),
            fall_back_on: parameters.fallback_on,
        };
        for name in std::iter::once(model).chain(parameters.fallback.iter().map(String::as_str)) {
            let lane = match lanes.get(name) {
                Some(lane) => Arc::clone(lane),
                None => Arc::new(lane(settings, name, making)?),
            };
            lanes.insert(name.to_owned(), Arc::clone(&lane));
            chain.lanes.push(lane);
        }
        chains.insert(model.to_owned(), chain);
    }
    Ok(chains)
}

/// What a model may be asked: as flags say, as the configuration says of it, or as it says of all.
pub(super) fn limits(settings: &Settings, model: &str) -> LimitsConfig {
    let config = &settings.config;
    if model == offline::NAME {
        return settings.explicit.clone();
    }
    let own = config.models.get(model).map(|model| model.limits.clone());
    let configured = config.limits.for_model(&own.unwrap_or_default());
    configured.for_model(&settings.explicit)
}

fn lane(settings: &Settings, model: &str, making: &Making<'_>) -> anyhow::Result<Lane> {
    let config = &settings.config;
    let provider = provider(settings, model)?;
    let real = model != offline::NAME;
    let limits = limits(settings, model);
    let price = prices::price(&config.models, model);
    if price.is_none() && settings.max_cost.is_some() {
        bail!(
            "the price of `{model}` is not known, so --max-cost cannot be kept\nhint: set price in \
             [models.\"{model}\"], as in price = {{ input = 0.15, output = 0.6 }} (dollars per million tokens)"
        );
    }
    let retry = &config.retry;
    let lane_settings = LaneSettings {
        limits: limits.limits(),
        // Nothing has to be found out of the stand-in.
        concurrency: limits.concurrency.or((!real).then_some(u64::MAX)),
        retry: RetryPolicy {
            max_tries: retry.max_tries,
            max_elapsed: Duration::from_secs(retry.max_elapsed_seconds),
            ..RetryPolicy::default()
        },
        idle_timeout: Duration::from_secs(retry.idle_timeout_seconds),
        patience: Duration::from_secs(retry.max_outage_seconds),
        is_proven: !real || making.store.has_answered_within(model, PROVEN)?,
    };
    let longest = lane_settings.limits.iter().map(|limit| limit.span).max();
    let idle_timeout = lane_settings.idle_timeout;
    let manner = provider.manner();
    let lane = Lane::new(
        model.to_owned(),
        provider,
        lane_settings,
        making.purse.priced(price),
        Arc::clone(making.meter) as Arc<_>,
        making.interrupt.subscribe(),
    )
    .with_lessons(making.store.lessons(model, manner)?, manner);
    if let Some(span) = longest {
        let (mut calls, mut taken) = (0_u64, Size::default());
        for (ago, requests, tokens) in making.store.used_recently(model, span)? {
            lane.remember(ago, requests, tokens);
            calls += requests;
            taken.input += tokens.input;
            taken.output += tokens.output;
        }
        let crashed = making.store.crashed_ago()?;
        if crashed.is_some_and(|ago| ago <= span + idle_timeout) {
            let mean = |tokens: u64| tokens.div_ceil(calls.max(1));
            lane.assume_under_way(Size {
                input: mean(taken.input),
                output: mean(taken.output),
            });
        }
    }
    Ok(lane)
}

pub(super) fn provider(settings: &Settings, model: &str) -> anyhow::Result<Arc<dyn Provider>> {
    let config = &settings.config;
    if model == offline::NAME {
        return Ok(Arc::new(offline::Offline));
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
    providers::connect(config, name, model)
}
