//! Numbers as the dataset writes them: `1.10` and not 1.1. Values do not keep the digits, so they are read from the JSON beside them.

use std::collections::BTreeMap;

use crate::{Map, Value};

/// How numbers are written that would be printed in another way, by their bits.
#[derive(Clone, Debug, Default)]
pub struct Digits(BTreeMap<u64, String>);

impl Digits {
    /// Notes the numbers of an object, which is written so. Of two that are the same and are written in two ways, the first
    /// counts.
    pub fn read(&mut self, values: &Map<String, Value>, json: &str) {
        // The text may be long, and most have only whole numbers.
        if !values.values().any(has_fraction) {
            return;
        }
        let mut place = 0;
        while let Some(byte) = json.as_bytes().get(place) {
            place = match byte {
                b'"' => behind_string(json.as_bytes(), place),
                b'-' | b'0'..=b'9' => {
                    let rest = json.get(place..).unwrap_or_default();
                    let end = rest.find(|found: char| !is_of_number(found));
                    let token = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    self.note(token);
                    place + token.len()
                }
                _ => place + 1,
            };
        }
    }

    fn note(&mut self, token: &str) {
        if token.contains(['.', 'e', 'E'])
            && let Ok(number) = token.parse::<f64>()
            && printed(number) != token
        {
            self.0
                .entry(number.to_bits())
                .or_insert_with(|| token.to_owned());
        }
    }

    /// How a number is written, where it would be printed in another way.
    pub fn of(&self, number: f64) -> Option<&str> {
        self.0.get(&number.to_bits()).map(String::as_str)
    }

    /// Puts the digits in the place of the numbers: for those who read, and do not reckon.
    pub fn put_into(&self, values: &mut Map<String, Value>) {
        if !self.0.is_empty() {
            values.values_mut().for_each(|value| self.put(value));
        }
    }

    fn put(&self, value: &mut Value) {
        match value {
            Value::Number(number) => {
                let digits = number.as_f64().filter(|_| number.is_f64());
                if let Some(digits) = digits.and_then(|number| self.of(number)) {
                    *value = Value::String(digits.to_owned());
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|value| self.put(value)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.put(value)),
            _ => {}
        }
    }
}

fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.is_f64(),
        Value::Array(list) => list.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}

fn is_of_number(found: char) -> bool {
    found.is_ascii_digit() || "+-.eE".contains(found)
}

/// The place behind a string that begins here. Texts may be long, so they are not looked at byte by byte.
fn behind_string(json: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(found) = json
        .get(place..)
        .and_then(|rest| rest.iter().position(|byte| matches!(byte, b'"' | b'\\')))
    {
        place += found + 1;
        if json.get(place - 1) == Some(&b'"') {
            return place;
        }
        place += 1;
    }
    json.len()
}

/// A number as JSON is printed.
fn printed(number: f64) -> String {
    Value::from(number).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_are_no_numbers() {
        let json = r#"{"a\\": 1.10, "b": "2.20", "c\"": [-3.30, 4, "\\\"5.50"], "d": {"e": 1E5}}"#;
        let values: Value = json.parse().unwrap();
        let mut digits = Digits::default();
        digits.read(values.as_object().unwrap(), json);
        let written: Vec<&str> = digits.0.values().map(String::as_str).collect();
        assert_eq!(written, ["1.10", "1E5", "-3.30"]);
    }
}
