//! Everything that the writer can say about one request, each sentence with what it is about.

use super::chance::Chance;
use super::facts::{FactValue, Facts};
use super::filler::Material;
use super::sentence::{self, FRAMES, count_words};

/// A sentence made of facts.
pub struct Statement {
    /// The sentence.
    pub text: String,
    /// How many words it has.
    pub words: usize,
    /// Stems of the labels that it is about.
    pub stems: Vec<String>,
    /// The facts say it in these words.
    pub whole: bool,
}

/// What can be said.
pub struct Voice<'a> {
    /// What is known.
    pub facts: &'a Facts,
    /// The subject as it is written inside a sentence.
    pub subject: String,
    /// What the question is about.
    pub topic: Option<String>,
    /// Names of facts, short and without digits.
    pub labels: Vec<String>,
    /// In the order of the facts.
    pub statements: Vec<Statement>,
    /// Where this request starts among the fillers.
    start: usize,
}

impl<'a> Voice<'a> {
    /// Makes the sentences of all facts, each in a frame chosen by chance.
    pub fn new(facts: &'a Facts, topic: Option<String>, chance: &mut Chance) -> Voice<'a> {
        let named = facts.name.as_ref().map(|name| within_sentence(name, facts));
        let statements = statements(facts, named.as_deref(), chance);
        let subject = named
            .or_else(|| topic.clone())
            .unwrap_or_else(|| "this subject".to_owned());
        let topic = topic.filter(|topic| !topic.to_lowercase().contains(&subject.to_lowercase()));
        Voice {
            facts,
            subject,
            topic,
            labels: labels(facts),
            statements,
            start: chance.below(1 << 16),
        }
    }

    /// The filler sentence with this number.
    pub fn filler(&self, number: usize) -> String {
        self.material().sentence(self.start + number)
    }

    /// What fillers are made of.
    pub fn material(&self) -> Material<'_> {
        Material {
            subject: &self.subject,
            labels: &self.labels,
            topic: self.topic.as_deref(),
        }
    }
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

fn statements(facts: &Facts, subject: Option<&str>, chance: &mut Chance) -> Vec<Statement> {
    let mut whole = Vec::new();
    let mut made = Vec::new();
    // Frames take turns, so that neighbours differ.
    let mut frame = chance.below(FRAMES);
    let mut rest = facts.facts.iter().peekable();
    while let Some(fact) = rest.next() {
        let mut about = stems(&fact.label);
        about.extend(fact.group.iter().flat_map(|group| stems(group)));
        let paired = match rest.peek() {
            Some(next) if chance.happens(0.4) => sentence::pair(fact, next, subject, frame),
            _ => None,
        };
        let texts = match paired {
            Some(text) => {
                about.extend(rest.next().iter().flat_map(|next| stems(&next.label)));
                vec![text]
            }
            None => sentence::sentences(fact, subject, frame),
        };
        frame += 1 + chance.below(2);
        let is_whole = matches!(fact.value, FactValue::Sentences(_));
        let statements = if is_whole { &mut whole } else { &mut made };
        statements.extend(texts.into_iter().map(|text| Statement {
            words: count_words(&text),
            text,
            stems: about.clone(),
            whole: is_whole,
        }));
    }
    spread(whole, made)
}

/// Sentences in the words of the facts, spread evenly among those that the writer made.
fn spread(whole: Vec<Statement>, made: Vec<Statement>) -> Vec<Statement> {
    let between = made.len().checked_div(whole.len()).unwrap_or(0);
    let mut statements = Vec::with_capacity(whole.len() + made.len());
    let mut made = made.into_iter();
    for sentence in whole {
        statements.push(sentence);
        statements.extend(made.by_ref().take(between));
    }
    statements.extend(made);
    statements
}

/// "aluminum" for "Aluminum", if the facts themselves write it so.
fn within_sentence(name: &str, facts: &Facts) -> String {
    let lower = name.to_lowercase();
    let written = facts.facts.iter().any(|fact| match &fact.value {
        FactValue::Sentences(texts) | FactValue::Items(texts) => {
            texts.iter().any(|text| has_word(text, &lower))
        }
        FactValue::Text(text) => has_word(text, &lower),
    });
    if written { lower } else { name.to_owned() }
}

fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text
            .get(at + word.len()..)
            .and_then(|text| text.chars().next());
        ![before, after]
            .into_iter()
            .flatten()
            .any(char::is_alphanumeric)
    })
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
