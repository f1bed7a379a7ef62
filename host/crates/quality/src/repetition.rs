//! What the texts of one component repeat: near-duplicates, openings, phrases, and how many of their word pairs are different.

use std::collections::{HashMap, HashSet};

use super::distinct::Distinct;
use super::frequent::Frequent;
use super::minhash::{Signer, hash, joined};
use super::near::{Found, Index, Pair};
use super::prose::{Kind, Prose};
use super::words::{fold, words};

/// Words that an opening is told by.
const OPENING: usize = 4;
/// Openings that are counted at once: any that one text in a thousand has is among them.
const OPENINGS: usize = 4096;
/// An opening is worn when more than one text in so many begins with it.
const ONE_IN: u32 = 50;
/// Words of the groups that phrases are made of.
const PHRASE: usize = 5;
/// Groups that are counted at once.
const PHRASES: usize = 1 << 15;
/// A phrase is worn when more than one text in so many has it.
const PHRASE_ONE_IN: u32 = 20;
/// Worn phrases that are told, and groups of words that they are made of.
const TOLD: usize = 20;
const GROUPS: usize = 500;

/// Takes in the texts of one component, one after another, and keeps about 110 bytes of each.
#[derive(Debug)]
pub struct Repetition {
    signer: Signer,
    index: Index,
    texts: Vec<Text>,
    categories: Vec<Distinct>,
    openings: Frequent,
    phrases: Frequent,
}

#[derive(Clone, Copy, Debug)]
struct Text {
    category: u32,
    /// The hash of its opening; 0 where it has none.
    opening: u32,
}

/// What the texts repeat.
#[derive(Clone, Debug)]
pub struct Survey {
    /// All texts.
    pub whole: Category,
    /// By the numbers of the categories.
    pub categories: Vec<Category>,
    /// The openings of more than one text in fifty, the most frequent first.
    pub openings: Vec<Phrase>,
    /// Phrases of more than one text in twenty.
    pub phrases: Vec<Phrase>,
    found: Found,
}

/// What is known of a category.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Category {
    /// Texts that have words.
    pub texts: u32,
    /// Texts of which another text of the component is nearly the same.
    pub near: u32,
    /// Texts that begin with a worn opening.
    pub openings: u32,
    /// The share of word pairs that are different from all others.
    pub distinct_2: Option<f64>,
}

/// Words that many texts have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// In lower case.
    pub words: String,
    /// Texts that have it.
    pub texts: u32,
}

impl Default for Repetition {
    fn default() -> Repetition {
        Repetition {
            signer: Signer::default(),
            index: Index::default(),
            texts: Vec::new(),
            categories: Vec::new(),
            openings: Frequent::new(OPENINGS),
            phrases: Frequent::new(PHRASES),
        }
    }
}

impl Repetition {
    /// Adds a text of a category, which has a small number. The text's own number is the number of texts that were added before it;
    /// one without words is not added, and that is told.
    pub fn add(&mut self, prose: &Prose, category: u32) -> bool {
        let hashed = self.signer.hashed(prose);
        let Some(signature) = hashed.signature() else {
            return false;
        };
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.index.add(signature);
        while self.categories.len() <= category as usize {
            self.categories.push(Distinct::new(2));
        }
        if let Some(distinct) = self.categories.get_mut(category as usize) {
            distinct.add(&hashed.words);
        }
        // Headings and tables repeat themselves by design.
        let paragraphs = hashed.blocks().zip(prose.blocks());
        for ((_, words), (_, text)) in paragraphs.filter(|(_, (kind, _))| *kind == Kind::Text) {
            for (place, group) in words.windows(PHRASE).enumerate() {
                self.phrases
                    .add(joined(group), number, || words_from(text, place));
            }
        }
        let opening = opening(prose).map(|words| {
            let hash = hash(&words);
            self.openings.add(hash, number, || words);
            short(hash)
        });
        self.texts.push(Text {
            category,
            opening: opening.unwrap_or(0),
        });
        true
    }

    /// Compares all texts. This takes some seconds for each million.
    pub fn finish(mut self) -> Survey {
        let found = self.index.find();
        let openings = self.worn_openings();
        let count = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let least = (count / PHRASE_ONE_IN + 1).max(3);
        let phrases = self.phrases.at_least(least);
        let phrases = phrases.into_iter().take(GROUPS);
        let phrases = merged(phrases.map(|(words, texts, _)| (words, texts)).collect());
        let distinct = self.categories.iter_mut();
        let mut categories: Vec<Category> = distinct
            .map(|distinct| Category {
                distinct_2: distinct.share(),
                ..Category::default()
            })
            .collect();
        for (number, text) in (0..).zip(&self.texts) {
            if let Some(category) = categories.get_mut(text.category as usize) {
                category.texts += 1;
                category.near += u32::from(found.is_near(number));
                category.openings += u32::from(openings.contains_key(&text.opening));
            }
        }
        let sum = |part: fn(&Category) -> u32| categories.iter().map(part).sum();
        let whole = Category {
            texts: sum(|category| category.texts),
            near: sum(|category| category.near),
            openings: sum(|category| category.openings),
            distinct_2: Distinct::together(2, &self.categories).share(),
        };
        let mut openings: Vec<Phrase> = openings.into_values().collect();
        sort(&mut openings);
        Survey {
            whole,
            categories,
            openings,
            phrases,
            found,
        }
    }

    /// Worn openings by their hashes. What is frequent enough to be one was counted roughly, and is now counted exactly.
    fn worn_openings(&self) -> HashMap<u32, Phrase> {
        let count = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let roughly = (count / ONE_IN * 9 / 10).max(2);
        let likely = self.openings.at_least(roughly).into_iter();
        let mut openings: HashMap<u32, Phrase> = likely
            .map(|(words, _, hash)| {
                let words = words.to_owned();
                (short(hash), Phrase { words, texts: 0 })
            })
            .collect();
        for text in &self.texts {
            if let Some(opening) = openings.get_mut(&text.opening) {
                opening.texts += 1;
            }
        }
        openings.retain(|_, opening| opening.texts > (count / ONE_IN).max(1));
        openings
    }
}

impl Survey {
    /// The pairs that are the most alike, no more than `most`: each text in one pair at most.
    pub fn worst(&self, most: usize) -> Vec<Pair> {
        self.found.worst(most)
    }
}

/// The first words of the first paragraph, in lower case.
fn opening(prose: &Prose) -> Option<String> {
    let mut paragraphs = prose.blocks().filter(|(kind, _)| *kind == Kind::Text);
    paragraphs.find_map(|(_, text)| {
        let opening = words_from(text, 0);
        let words = opening.splitn(OPENING + 1, ' ').take(OPENING);
        let opening = words.collect::<Vec<_>>().join(" ");
        (!opening.is_empty()).then_some(opening)
    })
}

/// Words of a text from one on, in lower case.
fn words_from(text: &str, place: usize) -> String {
    let (mut folded, mut all) = (String::new(), String::new());
    for word in words(text).skip(place).take(PHRASE) {
        fold(word, &mut folded);
        if !all.is_empty() {
            all.push(' ');
        }
        all.push_str(&folded);
    }
    all
}

/// Never 0, which stands for no opening.
fn short(hash: u64) -> u32 {
    (hash as u32).max(1)
}

/// A phrase of ten words is found as six groups of five: joins them again. Two groups belong together where the one goes on as the other
/// begins, in nearly as many texts.
fn merged(groups: Vec<(&str, u32)>) -> Vec<Phrase> {
    let mut by_start: HashMap<&str, Vec<usize>> = HashMap::new();
    for (number, (words, _)) in groups.iter().enumerate() {
        let start = words.rsplit_once(' ').map_or("", |(start, _)| start);
        by_start.entry(start).or_default().push(number);
    }
    // What each goes on with.
    let next = |number: &usize| -> Option<usize> {
        let (words, texts) = groups.get(*number)?;
        let end = words.split_once(' ')?.1;
        let next = by_start
            .get(end)?
            .iter()
            .copied()
            .find(|next| next != number)?;
        let (_, others) = groups.get(next)?;
        (texts.abs_diff(*others) * 10 <= *texts).then_some(next)
    };
    let followers: HashSet<usize> = (0..groups.len())
        .filter_map(|number| next(&number))
        .collect();
    let firsts = (0..groups.len()).filter(|number| !followers.contains(number));
    let mut phrases: Vec<Phrase> = firsts
        .filter_map(|first| {
            let (words, texts) = groups.get(first)?;
            let (mut words, mut texts) = ((*words).to_owned(), *texts);
            let chain = std::iter::successors(next(&first), next);
            // A circle of words has no end.
            for (more, others) in chain
                .take(groups.len())
                .filter_map(|number| groups.get(number))
            {
                let last = more.rsplit_once(' ').map_or(*more, |(_, last)| last);
                words.push(' ');
                words.push_str(last);
                texts = texts.min(*others);
            }
            Some(Phrase { words, texts })
        })
        .collect();
    sort(&mut phrases);
    phrases.truncate(TOLD);
    phrases
}

fn sort(phrases: &mut [Phrase]) {
    phrases.sort_by(|one, other| {
        let by_count = other.texts.cmp(&one.texts);
        by_count.then_with(|| one.words.cmp(&other.words))
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Form;

    fn survey(texts: &[(u32, String)]) -> Survey {
        let mut repetition = Repetition::default();
        for (category, text) in texts {
            repetition.add(&Prose::of(text, Form::Markdown), *category);
        }
        repetition.finish()
    }

    /// Words that no other text has.
    fn own(number: usize) -> String {
        let words: Vec<String> = (0..30).map(|word| format!("w{number}-{word}x")).collect();
        words.join(" ").replace('-', "y")
    }

    #[test]
    fn categories_are_counted_apart() {
        let text = |number: usize| {
            let (category, begins) = if number < 40 {
                (0, "When it comes to")
            } else {
                (1, "Here")
            };
            let end = if number % 40 < 3 {
                own(7777)
            } else {
                own(number)
            };
            (category, format!("# Title {number}\n\n{begins} {end}.\n"))
        };
        let mut texts: Vec<_> = (0..120).map(text).collect();
        texts.push((3, "---\na: b\n---\n".to_owned()));
        let survey = survey(&texts);
        assert_eq!(survey.categories.len(), 2);
        let [first, second] = survey.categories[..] else {
            panic!()
        };
        assert_eq!((first.texts, first.near, first.openings), (40, 3, 40));
        assert_eq!((second.texts, second.near, second.openings), (80, 6, 6));
        let when = Phrase {
            words: "when it comes to".to_owned(),
            texts: 40,
        };
        assert_eq!(survey.openings[0], when);
        assert!(first.distinct_2 < second.distinct_2);
        let whole = survey.whole;
        assert_eq!((whole.texts, whole.near, whole.openings), (120, 9, 46));
        assert!(first.distinct_2 < whole.distinct_2 && whole.distinct_2 < second.distinct_2);
        assert!(
            survey
                .worst(9)
                .iter()
                .all(|pair| pair.group == 9 && pair.similarity > 0.6)
        );
    }

    #[test]
    fn an_opening_of_one_in_fifty_is_not_worn_and_more_are() {
        for (times, worn) in [(1, 0), (2, 0), (3, 1)] {
            let begins = |number: usize| {
                if number < times {
                    "In today's fast world"
                } else {
                    ""
                }
            };
            let text = |number: usize| (0, format!("{} {}", begins(number), own(number)));
            let survey = survey(&(0..100).map(text).collect::<Vec<_>>());
            assert_eq!(survey.openings.len(), worn, "{times}");
        }
    }

    #[test]
    fn a_worn_phrase_is_told_as_a_whole() {
        let worn = "it is important to note that every case is different";
        let text = |number: usize| {
            let phrase = if number.is_multiple_of(10) { worn } else { "" };
            (
                0,
                format!("{}. And {phrase}, {}", own(number), own(number + 5000)),
            )
        };
        let survey = survey(&(0..200).map(text).collect::<Vec<_>>());
        let told: Vec<_> = survey
            .phrases
            .iter()
            .map(|phrase| (phrase.words.as_str(), phrase.texts))
            .collect();
        assert_eq!(told, [(format!("and {worn}").as_str(), 20)]);
    }

    #[test]
    fn headings_and_cells_are_no_phrases() {
        let cells = "| the power of the laser | in watts |\n|---|---|\n| 1 | 2 |\n";
        let text = |number: usize| {
            (
                0,
                format!("# All that is known of it\n\n{cells}\n{}\n", own(number)),
            )
        };
        let survey = survey(&(0..40).map(text).collect::<Vec<_>>());
        assert_eq!(survey.phrases, []);
    }

    #[test]
    fn a_phrase_that_goes_round_ends() {
        let groups = vec![("a b a b a", 9), ("b a b a b", 9), ("c c c c c", 5)];
        let phrases = merged(groups);
        assert!(phrases.iter().any(|phrase| phrase.words == "c c c c c"));
    }
}
