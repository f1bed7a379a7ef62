//! Fields of another type than usual, and texts that YAML, JSON, HTML and Markdown read as something else.

use serde_json::{Value, json};

use super::missing::{ALLOWED, ended};
use super::sample::Owner;
use super::{Subject, Verdict, nothing_made, verdict};

const TEXT: &str = "---\n\"Al\": 'x' # {{ y }} <b>&amp; | [a](b) `c` \\ \u{2028}\t\u{7f} é 日本 \u{1f980}\n---\n- %: @!";

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    let Some((sample, _, _)) = subject.first() else {
        return nothing_made();
    };
    let mut faults = Vec::new();
    for of in Owner::ALL {
        let fields = sample.fields_of(of);
        for name in fields.keys() {
            for (what, value) in [
                ("null", Value::Null),
                ("a number", json!(1e300)),
                ("a text", json!("text")),
                ("an empty text", json!("")),
                ("a list", json!([null, 1, [], {}])),
                ("an empty list", json!([])),
                ("an object", json!({"": {"a": null}})),
            ] {
                let mut odd = fields.clone();
                odd.insert(name.clone(), value);
                let what = format!("with {what} as the {}'s field `{name}`", of.name());
                faults.extend(ended(
                    subject,
                    &sample.with_fields(of, odd),
                    &what,
                    &ALLOWED,
                ));
            }
        }
        let odd = fields
            .iter()
            .map(|(name, value)| (name.clone(), with_text(value, TEXT)))
            .collect();
        let what = format!(
            "with marks of YAML, HTML and Markdown in the {}'s texts",
            of.name()
        );
        faults.extend(ended(
            subject,
            &sample.with_fields(of, odd),
            &what,
            &ALLOWED,
        ));
    }
    let named = sample.with(|input| input.name = TEXT.to_owned());
    faults.extend(ended(
        subject,
        &named,
        "with marks of YAML, HTML and Markdown in the name",
        &ALLOWED,
    ));
    verdict(faults)
}

/// The value with another text in place of each of its texts.
pub(super) fn with_text(value: &Value, text: &str) -> Value {
    match value {
        Value::String(_) => Value::from(text),
        Value::Array(items) => items.iter().map(|item| with_text(item, text)).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), with_text(value, text)))
            .collect(),
        other => other.clone(),
    }
}
