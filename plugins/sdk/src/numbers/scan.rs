//! Finds the numbers in a text, and how exactly each is given.

use std::ops::Range;

use super::measure::{self, Measure};
use super::plain::{JOINT, digit_place, has_digit};
use crate::units;

/// A run without white space that has a digit, on its line.
pub(super) struct Word<'a> {
    /// Without the punctuation around it.
    pub text: &'a str,
    /// Whether it only counts an item of a list, as in `1.` or `2)`.
    pub ordinal: bool,
    /// The line that it is on, without the marks of a list or heading.
    line: &'a str,
    /// Where it stands on the line, with its punctuation.
    span: Range<usize>,
}

impl<'a> Word<'a> {
    /// The word so many places before it, without punctuation; nothing where the line begins.
    pub fn before(&self, places: usize) -> &'a str {
        let before = self.line.get(..self.span.start).unwrap_or_default();
        let mut words = before.split_whitespace().rev();
        words.nth(places.saturating_sub(1)).map_or("", trim)
    }

    /// The word so many places behind it, without punctuation; nothing where the line ends.
    pub fn behind(&self, places: usize) -> &'a str {
        let mut words = self.rest().split_whitespace();
        words.nth(places.saturating_sub(1)).map_or("", trim)
    }

    /// With its punctuation.
    pub fn raw(&self) -> &'a str {
        self.line.get(self.span.clone()).unwrap_or_default()
    }

    /// What follows it on its line.
    fn rest(&self) -> &'a str {
        self.line.get(self.span.end..).unwrap_or_default()
    }

    /// Whether the line or a part of its sentence ends here.
    pub fn is_last_of_a_phrase(&self) -> bool {
        self.rest().trim_start().is_empty() || !self.raw().ends_with(char::is_alphanumeric)
    }

    /// What it measures, by what stands behind it; a range has its unit behind its end.
    pub fn measure(&self) -> Option<Measure> {
        let within = pieces(self.text)
            .last()
            .and_then(|piece| measure::of(piece.suffix()));
        within.or_else(|| measure::of(self.behind(1))).or_else(|| {
            let ranges = matches!(self.behind(1), "to" | "and" | "or" | "bis" | "und" | "");
            let end = self.behind(2);
            if !(ranges && end.starts_with(|letter: char| letter.is_ascii_digit())) {
                return None;
            }
            let suffix = end.trim_start_matches(|letter: char| !letter.is_alphabetic());
            measure::of(suffix).or_else(|| measure::of(self.behind(3)))
        })
    }

    /// What multiplies one of its numbers: "1.2 million", "12k".
    pub fn scale(&self, piece: &Piece<'_>) -> Option<f64> {
        if piece.is_mixed() {
            measure::scale(piece.suffix())
        } else if self.text.ends_with(piece.shown) {
            // A letter alone is a unit, as "5 m" is.
            Some(self.behind(1))
                .filter(|word| word.len() > 1)
                .and_then(measure::scale)
        } else {
            None
        }
    }

    /// Whether it is in percent.
    pub fn is_percent(&self) -> bool {
        let next = self.rest().split_whitespace().next().unwrap_or_default();
        self.raw().contains('%')
            || next.starts_with('%')
            || matches!(trim(next), "percent" | "Prozent" | "pct" | "per-cent")
    }

    /// Whether it is an hour after noon, by a clock of twelve hours.
    pub fn is_afternoon(&self) -> bool {
        let marks = ["pm", "p.m", "PM", "P.M"];
        marks.contains(&self.behind(1)) || marks.iter().any(|mark| self.text.ends_with(mark))
    }
}

/// A number, or letters and digits that belong together, inside a word.
pub(super) struct Piece<'a> {
    pub shown: &'a str,
    /// What it may be as a number; nothing if it begins with a letter, for then its digits are no quantity.
    pub readings: Vec<Number>,
    /// Numbers that it may be instead, all of them: "1,2" lists two.
    pub parts: Vec<Number>,
    suffix: usize,
}

impl<'a> Piece<'a> {
    /// Letters that follow the number, as in `50mm`.
    pub fn suffix(&self) -> &'a str {
        self.shown.get(self.suffix..).unwrap_or_default()
    }

    /// Whether letters and digits are mixed in it, as in `316L`.
    pub fn is_mixed(&self) -> bool {
        self.suffix < self.shown.len()
    }

    /// All numbers that it may stand for.
    pub fn numbers(&self) -> impl Iterator<Item = &Number> {
        let listed = self.readings.is_empty() || !self.shown.contains('.');
        let parts = if listed { self.parts.as_slice() } else { &[] };
        self.readings.iter().chain(parts)
    }
}

/// A number and the places of its digits.
#[derive(Clone, Copy)]
pub(super) struct Number {
    pub value: f64,
    /// The worth of one step in its last digit, the finest first; coarser where zeros may stand for
    /// digits rounded away.
    steps: [f64; 2],
}

impl Number {
    /// Whether `value`, rounded to the digits of this number, is this number. Only nought shows as 0.
    pub fn shows(&self, value: f64) -> bool {
        if self.value == 0.0 {
            return value == 0.0;
        }
        let apart = (self.value - value).abs();
        let slack = value.abs().max(self.value.abs()) * 1e-9;
        self.steps.iter().any(|step| apart <= step / 2.0 + slack)
    }

    /// So many times this number.
    pub fn scaled(self, scale: f64) -> Number {
        Number {
            value: self.value * scale,
            steps: self.steps.map(|step| step * scale),
        }
    }
}

/// Visits the words of a plain text that have a digit. A text may be long and have few of them, so the other words are not looked at.
pub(super) fn each_word(plain: &str, visit: &mut dyn FnMut(&Word<'_>)) {
    let mut rest = plain;
    while let Some((before, from)) =
        digit_place(rest).and_then(|place| rest.split_at_checked(place))
    {
        let start = before.rfind('\n').map_or(0, |place| place + 1);
        let end = before.len() + from.find('\n').unwrap_or(from.len());
        each_word_of_a_line(rest.get(start..end).unwrap_or_default(), visit);
        rest = rest.get(end..).unwrap_or_default();
    }
}

fn each_word_of_a_line(line: &str, visit: &mut dyn FnMut(&Word<'_>)) {
    let line = without_marks(line);
    let mut passed = 0;
    while let Some(place) = line.get(passed..).and_then(digit_place) {
        let (before, from) = line.split_at_checked(passed + place).unwrap_or_default();
        let start = before
            .trim_end_matches(|letter: char| !letter.is_whitespace())
            .len();
        let end = before.len() + from.find(char::is_whitespace).unwrap_or(from.len());
        let mut word = Word {
            text: "",
            ordinal: false,
            line,
            span: start..end,
        };
        word.text = trim(word.raw());
        word.ordinal = start == 0 && is_ordinal(word.raw()) && !word.rest().trim_start().is_empty();
        visit(&word);
        passed = end;
    }
}

/// A line without the marks of lists, headings and quotes before its first word.
fn without_marks(line: &str) -> &str {
    let mut line = line.trim_start();
    loop {
        let behind = line.trim_start_matches(['#', '>', '*', '-', '•']);
        let is_mark = behind.len() < line.len() && behind.starts_with(char::is_whitespace);
        if !is_mark {
            return line;
        }
        line = behind.trim_start();
    }
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
pub(super) fn pieces(word: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut place = 0;
    let mut before = None;
    while let Some(letter) = word.get(place..).and_then(|rest| rest.chars().next()) {
        let rest = word.get(place..).unwrap_or_default();
        let length = if is_letter(letter) {
            let length = designation(rest);
            let shown = rest.get(..length).unwrap_or_default();
            if has_digit(shown) {
                found.push(Piece {
                    shown,
                    readings: Vec::new(),
                    parts: Vec::new(),
                    suffix: 0,
                });
            }
            length
        } else {
            let signed = letter == '-' && !before.is_some_and(char::is_alphanumeric);
            match number(rest, signed) {
                Some(piece) => {
                    let length = piece.shown.len();
                    found.push(piece);
                    length
                }
                None => letter.len_utf8(),
            }
        };
        place += length;
        before = word
            .get(..place)
            .and_then(|passed| passed.chars().next_back());
    }
    found
}

/// A letter; the sign of a diameter is none.
fn is_letter(c: char) -> bool {
    c.is_alphabetic() && c != 'Ø' && c != 'ø'
}

/// Length of the letters and digits, with points between digits, that a text begins with.
fn designation(text: &str) -> usize {
    let mut before = ' ';
    for (place, letter) in text.char_indices() {
        let point = letter == '.'
            && before.is_ascii_digit()
            && text
                .get(place + 1..)
                .is_some_and(|rest| rest.starts_with(|next: char| next.is_ascii_digit()));
        if !(is_letter(letter) || letter.is_ascii_digit() || point) {
            return place;
        }
        before = letter;
    }
    text.len()
}

/// The number that a text begins with, and letters behind it.
fn number(text: &str, signed: bool) -> Option<Piece<'_>> {
    let unsigned = if signed { text.get(1..)? } else { text };
    let digit = |text: &str| text.starts_with(|letter: char| letter.is_ascii_digit());
    let bare_point = unsigned.starts_with('.') && digit(unsigned.get(1..)?);
    if !(digit(unsigned) || bare_point) {
        return None;
    }
    let mut end = usize::from(bare_point);
    while let Some(letter) = unsigned.get(end..).and_then(|rest| rest.chars().next()) {
        let behind = unsigned.get(end + letter.len_utf8()..).unwrap_or_default();
        let parts = matches!(letter, '.' | ',' | JOINT) && digit(behind);
        if !(letter.is_ascii_digit() || parts) {
            break;
        }
        end += letter.len_utf8();
    }
    let run = unsigned.get(..end)?;
    let (power, length) = power(unsigned.get(end..)?);
    let sign = if signed { -1.0 } else { 1.0 };
    let scale = |number: Number| {
        let scale = 10f64.powi(power);
        Number {
            value: number.value * scale * sign,
            steps: number.steps.map(|step| step * scale),
        }
    };
    let of_number = usize::from(signed) + end + length;
    let behind = text.get(of_number..)?;
    let suffix = behind.find(|letter: char| !is_letter(letter) && !letter.is_ascii_digit());
    let suffix = if behind.starts_with(is_letter) {
        suffix.unwrap_or(behind.len())
    } else {
        0
    };
    Some(Piece {
        shown: text.get(..of_number + suffix)?,
        readings: readings(run).into_iter().map(scale).collect(),
        parts: parts(run).into_iter().map(scale).collect(),
        suffix: of_number,
    })
}

/// The power of ten that a text begins with, as `e-8`, and its length.
fn power(text: &str) -> (i32, usize) {
    let Some(rest) = text.strip_prefix(['e', 'E']) else {
        return (0, 0);
    };
    let unsigned = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let digits = unsigned
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(unsigned.len());
    let size = unsigned
        .get(..digits)
        .and_then(|digits| digits.parse::<i32>().ok());
    match size {
        Some(size) if rest.starts_with('-') => (-size, text.len() - unsigned.len() + digits),
        Some(size) => (size, text.len() - unsigned.len() + digits),
        None => (0, 0),
    }
}

/// What a run of digits with marks between them may be as one number: marks part thousands, and one of them may be
/// that of decimals.
fn readings(run: &str) -> Vec<Number> {
    let mut found = Vec::new();
    let last = run.rfind(['.', ',']);
    found.extend(whole(run));
    if let Some((head, tail)) = last.and_then(|at| Some((run.get(..at)?, run.get(at + 1..)?)))
        && !tail.contains(JOINT)
    {
        let mark = run.get(head.len()..).and_then(|rest| rest.chars().next());
        let once = mark.is_some_and(|mark| !head.contains(mark));
        let whole = if head.is_empty() {
            Some("0".to_owned())
        } else {
            digits(head)
        };
        if let Some(whole) = whole.filter(|_| once) {
            found.extend(exact(&whole, tail));
        }
    }
    found
}

/// A number without decimals.
fn whole(run: &str) -> Option<Number> {
    let digits = digits(run)?;
    exact(&digits, "").map(|mut number| {
        number.steps = [1.0, coarser(&digits)];
        number
    })
}

/// The digits of a run in which one kind of mark parts groups of three, or as in India the last three and then pairs.
fn digits(run: &str) -> Option<String> {
    let Some(mark) = run.chars().find(|letter| !letter.is_ascii_digit()) else {
        return Some(run.to_owned());
    };
    let groups: Vec<&str> = run.split(mark).collect();
    let [first, middle @ .., last] = groups.as_slice() else {
        return None;
    };
    let all_digits = groups
        .iter()
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    let threes = (1..=3).contains(&first.len()) && middle.iter().all(|group| group.len() == 3);
    let pairs = mark == ','
        && (1..=2).contains(&first.len())
        && !middle.is_empty()
        && middle.iter().all(|group| group.len() == 2);
    let fits = all_digits && last.len() == 3 && (threes || pairs) && !first.starts_with('0');
    fits.then(|| groups.concat())
}

fn exact(whole: &str, decimals: &str) -> Option<Number> {
    if !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let significant = whole.trim_start_matches('0');
    let significant = if significant.is_empty() {
        "0"
    } else {
        significant
    };
    let value = if decimals.is_empty() {
        units::parse(significant)?
    } else {
        units::parse(&format!("{significant}.{decimals}"))?
    };
    let step = 10f64.powi(-i32::try_from(decimals.len()).ok()?);
    Some(Number {
        value,
        steps: [step; 2],
    })
}

/// The numbers of a run that may list them: what its commas and spaces part, or else its points.
fn parts(run: &str) -> Vec<Number> {
    let listed = |marks: &[char]| -> Option<Vec<Number>> {
        let parts: Vec<&str> = run.split(marks).collect();
        if parts.len() < 2 {
            return None;
        }
        parts
            .iter()
            .map(|part| readings(part).into_iter().next_back())
            .collect()
    };
    let found = listed(&[',', JOINT]).or_else(|| {
        let points = run.matches('.').count() > 1;
        points.then(|| listed(&['.', ',', JOINT]))?
    });
    found.unwrap_or_default()
}

/// How much coarser than 1 the last digit may be: `1100` may be 1064 rounded to two digits.
fn coarser(whole: &str) -> f64 {
    let zeros = whole.len() - whole.trim_end_matches('0').len();
    let kept = whole.len().saturating_sub(2).min(zeros);
    10f64.powi(i32::try_from(kept).unwrap_or(0))
}
