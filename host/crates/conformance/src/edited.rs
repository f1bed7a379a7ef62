//! Files that it depends on: a person may have edited them, and the configuration may leave one out.

use super::missing::{ALLOWED, ended};
use super::{Subject, Verdict, nothing_made, verdict};
use types::class::FailureClass;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let names = &subject.component.depends_on;
    if names.is_empty() {
        return Verdict::Skipped("it depends on nothing".to_owned());
    }
    let Some((sample, _, _)) = subject.first() else {
        return nothing_made();
    };
    let mut faults = Vec::new();
    for (place, name) in names.iter().enumerate() {
        let without = sample.with(|input| {
            input.upstreams.remove(place);
        });
        // Nothing but the configuration leaves one out, so that is no fault of the record.
        let left_out = [&ALLOWED[..], &[FailureClass::ComponentFault]].concat();
        faults.extend(ended(
            subject,
            &without,
            &format!("without the file of `{name}`"),
            &left_out,
        ));
        for (what, text, json) in [
            ("a text of its own", "Written by hand.\n", None),
            ("nothing", "", None),
            ("an empty object", "{}\n", Some("{}")),
            ("null", "null\n", Some("null")),
            (
                "values of other types",
                "---\ntitle: [1]\n---\n",
                Some(r#"{"title": [1], "name": {}, "description": 3}"#),
            ),
        ] {
            let edited = sample.with(|input| {
                if let Some(upstream) = input.upstreams.get_mut(place) {
                    upstream.text = text.to_owned();
                    upstream.json = json.map(str::to_owned);
                }
            });
            faults.extend(ended(
                subject,
                &edited,
                &format!("with {what} in the file of `{name}`"),
                &ALLOWED,
            ));
        }
    }
    verdict(faults)
}
