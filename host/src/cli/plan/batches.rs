//! What a plan would cost in batches, and in how many rounds of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::numbers::{count, dollars};
use config::component::Component;
use engine::Plan;
use gateway::prices::Price;
use gateway::settings::Mode;
use types::request::Usage;

/// A run in batches.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct InBatches {
    /// Millionths of a dollar.
    cost_micros: Option<u64>,
    /// Batches that follow each other: what a component asks depends on what those before it have answered.
    rounds: u64,
    /// Questions that are in batches already, and that count as calls to make.
    questions: u64,
    /// Components of which one question goes ahead, so that the others read what it has written to the prompt cache.
    primed: u64,
    /// Whether that is how the run asks, as things are configured.
    is_configured: bool,
}

/// What is known of the models of a plan.
pub(super) struct Known<Takes, Price, Primer, Mode> {
    /// Whether one is asked in batches by its provider.
    pub takes: Takes,
    /// What it costs there.
    pub price: Price,
    /// From how many questions on that begin alike one goes ahead of the others.
    pub primer_from: Primer,
    /// How a component asks its model, as things are configured.
    pub mode: Mode,
}

impl InBatches {
    /// Of a plan. `questions` are in batches already.
    pub fn of(
        plan: &Plan,
        components: &[Component],
        questions: u64,
        known: &Known<
            impl Fn(&str) -> bool,
            impl Fn(&str) -> Option<Price>,
            impl Fn(&str) -> Option<u64>,
            impl Fn(&Component, &str) -> Mode,
        >,
    ) -> Option<InBatches> {
        let mut cost = Some(0_u64);
        let (mut primed, mut is_configured) = (0, true);
        let mut rounds: BTreeMap<&str, u64> = BTreeMap::new();
        let mut models = BTreeSet::new();
        for row in &plan.components {
            let component = components.iter().find(|one| one.name == row.component);
            let before = component.map(|component| component.depends_on.as_slice());
            let before = before.unwrap_or_default().iter();
            let before = before.filter_map(|name| rounds.get(name.as_str())).max();
            let mut own = before.copied().unwrap_or(0);
            if let Some((forecast, model)) = row.forecast.as_ref().zip(row.model.as_deref())
                && forecast.calls.total() > 0
            {
                // Questions with pictures are asked one by one in any case.
                if component.is_some_and(|component| !component.input.images.is_empty()) {
                    cost = cost
                        .zip(forecast.cost_micros)
                        .map(|(sum, more)| sum.saturating_add(more));
                    rounds.insert(&row.component, own);
                    continue;
                }
                models.insert(model);
                let tasks = (row.to_make + row.depends_on_upstream).max(1);
                let calls = forecast.calls.total();
                own += calls.div_ceil(tasks);
                let mut usage = Usage::new(forecast.input_tokens.total(), forecast.output_tokens);
                let goes_ahead = (known.primer_from)(model).is_some_and(|least| calls >= least);
                if let Some(cached) = forecast.cached.as_ref().filter(|_| goes_ahead) {
                    usage = read_from_cache(usage, cached.tokens, calls);
                    own += 1;
                    primed += 1;
                }
                is_configured &= component
                    .is_some_and(|component| (known.mode)(component, model) == Mode::Batch);
                let more = (known.price)(model).map(|price| price.cost_of(calls, &usage));
                cost = cost.zip(more).map(|(sum, more)| sum.saturating_add(more));
            }
            rounds.insert(&row.component, own);
        }
        let rounds = rounds.into_values().max().unwrap_or(0);
        let is_possible = rounds > 0 && models.iter().all(|model| (known.takes)(model));
        is_possible.then_some(InBatches {
            cost_micros: cost,
            rounds,
            questions,
            primed,
            is_configured,
        })
    }

    /// In one sentence.
    pub fn sentence(&self) -> String {
        let cost = match self.cost_micros {
            Some(micros) => format!("about {}", dollars(micros)),
            None => "a price that is not known".to_owned(),
        };
        let rounds = match self.rounds {
            1 => "1 round of batches".to_owned(),
            many => format!("{many} rounds of batches"),
        };
        let sent = match self.questions {
            0 => String::new(),
            1 => "1 of these calls is in a batch already.\n".to_owned(),
            many => format!("{} of these calls are in batches already.\n", count(many)),
        };
        let how = match self.is_configured {
            true => "In batches, as is configured,",
            false => "With --mode batch",
        };
        let ahead = match self.primed {
            0 => "",
            _ => {
                " One of them is of single questions, which go ahead so that the others read their beginning from the prompt cache."
            }
        };
        format!(
            "{how} it costs {cost}, in {rounds}; each may take a day, and often takes an hour or two.{ahead}\n{sent}"
        )
    }
}

/// What questions take of whose tokens so many are read from a prompt cache. One of them writes what each of the others reads.
fn read_from_cache(usage: Usage, tokens: u64, calls: u64) -> Usage {
    let written = tokens / calls.max(1);
    Usage {
        cached_tokens: tokens.saturating_sub(written),
        cache_write_tokens: written,
        long_cache_write_tokens: written,
        ..usage
    }
}
