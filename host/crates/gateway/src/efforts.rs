//! The words and the ways by which a model is told how much to think.

use serde::Deserialize;

use types::key::Reasoning;

/// How a model of Anthropic is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thinking {
    /// By a budget of tokens; it does not think unless told to.
    Budget,
    /// By an effort; how much it thinks is up to it.
    Adaptive,
    /// The same, and it cannot be told not to.
    Always,
}

/// The words that a model knows for how much it thinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Efforts(u8);

/// All words, from the least on.
const WORDS: [&str; 5] = ["none", "minimal", "low", "medium", "high"];

impl From<Vec<String>> for Efforts {
    fn from(words: Vec<String>) -> Efforts {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Efforts::of(&words)
    }
}

impl Efforts {
    /// These words; others are passed over.
    pub(crate) fn of(words: &[&str]) -> Efforts {
        let bit = |place: usize| 1 << place;
        let known = WORDS.iter().enumerate();
        let bits = known.filter(|(_, word)| words.contains(word));
        Efforts(bits.fold(0, |all, (place, _)| all | bit(place)))
    }

    /// Whether the model can be told not to think.
    pub fn has_none(self) -> bool {
        self.word(Reasoning::None) == Some("none")
    }

    /// The word for a level: its own, else the next that is more, else the next that is less.
    pub(crate) fn word(self, level: Reasoning) -> Option<&'static str> {
        let own = match level {
            Reasoning::None => 0,
            Reasoning::Low => 2,
            Reasoning::Medium => 3,
            Reasoning::High => 4,
        };
        let knows = |place: &usize| self.0 & (1 << place) != 0;
        let more = (own..WORDS.len()).find(knows);
        let place = more.or_else(|| (0..own).rev().find(knows))?;
        WORDS.get(place).copied()
    }
}
