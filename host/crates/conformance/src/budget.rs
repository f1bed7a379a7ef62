//! A budget that is spent in the middle of a task ends it there; a later run goes on from what was paid for.

use super::determinism::difference;
use super::trial;
use super::{Fault, Subject, Verdict, asks_nothing, nothing_made, verdict};

/// Most places at which a task is stopped.
const PLACES: usize = 8;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, before, _)) = subject.first() else {
        return nothing_made();
    };
    if before.told.is_empty() {
        return asks_nothing();
    }
    let mut faults = Vec::new();
    for count in 1..=before.told.len().min(PLACES) {
        let paid = before.told.iter().take(count).cloned().collect();
        let again = trial::resumed(subject.component, &sample.input, paid, |question| {
            subject.good_answer(&sample.input, question)
        });
        faults.extend(difference(before, &again).map(|found| {
            Fault {
                expected: format!(
                    "stopped behind answer {count}, it asks what is left and makes the same"
                ),
                found,
                hint: "ask the same questions in the same order whenever the answers are the same"
                    .to_owned(),
            }
        }));
    }
    verdict(faults)
}
