//! Records that lack fields: each in turn, and all.

use std::sync::Arc;

use serde_json::Map;

use super::sample::Owner;
use super::trial::{self, shown};
use super::{Fault, Subject, Verdict, nothing_made, verdict};
use engine::TaskFailure;
use plugin::sandbox::Input;
use types::class::FailureClass;

/// How a component may end that was given a record which it cannot work with.
pub(super) const ALLOWED: [FailureClass; 3] = [
    FailureClass::UnsuitableRecord,
    FailureClass::InvalidOutput,
    FailureClass::ContentFilter,
];

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, _, _)) = subject.first() else {
        return nothing_made();
    };
    let mut faults = Vec::new();
    for of in Owner::ALL {
        let fields = sample.fields_of(of);
        for name in fields.keys() {
            let mut without = fields.clone();
            without.remove(name);
            let what = format!("without the {}'s field `{name}`", of.name());
            faults.extend(ended(
                subject,
                &sample.with_fields(of, without),
                &what,
                &ALLOWED,
            ));
        }
    }
    let empty = sample.with(|input| {
        for fields in [&mut input.fields, &mut input.category_fields] {
            *fields = serde_json::Value::Object(Map::new()).to_string();
        }
    });
    faults.extend(ended(subject, &empty, "without any field", &ALLOWED));
    verdict(faults)
}

/// What is wrong with how it ends on an input that need not suit it.
pub(super) fn ended(
    subject: &Subject<'_>,
    input: &Arc<Input>,
    what: &str,
    allowed: &[FailureClass],
) -> Option<Fault> {
    let trial = subject.trial(input);
    (!trial::is_orderly(&trial.end, allowed)).then(|| Fault {
        expected: format!("{what}, an artifact, or a failure of the kind `unsuitable-record`"),
        found: shown(&trial.end),
        hint: hint(&trial.end).to_owned(),
    })
}

fn hint(end: &Result<String, TaskFailure>) -> &'static str {
    match end {
        Err(failure) if failure.class == FailureClass::RejectedArtifact => {
            "escape what is put into the artifact, as its media type asks"
        }
        _ => "do without, or report a failure of the kind `unsuitable-record` that names the field",
    }
}
