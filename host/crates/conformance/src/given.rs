//! Whether it uses what its manifest asks for. What it asks for and does not use makes its artifacts again whenever it
//! changes, for nothing.

use std::sync::Arc;

use serde_json::Value;

use super::sample::{Owner, Sample};
use super::trial::Trial;
use super::{Fault, Subject, Verdict, nothing_made, verdict};
use plugin::manifest::Fields;
use plugin::sandbox::Input;

/// Checks a subject.
pub(super) fn check(subject: &Subject<'_>) -> Verdict {
    if subject.first().is_none() {
        return nothing_made();
    }
    let mut faults = Vec::new();
    for of in Owner::ALL {
        let wanted = match of {
            Owner::Record => &subject.component.input.record,
            Owner::Category => &subject.component.input.category,
        };
        let Fields::Named(names) = wanted else {
            continue;
        };
        for name in names {
            let unused = is_unused(subject, |sample| {
                let mut without = sample.fields_of(of);
                let mut changed = without.clone();
                let value = without.remove(name)?;
                changed.insert(name.clone(), other(&value));
                Some([without, changed].map(|fields| sample.with_fields(of, fields)))
            });
            if unused {
                faults.push(Fault {
                    expected: format!(
                        "questions or artifact depend on the {}'s field `{name}`",
                        of.name()
                    ),
                    found: "they are the same without it, and with another value".to_owned(),
                    hint: format!(
                        "remove `{name}` from `{}` under [input] of plugin.toml",
                        of.name()
                    ),
                });
            }
        }
    }
    for (place, name) in subject.component.depends_on.iter().enumerate() {
        let unused = is_unused(subject, |sample| {
            let without = sample.with(|input| {
                input.upstreams.remove(place);
            });
            let changed = sample.with(|input| {
                if let Some(upstream) = input.upstreams.get_mut(place) {
                    upstream.text.push_str("\nMore.\n");
                    upstream.json = upstream.json.as_ref().map(|json| changed_json(json));
                }
            });
            Some([without, changed])
        });
        if unused {
            faults.push(Fault {
                expected: format!("questions or artifact depend on the file of `{name}`"),
                found: "they are the same without it, and with another text".to_owned(),
                hint: format!("remove `{name}` from depends-on in plugin.toml"),
            });
        }
    }
    verdict(faults)
}

/// Whether no change matters to any sample; what no sample has says nothing.
fn is_unused(subject: &Subject<'_>, changes: impl Fn(&Sample) -> Option<[Arc<Input>; 2]>) -> bool {
    let mut had = false;
    for (sample, before, _) in subject.good() {
        let Some(changes) = changes(sample) else {
            continue;
        };
        had = true;
        let differs = |input: &Arc<Input>| {
            let trial = subject.trial(input);
            !is_same(before, &trial)
        };
        if changes.iter().any(differs) {
            return false;
        }
    }
    had
}

/// Whether two tasks asked and made the same.
fn is_same(one: &Trial, other: &Trial) -> bool {
    let keys = |trial: &Trial| -> Vec<_> { trial.told.iter().map(|told| told.key).collect() };
    one.end == other.end && keys(one) == keys(other)
}

/// Another value of the same shape.
fn other(value: &Value) -> Value {
    match value {
        Value::Null => Value::from("something"),
        Value::Bool(flag) => Value::from(!flag),
        Value::Number(number) => Value::from(number.as_f64().unwrap_or(0.0) + 1.0),
        Value::String(text) => Value::from(format!("{text} or other")),
        Value::Array(items) if items.is_empty() => Value::from(vec!["other"]),
        Value::Array(items) => items.iter().map(other).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (name.clone(), other(value)))
            .collect(),
    }
}

fn changed_json(json: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    other(&value).to_string()
}
