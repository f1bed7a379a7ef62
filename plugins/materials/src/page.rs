//! What components read of the front matter that another component made. A person may have edited it,
//! so that anything may be missing, and a plain value may stand where a mapping was.

use sdk::{Map, Value};

use crate::material::value_text;
use sdk::units;

/// A property or machine setting of the front matter.
#[derive(Clone, Debug, PartialEq)]
pub struct Measure {
    /// For people, in lower case but for proper names.
    pub label: String,
    /// The value of a property.
    pub value: Option<Value>,
    /// The value of a setting to start from.
    pub typical: Option<f64>,
    /// A setting's window, smallest first. Of a property it is the range of its category.
    pub window: Option<(f64, f64)>,
    /// Empty if there is none.
    pub unit: String,
}

/// The entries of the front matter's `properties` or `machine_settings`, in their order.
pub fn measures(entries: &Map<String, Value>) -> Vec<Measure> {
    entries
        .iter()
        .map(|(key, entry)| Measure::new(key, entry))
        .collect()
}

impl Measure {
    fn new(key: &str, entry: &Value) -> Self {
        let text = |name| {
            let text = entry.get(name).and_then(Value::as_str).map(str::trim);
            text.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let number = |name| entry.get(name).and_then(Value::as_f64);
        Measure {
            label: text("label").unwrap_or_else(|| key.replace('_', " ")),
            value: match entry {
                Value::Object(fields) => fields.get("value").cloned(),
                plain => Some(plain.clone()),
            },
            typical: number("typical"),
            window: number("min").zip(number("max")),
            unit: text("unit").unwrap_or_default(),
        }
    }

    /// The value with its unit, if there is one that is a scalar.
    pub fn value_text(&self) -> Option<String> {
        let text = value_text(self.value.as_ref()?, &self.unit)?;
        let quoted_number =
            self.value.as_ref().is_some_and(Value::is_string) && units::parse(&text).is_some();
        // Whoever edits YAML may put a number in quotes: it is one all the same.
        Some(if quoted_number {
            units::with_unit(&text, &self.unit)
        } else {
            text
        })
    }

    /// The typical value with its unit, if there is one.
    pub fn typical_text(&self) -> Option<String> {
        let typical = units::number(self.typical?);
        Some(units::with_unit(&typical, &self.unit))
    }

    /// The window with its unit, if it is one.
    pub fn window_text(&self) -> Option<String> {
        let (min, max) = self.window.filter(|(min, max)| min < max)?;
        Some(units::range(min, max, &self.unit))
    }
}

#[cfg(test)]
mod tests;
