//! One spelling for what typography spells in many ways: minus signs, subscripts, separators of
//! thousands, powers of ten.

/// Stands in the place of a space that may part thousands, or two numbers.
pub(super) const JOINT: char = '\u{2420}';

/// The text with one minus, plain subscripts, no separators of thousands but points and commas, and powers of ten as `e14`.
pub(super) fn plain(text: &str) -> String {
    let chars: Vec<char> = text.chars().map(plain_char).collect();
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let digit = |place: usize| at(place).is_ascii_digit();
    let mut out = String::with_capacity(text.len());
    let mut place = 0;
    while place < chars.len() {
        let inside = place > 0 && (digit(place - 1) || at(place - 1) == '.');
        if !inside && at(place) == '1' && at(place + 1) == '0' && !digit(place + 2) {
            let (exponent, next) = exponent(&chars, place + 2);
            if !exponent.is_empty() {
                let mantissa = out
                    .trim_end()
                    .trim_end_matches(['×', 'x', '·', '*'])
                    .trim_end();
                let scaled = mantissa.len() < out.trim_end().len()
                    && mantissa.ends_with(|c: char| c.is_ascii_digit());
                if scaled {
                    out.truncate(mantissa.len());
                } else {
                    out.push('1');
                }
                out.push('e');
                out.push_str(&exponent);
                place = next;
                continue;
            }
        }
        out.extend(spelled(&chars, place));
        place += 1;
    }
    out
}

/// The letter at a place, if it is not one between groups of digits.
fn spelled(chars: &[char], place: usize) -> Option<char> {
    let at = |place: usize| chars.get(place).copied().unwrap_or('\0');
    let digit = |place: usize| at(place).is_ascii_digit();
    let letter = at(place);
    let after_digit = place > 0 && digit(place - 1);
    if !after_digit {
        return Some(letter);
    }
    let group = (1..4).all(|ahead| digit(place + ahead)) && !digit(place + 4);
    match letter {
        '\u{a0}' | '\u{202f}' | '\u{2009}' | '\u{2007}' | '\'' | '’' if group => None,
        // `1990's`.
        '\'' | '’' if at(place + 1) == 's' && !at(place + 2).is_alphanumeric() => None,
        ' ' if group && is_short_group(chars, place) => Some(JOINT),
        _ => Some(letter),
    }
}

/// Whether digits before a place are a group: at most three, of a number without decimals.
fn is_short_group(chars: &[char], place: usize) -> bool {
    let before = chars.get(..place).unwrap_or_default();
    let digits = before
        .iter()
        .rev()
        .take_while(|letter| letter.is_ascii_digit())
        .count();
    let ahead = before
        .len()
        .checked_sub(digits + 1)
        .and_then(|at| before.get(at));
    let grouped = ahead == Some(&' ') && digits == 3;
    let begins = ahead
        .is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '.' | ',' | ':' | '/'));
    digits <= 3 && (begins || grouped)
}

/// The exponent in superscript or behind `^`, and the place behind it.
fn exponent(chars: &[char], start: usize) -> (String, usize) {
    let mut place = start;
    let caret = chars.get(place) == Some(&'^');
    if caret {
        place += 1;
    }
    let mut exponent = String::new();
    while let Some(&c) = chars.get(place) {
        let plain = if caret { Some(c) } else { superscript(c) };
        match plain {
            Some(c) if c.is_ascii_digit() || (c == '-' && exponent.is_empty()) => exponent.push(c),
            _ => break,
        }
        place += 1;
    }
    if exponent == "-" {
        (String::new(), start)
    } else {
        (exponent, place)
    }
}

fn plain_char(c: char) -> char {
    match c {
        '−' | '\u{2011}' => '-',
        '₀'..='₉' => char::from_digit(u32::from(c) - u32::from('₀'), 10).unwrap_or(c),
        _ => c,
    }
}

pub(super) fn is_subscript(c: char) -> bool {
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
