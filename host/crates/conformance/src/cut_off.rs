//! Answers with stop reason `length`: whole ones, which only look so, and parts.

use super::trial::{self, Trial, completion, shown};
use super::{Fault, Subject, Verdict, asks_nothing, nothing_made, verdict};
use types::class::FailureClass;
use types::request::{Answer, StopReason};

/// How much of an answer comes, of twelve parts.
const PARTS: [usize; 3] = [12, 6, 4];

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, before, good)) = subject.first() else {
        return nothing_made();
    };
    if before.told.is_empty() {
        return asks_nothing();
    }
    let trials = PARTS.map(|parts| {
        trial::run(subject.component, &sample.input, |question| {
            match subject.good_answer(&sample.input, question) {
                Answer::Completion(whole) => {
                    completion(beginning(&whole.text, parts), StopReason::Length)
                }
                other => other,
            }
        })
    });
    let mut faults = Vec::new();
    for (parts, trial) in PARTS.iter().zip(&trials) {
        if !trial::is_orderly(&trial.end, &[FailureClass::InvalidOutput]) {
            faults.push(Fault {
                expected: format!(
                    "with {parts}/12 of every answer, a failure of the kind `invalid-answer`"
                ),
                found: shown(&trial.end),
                hint: "look at the stop reason before anything is done with an answer".to_owned(),
            });
        }
    }
    if publishes(&trials, good) {
        faults.push(Fault {
            expected: "the artifact holds nothing of an answer with the stop reason `length`"
                .to_owned(),
            found: "an artifact that was made of it".to_owned(),
            hint: "ask again, for less; then report a failure of the kind `invalid-answer`"
                .to_owned(),
        });
    }
    verdict(faults)
}

/// An artifact that owes nothing to the answers is the same whatever they were, and not what good ones give.
fn publishes(trials: &[Trial], good: &str) -> bool {
    let mut made = trials.iter().filter_map(|trial| trial.end.as_ref().ok());
    let Some(first) = made.next() else {
        return false;
    };
    first == good || made.any(|other| other != first)
}

/// The first of twelve parts of a text.
fn beginning(text: &str, parts: usize) -> String {
    let letters = text.chars().count();
    text.chars().take(letters * parts / 12).collect()
}
