//! The records that the bundled plugins know: materials and their categories. Every field is
//! optional, so that a component may ask for some and a record may lack any.

use sdk::{Map, Value};
use serde::Deserialize;

use sdk::units;

use crate::{Quantity, quantity};

/// A material, as far as the manifest asks for it and the record has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Material {
    /// Such as `light metal`.
    pub subcategory: Option<String>,
    /// Chemical formula; woods, rocks and composites have none.
    pub formula: Option<String>,
    /// In title case.
    pub industries: Vec<String>,
    /// What it is cleaned for.
    pub applications: Vec<Application>,
    /// What is removed from it.
    pub contaminants: Vec<String>,
    /// Whole sentences on how it behaves under the laser.
    pub cleaning_notes: Vec<String>,
    /// Measured properties; the unit is in the key.
    pub properties: Map<String, Value>,
    /// Commercial grades.
    pub grades: Vec<Grade>,
    /// Standards of the material.
    pub standards: Vec<Standard>,
    /// How it lasts in service.
    pub performance: Map<String, Value>,
    /// What it means for the environment.
    pub environment: Map<String, Value>,
    /// Typical cleaning parameters; the unit is in the key.
    pub laser: Map<String, Value>,
}

/// One use of cleaning in one industry.
#[derive(Clone, Debug, Deserialize)]
pub struct Application {
    /// One of the material's industries.
    pub industry: String,
    /// A short noun phrase.
    #[serde(rename = "use")]
    pub purpose: String,
}

/// A commercial grade.
#[derive(Clone, Debug, Deserialize)]
pub struct Grade {
    /// Designation.
    pub name: String,
    /// Percent; absent unless the grade defines one.
    pub purity_pct: Option<f64>,
    /// A short noun phrase.
    #[serde(rename = "use")]
    pub purpose: Option<String>,
}

/// A standard or regulation.
#[derive(Clone, Debug, Deserialize)]
pub struct Standard {
    /// Such as `ASTM B209`.
    pub code: String,
    /// What it is about.
    pub title: Option<String>,
}

/// A category, as far as the manifest asks for it and the dataset has it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Category {
    /// For people: `Metals`.
    pub name: Option<String>,
    /// ISO date.
    pub published_on: Option<String>,
    /// ISO date.
    pub updated_on: Option<String>,
    /// The byline.
    pub desk: Option<Desk>,
    /// Standards of laser cleaning.
    pub regulatory_standards: Vec<Standard>,
    /// What laser cleaning saves.
    pub environmental_benefits: Vec<Benefit>,
    /// What responds well and what needs care.
    pub compatibility: Compatibility,
    /// Smallest and largest value of each property in the category, by key.
    pub ranges: Map<String, Value>,
}

/// A house byline: a desk, never a person.
#[derive(Clone, Debug, Deserialize)]
pub struct Desk {
    /// Such as `Metals desk`.
    pub name: String,
    /// What it is.
    pub title: Option<String>,
    /// What it covers, in a sentence or two.
    pub profile: Option<String>,
    /// Short phrases.
    #[serde(default)]
    pub expertise: Vec<String>,
}

/// An environmental benefit.
#[derive(Clone, Debug, Deserialize)]
pub struct Benefit {
    /// Short phrase.
    pub benefit: String,
    /// Longer phrase.
    pub detail: Option<String>,
}

/// What laser cleaning suits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Compatibility {
    /// Surfaces that respond well.
    pub suited: Vec<String>,
    /// Surfaces that need care.
    pub caution: Vec<String>,
}

/// A laser parameter: one value, or a window with a typical value.
#[derive(Clone, Debug)]
pub struct Setting {
    /// What it is.
    pub quantity: Quantity,
    /// The value to start from.
    pub typical: Option<f64>,
    /// The window, smallest first.
    pub window: Option<(f64, f64)>,
}

impl Setting {
    /// Reads a parameter; none if it is neither a number nor a window.
    pub fn new(key: &str, value: &Value) -> Option<Self> {
        let typical = value.as_f64().or_else(|| number_at(value, "typical"));
        let window = number_at(value, "min").zip(number_at(value, "max"));
        let quantity = quantity(key);
        (typical.is_some() || window.is_some()).then_some(Setting {
            quantity,
            typical,
            window,
        })
    }

    /// The window with its unit, `0.5–3 J/cm²`, if there is one.
    pub fn window_text(&self) -> Option<String> {
        self.window
            .map(|(min, max)| units::range(min, max, self.quantity.unit))
    }

    /// The typical value with its unit, if there is one.
    pub fn typical_text(&self) -> Option<String> {
        self.typical
            .map(|typical| units::with_unit(&units::number(typical), self.quantity.unit))
    }
}

impl Material {
    /// The laser parameters that can be read, in the record's order.
    pub fn settings(&self) -> Vec<Setting> {
        self.laser
            .iter()
            .filter_map(|(key, value)| Setting::new(key, value))
            .collect()
    }

    /// The typical value of a laser parameter by its key.
    pub fn typical(&self, key: &str) -> Option<f64> {
        self.laser
            .get(key)
            .and_then(|value| Setting::new(key, value))
            .and_then(|found| found.typical)
    }
}

impl Category {
    /// Smallest and largest value of a property among the category's records, if `value` is one of
    /// them.
    pub fn range(&self, property: &str, value: f64) -> Option<(f64, f64)> {
        let range = self.ranges.get(property)?;
        let (min, max) = number_at(range, "min").zip(number_at(range, "max"))?;
        (min <= value && value <= max).then_some((min, max))
    }
}

/// A value of the dataset as people read it: `2.7 g/cm³`, `yes`, `good`; none if it is no scalar.
pub fn value_text(value: &Value, unit: &str) -> Option<String> {
    match value {
        Value::Number(number) => number
            .as_f64()
            .map(|number| units::with_unit(&units::number(number), unit)),
        Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
        Value::Bool(true) => Some("yes".to_owned()),
        Value::Bool(false) => Some("no".to_owned()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

fn number_at(value: &Value, key: &str) -> Option<f64> {
    value.get(key).and_then(Value::as_f64)
}
