//! Answers of no use: a model may say anything, and go on doing so.

use super::trial::{self, completion, shown};
use super::{Fault, Subject, Verdict, asks_nothing, nothing_made, verdict};
use types::class::FailureClass;
use types::request::StopReason;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, before, _)) = subject.first() else {
        return nothing_made();
    };
    if before.told.is_empty() {
        return asks_nothing();
    }
    let long = "A sentence that says nothing. ".repeat(8_000);
    let deep = "[".repeat(50_000);
    let answers = [
        ("nothing", ""),
        ("white space", " \n\t\n"),
        ("an apology", "I am sorry, but I cannot help with that."),
        ("an empty object", "{}"),
        ("null", "null"),
        (
            "an object of another shape",
            r#"{"unexpected": [1, {"a": null}]}"#,
        ),
        ("JSON that breaks off", "{\"title\": \"Half"),
        ("JSON that nests deeply", deep.as_str()),
        ("240 kB of prose", long.as_str()),
        (
            "letters that are not ASCII",
            "Ünïcödé — «日本語» \u{1f980}\u{200d}\u{0301} 𝔘",
        ),
        ("front matter", "---\ntitle: [open\n---\n# Heading\n"),
    ];
    // What the host does not publish is asked anew, as an invalid answer is.
    let allowed = [
        FailureClass::InvalidOutput,
        FailureClass::ContentFilter,
        FailureClass::RejectedArtifact,
    ];
    let mut faults = Vec::new();
    for (what, text) in answers {
        let answer = completion(text.to_owned(), StopReason::Stop);
        let trial = trial::run(subject.component, &sample.input, |_| answer.clone());
        if !trial::is_orderly(&trial.end, &allowed) {
            faults.push(Fault {
                expected: format!(
                    "with {what} for every answer, an artifact, or a failure of the kind `invalid-answer`"
                ),
                found: shown(&trial.end),
                hint: "check an answer before it is used, and ask again a few times at most".to_owned(),
            });
        }
    }
    verdict(faults)
}
