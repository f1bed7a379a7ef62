//! Numbers as people read them.

use std::borrow::Cow;

use engine::statistics::{CallCount, View};

/// What calls cost, as far as prices are known; `None` if nothing was asked for money.
pub(super) fn cost(calls: &CallCount) -> Option<String> {
    let known = calls.cost_micros > 0;
    let text = dollars(calls.cost_micros);
    match (known, calls.unpriced) {
        (false, _) => None,
        (true, 0) => Some(text),
        (true, unpriced) => Some(format!(
            "{text} and {} of unknown price",
            counted(unpriced, "call")
        )),
    }
}

/// Millionths of a dollar.
pub(super) fn dollars(micros: u64) -> String {
    let dollars = micros as f64 / 1e6;
    if dollars >= 10.0 {
        format!("${dollars:.2}")
    } else {
        format!("${dollars:.4}")
    }
}

/// `1:05` or `2:01:05`.
pub(super) fn duration(seconds: f64) -> String {
    let total = seconds.round().max(0.0) as u64;
    let (hours, minutes, seconds) = (total / 3600, total / 60 % 60, total % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

/// A number that fits: `950`, `12.3k`, `4.56M`.
pub(super) fn count(number: u64) -> String {
    match number {
        0..10_000 => number.to_string(),
        10_000..1_000_000 => format!("{:.1}k", number as f64 / 1e3),
        _ => format!("{:.2}M", number as f64 / 1e6),
    }
}

/// A number with its noun: `1 task`, `12 tasks`, `2 tries`.
pub(super) fn counted(number: u64, noun: &str) -> String {
    format!("{} {}", count(number), form(number, noun))
}

/// The form of a noun that a number takes.
pub(super) fn form(number: u64, noun: &str) -> Cow<'_, str> {
    if number == 1 {
        Cow::Borrowed(noun)
    } else {
        Cow::Owned(plural(noun))
    }
}

fn plural(noun: &str) -> String {
    let stem = noun
        .strip_suffix('y')
        .filter(|stem| !stem.ends_with(['a', 'e', 'i', 'o', 'u']));
    if let Some(stem) = stem {
        format!("{stem}ies")
    } else if ["s", "x", "z", "ch", "sh"]
        .iter()
        .any(|end| noun.ends_with(end))
    {
        format!("{noun}es")
    } else {
        format!("{noun}s")
    }
}

/// A number of records, by what they are called in the plural: `1 product`, `12 products`.
pub(super) fn records(number: u64, nouns: &str) -> String {
    format!("{} {}", count(number), record(number, nouns))
}

/// What so many records are called.
pub(super) fn record(number: u64, nouns: &str) -> Cow<'_, str> {
    if number != 1 {
        return Cow::Borrowed(nouns);
    }
    if ["series", "species"].contains(&nouns) {
        return Cow::Borrowed(nouns);
    }
    if let Some(stem) = nouns
        .strip_suffix("ies")
        .filter(|stem| stem.chars().count() > 2)
    {
        return Cow::Owned(format!("{stem}y"));
    }
    let hissing = ["sses", "xes", "ches", "shes"]
        .iter()
        .any(|end| nouns.ends_with(end));
    let end = if hissing { "es" } else { "s" };
    Cow::Borrowed(
        nouns
            .strip_suffix(end)
            .filter(|stem| !stem.ends_with('s'))
            .unwrap_or(nouns),
    )
}

/// A run that is younger has no pace: what happened in it says little of an hour.
const YOUNG: f64 = 10.0;

/// Whether a run is old enough for a pace.
pub(super) fn has_pace(view: &View) -> bool {
    view.elapsed_seconds >= YOUNG
}

/// Seconds in words: `less than a minute`, `18 minutes`, `2 hours 5 minutes`, `3 days`.
pub(super) fn span(seconds: f64) -> String {
    let minutes = (seconds / 60.0).ceil().max(0.0) as u64;
    let (days, hours) = (minutes / 1440, minutes / 60);
    match (days, hours, minutes % 60) {
        (0, 0, 0 | 1) => "a minute".to_owned(),
        (0, 0, minutes) => counted(minutes, "minute"),
        (0, hours, 0) => counted(hours, "hour"),
        (0, hours, minutes) => format!("{} {}", counted(hours, "hour"), counted(minutes, "minute")),
        (days, hours, _) if hours % 24 == 0 => counted(days, "day"),
        (days, hours, _) => format!("{} {}", counted(days, "day"), counted(hours % 24, "hour")),
    }
}

/// `nothing to do: all 12 artifacts of 4 products are up to date`.
pub(super) fn nothing_to_do(artifacts: u64, of: u64, noun: &str) -> String {
    let (all, are) = if artifacts == 1 {
        ("", "is")
    } else {
        ("all ", "are")
    };
    format!(
        "nothing to do: {all}{} of {} {are} up to date",
        counted(artifacts, "artifact"),
        records(of, noun)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_have_the_form_of_their_number() {
        let all = ["task", "try", "day", "answer", "box", "class"];
        assert_eq!(
            all.map(|noun| counted(1, noun)),
            ["1 task", "1 try", "1 day", "1 answer", "1 box", "1 class"]
        );
        assert_eq!(
            all.map(|noun| counted(2, noun)),
            [
                "2 tasks",
                "2 tries",
                "2 days",
                "2 answers",
                "2 boxes",
                "2 classes"
            ]
        );
        let all = [
            "products",
            "categories",
            "boxes",
            "glass",
            "series",
            "data",
            "recipes",
        ];
        assert_eq!(
            all.map(|nouns| records(1, nouns)),
            [
                "1 product",
                "1 category",
                "1 box",
                "1 glass",
                "1 series",
                "1 data",
                "1 recipe"
            ]
        );
        assert_eq!(records(0, "products"), "0 products");
    }

    #[test]
    fn spans_are_in_words() {
        let seconds = [0.2, 59.0, 61.0, 1080.0, 3600.0, 7500.0, 86_400.0, 180_000.0];
        assert_eq!(
            seconds.map(span),
            [
                "a minute",
                "a minute",
                "2 minutes",
                "18 minutes",
                "1 hour",
                "2 hours 5 minutes",
                "1 day",
                "2 days 2 hours"
            ]
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            (duration(65.4), duration(7265.0)),
            ("1:05".to_owned(), "2:01:05".to_owned())
        );
        assert_eq!(
            [count(950), count(12_345), count(4_560_000)],
            ["950", "12.3k", "4.56M"]
        );
    }
}
