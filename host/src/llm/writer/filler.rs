//! Sentences without numbers, for when the facts have all been said: they are made of the names of
//! facts, of the topic, or of the subject alone. Also sentences of an exact size, for tight rules.

use super::chance::Chance;
use super::sentence::{capitalize, count_words};

/// `{s}` is the subject, `{a}` and `{b}` are labels of facts.
const WITH_LABELS: [&str; 12] = [
    "Anyone who works with {s} starts from its {a} and its {b}.",
    "For {s}, {a} and {b} are best read together.",
    "A careful reader compares the {a} of {s} with its {b}.",
    "It is worth taking a closer look at the {a} of {s} before turning to its {b}.",
    "What is known of {s} begins with its {a} and leads on to its {b}.",
    "Those who plan ahead keep both the {a} and the {b} of {s} in view.",
    "Good results depend on knowing the {a} of {s} as well as its {b}.",
    "It pays to check the {a} of {s} before any decision that involves its {b}.",
    "Together, {a} and {b} give a clear first picture of {s}.",
    "In daily practice, people ask about the {a} of {s} as often as about its {b}.",
    "Questions about {s} usually lead back to its {a} or its {b}.",
    "A short look at the {a} of {s} saves time later, and so does one at its {b}.",
];

/// The same with the topic, `{t}`.
const WITH_TOPIC: [&str; 4] = [
    "When it comes to {t}, the {a} of {s} should be known along with its {b}.",
    "Decisions about {t} rest on the {a} and the {b} of {s}.",
    "Anyone who considers {t} should look at the {a} of {s} and at its {b}.",
    "Experience with {t} shows how closely {a} and {b} belong together for {s}.",
];

const PLAIN: [&str; 8] = [
    "The details of {s} matter {x}.",
    "A clear plan makes work with {s} easier to repeat {x}.",
    "Good preparation helps with {s} {x}.",
    "It is worth looking closely at {s} {x}.",
    "Careful notes on {s} are useful {x}.",
    "Those who know {s} well make better decisions {x}.",
    "A steady approach to {s} pays off {x}.",
    "Questions about {s} are best answered {x}.",
];

const TAILS: [&str; 12] = [
    "in practice",
    "from the start",
    "before any work begins",
    "at every step",
    "when results are reviewed",
    "as experience grows",
    "when plans change",
    "in everyday use",
    "once the aim is clear",
    "with the facts at hand",
    "before results are compared",
    "over time",
];

const QUALITIES: [&str; 16] = [
    "clear",
    "calm",
    "steady",
    "careful",
    "patient",
    "thorough",
    "consistent",
    "sensible",
    "deliberate",
    "practical",
    "open",
    "methodical",
    "considered",
    "even",
    "reliable",
    "orderly",
];

/// By length in characters, from 4 to 13.
const NOUNS: [&str; 10] = [
    "work",
    "tests",
    "review",
    "control",
    "planning",
    "judgement",
    "inspection",
    "observation",
    "verification",
    "consideration",
];

/// What fillers are made of.
pub struct Material<'a> {
    /// As it is written inside a sentence.
    pub subject: &'a str,
    /// Names of facts.
    pub labels: &'a [String],
    /// What the question is about.
    pub topic: Option<&'a str>,
}

impl Material<'_> {
    /// The filler with this number. Fillers repeat only after all combinations of labels were used.
    pub fn sentence(&self, number: usize) -> String {
        let (Some(first), true) = (self.labels.first(), self.labels.len() > 1) else {
            return self.plain(number);
        };
        let topical = if self.topic.is_some() {
            WITH_TOPIC.len()
        } else {
            0
        };
        let frames = WITH_LABELS.len() + topical;
        let frame = number % frames;
        let count = self.labels.len();
        // Neighbours use different labels; within a frame every ordered pair occurs once.
        let pair = (number / frames + frame * 3) % (count * (count - 1));
        let one = pair % count;
        let two = (one + 1 + pair / count) % count;
        let template = WITH_LABELS
            .get(frame)
            .or_else(|| WITH_TOPIC.get(frame - WITH_LABELS.len()));
        let (one, two) = (
            self.labels.get(one).unwrap_or(first),
            self.labels.get(two).unwrap_or(first),
        );
        self.put(
            template.copied().unwrap_or_default(),
            &[('a', one), ('b', two)],
        )
    }

    /// A template with its placeholders replaced.
    fn put(&self, template: &str, values: &[(char, &str)]) -> String {
        let mut text = String::with_capacity(template.len() + 48);
        let mut rest = template;
        while let Some((before, after)) = rest.split_once('{') {
            text.push_str(before);
            let mut chars = after.chars();
            match chars.next() {
                Some('s') => text.push_str(self.subject),
                Some('t') => text.push_str(self.topic.unwrap_or_default()),
                other => {
                    let value = values.iter().find(|(name, _)| Some(*name) == other);
                    text.push_str(value.map_or("", |(_, value)| value));
                }
            }
            chars.next();
            rest = chars.as_str();
        }
        text.push_str(rest);
        if text.starts_with(char::is_lowercase) {
            capitalize(&text)
        } else {
            text
        }
    }

    /// A filler that needs no labels.
    fn plain(&self, number: usize) -> String {
        let template = PLAIN.get(number % PLAIN.len()).copied().unwrap_or_default();
        let tail = TAILS
            .get((number / PLAIN.len() + number) % TAILS.len())
            .copied()
            .unwrap_or_default();
        self.put(template, &[('x', tail)])
    }

    /// A sentence of exactly so many words (at least one).
    pub fn of_words(&self, words: usize, chance: &mut Chance) -> String {
        let stem = format!("The details of {} matter in", self.subject);
        let stem_words = count_words(&stem);
        let (stem, left) = if words > stem_words {
            (stem, words - stem_words)
        } else {
            match words {
                0 | 1 => return "Indeed.".to_owned(),
                2 => return "Details matter.".to_owned(),
                3 => return "The details matter.".to_owned(),
                4 => return "Here the details matter.".to_owned(),
                _ => ("The details matter in".to_owned(), words - 4),
            }
        };
        let start = chance.below(QUALITIES.len());
        let mut text = stem;
        for number in 0..left.saturating_sub(1) {
            text.push_str(if number == 0 { " " } else { ", " });
            text.push_str(
                QUALITIES
                    .get((start + number) % QUALITIES.len())
                    .copied()
                    .unwrap_or_default(),
            );
        }
        text.push(' ');
        text.push_str(
            NOUNS
                .get(chance.below(NOUNS.len()))
                .copied()
                .unwrap_or_default(),
        );
        text.push('.');
        text
    }

    /// A sentence of exactly so many characters, if a sentence can be that short.
    pub fn of_chars(&self, chars: usize, chance: &mut Chance) -> Option<String> {
        let long = format!("The details of {} matter in", self.subject);
        let shortest = " work.".len();
        [long.as_str(), "The details matter in", "Details matter in"]
            .into_iter()
            .find_map(|stem| {
                let left = chars.checked_sub(stem.chars().count())?;
                (left >= shortest).then(|| fill(stem, left, chance))
            })
    }
}

/// Adds exactly `left` characters, at least " work.", to a stem.
fn fill(stem: &str, mut left: usize, chance: &mut Chance) -> String {
    let (shortest, longest) = (6, 15);
    let mut text = stem.to_owned();
    let mut comma = 0;
    let mut next = chance.below(QUALITIES.len());
    while left > longest {
        next += 1;
        let room = left - shortest;
        let fitting = (0..QUALITIES.len())
            .filter_map(|offset| QUALITIES.get((next + offset) % QUALITIES.len()))
            .find(|quality| quality.len() + 1 + comma <= room);
        let Some(quality) = fitting else { break };
        text.push_str(if comma > 0 { ", " } else { " " });
        text.push_str(quality);
        left -= quality.len() + 1 + comma;
        comma = 1;
    }
    // A noun, the space before it and the full stop; the nouns have all lengths from 4 to 13.
    if let Some(noun) = NOUNS.get((left - shortest).min(NOUNS.len() - 1)) {
        text.push(' ');
        text.push_str(noun);
        text.push('.');
    }
    text
}
