//! Numbers as they are written. A number that would be printed in another way than it stands in the file (`1.10`, `1E5`)
//! keeps its digits: a parser gives it as a text behind a mark, which [`super::Fields`] takes out again. One whose value does not
//! fit (an integer of more than 64 bits, a decimal of more than 15 digits) is a text.

use std::borrow::Cow;

use memchr::memchr2;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// Stands before the digits. It is no character, so no text begins with it.
const MARK: char = '\u{10ffff}';
/// Significant digits that a number of 64 bits keeps whatever they are.
const EXACT: usize = 15;

/// What a token is that is written like a number in JSON.
#[derive(PartialEq)]
enum Kept {
    /// A number that is printed as it is written.
    Plain(Number),
    /// A number that is printed otherwise.
    Written,
    /// Its value would be another one.
    Text,
    /// It is larger than any number of 64 bits.
    Beyond,
}

/// The value of a text that is written as JSON writes a number; `None` where it is no number.
pub(super) fn number(token: &str) -> Option<Value> {
    Some(match classify(token)? {
        Kept::Plain(number) => Value::Number(number),
        Kept::Written => Value::String(format!("{MARK}{token}")),
        Kept::Text | Kept::Beyond => Value::String(token.to_owned()),
    })
}

/// Whether a number of this text is held as it is by the type for numbers.
pub(super) fn is_plain(token: &str) -> bool {
    matches!(classify(token), Some(Kept::Plain(_)) | None)
}

fn classify(token: &str) -> Option<Kept> {
    if !is_json_number(token) {
        return None;
    }
    let parsed: Option<Number> = serde_json::from_str(token).ok();
    let is_integer = !token.contains(['.', 'e', 'E']);
    Some(match parsed {
        None => Kept::Beyond,
        Some(number) if is_integer => {
            if token == "-0" {
                Kept::Written
            } else if number.is_f64() {
                Kept::Text
            } else {
                Kept::Plain(number)
            }
        }
        Some(number) if number.to_string() == token => Kept::Plain(number),
        Some(_) if significant(token) <= EXACT => Kept::Written,
        Some(number) if is_same(&number, token) => Kept::Written,
        Some(_) => Kept::Text,
    })
}

/// Whether a text is a number as the grammar of JSON has it.
fn is_json_number(token: &str) -> bool {
    let bytes = token.as_bytes();
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(bytes);
    let digits = |bytes: &[u8]| {
        bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count()
    };
    let whole = digits(unsigned);
    let leading_zero = whole > 1 && unsigned.first() == Some(&b'0');
    if whole == 0 || leading_zero {
        return false;
    }
    let mut rest = unsigned.get(whole..).unwrap_or_default();
    if let Some(after) = rest.strip_prefix(b".") {
        let places = digits(after);
        if places == 0 {
            return false;
        }
        rest = after.get(places..).unwrap_or_default();
    }
    if let Some(after) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let after = after
            .strip_prefix(b"+")
            .or_else(|| after.strip_prefix(b"-"))
            .unwrap_or(after);
        let power = digits(after);
        return power > 0 && power == after.len();
    }
    rest.is_empty()
}

/// The digits that count: without zeros in front and without the exponent.
fn significant(token: &str) -> usize {
    let mantissa = token.split(['e', 'E']).next().unwrap_or(token);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').trim_end_matches('0').len()
}

/// Whether a number of the same value has these digits, and more zeros.
fn is_same(number: &Number, token: &str) -> bool {
    let normal = |text: &str| {
        let (mantissa, power) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, places) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let power: i64 = power.trim_start_matches('+').parse().unwrap_or(i64::MAX);
        let all = format!("{}{places}", whole.trim_start_matches('-'));
        let kept = all.trim_end_matches('0');
        let zeros = (all.len() - kept.len()) as i64;
        let power = power
            .saturating_sub(places.len() as i64)
            .saturating_add(zeros);
        (kept.trim_start_matches('0').to_owned(), power)
    };
    normal(&number.to_string()) == normal(token)
}

/// The text of JSON with every number marked that would not be printed as it is written. A parser then takes it for a
/// text, and nothing of it is lost. One that is larger than any number stays, and a parser refuses it, as in YAML.
pub(super) fn marked(json: &str) -> Cow<'_, str> {
    let bytes = json.as_bytes();
    let mut marked = String::new();
    let (mut copied, mut place) = (0, 0);
    while let Some(byte) = bytes.get(place) {
        match byte {
            b'"' => place = after_string(bytes, place),
            b'-' | b'0'..=b'9' => {
                let end = place + token_length(bytes.get(place..).unwrap_or_default());
                let token = json.get(place..end).unwrap_or_default();
                let kept = if is_short_integer(token) || classify(token) == Some(Kept::Beyond) {
                    None
                } else {
                    number(token).filter(Value::is_string)
                };
                if let Some(Value::String(kept)) = kept {
                    marked.push_str(json.get(copied..place).unwrap_or_default());
                    marked.push('"');
                    marked.push_str(&kept);
                    marked.push('"');
                    copied = end;
                }
                place = end;
            }
            _ => place += 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    marked.push_str(json.get(copied..).unwrap_or_default());
    Cow::Owned(marked)
}

/// The place behind a string that begins here. Texts may be long, so they are not looked at byte by byte.
fn after_string(bytes: &[u8], start: usize) -> usize {
    let mut place = start + 1;
    while let Some(found) = bytes
        .get(place..)
        .and_then(|rest| memchr2(b'"', b'\\', rest))
    {
        place += found + 1;
        if bytes.get(place - 1) == Some(&b'"') {
            return place;
        }
        place += 1;
    }
    bytes.len()
}

fn token_length(bytes: &[u8]) -> usize {
    let of_number = |byte: &&u8| byte.is_ascii_digit() || b"+-.eE".contains(byte);
    bytes.iter().take_while(of_number).count().max(1)
}

/// Most numbers are, and need no second look.
fn is_short_integer(token: &str) -> bool {
    token.len() <= 18 && token != "-0" && token.bytes().skip(1).all(|byte| byte.is_ascii_digit())
}

/// A text as a dataset has it: only a number that is held as it was written begins with the mark.
pub(super) fn cleaned(text: String) -> String {
    match text.strip_prefix(MARK) {
        Some(digits) if is_plain(digits) => text.trim_start_matches(MARK).to_owned(),
        _ => text,
    }
}

/// The digits of a number that is held as it was written.
pub(super) fn written(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => text.strip_prefix(MARK),
        _ => None,
    }
}

/// Whether a number within is held as it was written.
pub(super) fn has_mark(value: &Value) -> bool {
    match value {
        Value::Array(list) => list.iter().any(has_mark),
        Value::Object(fields) => fields.values().any(has_mark),
        value => written(value).is_some(),
    }
}

/// Makes such numbers plain ones, of the same value.
pub(super) fn unmark(value: &mut Value) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(unmark),
        Value::Object(fields) => fields.values_mut().for_each(unmark),
        Value::String(text) => {
            if let Some(digits) = text.strip_prefix(MARK) {
                let number = serde_json::from_str(digits).map(Value::Number);
                *value = number.unwrap_or_else(|_| Value::from(digits));
            }
        }
        _ => {}
    }
}

/// A value of a record, with its numbers as they are written.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsWritten<'a>(pub &'a Value);

impl Serialize for AsWritten<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Array(list) => {
                let mut seq = serializer.serialize_seq(Some(list.len()))?;
                for value in list {
                    seq.serialize_element(&AsWritten(value))?;
                }
                seq.end()
            }
            Value::Object(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, &AsWritten(value))?;
                }
                map.end()
            }
            value => match written(value) {
                Some(digits) => match RawValue::from_string(digits.to_owned()) {
                    Ok(digits) => digits.serialize(serializer),
                    Err(_) => serializer.serialize_str(digits),
                },
                None => value.serialize(serializer),
            },
        }
    }
}

impl std::fmt::Display for AsWritten<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = serde_json::to_string(self).map_err(|_| std::fmt::Error)?;
        f.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Value {
        serde_json::from_str(&marked(json)).unwrap()
    }

    #[test]
    fn every_number_is_printed_as_it_is_written() {
        for (token, is_number) in [
            ("0", true),
            ("-7", true),
            ("18446744073709551615", true),
            ("18446744073709551616", false),
            ("-9223372036854775808", true),
            ("-9223372036854775809", false),
            ("123456789012345678901", false),
            ("1.5", true),
            ("1.10", true),
            ("100.00", true),
            ("1.0", true),
            ("-0", true),
            ("-0.0", true),
            ("1E5", true),
            ("1e5", true),
            ("1e+05", true),
            ("1.50e-3", true),
            ("0.1234567890123456789", false),
            ("0.10000000000000000000", true),
            ("12345678901234567890.5", false),
            ("2.2250738585072014e-308", true),
        ] {
            let json = format!("{{\"a\": [{token}], \"{token}\": \"{token} \\\" 1.10\"}}");
            let value = read(&json);
            let shown = AsWritten(&value).to_string();
            let a = if is_number {
                token.to_owned()
            } else {
                format!("\"{token}\"")
            };
            assert_eq!(
                shown,
                format!("{{\"a\":[{a}],\"{token}\":\"{token} \\\" 1.10\"}}")
            );
        }
    }

    #[test]
    fn what_is_no_number_in_json_is_left_to_the_parser() {
        for json in [
            "[01]", "[1.]", "[.5]", "[+1]", "[1e]", "[--1]", "[1-2]", "[-]", "[1e999]", "[-1e999]",
        ] {
            assert_eq!(marked(json), json);
            assert!(
                serde_json::from_str::<Value>(&marked(json)).is_err(),
                "{json}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_number_that_is_kept_has_the_value_that_it_had(
            whole in "-?(0|[1-9][0-9]{0,20})", places in "(\\.[0-9]{1,20})?", power in "([eE][+-]?[0-9]{1,2})?",
        ) {
            let token = format!("{whole}{places}{power}");
            let value = read(&token);
            let shown = AsWritten(&value).to_string();
            prop_assert_eq!(shown.trim_matches('"'), &token);
        }

        #[test]
        fn no_text_becomes_a_number(text in any::<String>()) {
            let json = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(&marked(&json), &json);
        }
    }
}
