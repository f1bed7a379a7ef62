//! How alike two texts are, told by 96 bytes of each.
//!
//! A text is the set of its shingles: all groups of three words in a row (Broder 1997, "On the resemblance and containment of
//! documents"). Two texts are as alike as the share of their shingles that both have, the Jaccard similarity. Of a random order of all
//! shingles, the first one of a text is that of another with just this probability; so each of [`ROWS`] such firsts that is the
//! same tells for their likeness.
//!
//! One random order is enough, if it is cut into as many bins as there are rows and each gives its first shingle (Li, Owen and Zhang
//! 2012, "One permutation hashing"). A short text leaves bins empty. They are filled so that the estimate stays right (Shrivastava and
//! Li 2014, "Densifying one permutation hashing via rotation for fast near neighbor search"), here with the shingles in another
//! random order, and another, until no bin is empty (Dahlgaard, Knudsen and Thorup 2017, "Fast similarity sketching"). Of each first
//! shingle four bits are kept (Li and König 2010, "b-bit minwise hashing").

use std::collections::BTreeSet;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::prose::{Kind, Prose};
use super::words::{fold, words};

/// Rows of a signature, of four bits each: twice as many rows of half as many bits tell more.
pub(super) const ROWS: usize = 192;
/// Bytes of a signature.
pub(super) const BYTES: usize = ROWS / 2;
/// Words of a shingle.
pub(super) const SHINGLE: usize = 3;
/// Keys of the hash of a word: the same for ever, so that the same texts have the same signatures everywhere.
const KEYS: (u64, u64) = (0x6261_7463_6867_656e, 0x7175_616c_6974_7931);
/// A row of two texts that have nothing in common is the same by chance so often.
const CHANCE: f64 = 1.0 / 16.0;

/// What is kept of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature(pub(super) [u8; BYTES]);

impl Signature {
    /// An estimate of the share of shingles that two texts have in common: it is off by less than 0.08 in 19 of 20 cases.
    pub fn similarity(&self, other: &Signature) -> f64 {
        share(self.equal_rows(other))
    }

    pub(super) fn equal_rows(&self, other: &Signature) -> u8 {
        let (one, _) = self.0.as_chunks();
        let (other, _) = other.0.as_chunks();
        let unequal = one.iter().zip(other).map(|(one, other)| {
            let bits = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
            // The lowest bit of each row says whether any bit of the row is different.
            let any = bits | bits >> 1 | bits >> 2 | bits >> 3;
            (any & 0x1111_1111_1111_1111).count_ones() as u8
        });
        ROWS as u8 - unequal.sum::<u8>()
    }
}

/// The similarity that a number of equal rows tells of.
pub(super) fn share(equal: u8) -> f64 {
    let equal = f64::from(equal) / ROWS as f64;
    ((equal - CHANCE) / (1.0 - CHANCE)).max(0.0)
}

/// The exact share of shingles that two texts have in common; 0 where both have no words.
pub fn similarity(one: &Prose, other: &Prose) -> f64 {
    let mut signer = Signer::default();
    let mut set = |prose| signer.hashed(prose).shingles.iter().copied().collect();
    let (one, other): (BTreeSet<u64>, BTreeSet<u64>) = (set(one), set(other));
    let common = one.intersection(&other).count();
    let all = one.len() + other.len() - common;
    common as f64 / all.max(1) as f64
}

/// Makes signatures. It keeps its memory from text to text.
#[derive(Debug, Default)]
pub struct Signer {
    folded: String,
    hashed: Hashed,
}

/// The hashes of a text's words and shingles, in their order.
#[derive(Debug, Default)]
pub(super) struct Hashed {
    pub words: Vec<u64>,
    /// What each block is, and how many words end with it.
    blocks: Vec<(Kind, usize)>,
    pub shingles: Vec<u64>,
}

impl Signer {
    /// The signature of a text; `None` where it has no words.
    pub fn sign(&mut self, prose: &Prose) -> Option<Signature> {
        self.hashed(prose).signature()
    }

    /// Hashes the words and shingles of a text.
    pub(super) fn hashed(&mut self, prose: &Prose) -> &Hashed {
        let Hashed {
            words: hashes,
            blocks,
            shingles,
        } = &mut self.hashed;
        hashes.clear();
        blocks.clear();
        for (kind, block) in prose.blocks() {
            for word in words(block) {
                fold(word, &mut self.folded);
                hashes.push(hash(&self.folded));
            }
            blocks.push((kind, hashes.len()));
        }
        shingles.clear();
        if hashes.len() < SHINGLE {
            shingles.extend(hashes.first().map(|_| joined(hashes)));
        } else {
            shingles.extend(hashes.windows(SHINGLE).map(joined));
        }
        &self.hashed
    }
}

impl Hashed {
    /// The hashes of the words of each block, and what the block is.
    pub fn blocks(&self) -> impl Iterator<Item = (Kind, &[u64])> {
        let starts = std::iter::once(0).chain(self.blocks.iter().map(|(_, end)| *end));
        self.blocks.iter().zip(starts).map(|((kind, end), start)| {
            let words = self.words.get(start..*end).unwrap_or_default();
            (*kind, words)
        })
    }

    /// `None` where there are no words.
    pub fn signature(&self) -> Option<Signature> {
        if self.shingles.is_empty() {
            return None;
        }
        let mut rows: [Option<u64>; ROWS] = [None; ROWS];
        let mut empty = ROWS;
        for round in 0..2 * ROWS as u64 {
            let mut first: [u64; ROWS] = [u64::MAX; ROWS];
            for shingle in &self.shingles {
                let place = if round == 0 {
                    *shingle
                } else {
                    mixed(shingle ^ mixed(round))
                };
                // At first chance chooses the row. Then each row has a round of its own, so that none stays empty.
                let own = usize::try_from(round)
                    .ok()
                    .and_then(|round| round.checked_sub(ROWS));
                let row = own.unwrap_or_else(|| row_of(place));
                if let Some(first) = first.get_mut(row) {
                    *first = place.min(*first);
                }
            }
            for (row, first) in rows.iter_mut().zip(first) {
                if row.is_none() && first != u64::MAX {
                    *row = Some(first);
                    empty -= 1;
                }
            }
            if empty == 0 {
                break;
            }
        }
        // The first bits decide what is first; the last ones have nothing to do with it.
        let bits = |row: Option<u64>| (row.unwrap_or_default() & 0xf) as u8;
        let mut bytes = [0; BYTES];
        for (byte, rows) in bytes.iter_mut().zip(rows.as_chunks().0) {
            let [low, high] = rows.map(bits);
            *byte = low | high << 4;
        }
        Some(Signature(bytes))
    }
}

/// The row of a hash: all rows have equal shares of all hashes.
fn row_of(hash: u64) -> usize {
    ((u128::from(hash) * ROWS as u128) >> 64) as usize
}

/// The hash of a word.
pub(super) fn hash(word: &str) -> u64 {
    let mut hasher = SipHasher13::new_with_keys(KEYS.0, KEYS.1);
    hasher.write(word.as_bytes());
    hasher.finish()
}

/// The hash of several words in a row.
pub(super) fn joined(words: &[u64]) -> u64 {
    words.iter().fold(0, |all, word| mixed(all ^ word))
}

/// Changes about half of all bits where one of them changes: the finalizer of SplitMix64 (Steele, Lea and Flood 2014).
fn mixed(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Form;
    use proptest::prelude::*;

    fn prose(text: &str) -> Prose {
        Prose::of(text, Form::Plain)
    }

    fn signature(text: &str) -> Option<Signature> {
        Signer::default().sign(&prose(text))
    }

    /// Words without meaning, the same each time.
    fn noise(words: usize, seed: u64) -> Vec<String> {
        let word = |place| format!("w{}", mixed(seed << 32 | place) % 5000);
        (0..words as u64).map(word).collect()
    }

    #[test]
    fn signatures_never_change() {
        let text = "Oak is hard and heavy, and so it lasts. It burns for long.";
        let bytes = signature(text).unwrap().0;
        assert_eq!(bytes[..8], [240, 105, 222, 113, 5, 163, 174, 3]);
    }

    #[test]
    fn marks_case_and_lines_do_not_matter() {
        let one = Prose::of("# Oak\n\nIt **is** hard,\nand _old_.", Form::Markdown);
        let other = Prose::of("<h1>OAK</h1><p>it is hard and old", Form::Html);
        assert_eq!(similarity(&one, &other), 1.0);
        let mut signer = Signer::default();
        assert_eq!(signer.sign(&one), signer.sign(&other));
    }

    #[test]
    fn the_order_of_shingles_does_not_matter() {
        let mut signer = Signer::default();
        let words = noise(400, 1).join(" ");
        let signature = signer.sign(&prose(&words));
        signer.hashed.shingles.reverse();
        assert_eq!(signer.hashed.signature(), signature);
    }

    #[test]
    fn texts_without_words_have_no_signature() {
        assert_eq!(signature(" … \n"), None);
        assert!(signature("oak").is_some());
        assert_eq!(similarity(&prose(""), &prose("")), 0.0);
        assert_eq!(similarity(&prose("oak"), &prose("Oak.")), 1.0);
    }

    #[test]
    fn the_estimate_is_close_for_short_and_long_texts() {
        for (words, times) in [(12, 400), (40, 300), (300, 200), (2000, 50)] {
            let (mut off, mut squares) = (0.0, 0.0);
            for seed in 0..times {
                let one = noise(words, seed);
                let mut other = one.clone();
                for place in (0..words).step_by(3 + seed as usize % 20) {
                    other[place] = "other".to_owned();
                }
                let (one, other) = (one.join(" "), other.join(" "));
                let exact = similarity(&prose(&one), &prose(&other));
                let estimate = signature(&one)
                    .unwrap()
                    .similarity(&signature(&other).unwrap());
                off += estimate - exact;
                squares += (estimate - exact).powi(2);
            }
            let (mean, deviation) = (off / times as f64, (squares / times as f64).sqrt());
            assert!(mean.abs() < 0.015, "{words} words: {mean}");
            assert!(deviation < 0.045, "{words} words: {deviation}");
        }
    }

    proptest! {
        #[test]
        fn similarity_is_symmetric_and_1_for_equal_texts(one in "[a-d]( [a-d]){0,30}", other in "[a-d]( [a-d]){0,30}") {
            let (first, second) = (prose(&one), prose(&other));
            prop_assert_eq!(similarity(&first, &second), similarity(&second, &first));
            prop_assert_eq!(similarity(&first, &first), 1.0);
            let (first, second) = (signature(&one).unwrap(), signature(&other).unwrap());
            prop_assert_eq!(first.similarity(&second), second.similarity(&first));
            prop_assert_eq!(first.similarity(&first), 1.0);
        }

        #[test]
        fn more_words_changed_are_never_more_alike(seed in 0u64..1000, places in proptest::collection::vec(0usize..120, 1..30)) {
            let words = noise(120, seed);
            let (mut changed, mut before) = (words.clone(), 1.0);
            for (number, place) in places.into_iter().enumerate() {
                changed[place] = format!("changed{number}");
                let now = similarity(&prose(&words.join(" ")), &prose(&changed.join(" ")));
                prop_assert!(now <= before);
                before = now;
            }
        }
    }
}
