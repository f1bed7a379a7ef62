//! Finds the numbers in a text, and how exactly each is given.

use super::plain::{is_subscript, plain};
use crate::units;

/// A run without white space that has a digit, and its neighbours.
pub(super) struct Word {
    /// Without the punctuation around it.
    pub(super) text: String,
    /// The word before it on its line, or nothing.
    pub(super) before: String,
    /// The word behind it on its line, or nothing.
    pub(super) behind: String,
    /// Whether it only counts an item of a list, as in `1.` or `2)`.
    pub(super) ordinal: bool,
}

/// A number, or letters and digits that belong together, inside a word.
pub(super) struct Piece {
    pub(super) shown: String,
    /// Absent if the piece begins with a letter: then its digits are no quantity.
    pub(super) number: Option<Number>,
    /// Whether letters follow the number, as in `316L` or `50mm`.
    pub(super) mixed: bool,
}

/// A number and the places of its digits.
pub(super) struct Number {
    pub(super) value: f64,
    /// The worth of one step in its last digit, the finest first; coarser where zeros may stand for
    /// digits rounded away.
    steps: [f64; 2],
}

impl Number {
    /// Whether `value`, rounded to the digits of this number, is this number. Only nought shows as 0.
    pub(super) fn shows(&self, value: f64) -> bool {
        if self.value == 0.0 {
            return value == 0.0;
        }
        let apart = (self.value - value).abs();
        let slack = value.abs().max(self.value.abs()) * 1e-9;
        self.steps.iter().any(|step| apart <= step / 2.0 + slack)
    }
}

/// The words of a text that have a digit.
pub(super) fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    if !text.contains(|c: char| c.is_ascii_digit() || is_subscript(c)) {
        return found;
    }
    for line in plain(text).lines() {
        let raw: Vec<&str> = line
            .split_whitespace()
            .skip_while(|word| {
                word.chars()
                    .all(|c| matches!(c, '#' | '>' | '*' | '-' | '•'))
            })
            .collect();
        for (index, word) in raw.iter().enumerate() {
            let trimmed = trim(word);
            if trimmed.contains(|c: char| c.is_ascii_digit()) {
                let near = |place: Option<usize>| {
                    let word = place.and_then(|place| raw.get(place)).copied();
                    word.map(|word| trim(word).to_owned()).unwrap_or_default()
                };
                found.push(Word {
                    text: trimmed.to_owned(),
                    before: near(index.checked_sub(1)),
                    behind: near(index.checked_add(1)),
                    ordinal: index == 0 && raw.len() > 1 && is_ordinal(word),
                });
            }
        }
    }
    found
}

/// Without what is no part of a word at its ends; a sign before a digit stays.
fn trim(word: &str) -> &str {
    let word = word.trim_end_matches(|c: char| !c.is_alphanumeric());
    let inner = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    let cut = word.len() - inner.len();
    let before = word.get(..cut).unwrap_or_default();
    let sign = before.ends_with(['-', '.']) && inner.starts_with(|c: char| c.is_ascii_digit());
    if sign {
        word.get(cut - 1..).unwrap_or(inner)
    } else {
        inner
    }
}

fn is_ordinal(word: &str) -> bool {
    let digits = word
        .trim_start_matches(['(', '*'])
        .trim_end_matches(['.', ')', '*', ':']);
    digits.len() <= 2
        && digits.len() < word.len()
        && !digits.is_empty()
        && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The numbers and designations of a word, in order.
pub(super) fn pieces(word: &str) -> Vec<Piece> {
    let chars: Vec<char> = word.chars().collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let shown = |from: usize, to: usize| chars.iter().take(to).skip(from).collect::<String>();
    let mut found = Vec::new();
    let mut place = 0;
    while place < chars.len() {
        let start = place;
        if is_letter(at(place)) {
            while is_letter(at(place)) || at(place).is_ascii_digit() || inner_point(&chars, place) {
                place += 1;
            }
            let text = shown(start, place);
            if text.contains(|c: char| c.is_ascii_digit()) {
                found.push(Piece {
                    shown: text,
                    number: None,
                    mixed: true,
                });
            }
            continue;
        }
        let signed = at(place) == '-' && (place == 0 || !at(place - 1).is_alphanumeric());
        let first = place + usize::from(signed);
        let bare_point = at(first) == '.' && at(first + 1).is_ascii_digit();
        if at(first).is_ascii_digit() || bare_point {
            let (number, end) = number(&chars, place, first);
            place = end;
            while is_letter(at(place)) || (place > end && at(place).is_ascii_digit()) {
                place += 1;
            }
            found.push(Piece {
                shown: shown(start, place),
                number,
                mixed: place > end,
            });
            continue;
        }
        place += 1;
    }
    found
}

/// A letter; the sign of a diameter is none.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && c != 'Ø' && c != 'ø'
}

fn inner_point(chars: &[char], place: usize) -> bool {
    let digit = |place: usize| chars.get(place).is_some_and(char::is_ascii_digit);
    chars.get(place) == Some(&'.') && place > 0 && digit(place - 1) && digit(place + 1)
}

/// Reads a number whose sign is at `start` and whose first digit or point is at `first`.
fn number(chars: &[char], start: usize, first: usize) -> (Option<Number>, usize) {
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let digit = |place: usize| at(place).is_ascii_digit();
    let mut place = first;
    let mut text = String::new();
    if first > start {
        text.push('-');
    }
    let mut whole = String::new();
    loop {
        let group = at(place) == ','
            && !whole.is_empty()
            && (1..4).all(|ahead| digit(place + ahead))
            && !digit(place + 4);
        if digit(place) {
            whole.push(at(place));
        } else if !group {
            break;
        }
        place += 1;
    }
    let significant = whole.trim_start_matches('0');
    text.push_str(if significant.is_empty() {
        "0"
    } else {
        significant
    });
    let mut decimals = 0;
    if at(place) == '.' && digit(place + 1) {
        text.push('.');
        place += 1;
        while digit(place) {
            text.push(at(place));
            decimals += 1;
            place += 1;
        }
    }
    let mut power = 0;
    if matches!(at(place), 'e' | 'E') {
        let sign = usize::from(matches!(at(place + 1), '+' | '-'));
        let digits: String = chars
            .iter()
            .skip(place + 1 + sign)
            .take_while(|c| c.is_ascii_digit())
            .collect();
        if let Ok(size) = digits.parse::<i32>() {
            power = if at(place + 1) == '-' { -size } else { size };
            place += 1 + sign + digits.len();
        }
    }
    let Some(mantissa) = units::parse(&text) else {
        return (None, place);
    };
    let finest = 10f64.powi(power - decimals);
    let number = Number {
        value: mantissa * 10f64.powi(power),
        steps: [
            finest,
            if decimals == 0 {
                finest * coarser(&whole)
            } else {
                finest
            },
        ],
    };
    (Some(number), place)
}

/// How much coarser than 1 the last digit may be: `1100` may be 1064 rounded to two digits.
fn coarser(whole: &str) -> f64 {
    let zeros = whole.len() - whole.trim_end_matches('0').len();
    let kept = whole.len().saturating_sub(2).min(zeros);
    10f64.powi(i32::try_from(kept).unwrap_or(0))
}
