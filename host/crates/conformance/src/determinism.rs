//! The same record and the same answers give the same questions and the same bytes.

use std::thread;

use super::trial::{self, Trial};
use super::{Fault, Subject, Verdict, verdict};
use types::class::FailureClass;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let mut faults = Vec::new();
    for (sample, before) in subject.samples {
        // On a thread of its own, whose stack and memory nobody used.
        let again = thread::scope(|scope| {
            let run = || subject.trial(&sample.input);
            scope.spawn(run).join()
        });
        let found = match again {
            Ok(again) => difference(before, &again),
            Err(_) => Some("the host failed to run it".to_owned()),
        };
        faults.extend(found.map(|found| Fault {
            expected: format!("record {} gives the same again", sample.record),
            found,
            hint: "a component may depend on its input and its answers alone: no addresses, no global state, no order of \
                   a hash table that is seeded"
                .to_owned(),
        }));
    }
    verdict(faults)
}

/// How two tasks differ that should not.
pub(super) fn difference(before: &Trial, again: &Trial) -> Option<String> {
    for end in [&before.end, &again.end] {
        if let Err(failure) = end
            && failure.class == FailureClass::Determinism
        {
            return Some(failure.cause.clone());
        }
    }
    let keys = before.told.iter().zip(&again.told);
    if let Some(place) = keys.clone().position(|(one, other)| one.key != other.key) {
        return Some(format!("question {} is another", place + 1));
    }
    if before.told.len() != again.told.len() {
        return Some(format!(
            "it asked {} questions, then {}",
            before.told.len(),
            again.told.len()
        ));
    }
    match (&before.end, &again.end) {
        (Ok(one), Ok(other)) if one != other => {
            let same = one
                .bytes()
                .zip(other.bytes())
                .take_while(|(one, other)| one == other);
            Some(format!(
                "the artifact differs from byte {} on",
                same.count()
            ))
        }
        (one, other) if one != other => Some(format!(
            "it ended with {}, then with {}",
            trial::shown(one),
            trial::shown(other)
        )),
        _ => None,
    }
}
