//! Everything that the writer can say about one request, each sentence with what it is about.

use super::chance::Chance;
use super::facts::{FactValue, Facts};
use super::padding;
use super::sentence::{self, count_words};
use types::request::{Message, Role};

/// A sentence made of facts.
pub struct Statement {
    pub text: String,
    /// How many words it has.
    pub words: usize,
    /// Stems of the labels that it is about.
    pub stems: Vec<String>,
}

/// What can be said.
pub struct Voice<'a> {
    pub facts: &'a Facts,
    /// The subject as it is written inside a sentence.
    pub subject: String,
    /// Says what was asked for, and that this is a placeholder for it.
    pub heading: Option<String>,
    /// Names of facts, short and without digits.
    pub labels: Vec<String>,
    /// In the order of the facts, from one of them on.
    pub statements: Vec<Statement>,
}

impl<'a> Voice<'a> {
    /// Makes the sentences of all facts; chance says which comes first.
    pub fn new(facts: &'a Facts, messages: &[Message], chance: &mut Chance) -> Voice<'a> {
        let mut statements = statements(facts);
        let seen = facts.seen.min(statements.len());
        let (_, told) = statements.split_at_mut(seen);
        let first = chance.below(told.len());
        told.rotate_left(first);
        Voice {
            facts,
            subject: facts
                .name
                .clone()
                .unwrap_or_else(|| "this subject".to_owned()),
            heading: asked(messages).and_then(padding::heading),
            labels: labels(facts),
            statements,
        }
    }
}

/// The instructions, or the question where there are none.
fn asked(messages: &[Message]) -> Option<&str> {
    let of = |role: Role| {
        let mut messages = messages.iter().filter(move |message| message.role == role);
        messages.find(|message| !message.content.trim().is_empty())
    };
    let message = of(Role::System).or_else(|| of(Role::User))?;
    Some(&message.content)
}

/// The stems by which labels, headings and property names are compared.
pub fn stems(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() > 3)
        .map(|word| word.to_lowercase().chars().take(5).collect())
        .collect()
}

/// How well what a statement is about fits a name. Its last word weighs most: laser settings are
/// settings.
pub fn overlap(name: &[String], about: &[String]) -> usize {
    let places = about.iter().zip(1..);
    places
        .filter(|(stem, _)| name.contains(stem))
        .map(|(_, place)| place)
        .sum()
}

fn statements(facts: &Facts) -> Vec<Statement> {
    let mut statements = Vec::new();
    for fact in &facts.facts {
        let mut about = stems(&fact.label);
        about.extend(fact.group.iter().flat_map(|group| stems(group)));
        let texts = sentence::sentences(fact, facts.name.as_deref());
        statements.extend(texts.into_iter().map(|text| Statement {
            words: count_words(&text),
            text,
            stems: about.clone(),
        }));
    }
    statements
}

fn labels(facts: &Facts) -> Vec<String> {
    let mut labels: Vec<String> = Vec::new();
    for fact in &facts.facts {
        let plain = fact
            .label
            .chars()
            .all(|c| c.is_alphabetic() || c == ' ' || c == '-');
        let short = fact.label.split(' ').count() <= 3;
        let nothing = match &fact.value {
            FactValue::Sentences(_) => true,
            FactValue::Text(text) => text == "yes" || text == "no",
            FactValue::Items(_) => false,
        };
        let said = nothing || fact.of_item || labels.contains(&fact.label);
        if plain && short && !said && fact.label.chars().count() > 2 {
            labels.push(fact.label.clone());
        }
    }
    labels
}
