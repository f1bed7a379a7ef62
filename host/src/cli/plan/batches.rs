//! What a plan would cost in batches, and in how many rounds of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::super::numbers::{count, dollars};
use config::component::Component;
use engine::Plan;
use gateway::prices::Price;
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
}

impl InBatches {
    /// Of a plan. `questions` are in batches already. `takes` says whether a model is asked in batches by its provider, `price` what
    /// it costs there.
    pub fn of(
        plan: &Plan,
        components: &[Component],
        questions: u64,
        takes: impl Fn(&str) -> bool,
        price: impl Fn(&str) -> Option<Price>,
    ) -> Option<InBatches> {
        let mut cost = Some(0_u64);
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
                own += forecast.calls.total().div_ceil(tasks);
                let usage = Usage::new(forecast.input_tokens.total(), forecast.output_tokens);
                let calls = forecast.calls.total();
                let more = price(model).map(|price| price.cost_of(calls, &usage));
                cost = cost.zip(more).map(|(sum, more)| sum.saturating_add(more));
            }
            rounds.insert(&row.component, own);
        }
        let rounds = rounds.into_values().max().unwrap_or(0);
        let is_possible = rounds > 0 && models.iter().all(|model| takes(model));
        is_possible.then_some(InBatches {
            cost_micros: cost,
            rounds,
            questions,
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
        format!(
            "With --mode batch it costs {cost}, in {rounds}; each may take a day, and often takes an hour or two.\n{sent}"
        )
    }
}
