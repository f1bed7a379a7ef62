//! Text that says nothing and looks like it: for rules that ask for more than there are facts.

use super::sentence::count_words;

const WORDS: [&str; 7] = [
    "text", "padding", "stand-in", "filler", "word", "sample", "blank",
];
/// What every such sentence begins with.
const FIRST: &str = "Placeholder";

/// A sentence of exactly so many words (at least one); another one for every number, as far as there are others.
pub fn of_words(words: usize, number: usize) -> String {
    let mut text = FIRST.to_owned();
    for word in turned(number).take(words.saturating_sub(1)) {
        text.push(' ');
        text.push_str(word);
    }
    text.push('.');
    text
}

/// A sentence of exactly so many characters, if a sentence can be that short; another one for every number.
pub fn of_chars(chars: usize, number: usize) -> Option<String> {
    // The last word fills what is left: it has two letters or more.
    const LEAST: usize = " xx.".len();
    let mut left = chars.checked_sub(FIRST.len() + LEAST)? + LEAST;
    let mut text = FIRST.to_owned();
    for word in turned(number) {
        if left < word.len() + 1 + LEAST {
            break;
        }
        text.push(' ');
        text.push_str(word);
        left -= word.len() + 1;
    }
    text.push(' ');
    text.push_str(&"x".repeat(left - 2));
    text.push('.');
    Some(text)
}

fn turned(number: usize) -> impl Iterator<Item = &'static str> {
    WORDS.into_iter().cycle().skip(number % WORDS.len())
}

/// "Placeholder for: Write an SEO title for Alumina.", by the first sentence of what is asked; nothing where that has
/// a number, which the facts may not have, or is long.
pub fn heading(asked: &str) -> Option<String> {
    /// Most words of it that are shown.
    const SHOWN: usize = 24;
    let line = asked.lines().map(str::trim).find(|line| !line.is_empty())?;
    let end = line.find(". ").map_or(line.len(), |end| end + 1);
    let first = line.get(..end)?.trim_end_matches(['.', ':', '!', '?']);
    let is_plain =
        !first.contains(|letter: char| letter.is_numeric() || "#`{}|<>".contains(letter));
    let is_short = (1..=SHOWN).contains(&count_words(first));
    (is_plain && is_short).then(|| format!("{FIRST} for: {first}."))
}
