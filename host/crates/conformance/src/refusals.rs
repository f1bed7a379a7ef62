//! Every error that a component can be told, at every question.

use super::trial::{self, shown};
use super::{Fault, Subject, Verdict, asks_nothing, nothing_made, verdict};
use types::class::FailureClass;
use types::request::Answer;

/// Most questions that are refused one by one.
const PLACES: usize = 8;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, before, _)) = subject.first() else {
        return nothing_made();
    };
    if before.told.is_empty() {
        return asks_nothing();
    }
    let errors = [
        (
            "content-filtered",
            Answer::ContentFiltered("The response was filtered".to_owned()),
        ),
        (
            "context-too-long",
            Answer::ContextTooLong("The prompt is too long".to_owned()),
        ),
    ];
    let mut faults = Vec::new();
    for (name, error) in &errors {
        let one_by_one = (0..before.told.len().min(PLACES)).map(Some);
        for refused in one_by_one.chain([None]) {
            let mut asked = 0;
            let trial = trial::run(subject.component, &sample.input, |question| {
                let refuse = refused.is_none_or(|place| place == asked);
                asked += 1;
                if refuse {
                    error.clone()
                } else {
                    subject.good_answer(&sample.input, question)
                }
            });
            if !trial::is_orderly(
                &trial.end,
                &[FailureClass::ContentFilter, FailureClass::Context],
            ) {
                let place = refused.map_or("every question".to_owned(), |place| {
                    format!("question {}", place + 1)
                });
                faults.push(Fault {
                    expected: format!("with `{name}` for {place}, an artifact, or a failure of the kind `refused`"),
                    found: shown(&trial.end),
                    hint: "report `refused` where a question has no answer: it is told to people as the model's refusal".to_owned(),
                });
            }
        }
    }
    verdict(faults)
}
