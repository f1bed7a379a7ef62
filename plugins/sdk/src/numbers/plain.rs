//! One spelling for what typography spells in many ways: minus signs, subscripts, separators of
//! thousands, powers of ten.

use std::borrow::Cow;

/// Stands in the place of a space that may part thousands, or two numbers.
pub(super) const JOINT: char = '\u{2420}';

/// The text with one minus, plain subscripts, no separators of thousands but points and commas, and powers of ten as `e14`.
pub(super) fn plain(text: &str) -> String {
    let text = with_one_minus(text);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, run, behind)) = next_number(rest) {
        out.push_str(before);
        rest = match exponent(behind).filter(|_| run == "10" && !out.ends_with('.')) {
            Some((exponent, behind)) => {
                push_power(&mut out, &exponent);
                behind
            }
            None => {
                out.push_str(run);
                behind
            }
        };
        let passed = text.get(..text.len() - rest.len()).unwrap_or_default();
        if passed.ends_with(is_digit)
            && let Some(letter) = rest.chars().next()
        {
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
            out.extend(spelled(passed, letter, rest));
        }
    }
    out.push_str(rest);
    out
}

/// The place of the first digit in a plain text.
pub(super) fn digit_place(plain: &str) -> Option<usize> {
    plain.bytes().position(|byte| byte.is_ascii_digit())
}

/// Whether there is a digit in a text, as it was written.
pub(super) fn has_digit(text: &str) -> bool {
    digit_place(text).is_some() || (!text.is_ascii() && text.contains(is_subscript))
}

/// The first run of digits, with what is before and behind it.
fn next_number(text: &str) -> Option<(&str, &str, &str)> {
    let (before, from) = text.split_at_checked(digit_place(text)?)?;
    let length = from.bytes().take_while(u8::is_ascii_digit).count();
    let (run, behind) = from.split_at_checked(length)?;
    Some((before, run, behind))
}

/// Adds a power of ten, to the number that it multiplies if there is one.
fn push_power(out: &mut String, exponent: &str) {
    let mantissa = out
        .trim_end()
        .trim_end_matches(['×', 'x', '·', '*'])
        .trim_end();
    if mantissa.len() < out.trim_end().len() && mantissa.ends_with(is_digit) {
        out.truncate(mantissa.len());
    } else {
        out.push('1');
    }
    out.push('e');
    out.push_str(exponent);
}

/// The letter behind a digit, if it does not part groups of digits.
fn spelled(passed: &str, letter: char, behind: &str) -> Option<char> {
    let group = || {
        behind
            .bytes()
            .take(4)
            .take_while(u8::is_ascii_digit)
            .count()
            == 3
    };
    match letter {
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}' | '\'' | '’' if group() => None,
        // `1990's`.
        '\'' | '’' => {
            let s = behind.strip_prefix('s');
            let is_plural = s.is_some_and(|rest| !rest.starts_with(char::is_alphanumeric));
            (!is_plural).then_some(letter)
        }
        ' ' if group() && ends_with_short_group(passed) => Some(JOINT),
        _ => Some(letter),
    }
}

/// Whether the digits that a text ends with are a group: at most three, of a number without decimals.
fn ends_with_short_group(text: &str) -> bool {
    let rest = text.trim_end_matches(is_digit);
    let digits = text.len() - rest.len();
    let ahead = rest.chars().next_back();
    let grouped = ahead == Some(' ') && digits == 3;
    let begins = ahead
        .is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '.' | ',' | ':' | '/'));
    digits <= 3 && (begins || grouped)
}

/// The exponent in superscript or behind `^` that a text begins with, and what is behind it.
fn exponent(text: &str) -> Option<(String, &str)> {
    let (caret, mut rest) = match text.strip_prefix('^') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut exponent = String::new();
    while let Some(letter) = rest.chars().next() {
        let plain = if caret {
            Some(letter)
        } else {
            superscript(letter)
        };
        match plain {
            Some(plain) if is_digit(plain) || (plain == '-' && exponent.is_empty()) => {
                exponent.push(plain);
            }
            _ => break,
        }
        rest = rest.get(letter.len_utf8()..)?;
    }
    (exponent.len() > usize::from(exponent.starts_with('-'))).then_some((exponent, rest))
}

/// The text with one kind of minus, and digits in place of subscripts.
fn with_one_minus(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    text.chars().map(plain_char).collect()
}

fn plain_char(c: char) -> char {
    match c {
        '−' | '\u{2011}' => '-',
        '₀'..='₉' => char::from_digit(u32::from(c) - u32::from('₀'), 10).unwrap_or(c),
        _ => c,
    }
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

fn is_subscript(c: char) -> bool {
    matches!(c, '₀'..='₉')
}

fn superscript(c: char) -> Option<char> {
    let digit = match c {
        '⁰' => 0,
        '¹' => 1,
        '²' => 2,
        '³' => 3,
        '⁴'..='⁹' => u32::from(c) - u32::from('⁰'),
        '⁻' => return Some('-'),
        _ => return None,
    };
    char::from_digit(digit, 10)
}
