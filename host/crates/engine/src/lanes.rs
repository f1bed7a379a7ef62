//! Makes the lanes of the models that are used, one for each endpoint of a model's provider, from the configuration and from what the state remembers of them.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use config::Config;
use config::component::Component;
use gateway::Chain;
use gateway::batch::protocol::BatchLimits;
use gateway::budget::LaneBudget;
use gateway::found::{Found, unix_time};
use gateway::lane::{BatchLane, Lane, LaneSettings, Observer, lane_name};
use gateway::limits::retry::RetryPolicy;
use gateway::pictures::PictureLoader;
use gateway::pool::Pool;
use gateway::prices::Price;
use gateway::provider::PromptCache;
use gateway::providers::{BatchAccess, Catalogue, ConnectError, Connection, Variables, offline};
use gateway::remote::Coordinator;
use gateway::settings::{LimitsConfig, Mode};
use store::{Most, Store, StoreError};
use types::limit::Size;

use crate::Interrupt;
use crate::batches::Batched;

/// A lane that has answered within so long is known to work.
const PROVEN: Duration = Duration::from_secs(3600);

/// What is asked of models, as a person has settled it.
#[derive(Clone, Copy)]
pub struct Models<'a> {
    pub config: &'a Config,
    /// Limits that beat those of the configuration and hold for every model, the stand-in too.
    pub explicit: &'a LimitsConfig,
    /// Where keys and addresses are looked up.
    pub variables: Variables<'a>,
    /// Whether all questions are asked one by one or in batches, whatever the configuration says.
    pub mode: Option<Mode>,
}

/// What lanes share.
pub struct Shared<'a> {
    /// What was used before is booked from here.
    pub store: &'a Store,
    /// What the run may spend.
    pub budget: &'a LaneBudget,
    /// Whether the run has a limit in dollars, so that every price must be known.
    pub has_max_cost: bool,
    /// Is told what happens.
    pub observer: Arc<dyn Observer>,
    /// Who lets calls begin, where that is another machine.
    pub coordinator: Option<Arc<dyn Coordinator>>,
    /// Once it is thrown, no call begins any more.
    pub interrupt: &'a Interrupt,
    /// Who has the bytes of pictures.
    pub pictures: Option<PictureLoader>,
}

/// A lane cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LaneError {
    /// Its provider cannot be reached as things are configured.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The run may cost so much, and the price of the model is not known.
    #[error("the price of `{model}` is not known, so a limit on the cost cannot be kept")]
    NoPrice { model: String },
    /// It is to be asked in batches, and its provider takes none.
    #[error(
        "`{model}` cannot be asked in batches: its provider has no batch API that is known here\nhint: leave out mode = \"batch\", \
         or name a preset that has one in [provider.{provider}]"
    )]
    NoBatches { model: String, provider: String },
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Models<'_> {
    /// A chain of pools for each model that the components use: its own and those that it falls back to. A model that
    /// several chains lead to has one pool.
    ///
    /// # Errors
    /// When a provider cannot be reached as configured, a price is missing, or the state cannot be read.
    pub fn chains(
        &self,
        components: &[Component],
        shared: &Shared<'_>,
    ) -> Result<BTreeMap<String, Chain>, LaneError> {
        let models: BTreeSet<&str> = components
            .iter()
            .filter_map(|component| Some(component.parameters.as_ref()?.model.as_str()))
            .collect();
        let mut pools: BTreeMap<String, Arc<Pool>> = BTreeMap::new();
        let mut chains = BTreeMap::new();
        for model in models {
            let settings = self.config.models.get(model).cloned().unwrap_or_default();
            let mut chain = Chain {
                pools: Vec::new(),
                fall_back_on: settings.fallback_on,
            };
            for name in iter::once(model).chain(settings.fallback.iter().map(String::as_str)) {
                let pool = match pools.get(name) {
                    Some(pool) => Arc::clone(pool),
                    None => Arc::new(self.pool(name, shared)?),
                };
                pools.insert(name.to_owned(), Arc::clone(&pool));
                chain.pools.push(pool);
            }
            chains.insert(model.to_owned(), chain);
        }
        Ok(chains)
    }

    /// The models that are asked in batches, and those of which batches are open, by name. `chains` are their lanes.
    ///
    /// # Errors
    /// When a model is to be asked in batches only, and its provider takes none.
    pub fn batched(
        &self,
        components: &[Component],
        chains: &BTreeMap<String, Chain>,
        shared: &Shared<'_>,
    ) -> Result<BTreeMap<String, Batched>, LaneError> {
        let in_batches = shared.store.lanes_in_batches()?;
        let mut batched = BTreeMap::new();
        for (model, chain) in chains {
            let own = self.mode_of(model);
            let modes = components
                .iter()
                .filter(|component| asks(component, model))
                .map(|component| {
                    let mode = self.mode.or(component.mode).unwrap_or(own);
                    (component.name.as_str(), mode)
                });
            let modes: BTreeMap<&str, Mode> = modes.collect();
            let is_open = in_batches.contains(model);
            let is_wanted = modes.values().any(|mode| *mode != Mode::Online);
            let Some(lane) = chain.lanes().next().filter(|_| is_wanted || is_open) else {
                continue;
            };
            let is_in_batches_only = modes.values().any(|mode| *mode == Mode::Batch);
            match self.in_batches(model, lane, shared)? {
                Some(found) => {
                    let falls_back_on = match chain.pools.len() {
                        0 | 1 => Vec::new(),
                        _ => chain.fall_back_on.clone(),
                    };
                    let alone = modes.iter().filter(|(_, mode)| **mode == Mode::Auto);
                    let found = Batched {
                        alone: alone.map(|(name, _)| (*name).to_owned()).collect(),
                        falls_back_on,
                        ..found
                    };
                    batched.insert(model.clone(), found);
                }
                None if is_in_batches_only && model != offline::NAME => {
                    return Err(LaneError::NoBatches {
                        model: model.clone(),
                        provider: lane.provider().to_owned(),
                    });
                }
                None => {}
            }
        }
        Ok(batched)
    }

    /// A model that no component asks any more, so that its batches can be collected; `None` where its provider takes none.
    ///
    /// # Errors
    /// When its provider cannot be reached as configured, or the state cannot be read.
    pub fn left_over(
        &self,
        model: &str,
        shared: &Shared<'_>,
    ) -> Result<Option<Batched>, LaneError> {
        let pool = self.pool(model, shared)?;
        match pool.lanes().first() {
            Some(lane) => self.in_batches(model, lane, shared),
            None => Ok(None),
        }
    }

    /// A model as it is asked in batches, which are handed in at its first endpoint; `None` where its provider takes none.
    fn in_batches(
        &self,
        model: &str,
        lane: &Arc<Lane>,
        shared: &Shared<'_>,
    ) -> Result<Option<Batched>, LaneError> {
        let access = self.catalogue().connect_batches(model, self.variables)?;
        let mut access = access.into_iter();
        let Some(first) = access.next() else {
            return Ok(None);
        };
        let patience = self.config.batch.patience_hours;
        let price = gateway::settings::batch_price(&self.config.models, model);
        Ok(Some(Batched {
            most: self.most(first.protocol.limits()),
            primer_from: self.primes_from(&first, price),
            lane: BatchLane::new(
                Arc::clone(lane),
                first.protocol,
                shared.budget.priced(price),
            ),
            account: first.account,
            others: access
                .map(|other| (other.account, other.protocol))
                .collect(),
            mode: self.mode_of(model),
            forced: self.mode,
            patience: patience.map(|hours| hours.saturating_mul(3600)),
            falls_back_on: Vec::new(),
            min_lines: self.config.batch.min_lines,
            alone: BTreeSet::new(),
            hands_in: first.hands_in,
            kept_days: first.kept_days,
        }))
    }

    /// How a model is asked where a component does not say.
    fn mode_of(&self, model: &str) -> Mode {
        let own = self.config.models.get(model).and_then(|model| model.mode);
        self.mode.or(own).unwrap_or_default()
    }

    /// Whether the provider of a model is known to take batches.
    pub fn takes_batches(&self, model: &str) -> bool {
        self.catalogue().takes_batches(model)
    }

    /// From how many questions to a model that begin alike one goes ahead of the others, where that is done.
    pub fn primer_from(&self, model: &str) -> Option<u64> {
        let access = self.catalogue().connect_batches(model, self.variables);
        let price = gateway::settings::batch_price(&self.config.models, model);
        self.primes_from(access.ok()?.first()?, price)
    }

    fn primes_from(&self, access: &BatchAccess, price: Option<Price>) -> Option<u64> {
        let marks = access.hands_in && access.protocol.marks_beginnings();
        let least = price.filter(|_| marks)?.pays_to_keep_from()?;
        Some(least.max(self.config.batch.min_lines))
    }

    /// How much goes into a batch: what the provider takes, less a little, and no more than is configured.
    fn most(&self, limits: BatchLimits) -> Most {
        let batch = &self.config.batch;
        Most {
            lines: limits.lines.min(batch.max_lines.unwrap_or(u64::MAX)).max(1),
            bytes: (limits.bytes - limits.bytes / 20).min(batch.max_bytes.unwrap_or(u64::MAX)),
            input_tokens: batch.enqueued_tokens.unwrap_or(u64::MAX),
        }
    }

    fn catalogue(&self) -> Catalogue<'_> {
        Catalogue {
            providers: &self.config.provider,
            models: &self.config.models,
        }
    }

    /// What a model may be asked at one place: as the explicit limits say, as the configuration says of the endpoint, as it
    /// says of the model, or as it says of all.
    pub fn limits(&self, model: &str, place: &LimitsConfig) -> LimitsConfig {
        if model == offline::NAME {
            return self.explicit.clone();
        }
        let own = self.config.models.get(model);
        let own = own.map(|model| model.limits.clone()).unwrap_or_default();
        let configured = self.config.limits.for_model(&own).for_model(place);
        configured.for_model(self.explicit)
    }

    /// What is known of the prompt cache of a model.
    pub fn prompt_cache(&self, model: &str) -> Option<PromptCache> {
        self.catalogue().prompt_cache(model)
    }

    /// Where a model is asked. Nothing is sent.
    ///
    /// # Errors
    /// When name, address or key will not do.
    pub fn connections(&self, model: &str) -> Result<Vec<Connection>, ConnectError> {
        self.catalogue().connect(model, self.variables)
    }

    /// What limits a model at each place where it is asked: as it is set, and as earlier runs found out. Where its provider
    /// cannot be reached as configured, only what is set is known.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn bounds(
        &self,
        model: &str,
        store: &Store,
    ) -> Result<Vec<(LimitsConfig, Found)>, StoreError> {
        let Ok(connections) = self.connections(model) else {
            let told = self.limits(model, &LimitsConfig::default());
            return Ok(vec![(told, Found::default())]);
        };
        let bounds = connections.iter().map(|connection| {
            let name = lane_name(model, connection.endpoint.as_deref());
            let learned = store.lessons(&name, connection.provider.options())?;
            let told = self.limits(model, &connection.limits);
            Ok((told, learned.found.recent(unix_time())))
        });
        bounds.collect()
    }

    fn pool(&self, model: &str, shared: &Shared<'_>) -> Result<Pool, LaneError> {
        let connections = self.connections(model)?;
        let price = gateway::settings::price(&self.config.models, model);
        if price.is_none() && shared.has_max_cost {
            return Err(LaneError::NoPrice {
                model: model.to_owned(),
            });
        }
        let lanes = connections
            .into_iter()
            .map(|connection| Ok(Arc::new(self.lane(model, connection, price, shared)?)));
        let lanes = lanes.collect::<Result<Vec<_>, LaneError>>()?;
        let pool = Pool::new(lanes, Arc::clone(&shared.observer));
        Ok(pool.with_coordinator(shared.coordinator.clone(), model))
    }

    fn lane(
        &self,
        model: &str,
        connection: Connection,
        price: Option<Price>,
        shared: &Shared<'_>,
    ) -> Result<Lane, LaneError> {
        let Connection {
            endpoint,
            limits,
            provider,
        } = connection;
        let name = lane_name(model, endpoint.as_deref());
        let limits = self.limits(model, &limits);
        let ordinary = gateway::settings::ordinary_price(&self.config.models, model);
        let settings = self.lane_settings(model, &name, &limits, shared.store)?;
        let idle_timeout = settings.idle_timeout;
        let options = provider.options();
        let lane = Lane::new(
            model,
            endpoint.as_deref(),
            provider,
            settings,
            shared.budget.priced(price).or_ordinary(ordinary),
            Arc::clone(&shared.observer),
            shared.interrupt.subscribe(),
        )
        .with_lessons(shared.store.lessons(&name, options)?, options)
        .with_coordinator(shared.coordinator.clone())
        .with_pictures(shared.pictures.clone());
        if let Some(span) = lane.longest_window() {
            book_recent_use(&lane, shared.store, span, idle_timeout)?;
        }
        Ok(lane)
    }

    fn lane_settings(
        &self,
        model: &str,
        name: &str,
        limits: &LimitsConfig,
        store: &Store,
    ) -> Result<LaneSettings, StoreError> {
        let real = name != offline::NAME;
        let retry = &self.config.retry;
        let patience = Duration::from_secs(retry.max_outage_seconds);
        let own = self.config.models.get(model);
        Ok(LaneSettings {
            limits: limits.limits(),
            // Nothing has to be found out of the stand-in.
            concurrency: limits.concurrency.or((!real).then_some(u64::MAX)),
            retry: RetryPolicy {
                max_tries: retry.max_tries,
                max_elapsed: Duration::from_secs(retry.max_elapsed_seconds),
                max_without_room: patience,
                ..RetryPolicy::default()
            },
            idle_timeout: retry.idle_timeout(own.and_then(|own| own.service_tier)),
            patience,
            is_proven: !real || store.has_answered_within(name, PROVEN)?,
        })
    }
}

fn asks(component: &Component, model: &str) -> bool {
    component
        .parameters
        .as_ref()
        .is_some_and(|parameters| parameters.model == model)
}

/// Books what the lane used within `span` before this process began, and what may have been under way at a crash.
fn book_recent_use(
    lane: &Lane,
    store: &Store,
    span: Duration,
    idle_timeout: Duration,
) -> Result<(), StoreError> {
    let (mut calls, mut taken) = (0_u64, Size::default());
    for (ago, requests, tokens) in store.used_recently(lane.name(), span)? {
        lane.remember(ago, requests, tokens);
        calls = calls.saturating_add(requests);
        taken.input = taken.input.saturating_add(tokens.input);
        taken.output = taken.output.saturating_add(tokens.output);
    }
    let crashed = store.crashed_ago()?;
    if crashed.is_some_and(|ago| ago <= span + idle_timeout) {
        let mean = |tokens: u64| tokens.div_ceil(calls.max(1));
        lane.assume_under_way(Size {
            input: mean(taken.input),
            output: mean(taken.output),
        });
    }
    Ok(())
}
