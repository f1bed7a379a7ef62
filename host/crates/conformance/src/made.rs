//! What it makes when every answer is good.

use super::recorded::ANSWERS_FILE;
use super::sample::Sample;
use super::trial::Trial;
use super::{Fault, Subject, Verdict, verdict};
use types::class::FailureClass;

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
            hint: hint(subject, sample, trial, failure.class),
        })
    });
    verdict(faults.collect())
}

fn hint(subject: &Subject<'_>, sample: &Sample, trial: &Trial, class: FailureClass) -> String {
    let last = trial.told.last().and_then(|told| told.request.as_ref());
    let place = last.and_then(|request| {
        subject
            .recorded
            .place(subject.component, &sample.record, request)
    });
    let hint = match class {
        FailureClass::RejectedArtifact => {
            "correct the artifact, or media-type under [output] of plugin.toml"
        }
        FailureClass::UnsuitableRecord => {
            "choose records that suit it with --record ID, or a dataset with --data FILE"
        }
        FailureClass::InvalidOutput => {
            if let Some(place) = place {
                return format!("the answer is the one at {place}: correct it, or the component");
            }
            return format!(
                "the stand-in for a model obeys the rules and the schema of the request, and knows no other rule: state the \
                 rule there, or record an answer that obeys it, in {ANSWERS_FILE} beside the plugin: [[answer]] and, below it, \
                 text = \"...\""
            );
        }
        FailureClass::Limit => "ask for what it needs under [limits] of plugin.toml",
        _ => "correct the component",
    };
    hint.to_owned()
}
