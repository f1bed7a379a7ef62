//! What it makes when every answer is good.

use super::{Fault, Subject, Verdict, verdict};
use crate::core::class::FailureClass;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let media_type = serde_json::to_value(subject.component.media_type).unwrap_or_default();
    let media_type = media_type.as_str().unwrap_or_default();
    let faults = subject.samples.iter().filter_map(|(sample, trial)| {
        let failure = trial.end.as_ref().err()?;
        Some(Fault {
            expected: format!(
                "an artifact of the type {media_type} of record {}",
                sample.record
            ),
            found: failure.to_string(),
            hint: hint(failure.class).to_owned(),
        })
    });
    verdict(faults.collect())
}

fn hint(class: FailureClass) -> &'static str {
    match class {
        FailureClass::RejectedArtifact => {
            "correct the artifact, or media-type under [output] of plugin.toml"
        }
        FailureClass::UnsuitableRecord => {
            "choose records that suit it with --record ID, or a dataset with --data FILE"
        }
        FailureClass::InvalidOutput => {
            "the answer obeys the request's rules and schema: state as rules whatever else is demanded of it"
        }
        FailureClass::Limit => "ask for what it needs under [limits] of plugin.toml",
        _ => "correct the component",
    }
}
