//! How verdicts are shown.

use std::fmt::Write as _;

use serde_json::{Value, json};

use plan::verdict::{Giver, Verdict};

/// A verdict as JSON.
pub(super) fn as_json(verdict: &Verdict) -> Value {
    json!({
        "giver": verdict.giver.as_str(),
        "name": verdict.name,
        "passes": verdict.passes,
        "score": verdict.score,
        "scores": verdict.scores,
        "reason": verdict.reason,
    })
}

/// A verdict in a line or more.
pub(super) fn in_words(verdict: &Verdict) -> String {
    let word = match (verdict.giver, verdict.passes) {
        (Giver::Person, true) => "accepts it",
        (Giver::Person, false) => "refuses it",
        (_, true) => "lets it pass",
        (_, false) => "does not let it pass",
    };
    let who = match verdict.giver {
        Giver::Rules => "the gate's rules",
        Giver::Judge | Giver::Person => verdict.name.as_str(),
    };
    let mut text = match verdict.giver {
        Giver::Rules if verdict.passes => "the gate's rules let it pass".to_owned(),
        Giver::Rules => "the gate's rules do not let it pass".to_owned(),
        _ => format!("{who} {word}"),
    };
    if !verdict.scores.is_empty() {
        let scores = verdict.scores.iter();
        let scores: Vec<String> = scores
            .map(|(name, score)| format!("{name} {score}"))
            .collect();
        let _ = write!(text, " ({})", scores.join(", "));
    }
    if !verdict.reason.is_empty() {
        let _ = write!(text, ": {}", verdict.reason.replace('\n', "\n  "));
    }
    text
}
