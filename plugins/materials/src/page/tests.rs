use serde_json::json;

use super::*;

fn one(entry: Value) -> Measure {
    let entries = Map::from_iter([("melting_point".to_owned(), entry)]);
    measures(&entries).remove(0)
}

#[test]
fn a_property_is_its_value_with_its_unit() {
    let melting =
        one(json!({"label": "melting point", "value": 231.9, "unit": "°C", "min": 1, "max": 3422}));
    assert_eq!(melting.label, "melting point");
    assert_eq!(melting.value_text().unwrap(), "231.9 °C");
}

#[test]
fn a_setting_is_its_window_and_a_typical_value() {
    let power =
        one(json!({"label": "average power", "typical": 20, "min": 8.5, "max": 40, "unit": "W"}));
    assert_eq!(power.typical_text().unwrap(), "20 W");
    assert_eq!(power.window_text().unwrap(), "8.5–40 W");
    assert_eq!(power.value_text(), None);
    let fixed = one(json!({"typical": 1, "min": 1, "max": 1}));
    assert_eq!(fixed.window_text(), None);
}

#[test]
fn what_a_person_may_write_is_understood() {
    for (entry, shown) in [
        (json!("about 230 °C"), Some("about 230 °C")),
        (json!(230), Some("230")),
        (json!({"value": "231.9", "unit": "°C"}), Some("231.9 °C")),
        (json!({"value": "231.9 °C", "unit": "°C"}), Some("231.9 °C")),
        (json!({"value": true}), Some("yes")),
        (json!({"value": " "}), None),
        (json!({"value": [1]}), None),
        (json!({"unit": "°C"}), None),
        (json!([1, 2]), None),
    ] {
        let measure = one(entry.clone());
        assert_eq!(measure.label, "melting point", "{entry}");
        assert_eq!(measure.value_text().as_deref(), shown, "{entry}");
    }
}
