//! Records that are far larger than usual. Its limits may end it; it may not trap.

use serde_json::Value;

use super::awkward::with_text;
use super::missing::{ALLOWED, ended};
use super::sample::Owner;
use super::{Subject, Verdict, nothing_made, verdict};
use types::class::FailureClass;

/// Letters of a long text.
const LETTERS: usize = 100_000;
/// Items of a long list, at most.
const ITEMS: usize = 1_000;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, _, _)) = subject.first() else {
        return nothing_made();
    };
    let mut allowed = ALLOWED.to_vec();
    allowed.push(FailureClass::Limit);
    let text = "länger und ".repeat(LETTERS / 11);
    let mut faults = Vec::new();
    for of in Owner::ALL {
        let fields = sample.fields_of(of);
        for (name, value) in &fields {
            for (what, value) in [
                ("with long texts", with_text(value, &text)),
                ("with long lists", with_long_lists(value)),
                (
                    "with an object of 1,000 fields",
                    (0..ITEMS)
                        .map(|number| (format!("field {number}"), Value::from(number)))
                        .collect(),
                ),
            ] {
                let mut large = fields.clone();
                large.insert(name.clone(), value);
                let what = format!("{what} in the {}'s field `{name}`", of.name());
                faults.extend(ended(
                    subject,
                    &sample.with_fields(of, large),
                    &what,
                    &allowed,
                ));
            }
        }
    }
    let named = sample.with(|input| input.name = text.clone());
    faults.extend(ended(subject, &named, "with a long name", &allowed));
    verdict(faults)
}

/// The value with its outermost lists repeated.
fn with_long_lists(value: &Value) -> Value {
    match value {
        Value::Array(items) => items
            .iter()
            .cycle()
            .take(if items.is_empty() { 0 } else { ITEMS })
            .cloned()
            .collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), with_long_lists(value)))
            .collect(),
        other => other.clone(),
    }
}
