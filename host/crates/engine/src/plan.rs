//! What a run would do with a selection, counted by component and cause, and what it would take. It judges
//! every task, and runs components as far as the journal answers; it asks nobody and writes nothing.

use std::collections::HashMap;

use serde::Serialize;

use super::preview::{PlannedAction, Previewer, TaskPreview};
use super::probe::ProbeEnd;
use config::component::Component;
use gateway::limits::estimate::Estimate;
use gateway::prices::Price;
use plan::explain::{CauseCount, Tally};
use plan::forecast::{self, Cached, CostModel, Forecast, Prompt, Prompts, Unseen};
use store::{Lease, StoreError};
use types::digest::{Digest, DigestBuilder};
use types::limit::Size;
use types::request::Usage;

/// Records that are leased at once.
const BATCH: u64 = 256;
/// Tasks of a component that are up to date and probed, to learn the tokens in a byte of its questions.
const CALIBRATING: u64 = 8;
/// Tasks of a component whose experience is looked at.
const EXPERIENCE: u64 = 10_000;

/// What would be done with a selection.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    pub records: u64,
    /// By component, each behind what it depends on.
    pub components: Vec<ComponentPlan>,
    /// Hash of every task that would run or may, and of what it would be made from, in their order.
    #[serde(skip)]
    pub tasks: Digest,
}

/// What would be done with the tasks of one component.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentPlan {
    /// Name of the component.
    pub component: String,
    pub to_make: u64,
    pub up_to_date: u64,
    /// Edited by hand, and kept.
    pub edited: u64,
    /// Accepted edits that are kept, though something that they were made from changed.
    pub accepted: u64,
    /// Written by a real model, and kept from the offline stand-in.
    pub kept_from_stand_in: u64,
    /// Would run if the file of something that it depends on comes out different.
    pub depends_on_upstream: u64,
    /// Of those that would run, fail without a new answer.
    pub fails: u64,
    /// Failed before, and would fail the same way again, so that they do not run.
    pub stay_failed: u64,
    /// Would not run, since what they depend on has failed or fails.
    pub blocked: u64,
    /// Would not run, since their record is given up because of another component.
    pub skipped: u64,
    /// Their record cannot be read.
    pub unreadable: u64,
    /// Their record is not in the sample of the component.
    pub not_sampled: u64,
    /// Why tasks would run, or may.
    pub reasons: Vec<CauseCount>,
    /// Model that it asks.
    pub model: Option<String>,
    /// What that would take, all that depends on upstream included; `None` for a component without model.
    pub forecast: Option<Forecast>,
}

/// What is collected of one component.
struct Collected {
    plan: ComponentPlan,
    tally: Tally,
    prompts: Prompts,
    unseen: Unseen,
    calibrating: u64,
}

/// Plans a selection. `price` knows what a model costs, and `caches` whether its provider keeps what questions begin with.
pub fn plan(
    previewer: &mut Previewer,
    mut lease: Lease,
    price: impl Fn(&str) -> Option<Price>,
    caches: impl Fn(&str) -> bool,
) -> Result<Plan, StoreError> {
    let components = previewer.components();
    let dataset = lease.dataset();
    let mut collected: Vec<Collected> = components.iter().map(Collected::new).collect();
    let mut estimates: HashMap<String, Estimate> = HashMap::new();
    let mut records = 0;
    let mut tasks = DigestBuilder::new("batchgen plan 1");
    loop {
        let batch = previewer.store().lease(&mut lease, BATCH)?;
        if batch.is_empty() {
            break;
        }
        for reference in batch {
            records += 1;
            let hash = Digest::of(reference.id.as_bytes()).seed();
            let previews = previewer.record(&reference, |place, runs| {
                collected
                    .get_mut(place)
                    .is_some_and(|collected| collected.is_probed(hash, runs))
            })?;
            for (task, collected) in previews.iter().zip(&mut collected) {
                note(&mut tasks, &reference.id, task);
                collected.add(hash, task);
                if let (Some(model), Some(probe)) = (&collected.plan.model, &task.probe) {
                    let estimate = estimates.entry(model.clone()).or_default();
                    for (bytes, input) in &probe.sizes {
                        let used = Size {
                            input: *input,
                            output: 0,
                        };
                        estimate.observe(*bytes, used);
                    }
                }
            }
        }
    }
    let unknown = Estimate::default();
    let plans = components
        .iter()
        .zip(collected)
        .map(|(component, collected)| {
            let Some(parameters) = &component.parameters else {
                return Ok(collected.finish(None));
            };
            let model = &parameters.model;
            let took = previewer
                .store()
                .took(dataset, &component.name, model, EXPERIENCE)?;
            let estimate = estimates.get(model).unwrap_or(&unknown);
            let price = price(model);
            let terms = CostModel {
                cap: u64::from(gateway::reasoning::likely_cap(parameters)),
                tokens: |bytes| estimate.size(bytes, 0).input,
                cost: |calls, input, output| {
                    price.map(|price| price.cost_of(calls, &Usage::new(input, output)))
                },
            };
            let mut forecast =
                forecast::forecast(&collected.prompts, collected.unseen, &took, &terms);
            if caches(model) {
                forecast.cached = cached(&forecast, collected.prompts.shared(), price);
            }
            Ok(collected.finish(Some(forecast)))
        })
        .collect::<Result<_, StoreError>>()?;
    Ok(Plan {
        records,
        components: plans,
        tasks: tasks.finish(),
    })
}

/// Adds a task that would run, or may.
fn note(tasks: &mut DigestBuilder, record: &str, task: &TaskPreview) {
    if matches!(
        task.action,
        PlannedAction::Runs | PlannedAction::Fails(_) | PlannedAction::DependsOnUpstream
    ) {
        tasks.text(record).text(&task.component);
        tasks.optional(task.fingerprint.as_ref(), |tasks, fingerprint| {
            tasks.bytes(fingerprint.as_bytes());
        });
    }
}

/// What a prompt cache is likely to change, where questions share so much.
fn cached(forecast: &Forecast, shared: f64, price: Option<Price>) -> Option<Cached> {
    let input = forecast.input_tokens.total();
    // A share of a number is no larger than it.
    let tokens = (input as f64 * shared.clamp(0.0, 1.0)) as u64;
    let saving = price.map(|price| {
        let fresh = Usage::new(input, 0);
        let read = Usage {
            cached_tokens: tokens,
            ..fresh
        };
        let cost = |usage| price.cost_of(forecast.calls.total(), usage);
        cost(&fresh).saturating_sub(cost(&read))
    });
    (tokens > 0).then_some(Cached {
        tokens,
        saving_micros: saving,
    })
}

impl Collected {
    fn new(component: &Component) -> Collected {
        let parameters = component.parameters.as_ref();
        Collected {
            plan: ComponentPlan {
                component: component.name.clone(),
                to_make: 0,
                up_to_date: 0,
                edited: 0,
                accepted: 0,
                kept_from_stand_in: 0,
                depends_on_upstream: 0,
                fails: 0,
                stay_failed: 0,
                blocked: 0,
                skipped: 0,
                unreadable: 0,
                not_sampled: 0,
                reasons: Vec::new(),
                model: parameters.map(|parameters| parameters.model.clone()),
                forecast: None,
            },
            tally: Tally::default(),
            prompts: Prompts::new(forecast::SAMPLE),
            unseen: Unseen::default(),
            calibrating: 0,
        }
    }

    fn is_probed(&mut self, hash: u64, runs: bool) -> bool {
        if runs {
            return self.prompts.wants(hash);
        }
        self.calibrating += 1;
        self.plan.model.is_some() && self.calibrating <= CALIBRATING
    }

    fn add(&mut self, hash: u64, task: &TaskPreview) {
        let plan = &mut self.plan;
        match task.action {
            PlannedAction::UpToDate => plan.up_to_date += 1,
            PlannedAction::Edited => plan.edited += 1,
            PlannedAction::Accepted => plan.accepted += 1,
            PlannedAction::FromModel => plan.kept_from_stand_in += 1,
            PlannedAction::Runs => plan.to_make += 1,
            PlannedAction::Fails(_) => {
                plan.to_make += 1;
                plan.fails += 1;
            }
            PlannedAction::DependsOnUpstream => plan.depends_on_upstream += 1,
            PlannedAction::StaysFailed(_) => plan.stay_failed += 1,
            PlannedAction::Blocked { .. } => plan.blocked += 1,
            PlannedAction::Skipped { .. } => plan.skipped += 1,
            PlannedAction::Unreadable { .. } => plan.unreadable += 1,
            PlannedAction::NotSampled(_) => plan.not_sampled += 1,
        }
        self.tally.add(&task.causes);
        match (&task.action, &task.probe) {
            (PlannedAction::UpToDate, _) => {}
            (_, Some(probe)) => {
                let (calls, bytes, shared) = match probe.end {
                    ProbeEnd::Asks {
                        calls,
                        bytes,
                        shared,
                    } => (calls, bytes, shared),
                    ProbeEnd::Made { .. } | ProbeEnd::Fails(_) => (0, 0, 0),
                };
                let prompt = Prompt {
                    calls,
                    bytes,
                    shared,
                    journaled: probe.journaled,
                };
                self.prompts.add(hash, prompt);
            }
            (PlannedAction::Runs | PlannedAction::DependsOnUpstream, None)
                if task.fingerprint.is_none() =>
            {
                self.unseen.tasks += 1;
                self.unseen.bytes += task.given_bytes;
            }
            _ => {}
        }
    }

    fn finish(self, forecast: Option<Forecast>) -> ComponentPlan {
        ComponentPlan {
            reasons: self.tally.counts(),
            forecast,
            ..self.plan
        }
    }
}
