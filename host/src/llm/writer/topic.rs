//! What a conversation is about, in its own words.

use crate::llm::request::{Message, Role};

/// Words that end a topic, or stand before one.
const STOPS: [&str; 26] = [
    "and", "as", "at", "be", "but", "by", "for", "from", "how", "if", "in", "is", "not", "on",
    "one", "only", "or", "so", "that", "to", "using", "when", "which", "with", "you", "your",
];
const ARTICLES: [&str; 10] = [
    "a", "an", "any", "each", "every", "it", "its", "our", "the", "this",
];

/// The words behind the first "about" (or, failing that, "on" or "of") of the question; no digits.
pub fn topic(messages: &[Message]) -> Option<String> {
    let asked: Vec<&Message> = messages
        .iter()
        .take_while(|message| message.role != Role::Assistant)
        .collect();
    ["about", "on", "of"].iter().find_map(|mark| {
        // The question itself says it better than the instructions that come before.
        asked
            .iter()
            .rev()
            .find_map(|message| behind(&message.content, mark))
    })
}

fn behind(text: &str, mark: &str) -> Option<String> {
    let mut words = text.split_whitespace();
    while let Some(word) = words.next() {
        if !word.eq_ignore_ascii_case(mark) {
            continue;
        }
        let mut topic: Vec<String> = Vec::new();
        for word in words.clone() {
            let bare = word.trim_end_matches([',', '.', ';', ':', '?', '!']);
            let lower = bare.to_lowercase();
            if topic.is_empty() && ARTICLES.contains(&lower.as_str()) {
                continue;
            }
            let plain = !bare.is_empty() && bare.chars().all(|c| c.is_alphabetic() || c == '-');
            if !plain || STOPS.contains(&lower.as_str()) || ARTICLES.contains(&lower.as_str()) {
                break;
            }
            topic.push(bare.to_owned());
            if bare.len() < word.len() || topic.len() == 4 {
                break;
            }
        }
        while topic.last().is_some_and(|word| word == "of") {
            topic.pop();
        }
        if topic.iter().any(|word| word.chars().count() > 3) {
            return Some(topic.join(" "));
        }
    }
    None
}
