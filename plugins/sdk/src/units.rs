//! Numbers as people read them, with their units. Nothing is converted.

use serde_json::{Number, Value};

/// A number as people read it: `2.7`, `1064`, `1 × 10¹⁴`; no separators of thousands. Empty if it is not finite.
pub fn number(value: f64) -> String {
    // By the printer of JSON: the standard library's would be a second one, and is a tenth of a plugin.
    let Some(number) = Number::from_f64(value) else {
        return String::new();
    };
    let printed = number.to_string();
    if value != 0.0 && !(1e-3..1e7).contains(&value.abs()) {
        return scientific(&printed);
    }
    printed.strip_suffix(".0").unwrap_or(&printed).to_owned()
}

/// A number that is written as JSON, as a power of ten.
fn scientific(printed: &str) -> String {
    let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
    let sign = if mantissa.starts_with('-') { "-" } else { "" };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let written = format!("{}{fraction}", whole.trim_start_matches('-'));
    let digits = written.trim_start_matches('0');
    // Places between the first digit and the point.
    let ahead = digits.len() as i32 - fraction.len() as i32 - 1;
    let power = ahead + exponent.parse::<i32>().unwrap_or(0);
    let digits = digits.trim_end_matches('0');
    let (first, rest) = digits.split_at_checked(1).unwrap_or((digits, ""));
    let point = if rest.is_empty() { "" } else { "." };
    let power: String = power.to_string().chars().map(superscript).collect();
    format!("{sign}{first}{point}{rest} × 10{power}")
}

/// Reads a number; none if the text is anything else.
pub fn parse(text: &str) -> Option<f64> {
    // As JSON, which every plugin reads anyway.
    let value: Value = serde_json::from_str(text).ok()?;
    value.as_f64()
}

fn superscript(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        '0' => '⁰',
        _ => c
            .to_digit(10)
            .and_then(|digit| char::from_u32(u32::from('⁰') + digit))
            .unwrap_or(c),
    }
}

/// A number with its unit: `2.7 g/cm³`, `660 °C`, `50%`.
pub fn with_unit(number: &str, unit: &str) -> String {
    match unit {
        "" => number.to_owned(),
        "%" => format!("{number}%"),
        unit => format!("{number} {unit}"),
    }
}

/// A range with its unit: `0.5–3 J/cm²`; a range of one value is that value.
pub fn range(min: f64, max: f64, unit: &str) -> String {
    if min == max {
        return with_unit(&number(min), unit);
    }
    with_unit(&format!("{}–{}", number(min), number(max)), unit)
}

/// A computed value, rounded to so many significant digits that nothing is claimed but what the
/// inputs say.
pub fn round(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let decimals = (digits - 1).saturating_sub(value.abs().log10().floor() as i32);
    if decimals >= 0 {
        let scale = 10f64.powi(decimals);
        (value * scale).round() / scale
    } else {
        let scale = 10f64.powi(-decimals);
        (value / scale).round() * scale
    }
}

#[cfg(test)]
mod tests;
