//! The records of a comparison, each with its text of every variant.

use std::collections::BTreeMap;

use serde::Serialize;

use config::component::Component;
use plan::verdict::{Giver, Verdict};
use quality::Better;
use types::digest::Digest;

/// One record.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub record: String,
    pub category: String,
    /// For each variant.
    pub cells: Vec<Cell>,
    /// For each variant but the first, whether it is better.
    pub better: Vec<Better>,
}

/// One text.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Cell {
    pub text: Option<String>,
    /// Why there is none.
    pub cause: Option<String>,
    /// Its words beside those of the first variant: what stays, goes and comes.
    pub changes: Vec<(&'static str, String)>,
    pub words: u64,
    pub rules_kept: Option<bool>,
    /// What rules and judge said.
    pub reasons: Vec<String>,
    pub score: Option<f64>,
    pub scores: BTreeMap<String, f64>,
    /// What the judge said who held it against the first variant: with the first in front, and behind.
    pub compared: Vec<Choice>,
    pub calls: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cost_micros: Option<u64>,
    pub milliseconds: Option<u64>,
}

/// What the judge chose of two texts.
#[derive(Debug, Serialize)]
pub(crate) struct Choice {
    pub better: Better,
    pub reason: String,
}

impl Cell {
    /// Notes what its calls took.
    pub fn took(&mut self, calls: &[store::CallNote]) {
        self.calls = calls.len() as u64;
        self.input_tokens = calls.iter().map(|call| call.input_tokens).sum();
        self.output_tokens = calls.iter().map(|call| call.output_tokens).sum();
        self.cost_micros = calls.iter().map(|call| call.cost_micros).sum();
        self.milliseconds = calls.iter().map(|call| call.milliseconds).sum();
    }

    /// Notes what rules and judge said of its text.
    pub fn heard(
        &mut self,
        verdicts: &[Verdict],
        component: &Component,
        scoring: Option<&Component>,
        content: Digest,
    ) {
        let mut of_this = verdicts
            .iter()
            .rev()
            .filter(|one| one.component == component.name && one.content == content);
        let of_rules = of_this.clone().find(|one| one.giver == Giver::Rules);
        if component.rules.is_some() {
            // Rules that are kept say nothing.
            self.rules_kept = Some(of_rules.is_none_or(|one| one.passes));
        }
        let of_judge = of_this.find(|one| {
            one.giver == Giver::Judge && scoring.is_some_and(|judge| judge.name == one.name)
        });
        if let Some(verdict) = of_judge {
            self.score = verdict.score;
            self.scores.clone_from(&verdict.scores);
        }
        let said = of_rules
            .filter(|one| !one.passes)
            .into_iter()
            .chain(of_judge);
        self.reasons = said
            .map(|one| one.reason.clone())
            .filter(|reason| !reason.is_empty())
            .collect();
    }
}
