//! The number rule: a number in prose must be one of the facts', after rounding to the digits shown.
//!
//! Numbers are those in digits ("ten" is none). Thousands separators, decimals, signs, ranges and
//! powers of ten are read. What is not a quantity is left alone where it is known: list ordinals,
//! unit powers such as `cm2`, and designations that occur in the facts (`Al2O3`, `6061-T6`,
//! `ISO 11553-1`, also with the year of a standard behind them). A designation that does not occur
//! in the facts is a stranger as well: a made-up standard is no better than a made-up number.

mod plain;
mod scan;

use std::collections::HashSet;

use serde_json::Value;

use crate::letters::lowercase;

use scan::{Piece, Word};

/// Formulas and units of everyday prose, which say nothing of the record.
const COMMON: [&str; 14] = [
    "co2", "h2o", "o2", "n2", "mm2", "cm2", "m2", "µm2", "um2", "mm3", "cm3", "m3", "in2", "ft2",
];

/// Bodies whose codes are a word and a number, such as `ISO 11553-1` or `29 CFR 1926.102`.
const BODIES: [&str; 21] = [
    "ISO", "IEC", "EN", "DIN", "BS", "ASTM", "ANSI", "AWS", "SAE", "AMS", "ASME", "JIS", "GB",
    "NFPA", "NIOSH", "OSHA", "CFR", "API", "UL", "SSPC", "NACE",
];

/// The numbers and designations that facts hold.
struct Known {
    values: Vec<f64>,
    designations: HashSet<String>,
}

/// The numbers in `text` that are not in `facts`, as one message for the model; none if all are.
pub fn violations(facts: &Value, place: &str, text: &str) -> Vec<String> {
    let strangers = strangers(facts, text);
    if strangers.is_empty() {
        return Vec::new();
    }
    let listed = strangers.join(", ");
    vec![format!(
        "{place} has numbers that are not in the facts: {listed}; leave them out"
    )]
}

/// The numbers and designations in `text` that are not in `facts`, each once, as they are shown.
pub fn strangers(facts: &Value, text: &str) -> Vec<String> {
    let words = scan::words(text);
    if words.is_empty() {
        return Vec::new();
    }
    let mut known = Known {
        values: Vec::new(),
        designations: HashSet::new(),
    };
    known.learn(facts);
    let mut found: Vec<String> = Vec::new();
    for word in words
        .iter()
        .filter(|word| !word.ordinal && !known.has_word(word))
    {
        for piece in scan::pieces(&word.text)
            .iter()
            .filter(|piece| !known.has_piece(piece))
        {
            if !found.contains(&piece.shown) {
                found.push(piece.shown.clone());
            }
        }
    }
    found
}

impl Known {
    fn learn(&mut self, facts: &Value) {
        match facts {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.values.extend(number.as_f64()),
            Value::String(text) => self.learn_text(text),
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            Value::Object(object) => {
                for (key, value) in object {
                    self.learn_text(key);
                    self.learn(value);
                }
            }
        }
    }

    fn learn_text(&mut self, text: &str) {
        for word in scan::words(text) {
            let pieces = scan::pieces(&word.text);
            let code = code(&word);
            for piece in &pieces {
                match &piece.number {
                    Some(number) if code.is_none() => self.values.push(number.value),
                    Some(_) => {}
                    None => self.know(&piece.shown),
                }
                if piece.mixed {
                    self.know(&piece.shown);
                }
            }
            let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
            if word.text.contains(char::is_alphabetic) || (code.is_some() && !plain) {
                self.know(&word.text);
            }
            self.designations.extend(code);
        }
    }

    fn know(&mut self, designation: &str) {
        self.designations.insert(lowercase(designation));
    }

    /// Whether the whole word is a designation or the code of a standard that the facts name.
    fn has_word(&self, word: &Word) -> bool {
        let text = lowercase(&word.text);
        if self.designations.contains(without_year(&text)) || self.designations.contains(&text) {
            return true;
        }
        code(word).is_some_and(|code| {
            let code = without_year(&code).to_owned();
            self.designations.iter().any(|known| {
                let rest = known.strip_prefix(&code);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', ':', '.', '/']))
            })
        })
    }

    fn has_piece(&self, piece: &Piece) -> bool {
        let shown = lowercase(&piece.shown);
        if self.designations.contains(&shown) || COMMON.contains(&shown.as_str()) {
            return true;
        }
        let Some(number) = &piece.number else {
            return false;
        };
        self.values
            .iter()
            .any(|value| number.shows(*value) || (number.value >= 0.0 && number.shows(value.abs())))
    }
}

/// The code that a word is part of, with the body before or behind it, in lower case.
fn code(word: &Word) -> Option<String> {
    let body = word.before.split('/').next().unwrap_or_default();
    if BODIES.contains(&body) {
        return Some(lowercase(&format!("{} {}", word.before, word.text)));
    }
    (word.behind == "CFR").then(|| format!("{} cfr", word.text))
}

/// A code without the year of its edition: `60825-1:2014`, `B209-14`. Two digits behind a number
/// alone are no year but a part, as in `60825-14`.
fn without_year(code: &str) -> &str {
    let Some((base, year)) = code.rsplit_once([':', '-']) else {
        return code;
    };
    let number = base.rsplit(' ').next().unwrap_or(base);
    let digits = year.bytes().all(|byte| byte.is_ascii_digit());
    let long = year.len() == 4 || (year.len() == 2 && number.contains(char::is_alphabetic));
    if digits && long && number.contains(|c: char| c.is_ascii_digit()) {
        base
    } else {
        code
    }
}

#[cfg(test)]
mod tests;
