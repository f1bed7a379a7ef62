//! The number rule: a number in prose must be one of the facts', after rounding to the digits shown.
//!
//! Numbers are those in digits ("ten" is none). Both conventions of decimals and thousands are read, and one that can be read in
//! both ways passes if one of them fits; so do signs, ranges, powers of ten, "1.2 million", other units of the same measure
//! ("0.5 kg" of "500 g") and dates in other orders. What is not a quantity of the record is left alone where it is known: list
//! ordinals, unit powers such as `cm2`, idioms ("24/7", "top 10", "the 1990s"), and designations that occur in the facts
//! (`Al2O3`, `6061-T6`, `ISO 11553-1`, also with the year of a standard behind them). A designation that does not occur
//! in the facts is a stranger as well: a made-up standard is no better than a made-up number.

mod codes;
mod dates;
mod idioms;
mod measure;
mod plain;
mod scan;

use std::collections::HashSet;

use serde_json::Value;

use codes::{code, without_year};
use measure::Measure;
use plain::plain;
use scan::{Number, Piece, Word};

/// What the message of a broken rule says, by which others know it.
const NOT_IN_THE_FACTS: &str = "has numbers that are not in the facts: ";

/// Formulas, units and names of everyday prose, which say nothing of the record.
const COMMON: [&str; 18] = [
    "co2", "h2o", "o2", "n2", "mm2", "cm2", "m2", "µm2", "um2", "mm3", "cm3", "m3", "in2", "ft2",
    "2d", "3d", "b2b", "b2c",
];

/// A number of the facts.
struct Fact {
    value: f64,
    measure: Option<Measure>,
    /// Whether it may be a share, as 0.15 is 15 %.
    share: bool,
}

/// The numbers and designations that facts hold.
#[derive(Default)]
struct Known {
    values: Vec<Fact>,
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
        "{place} {NOT_IN_THE_FACTS}{listed}; leave them out"
    )]
}

/// Whether a message is one of [`violations`].
pub fn is_violation(message: &str) -> bool {
    message.contains(NOT_IN_THE_FACTS)
}

/// The numbers and designations in `text` that are not in `facts`, each once, as they are shown.
pub fn strangers(facts: &Value, text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    if !plain::has_digit(text) {
        return found;
    }
    let mut known = Known::default();
    known.learn(facts, None);
    scan::each_word(&plain(text), &mut |word| {
        if word.ordinal || known.has_word(word) {
            return;
        }
        let measure = word.measure();
        for piece in scan::pieces(word.text) {
            let of_piece = measure::of(piece.suffix()).or(measure);
            if !known.has_piece(&piece, word, of_piece) {
                let shown = piece.shown.replace(plain::JOINT, " ");
                if !found.contains(&shown) {
                    found.push(shown);
                }
            }
        }
    });
    found
}

impl Known {
    /// Learns what a value holds; `of` is what the name of its field says that it measures.
    fn learn(&mut self, facts: &Value, of: Option<Measure>) {
        match facts {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => {
                if let Some(value) = number.as_f64() {
                    self.value(value, of, true);
                }
            }
            Value::String(text) => self.learn_text(text, of),
            Value::Array(items) => {
                // "One of 3 colours".
                if items.len() > 1 {
                    self.value(items.len() as f64, None, false);
                }
                items.iter().for_each(|item| self.learn(item, of));
            }
            Value::Object(object) => {
                for (key, value) in object {
                    self.learn_text(key, None);
                    self.learn(value, measure::of_key(key));
                }
            }
        }
    }

    fn value(&mut self, value: f64, measure: Option<Measure>, share: bool) {
        self.values.push(Fact {
            value,
            measure,
            share,
        });
    }

    fn learn_text(&mut self, text: &str, of: Option<Measure>) {
        if !plain::has_digit(text) {
            return;
        }
        if let Some(month) = dates::month(text) {
            self.value(month, None, false);
        }
        scan::each_word(&plain(text), &mut |word| self.learn_word(word, of));
    }

    fn learn_word(&mut self, word: &Word<'_>, of: Option<Measure>) {
        for part in dates::parts(word.text).into_iter().flatten() {
            self.value(part, None, false);
        }
        for year in dates::short_year(word.text).into_iter().flatten() {
            self.value(year, None, false);
        }
        if let Some(time) = dates::time(word.text) {
            let numbers = scan::pieces(time)
                .into_iter()
                .flat_map(|piece| piece.readings);
            numbers.for_each(|number| self.value(number.value, None, false));
        }
        let code = code(word);
        let measure = word.measure().or(of);
        for piece in scan::pieces(word.text) {
            if code.is_none() {
                let measure = measure::of(piece.suffix()).or(measure);
                for number in piece.numbers() {
                    self.value(number.value, measure, false);
                    if let Some(scale) = word.scale(&piece) {
                        self.value(number.value * scale, measure, false);
                    }
                }
            }
            if piece.readings.is_empty() || piece.is_mixed() {
                self.know(piece.shown);
            }
        }
        let plain = word.text.bytes().all(|byte| byte.is_ascii_digit());
        if word.text.contains(char::is_alphabetic) || (code.is_some() && !plain) {
            self.know(word.text);
        }
        self.designations.extend(code);
    }

    fn know(&mut self, designation: &str) {
        self.designations.insert(designation.to_lowercase());
    }

    /// Whether the whole word is an idiom, a date of the facts, a designation or the code of a standard that they name.
    fn has_word(&self, word: &Word<'_>) -> bool {
        if idioms::is_one(word) {
            return true;
        }
        if let Some(parts) = dates::parts(word.text)
            && parts.iter().all(|part| self.has_part_of_a_date(*part))
        {
            return true;
        }
        let text = word.text.to_lowercase();
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

    fn has_part_of_a_date(&self, part: f64) -> bool {
        // A year is written with two digits or with four.
        let years = [
            part,
            part + 1900.0,
            part + 2000.0,
            part - 1900.0,
            part - 2000.0,
        ];
        let same = |fact: &Fact| years.iter().any(|year| *year >= 0.0 && *year == fact.value);
        self.values.iter().any(same)
    }

    fn has_piece(&self, piece: &Piece<'_>, word: &Word<'_>, measure: Option<Measure>) -> bool {
        let shown = piece.shown.to_lowercase();
        if self.designations.contains(&shown)
            || COMMON.contains(&shown.as_str())
            || idioms::is_decade(&shown)
        {
            return true;
        }
        let mut scales = vec![1.0];
        scales.extend(word.scale(piece));
        let has = |number: &Number| {
            let percent = word.is_percent();
            scales.iter().any(|scale| {
                let number = number.scaled(*scale);
                self.values
                    .iter()
                    .any(|fact| shows(&number, fact, measure, percent))
            }) || (word.is_afternoon()
                && self
                    .values
                    .iter()
                    .any(|fact| fact.value == number.value + 12.0))
        };
        piece.readings.iter().any(has) || (!piece.parts.is_empty() && piece.parts.iter().all(has))
    }
}

/// Whether a number of a text, which measures something or is in percent, shows a fact.
fn shows(number: &Number, fact: &Fact, measure: Option<Measure>, percent: bool) -> bool {
    if number.shows(fact.value) || (number.value >= 0.0 && number.shows(fact.value.abs())) {
        return true;
    }
    let converted = measure
        .zip(fact.measure)
        .is_some_and(|(of_number, of_fact)| {
            let factor = of_fact.in_units_of(of_number);
            factor.is_some_and(|factor| number.shows(fact.value * factor))
        });
    converted
        || (percent && fact.share && fact.value.abs() <= 1.0 && number.shows(fact.value * 100.0))
}

#[cfg(test)]
mod tests;
