//! Validates a text by the contract's [`Rules`]. A word is a run without white space that has a
//! letter or digit; a line counts when it is not blank. Messages are fit to be shown to a model.

use serde_json::Value;

use crate::{Rules, numbers};

/// No rules at all, to start from.
pub fn none() -> Rules {
    Rules {
        min_words: None,
        max_words: None,
        min_lines: None,
        max_lines: None,
        required_words: Vec::new(),
        headings: Vec::new(),
        numbers_from_facts: false,
        whole_sentences: false,
    }
}

/// The rules that `text` breaks, one each; none if it obeys. `facts` is what numbers must come from.
pub fn violations(rules: &Rules, facts: &Value, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    span(
        words(text),
        rules.min_words,
        rules.max_words,
        "words",
        &mut found,
    );
    span(
        lines(text),
        rules.min_lines,
        rules.max_lines,
        "lines",
        &mut found,
    );
    for phrase in &rules.required_words {
        if !occurs(phrase, text) {
            found.push(format!("the text must use \"{phrase}\""));
        }
    }
    headings(&rules.headings, text, &mut found);
    if rules.numbers_from_facts {
        found.extend(numbers::violations(facts, "the text", text));
    }
    if rules.whole_sentences && !ends_whole(text) {
        found.push("the text must end with a whole sentence".to_owned());
    }
    found
}

/// Why no text could obey the rules, if so.
pub(crate) fn contradiction(rules: &Rules) -> Option<String> {
    let words = rules.headings.iter().map(|heading| words(heading)).sum();
    let least = [
        (rules.min_words, rules.max_words, "words", words),
        (
            rules.min_lines,
            rules.max_lines,
            "lines",
            rules.headings.len(),
        ),
    ];
    least.into_iter().find_map(|(min, max, unit, of_headings)| {
        let max = max?;
        let min = min
            .unwrap_or(0)
            .max(u32::try_from(of_headings).unwrap_or(u32::MAX));
        (min > max).then(|| format!("a text must have at least {min} {unit} and at most {max}"))
    })
}

/// How many words the text has.
pub fn words(text: &str) -> usize {
    text.split_whitespace()
        .filter(|word| word.contains(char::is_alphanumeric))
        .count()
}

fn lines(text: &str) -> usize {
    text.lines().filter(|line| !line.trim().is_empty()).count()
}

fn span(actual: usize, min: Option<u32>, max: Option<u32>, unit: &str, found: &mut Vec<String>) {
    let bound = |bound: Option<u32>| bound.and_then(|bound| usize::try_from(bound).ok());
    let low = bound(min).is_some_and(|min| actual < min);
    let high = bound(max).is_some_and(|max| actual > max);
    if low || high {
        let wanted = match (min, max) {
            (Some(min), Some(max)) => format!("{min} to {max}"),
            (Some(min), None) => format!("at least {min}"),
            (None, max) => format!("at most {}", max.unwrap_or_default()),
        };
        found.push(format!("the text has {actual} {unit}, must have {wanted}"));
    }
}

/// Whether the phrase occurs, whatever its case and white space, at the beginning of a word.
pub fn occurs(phrase: &str, text: &str) -> bool {
    let (phrase, text) = (plain(phrase), plain(text));
    text.match_indices(&phrase).any(|(start, _)| {
        let before = text
            .get(..start)
            .and_then(|before| before.chars().next_back());
        !before.is_some_and(char::is_alphanumeric)
    })
}

fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

fn headings(wanted: &[String], text: &str, found: &mut Vec<String>) {
    let have: Vec<&str> = text.lines().filter_map(heading).collect();
    let mut next = 0;
    for heading in wanted {
        let same = |have: &&str| have.to_lowercase() == heading.to_lowercase();
        if let Some(place) = have.iter().skip(next).position(same) {
            next += place + 1;
        } else if have.iter().any(same) {
            found.push(format!(
                "the heading \"## {heading}\" must stand in the order asked for"
            ));
        } else {
            found.push(format!("the heading \"## {heading}\" is missing"));
        }
    }
}

/// The words of a line that is a heading of the second level.
fn heading(line: &str) -> Option<&str> {
    line.strip_prefix("## ").map(str::trim)
}

/// Whether the text ends as a sentence does; what closes quotes, emphasis or brackets may follow.
pub fn ends_whole(text: &str) -> bool {
    text.trim_end()
        .trim_end_matches(['"', '”', '’', '\'', ')', ']', '*', '_'])
        .ends_with(['.', '!', '?', '…'])
}

#[cfg(test)]
mod tests;
