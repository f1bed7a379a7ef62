//! Short texts for JSON: titles and keywords, and texts whose length in characters is limited.

use super::facts::FactValue;
use super::padding;
use super::sentence::{capitalize, join};
use super::voice::{Voice, overlap, stems};

/// Limits of a text in characters.
#[derive(Clone, Copy, Debug)]
pub struct Length {
    pub min: usize,
    pub max: usize,
}

impl Length {
    /// Whether a text is within the limits.
    pub fn admits(self, text: &str) -> bool {
        let chars = text.chars().count();
        self.min <= chars && chars <= self.max
    }
}

/// Title-like phrases about the subject, the best first.
pub fn titles(voice: &Voice<'_>) -> Vec<String> {
    let name = title_case(&voice.subject);
    let mut titles = vec![format!("{name} (placeholder)")];
    for count in (1..=voice.labels.len().min(8)).rev() {
        for group in voice.labels.windows(count).take(4) {
            titles.push(format!("{name}: {}", title_case(&join(group))));
        }
    }
    titles.push(name);
    // A title of three labels reads better than one of eight, so long ones are for who asks for them.
    titles.sort_by_key(|title| title.chars().count() > 60);
    titles
}

/// Short phrases out of the facts, those about `about` first.
pub fn phrases(voice: &Voice<'_>, about: &[String]) -> Vec<String> {
    let mut lists: Vec<(usize, Vec<String>)> = Vec::new();
    for fact in &voice.facts.facts {
        let mut stems_of = stems(&fact.label);
        stems_of.extend(fact.group.iter().flat_map(|group| stems(group)));
        if let FactValue::Items(items) = &fact.value {
            lists.push((
                overlap(about, &stems_of),
                items.iter().map(|item| plain_case(item)).collect(),
            ));
        }
    }
    // A stable sort: lists that fit equally well stay in the order of the facts.
    lists.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    let related: Vec<String> = lists
        .iter()
        .filter(|(score, _)| *score > 0)
        .flat_map(|(_, items)| items.clone())
        .collect();
    let mut phrases = related;
    phrases.extend(voice.facts.name.iter().map(|_| voice.subject.clone()));
    // One item of every list in turn, so that a short list of keywords shows all of them.
    let unrelated: Vec<&Vec<String>> = lists
        .iter()
        .filter(|(score, _)| *score == 0)
        .map(|(_, items)| items)
        .collect();
    let longest = unrelated.iter().map(|items| items.len()).max().unwrap_or(0);
    for at in 0..longest {
        phrases.extend(unrelated.iter().filter_map(|items| items.get(at).cloned()));
    }
    phrases.extend(
        voice
            .labels
            .iter()
            .map(|label| format!("{} {label}", voice.subject)),
    );
    phrases.extend(voice.labels.iter().cloned());
    phrases
}

/// "Aerospace" as "aerospace", "CO2 emission" as it is.
fn plain_case(text: &str) -> String {
    let keeps = text.split(|c: char| !c.is_alphanumeric()).any(|word| {
        word.chars()
            .skip(1)
            .any(|c| c.is_uppercase() || c.is_numeric())
    });
    if keeps {
        text.to_owned()
    } else {
        text.to_lowercase()
    }
}

/// "melting point" as "Melting Point".
pub fn title_case(text: &str) -> String {
    let small = ["of", "and", "in", "for", "the", "on", "to", "with"];
    let words: Vec<String> = text
        .split(' ')
        .enumerate()
        .map(|(at, word)| {
            if at > 0 && small.contains(&word) {
                word.to_owned()
            } else {
                capitalize(word)
            }
        })
        .collect();
    words.join(" ")
}

/// Whole sentences within the limits, from candidates in their order, completed by padding of the size that is missing.
/// `None` if no sentence is that short.
pub fn sentences_within(candidates: &[String], length: Length, number: usize) -> Option<String> {
    let mut chosen: Vec<&str> = Vec::new();
    let mut chars = 0;
    for candidate in candidates {
        let next = chars + candidate.chars().count() + usize::from(chars > 0);
        if next <= length.max {
            chosen.push(candidate);
            chars = next;
        }
        if chars >= length.min && chars > 0 {
            return Some(chosen.join(" "));
        }
    }
    loop {
        let text = chosen.join(" ");
        let taken = text.chars().count() + usize::from(!text.is_empty());
        let least = length.min.saturating_sub(taken);
        let most = length.max.saturating_sub(taken);
        for size in [least.max(40).min(most), most.min(least + 40)] {
            if let Some(padding) = padding::of_chars(size, number) {
                chosen.push(&padding);
                return Some(chosen.join(" "));
            }
        }
        chosen.pop()?;
    }
}

/// Words that are no sentence and say nothing, for limits that leave no room: exactly `chars`
/// characters, another text for every number as far as there are others.
pub fn exactly(chars: usize, number: usize) -> String {
    const WORDS: [&str; 12] = [
        "a",
        "of",
        "key",
        "main",
        "clear",
        "useful",
        "general",
        "relevant",
        "practical",
        "worthwhile",
        "informative",
        "considerable",
    ];
    if number == 0 {
        let mut text = String::new();
        let mut left = chars;
        while left > 0 {
            // One character would remain, and would have to be the space before nothing.
            let most = if left > WORDS.len() {
                left.saturating_sub(2).min(WORDS.len())
            } else {
                left
            };
            let Some(word) = WORDS.get(most.saturating_sub(1)) else {
                break;
            };
            text.push_str(word);
            left -= most;
            if left > 0 {
                text.push(' ');
                left -= 1;
            }
        }
        return text;
    }
    // Numbers in base 26, in letters.
    let mut rest = number;
    let mut letters: Vec<char> = Vec::with_capacity(chars);
    for _ in 0..chars {
        letters.push(char::from(b'a' + u8::try_from(rest % 26).unwrap_or(0)));
        rest /= 26;
    }
    letters.into_iter().collect()
}
