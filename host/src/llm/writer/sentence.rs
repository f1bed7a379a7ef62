//! Sentences made of facts, in a few frames, so that prose does not read like a list.

use super::facts::{Fact, FactValue};

/// How many frames there are for a fact; a frame is a number below this, or taken modulo it.
pub const FRAMES: usize = 5;

/// Most items that one sentence lists.
const LISTED: usize = 5;

/// The subject as it is written inside a sentence.
pub type Subject<'a> = Option<&'a str>;

/// The sentences that say a fact.
pub fn sentences(fact: &Fact, subject: Subject<'_>, frame: usize) -> Vec<String> {
    match &fact.value {
        FactValue::Sentences(sentences) => sentences.clone(),
        FactValue::Text(value) => vec![scalar(fact, value, subject, frame)],
        FactValue::Items(items) => items
            .chunks(LISTED)
            .enumerate()
            .map(|(chunk, items)| list(fact, items, subject, frame, chunk > 0))
            .collect(),
    }
}

/// One sentence that says two short facts, if they can be said together.
pub fn pair(first: &Fact, second: &Fact, subject: Subject<'_>, frame: usize) -> Option<String> {
    let (FactValue::Text(one), FactValue::Text(two)) = (&first.value, &second.value) else {
        return None;
    };
    let short = |fact: &Fact, value: &str| {
        is_measure(value) && !value.contains(',') && !is_plural(&fact.label) && !fact.of_item
    };
    if first.group != second.group || !short(first, one) || !short(second, two) {
        return None;
    }
    let (one, two) = (bare(one), bare(two));
    let subject = subject?;
    Some(if frame.is_multiple_of(2) {
        let (a, b) = (with_article(&first.label), with_article(&second.label));
        format!("{} has {a} of {one} and {b} of {two}.", capitalize(subject))
    } else {
        let (a, b) = (&first.label, &second.label);
        format!("The {a} of {subject} is {one}, and its {b} is {two}.")
    })
}

fn scalar(fact: &Fact, value: &str, subject: Subject<'_>, frame: usize) -> String {
    let label = fact.label.as_str();
    let value = bare(value);
    let be = if is_plural(label) { "are" } else { "is" };
    let subject = match (subject, &fact.group) {
        (_, Some(group)) if fact.of_item => group,
        (Some(subject), _) => subject,
        (None, Some(group)) => return format!("For {group}, the {label} {be} {value}."),
        (None, None) => return format!("The {label} {be} {value}."),
    };
    match value {
        "yes" => return format!("{} counts as {label}.", capitalize(subject)),
        "no" => return format!("{} does not count as {label}.", capitalize(subject)),
        _ => {}
    }
    let counts = is_measure(value) && be == "is";
    match (frame % FRAMES, &fact.group) {
        (1, _) if counts => format!(
            "{} has {} of {value}.",
            capitalize(subject),
            with_article(label)
        ),
        (2, Some(group)) if is_plural(group) && !fact.of_item => {
            format!("Among the {group} of {subject}, the {label} {be} {value}.")
        }
        (2 | 3, _) => format!("For {subject}, the {label} {be} {value}."),
        (4, _) if counts => format!("The {label} of {subject} stands at {value}."),
        _ => format!("The {label} of {subject} {be} {value}."),
    }
}

fn list(
    fact: &Fact,
    items: &[String],
    subject: Subject<'_>,
    frame: usize,
    further: bool,
) -> String {
    let label = fact.label.as_str();
    let subject = if fact.of_item {
        fact.group.as_deref()
    } else {
        subject
    };
    let items = join(
        &items
            .iter()
            .map(|item| said(bare(item)))
            .collect::<Vec<_>>(),
    );
    let include = if is_plural(label) {
        "include"
    } else {
        "includes"
    };
    if further {
        return format!("The {label} also {include} {items}.");
    }
    match (frame % FRAMES, subject) {
        (1, Some(subject)) if is_plural(label) => {
            format!("Among the {label} of {subject} are {items}.")
        }
        (2 | 3, Some(subject)) => format!("For {subject}, the {label} {include} {items}."),
        (_, Some(subject)) => format!("The {label} of {subject} {include} {items}."),
        (_, None) => format!("The {label} {include} {items}."),
    }
}

/// A list item inside a sentence: "Aerospace: oxide removal" reads "oxide removal (Aerospace)".
pub fn said(item: &str) -> String {
    match label_of(item) {
        Some(label) => format!("{} ({label})", item.get(label.len() + 2..).unwrap_or(item)),
        None => item.to_owned(),
    }
}

/// What stands before the colon of a list item such as "Aerospace: oxide removal".
pub fn label_of(item: &str) -> Option<&str> {
    let (label, rest) = item.split_once(": ")?;
    let plain = !label.contains(['(', ',']) && !rest.contains(':') && !rest.is_empty();
    (plain && count_words(label) <= 4).then_some(label)
}

/// "a, b and c".
pub fn join(items: &[String]) -> String {
    match items {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Words: runs without white space that have a letter or a digit.
pub fn count_words(text: &str) -> usize {
    text.split_whitespace()
        .filter(|run| run.chars().any(char::is_alphanumeric))
        .count()
}

/// The text with its first letter in upper case.
pub fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}

/// Whether a label names several things.
pub fn is_plural(label: &str) -> bool {
    let last = label.rsplit(' ').next().unwrap_or(label);
    last.ends_with('s')
        && !["ss", "us", "is", "ics"]
            .iter()
            .any(|ending| last.ends_with(ending))
}

fn is_measure(value: &str) -> bool {
    value
        .trim_start_matches(['~', '<', '>', '≤', '≥', '-', '−', '+', '±', ' '])
        .starts_with(|c: char| c.is_ascii_digit())
}

fn with_article(label: &str) -> String {
    let vowel = label.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O']);
    format!("{} {label}", if vowel { "an" } else { "a" })
}

fn bare(value: &str) -> &str {
    value.trim_end_matches(['.', ';', ',', ' '])
}
