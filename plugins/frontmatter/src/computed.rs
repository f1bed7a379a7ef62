//! What is computed from the dataset: properties with their place in the category, machine settings
//! and outcomes. What the record lacks is left out.

use materials::material::{Category, Material};
use materials::quantity;
use sdk::units;
use sdk::{Map, Value, json};

/// Significant digits of a computed metric.
const DIGITS: i32 = 2;

/// Each property with value, unit and, where the category has a range, its bounds and the position
/// between them in percent.
pub(crate) fn properties(material: &Material, category: &Category) -> Value {
    let mut properties = Map::new();
    for (key, value) in &material.properties {
        let quantity = quantity(key);
        let mut property = Map::new();
        property.insert("label".to_owned(), quantity.label.into());
        property.insert("value".to_owned(), value.clone());
        if !quantity.unit.is_empty() {
            property.insert("unit".to_owned(), quantity.unit.into());
        }
        let number = value.as_f64();
        let range = number.and_then(|number| category.range(key, number));
        if let Some((number, (min, max))) = number.zip(range) {
            property.insert("min".to_owned(), plain(min));
            property.insert("max".to_owned(), plain(max));
            if max > min {
                let position = (number - min) / (max - min) * 100.0;
                property.insert("position_pct".to_owned(), plain(position.round()));
            }
        }
        properties.insert(quantity.key, Value::Object(property));
    }
    Value::Object(properties)
}

/// Each laser parameter with its typical value, its window and its unit.
pub(crate) fn machine_settings(material: &Material) -> Value {
    let mut settings = Map::new();
    for setting in material.settings() {
        let mut fields = Map::new();
        fields.insert("label".to_owned(), setting.quantity.label.into());
        if let Some(typical) = setting.typical {
            fields.insert("typical".to_owned(), plain(typical));
        }
        if let Some((min, max)) = setting.window {
            fields.insert("min".to_owned(), plain(min));
            fields.insert("max".to_owned(), plain(max));
        }
        if !setting.quantity.unit.is_empty() {
            fields.insert("unit".to_owned(), setting.quantity.unit.into());
        }
        settings.insert(setting.quantity.key, Value::Object(fields));
    }
    Value::Object(settings)
}

/// What the typical settings achieve, with a metric each; none of those whose settings are unknown.
pub(crate) fn outcomes(material: &Material) -> Vec<Value> {
    let speed = material.typical("scan_speed_mm_s");
    let spot = material
        .typical("spot_diameter_um")
        .map(|spot| spot / 1000.0);
    let overlap = material
        .typical("overlap_pct")
        .map(|overlap| overlap / 100.0);
    let passes = material.typical("passes").filter(|passes| *passes > 0.0);
    let mut outcomes = Vec::new();
    let mut add = |outcome: &str, number: Option<f64>, unit: &str, basis: &str| {
        if let Some(number) = number.filter(|number| number.is_finite() && *number > 0.0) {
            let number = units::number(units::round(number, DIGITS));
            let metric = units::with_unit(&number, unit);
            outcomes.push(json!({ "outcome": outcome, "metric": metric, "basis": basis }));
        }
    };
    // Square millimetres a second over all passes: lines lie one spot apart, less the overlap.
    let rate = match (speed, spot, overlap, passes) {
        (Some(speed), Some(spot), Some(overlap), Some(passes)) => {
            Some(speed * spot * (1.0 - overlap) / passes)
        }
        _ => None,
    };
    let basis = "typical scan speed, spot diameter, overlap and number of passes";
    add(
        "cleaned area per minute",
        rate.map(|rate| rate * 60.0 / 100.0),
        "cm²/min",
        basis,
    );
    let power = material.typical("average_power_w");
    // W / (mm²/s) is J/mm², a hundredth of J/cm².
    let dose = power.zip(rate).map(|(power, rate)| power / rate * 100.0);
    add(
        "laser energy per area over all passes",
        dose,
        "J/cm²",
        "typical average power and cleaned area per minute",
    );
    let pulse_rate = material
        .typical("repetition_rate_khz")
        .map(|rate| rate * 1000.0);
    let pulses = match (pulse_rate, spot, speed) {
        (Some(pulse_rate), Some(spot), Some(speed)) => Some(pulse_rate * spot / speed),
        _ => None,
    };
    let basis = "typical repetition rate, spot diameter and scan speed";
    add("pulses on each point per pass", pulses, "", basis);
    outcomes
}

/// A whole number without a point, as the dataset has it.
fn plain(number: f64) -> Value {
    let whole = number as i64;
    if whole as f64 == number {
        whole.into()
    } else {
        number.into()
    }
}
