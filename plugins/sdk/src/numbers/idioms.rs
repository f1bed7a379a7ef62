//! Numbers that say nothing of a record: idioms, labels, decades and centuries.

use super::scan::Word;

/// Words with digits that mean something as a whole.
const WHOLE: [&str; 8] = [
    "24/7", "24/7/365", "24/365", "50/50", "50-50", "9-to-5", "1:1", "101",
];

/// What "24 hours a day" counts.
const ROUND_THE_CLOCK: [(&str, &[&str], &str); 4] = [
    ("24", &["hours", "hrs", "stunden"], "day tag"),
    ("7", &["days", "tage"], "week woche"),
    ("365", &["days", "tage"], "year jahr"),
    ("52", &["weeks", "wochen"], "year jahr"),
];

/// What a number behind it only counts.
const LABELS: [&str; 25] = [
    "step",
    "part",
    "section",
    "chapter",
    "figure",
    "fig",
    "table",
    "tip",
    "question",
    "example",
    "option",
    "point",
    "item",
    "reason",
    "rule",
    "number",
    "no",
    "nr",
    "schritt",
    "teil",
    "kapitel",
    "abschnitt",
    "frage",
    "tipp",
    "punkt",
];
/// The greatest number behind a label.
const MOST_LABELLED: u32 = 30;

/// Whether a word is an idiom, or part of one.
pub(super) fn is_one(word: &Word<'_>) -> bool {
    let text = word.text.to_lowercase();
    WHOLE.contains(&text.as_str()) && (text != "101" || word.is_last_of_a_phrase())
        || is_round_the_clock(word, &text)
        || is_counted(word, &text)
        || is_decade_of_two(word, &text)
        || is_century(word, &text)
}

fn is_round_the_clock(word: &Word<'_>, text: &str) -> bool {
    let (counted, per, unit) = (word.behind(1), word.behind(2), word.behind(3));
    let (counted, unit) = (counted.to_lowercase(), unit.to_lowercase());
    ROUND_THE_CLOCK.iter().any(|(count, of, every)| {
        let each = matches!(
            per,
            "a" | "per" | "every" | "am" | "pro" | "in" | "the" | "die" | "im"
        ) && !unit.is_empty()
            && every.split(' ').any(|every| every == unit);
        text == *count && of.contains(&counted.as_str()) && each
    })
}

/// "top 10", "one of 3", "step 2", "#1".
fn is_counted(word: &Word<'_>, text: &str) -> bool {
    let text = text.strip_suffix("st").unwrap_or(text);
    let Ok(count) = text.parse::<u32>() else {
        return false;
    };
    let before = word.before(1).to_lowercase();
    if before == "top" {
        return (1..=100).contains(&count);
    }
    let one = word.before(2).to_lowercase();
    if matches!(before.as_str(), "of" | "von")
        && matches!(one.as_str(), "one" | "eine" | "einer" | "eines")
    {
        return (2..=10).contains(&count);
    }
    let labelled = LABELS.contains(&before.as_str()) || word.raw().starts_with('#');
    labelled && (1..=MOST_LABELLED).contains(&count)
}

/// `1990s`, `1990er`.
pub(super) fn is_decade(text: &str) -> bool {
    let year = text.strip_suffix('s').or_else(|| text.strip_suffix("er"));
    year.is_some_and(|year| {
        year.len() == 4
            && (year.starts_with('1') || year.starts_with('2'))
            && year.ends_with('0')
            && is_digits(year)
    })
}

/// "the 90s", "'90s", "the early 90s": not 90 seconds.
fn is_decade_of_two(word: &Word<'_>, text: &str) -> bool {
    let decade = text
        .strip_suffix('s')
        .or_else(|| text.strip_suffix("er"))
        .is_some_and(|decade| decade.len() == 2 && decade.ends_with('0') && is_digits(decade));
    let before = word.before(1).to_lowercase();
    let near = matches!(
        before.as_str(),
        "the" | "early" | "late" | "mid" | "der" | "den" | "die" | "frühen" | "späten"
    );
    decade && (near || word.raw().starts_with(['\'', '’', '‘']))
}

/// "the 19th century", "das 19. Jahrhundert".
fn is_century(word: &Word<'_>, text: &str) -> bool {
    let behind = word.behind(1).to_lowercase();
    let count = text.trim_end_matches(char::is_alphabetic);
    let named = [
        "century",
        "centuries",
        "jahrhundert",
        "jahrhunderts",
        "jahrhunderte",
    ];
    let named = named.contains(&behind.as_str()) || behind.starts_with("century");
    (named || text.ends_with("-century"))
        && is_digits(count.trim_end_matches("th-"))
        && count.len() <= 5
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
