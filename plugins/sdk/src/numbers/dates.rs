//! Dates, which are written in many orders.

/// Names of the months in English and German.
const MONTHS: [&[&str]; 12] = [
    &["january", "jan", "januar"],
    &["february", "feb", "februar"],
    &["march", "mar", "märz"],
    &["april", "apr"],
    &["may", "mai"],
    &["june", "jun", "juni"],
    &["july", "jul", "juli"],
    &["august", "aug"],
    &["september", "sep", "sept"],
    &["october", "oct", "oktober", "okt"],
    &["november", "nov"],
    &["december", "dec", "dezember", "dez"],
];

/// The number of the month that a text names, if it names one.
pub(super) fn month(text: &str) -> Option<f64> {
    let words = text.split(|letter: char| !letter.is_alphabetic());
    let number = |word: &str| {
        let word = word.to_lowercase();
        MONTHS
            .iter()
            .position(|names| names.contains(&word.as_str()))
    };
    let place = words.filter(|word| may_be_a_month(word)).find_map(number)?;
    Some((place + 1) as f64)
}

/// Whether a word begins as a month does. Texts are long, and few of their words do.
fn may_be_a_month(word: &str) -> bool {
    let Some(beginning) = word.as_bytes().first_chunk::<3>() else {
        return false;
    };
    matches!(
        &beginning.map(|byte| byte.to_ascii_lowercase()),
        b"jan"
            | b"feb"
            | b"mar"
            | b"apr"
            | b"may"
            | b"mai"
            | b"jun"
            | b"jul"
            | b"aug"
            | b"sep"
            | b"oct"
            | b"okt"
            | b"nov"
            | b"dec"
            | b"dez"
            | b"m\xc3\xa4"
            | b"m\xc3\x84"
    )
}

/// Day, month and year, in whatever order, of a word that is a date: `2024-03-15`, `15.3.24`, `3/15/2024`; a time may follow.
pub(super) fn parts(word: &str) -> Option<[f64; 3]> {
    let date = word.split(['T', 't']).next().unwrap_or(word);
    let mark = date.chars().find(|letter| !letter.is_ascii_digit())?;
    if !matches!(mark, '-' | '.' | '/') {
        return None;
    }
    let mut parts = date.splitn(3, mark);
    let parts = [parts.next()?, parts.next()?, parts.next()?];
    let lengths = parts.map(str::len);
    let numbers = parts.map(|part| part.parse::<u16>());
    let [Ok(first), Ok(second), Ok(third)] = numbers else {
        return None;
    };
    let year_first = matches!(lengths, [4, 1 | 2, 1 | 2]);
    let days = if year_first {
        [second, third]
    } else {
        [first, second]
    };
    let fits = year_first || matches!(lengths, [1 | 2, 1 | 2, 2 | 4]);
    let possible =
        days.iter().all(|day| (1..=31).contains(day)) && days.iter().any(|day| *day <= 12);
    (fits && possible).then(|| [first, second, third].map(f64::from))
}

/// The years that two digits at the end of a date may stand for.
pub(super) fn short_year(word: &str) -> Option<[f64; 2]> {
    let [_, _, year] = parts(word)?;
    let short = word.len() >= 2 && word.bytes().rev().take(2).all(|byte| byte.is_ascii_digit());
    (short && year < 100.0).then_some([year + 1900.0, year + 2000.0])
}

/// The time behind a date, as in `2024-03-15T18:30`.
pub(super) fn time(word: &str) -> Option<&str> {
    parts(word)?;
    word.split_once(['T', 't']).map(|(_, time)| time)
}
