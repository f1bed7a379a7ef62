//! Sentences made of facts.

use super::facts::{Fact, FactValue};

/// Most items that one sentence lists.
const LISTED: usize = 5;

/// The sentences that say a fact.
pub fn sentences(fact: &Fact, subject: Option<&str>) -> Vec<String> {
    let label = match &fact.group {
        // What is named so is not the subject.
        Some(group) if !fact.of_item && ["name", "id"].contains(&fact.label.as_str()) => {
            format!("{group} {}", fact.label)
        }
        _ => fact.label.clone(),
    };
    let is_plural = is_plural(&label);
    let of = match (&fact.group, subject) {
        (Some(item), _) if fact.of_item => format!(" of {item}"),
        (_, Some(subject)) => format!(" of {subject}"),
        (_, None) => String::new(),
    };
    match &fact.value {
        FactValue::Sentences(sentences) => sentences.clone(),
        FactValue::Text(value) => {
            let be = if is_plural { "are" } else { "is" };
            vec![format!("The {label}{of} {be} {}.", bare(value))]
        }
        FactValue::Items(items) => {
            let include = if is_plural { "include" } else { "includes" };
            let said = |items: &[String]| {
                let items: Vec<String> = items.iter().map(|item| said(bare(item))).collect();
                format!("The {label}{of} {include} {}.", join(&items))
            };
            items.chunks(LISTED).map(said).collect()
        }
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

fn bare(value: &str) -> &str {
    value.trim_end_matches(['.', ';', ',', ' '])
}
