//! How easy a text is to read, by the length of its sentences and words.
//!
//! Each language has a formula of its own, fitted to texts in that language. All give about 0 for the hardest texts and about
//! 100 for the easiest:
//!
//! - English: Flesch, R. (1948), "A new readability yardstick", Journal of Applied Psychology 32(3).
//! - German: Amstad, T. (1978), "Wie verständlich sind unsere Zeitungen?", University of Zurich.
//! - Spanish: Fernández Huerta, J. (1959), "Medidas sencillas de lecturabilidad", Consigna 214; with words for each sentence, as
//!   its examples count, and not the other way round, as it was often printed.
//! - French: Kandel, L. and Moles, A. (1958), "Application de l'indice de Flesch à la langue française", Cahiers Études de
//!   Radio-Télévision 19.
//! - Italian: Franchina, V. and Vacca, R. (1986), "Adaptation of Flesch readability index on a bilingual text written by the
//!   same author both in Italian and English languages", Linguaggi 3.
//! - Portuguese: Martins, T. B. F. and others (1996), "Readability formulas applied to textbooks in Brazilian Portuguese",
//!   Notas do ICMSC-USP 28.
//! - Dutch: Douma, W. H. (1960), "De leesbaarheid van landbouwbladen", Wageningen.

use super::language::Language;
use super::prose::{Kind, Prose};
use super::syllables::syllables;
use super::words::{sentences, words};

/// How easy a text is to read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ease {
    /// 0 to 100 for most texts: 30 is an article of science, 60 plain language, 90 a text for children.
    pub score: f64,
    /// Words for each sentence.
    pub words: f64,
    /// Syllables for each word.
    pub syllables: f64,
}

/// The constant of a formula, and what each word of a sentence and each syllable of a word takes from it.
fn weights(language: Language) -> (f64, f64, f64) {
    match language {
        Language::Dutch => (206.84, 0.93, 77.0),
        Language::English => (206.835, 1.015, 84.6),
        Language::French => (207.0, 1.015, 73.6),
        Language::German => (180.0, 1.0, 58.5),
        Language::Italian => (217.0, 1.3, 60.0),
        Language::Portuguese => (248.835, 1.015, 84.6),
        Language::Spanish => (206.84, 1.02, 60.0),
    }
}

/// How easy the sentences of a text are to read: headings, tables and code are not among them. `None` where there is no sentence.
pub fn reading_ease(prose: &Prose, language: Language) -> Option<Ease> {
    let mut count = Count::default();
    for sentence in running_sentences(prose) {
        count.add(sentence, language);
    }
    count.ease(language)
}

/// The sentence that is the hardest to read.
pub(super) fn hardest(prose: &Prose, language: Language) -> Option<&str> {
    let scored = running_sentences(prose).filter_map(|sentence| {
        let mut count = Count::default();
        count.add(sentence, language);
        Some((count.ease(language)?.score, sentence))
    });
    let hardest = scored.min_by(|(one, _), (other, _)| one.total_cmp(other));
    hardest.map(|(_, sentence)| sentence)
}

fn running_sentences(prose: &Prose) -> impl Iterator<Item = &str> {
    let blocks = prose.blocks().filter(|(kind, _)| *kind == Kind::Text);
    blocks.flat_map(|(_, text)| sentences(text))
}

#[derive(Debug, Default)]
struct Count {
    sentences: u32,
    words: u32,
    syllables: u32,
}

impl Count {
    fn add(&mut self, sentence: &str, language: Language) {
        self.sentences += 1;
        for word in words(sentence) {
            self.words += 1;
            self.syllables += syllables(word, language);
        }
    }

    fn ease(&self, language: Language) -> Option<Ease> {
        if self.words == 0 {
            return None;
        }
        let words = f64::from(self.words) / f64::from(self.sentences);
        let syllables = f64::from(self.syllables) / f64::from(self.words);
        let (constant, by_word, by_syllable) = weights(language);
        Some(Ease {
            score: constant - by_word * words - by_syllable * syllables,
            words,
            syllables,
        })
    }
}
