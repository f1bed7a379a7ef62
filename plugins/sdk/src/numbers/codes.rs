//! Codes of standards, which are a word and a number.

use super::scan::Word;

/// Bodies whose codes are a word and a number, such as `ISO 11553-1` or `29 CFR 1926.102`.
const BODIES: [&str; 21] = [
    "ISO", "IEC", "EN", "DIN", "BS", "ASTM", "ANSI", "AWS", "SAE", "AMS", "ASME", "JIS", "GB",
    "NFPA", "NIOSH", "OSHA", "CFR", "API", "UL", "SSPC", "NACE",
];

/// The code that a word is part of, with the body before or behind it, in lower case.
pub(super) fn code(word: &Word<'_>) -> Option<String> {
    let before = word.before(1);
    let body = before.split('/').next().unwrap_or_default();
    if BODIES.contains(&body) {
        return Some(format!("{before} {}", word.text).to_lowercase());
    }
    (word.behind(1) == "CFR").then(|| format!("{} cfr", word.text))
}

/// A code without the year of its edition: `60825-1:2014`, `B209-14`. Two digits behind a number
/// alone are no year but a part, as in `60825-14`.
pub(super) fn without_year(code: &str) -> &str {
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
