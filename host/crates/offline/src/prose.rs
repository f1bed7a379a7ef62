//! Prose that obeys rules: words, lines, headings, required words.
//!
//! The text is laid out first (headings and paragraphs, a line each), every paragraph gets a share
//! of the words, and sentences of facts are placed where they fit. What is then missing is padding.

use types::request::Rules;

use super::chance::Chance;
use super::padding;
use super::sentence::{count_words, join};
use super::voice::{Voice, overlap, stems};

/// Words of a sentence that says nothing.
const SENTENCE: usize = 8;
/// Words of a paragraph where the rules leave it open.
const PARAGRAPH_WORDS: usize = 80;
/// Most words of an answer that no rule asks to be longer.
const LONGEST: usize = 320;
/// Most words and lines, whatever the rules ask for: a component may ask for billions.
const MOST_WORDS: usize = 20_000;
const MOST_LINES: usize = 2_000;

/// Writes a text that obeys the rules, as far as they do not contradict each other.
pub fn prose(rules: &Rules, voice: &Voice<'_>, chance: &mut Chance) -> String {
    let mut rules = rules.clone();
    rules.headings.truncate(MOST_LINES);
    rules.required_words.truncate(MOST_LINES);
    let rules = &rules;
    let mut draft = Draft::new(rules, voice, chance);
    draft.fill();
    draft.require(&rules.required_words);
    for number in 0..draft.paragraphs.len() {
        draft.start_paragraph(number, SENTENCE);
    }
    draft.top_up();
    draft.render()
}

struct Paragraph {
    heading: Option<usize>,
    text: String,
}

struct Draft<'a> {
    voice: &'a Voice<'a>,
    headings: &'a [String],
    paragraphs: Vec<Paragraph>,
    /// Words still to be had by the rules: at least, and at most.
    min: usize,
    max: usize,
    /// Words that the paragraphs are to have together.
    aim: usize,
    words: usize,
    /// Sentences that say nothing.
    padded: usize,
}

impl<'a> Draft<'a> {
    fn new(rules: &'a Rules, voice: &'a Voice<'a>, chance: &mut Chance) -> Draft<'a> {
        let heading_words: usize = rules
            .headings
            .iter()
            .map(|heading| count_words(heading))
            .sum();
        let limit = |words: Option<u32>| words.map(|words| (words as usize).min(MOST_WORDS));
        let min = limit(rules.min_words)
            .unwrap_or(0)
            .saturating_sub(heading_words);
        let max = limit(rules.max_words)
            .unwrap_or(usize::MAX)
            .saturating_sub(heading_words);
        let headings = rules.headings.len();
        let min_lines = limit(rules.min_lines).unwrap_or(0).min(MOST_LINES);
        let min_lines = min_lines.saturating_sub(headings);
        let max_lines = limit(rules.max_lines)
            .unwrap_or(usize::MAX)
            .saturating_sub(headings);

        let known: usize = voice
            .statements
            .iter()
            .map(|statement| statement.words)
            .sum();
        let short = 50 * headings.max(1);
        let open = match (rules.min_words, rules.max_words) {
            (Some(_), Some(_)) => min + (max.saturating_sub(min)) * (35 + chance.below(30)) / 100,
            (Some(_), None) => min + min / 8 + 8,
            (None, Some(_)) => (max - max / 8).min((known + short).min(LONGEST)),
            (None, None) => short,
        };
        let required: usize = rules
            .required_words
            .iter()
            .map(|word| count_words(word) + 1)
            .sum();
        let aim = open
            .max(min_lines.saturating_mul(8))
            .max(required)
            .min(max)
            .max(min);

        let natural = if headings > 0 {
            headings * (aim / headings / (PARAGRAPH_WORDS + PARAGRAPH_WORDS / 2)).max(1)
        } else {
            aim.div_ceil(PARAGRAPH_WORDS).max(1)
        };
        // A word at least for each; the last one may hold the required words instead.
        let named: usize = rules
            .required_words
            .iter()
            .map(|word| count_words(word))
            .sum();
        let most = max
            .saturating_sub(named)
            .saturating_add(usize::from(named > 0));
        let count = natural.min(most).max(min_lines).min(max_lines);
        let paragraphs = (0..count)
            .map(|number| Paragraph {
                heading: section(number, count, headings),
                text: String::new(),
            })
            .collect();
        let reserve = if required == 0 {
            0
        } else {
            (required + 4).min(aim)
        };
        Draft {
            voice,
            headings: &rules.headings,
            paragraphs,
            min,
            max,
            aim: aim.saturating_sub(reserve),
            words: 0,
            padded: 0,
        }
    }

    /// Says what was asked for, and gives every paragraph facts up to its share of the words.
    fn fill(&mut self) {
        let voice = self.voice;
        // Each of the other paragraphs needs a word, too.
        let others = self.paragraphs.len().saturating_sub(1);
        if let Some(heading) = &voice.heading
            && count_words(heading).saturating_add(others) <= self.aim
        {
            self.add(0, heading);
        }
        let order = self.assign();
        let mut used = vec![false; voice.statements.len()];
        let count = self.paragraphs.len();
        for number in 0..count {
            let share = self.aim.saturating_sub(self.words) / (count - number);
            let heading = self
                .paragraphs
                .get(number)
                .and_then(|paragraph| paragraph.heading);
            let mut left = share;
            while let Some(words) = self.next_statement(number, heading, &order, &mut used, left) {
                left -= words;
            }
            // The last paragraph may still get the required words.
            if share > 0 || number + 1 < count {
                self.start_paragraph(number, share.clamp(1, SENTENCE));
            }
        }
    }

    /// Gives an empty paragraph a sentence of so many words, as far as the rules leave room.
    fn start_paragraph(&mut self, number: usize, words: usize) {
        let empty = self
            .paragraphs
            .get(number)
            .is_some_and(|paragraph| paragraph.text.is_empty());
        if empty && self.words < self.max {
            self.pad(number, words.min(self.max - self.words));
        }
    }

    /// Adds a sentence of so many words that says nothing.
    fn pad(&mut self, paragraph: usize, words: usize) -> usize {
        self.padded += 1;
        self.add(paragraph, &padding::of_words(words, self.padded))
    }

    /// For every statement the heading that it fits best, if it fits any.
    fn assign(&self) -> Vec<Option<usize>> {
        let headings: Vec<Vec<String>> =
            self.headings.iter().map(|heading| stems(heading)).collect();
        let best = |about: &[String]| {
            let scores = headings
                .iter()
                .map(|heading| overlap(heading, about))
                .enumerate();
            scores
                .filter(|(_, score)| *score > 0)
                .max_by_key(|(at, score)| (*score, usize::MAX - at))
        };
        self.voice
            .statements
            .iter()
            .map(|statement| best(&statement.stems).map(|(at, _)| at))
            .collect()
    }

    /// Places the next statement that fits: first of this section, then of none.
    fn next_statement(
        &mut self,
        paragraph: usize,
        heading: Option<usize>,
        order: &[Option<usize>],
        used: &mut [bool],
        left: usize,
    ) -> Option<usize> {
        let voice = self.voice;
        let free = |wanted: Option<usize>| {
            voice
                .statements
                .iter()
                .zip(order)
                .zip(used.iter())
                .position(|((statement, section), used)| {
                    !used && *section == wanted && statement.words > 0 && statement.words <= left
                })
        };
        let mut at = free(heading);
        if at.is_none() && heading.is_some() {
            at = free(None);
        }
        let at = at?;
        *used.get_mut(at)? = true;
        Some(self.add(paragraph, &voice.statements.get(at)?.text))
    }

    /// Says the required words that do not occur yet.
    fn require(&mut self, required: &[String]) {
        let text = plain(&self.render());
        let missing: Vec<String> = required
            .iter()
            .map(|word| word.trim())
            .filter(|word| !word.is_empty() && !occurs(&plain(word), &text))
            .map(str::to_owned)
            .collect();
        let last = self.paragraphs.len().saturating_sub(1);
        // What the words still to be said need at least.
        let mut needed: usize = missing.iter().map(|word| count_words(word)).sum();
        for chunk in missing.chunks(6) {
            needed -= chunk.iter().map(|word| count_words(word)).sum::<usize>();
            let verb = if chunk.len() > 1 {
                "terms here are"
            } else {
                "term here is"
            };
            let long = format!("The key {verb} {}.", join(chunk));
            let fits = self.words + count_words(&long) + needed <= self.max;
            let short = format!("{}.", chunk.join(", "));
            self.add(last, if fits { &long } else { &short });
        }
    }

    /// Adds sentences, the shortest paragraph first, until there are enough words.
    fn top_up(&mut self) {
        while self.words < self.min {
            let room = self.max.saturating_sub(self.words);
            let shortest = (0..self.paragraphs.len()).min_by_key(|at| {
                self.paragraphs
                    .get(*at)
                    .map_or(0, |paragraph| paragraph.text.len())
            });
            let Some(shortest) = shortest else { return };
            let words = (self.min - self.words).clamp(1, SENTENCE).min(room);
            if words == 0 || self.pad(shortest, words) == 0 {
                return;
            }
        }
    }

    fn add(&mut self, paragraph: usize, text: &str) -> usize {
        let words = count_words(text);
        if let Some(paragraph) = self.paragraphs.get_mut(paragraph) {
            if !paragraph.text.is_empty() {
                paragraph.text.push(' ');
            }
            paragraph.text.push_str(text);
            self.words += words;
        }
        words
    }

    fn render(&self) -> String {
        let mut blocks: Vec<String> = Vec::new();
        for heading in 0..=self.headings.len() {
            // Paragraphs without a heading come first; there are none if there are headings.
            let place = heading.checked_sub(1);
            if let Some(text) = place.and_then(|place| self.headings.get(place)) {
                blocks.push(format!("## {}", text.trim()));
            }
            let of_section = self
                .paragraphs
                .iter()
                .filter(|paragraph| paragraph.heading == place);
            blocks.extend(
                of_section
                    .filter(|paragraph| !paragraph.text.is_empty())
                    .map(|p| p.text.clone()),
            );
        }
        blocks.join("\n\n")
    }
}

/// Lower case, with single spaces.
fn plain(text: &str) -> String {
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase()
}

/// Whether a phrase occurs at the beginning of a word.
fn occurs(phrase: &str, text: &str) -> bool {
    text.match_indices(phrase).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        !before.is_some_and(char::is_alphanumeric)
    })
}

/// The heading that a paragraph stands under. If there are fewer paragraphs than headings, it is the
/// last headings that get one, so that the text does not end with a heading.
fn section(number: usize, paragraphs: usize, headings: usize) -> Option<usize> {
    if headings == 0 {
        None
    } else if paragraphs < headings {
        Some(headings - paragraphs + number)
    } else {
        Some(number * headings / paragraphs)
    }
}
