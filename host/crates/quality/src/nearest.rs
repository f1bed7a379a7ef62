//! Finds the text that is the most like another one, of those that were added so far.
//!
//! [`Index`](super::Index) compares all texts at once, when all are there. Here they come one by one. Texts that agree in a whole band of
//! four rows are compared, with 24 bands: of pairs that share 0.6 of their shingles 98 in 100 meet, and of those that share 0.74 nearly
//! all. Each text takes 192 bytes.

use std::cmp::Reverse;

use super::minhash::{Signature, share};

/// Bytes of a band, of two rows each.
const BAND: usize = 2;
/// Bands of a signature that are looked at.
const BANDS: usize = 24;
/// The values of a band.
const VALUES: usize = 1 << (8 * BAND);
/// Texts with a band in common that are compared, the last ones first: so that texts that are all alike do not make it slow.
const MOST: usize = 64;
/// Stands for no text.
const NONE: u32 = u32::MAX;

/// The least share of shingles that is found for certain enough to make a rule of it.
pub const LEAST_SIMILARITY: f64 = 0.6;

/// Texts that came before.
#[derive(Debug)]
pub struct Nearest {
    signatures: Vec<Signature>,
    /// The last text with each value of each band.
    last: Vec<u32>,
    /// For each band of a text, the one before it that has the same value.
    before: Vec<[u32; BANDS]>,
}

impl Default for Nearest {
    fn default() -> Nearest {
        Nearest {
            signatures: Vec::new(),
            last: vec![NONE; BANDS * VALUES],
            before: Vec::new(),
        }
    }
}

impl Nearest {
    /// Adds a text, and returns its number: the number of texts before it.
    pub fn add(&mut self, signature: Signature) -> u32 {
        let text = u32::try_from(self.signatures.len()).unwrap_or(NONE);
        let mut before = [NONE; BANDS];
        for (place, before) in places(&signature).zip(&mut before) {
            if let Some(last) = self.last.get_mut(place) {
                *before = std::mem::replace(last, text);
            }
        }
        self.signatures.push(signature);
        self.before.push(before);
        text
    }

    /// The text that is the most like this one, of those that count, and an estimate of the share of shingles that both have. Nothing is
    /// found where that share is small.
    pub fn find(&self, signature: &Signature, counts: impl Fn(u32) -> bool) -> Option<(u32, f64)> {
        let mut best: Option<(u8, Reverse<u32>)> = None;
        for (band, place) in places(signature).enumerate() {
            let mut text = self.last.get(place).copied().unwrap_or(NONE);
            for _ in 0..MOST {
                let Some(known) = self.signatures.get(text as usize) else {
                    break;
                };
                // Of those that are as much like it, the first one.
                let found = (signature.equal_rows(known), Reverse(text));
                if best.is_none_or(|best| found > best) && counts(text) {
                    best = Some(found);
                }
                let before = self.before.get(text as usize);
                text = before
                    .and_then(|before| before.get(band).copied())
                    .unwrap_or(NONE);
            }
        }
        best.map(|(equal, Reverse(text))| (text, share(equal)))
    }
}

/// Where the last text with the value of each band is noted.
fn places(signature: &Signature) -> impl Iterator<Item = usize> + '_ {
    let (bands, _) = signature.0.as_chunks::<BAND>();
    let bands = bands.iter().take(BANDS).enumerate();
    bands.map(|(band, rows)| band * VALUES + usize::from(u16::from_le_bytes(*rows)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Prose, Signer};

    /// A text of its own kind, in which every n-th word may be another one.
    fn text(kind: usize, changed: Option<usize>) -> Signature {
        let word = |place: usize| match changed {
            Some(every) if place % every == every / 2 => format!("x{place}"),
            _ => format!("w{}", (kind * 7919 + place * 104_729) % 99_991),
        };
        let words: Vec<String> = (0..200).map(word).collect();
        let prose = Prose::of(&words.join(" "), Form::Plain);
        Signer::default().sign(&prose).unwrap()
    }

    #[test]
    fn the_nearest_text_is_found_among_many() {
        let mut texts = Nearest::default();
        for kind in 0..2000 {
            assert_eq!(texts.add(text(kind, None)), kind as u32);
        }
        let found = |changed| {
            let near = (0..2000).step_by(10).filter(|kind| {
                let found = texts.find(&text(*kind, Some(changed)), |_| true);
                found.is_some_and(|(text, share)| text as usize == *kind && share > 0.5)
            });
            near.count()
        };
        // One word in twenty changes three shingles in twenty: 0.74 of them stay in common; with one in twelve, 0.6.
        assert!(found(20) >= 199, "{}", found(20));
        assert!(found(12) >= 180, "{}", found(12));
        // Every word is another one.
        let alone = texts.find(&text(1, Some(1)), |_| true);
        assert!(alone.is_none_or(|(_, share)| share < 0.3), "{alone:?}");
    }

    #[test]
    fn a_text_that_does_not_count_is_passed_over() {
        let mut texts = Nearest::default();
        let (first, second) = (texts.add(text(1, None)), texts.add(text(1, Some(40))));
        let near = text(1, None);
        assert_eq!(texts.find(&near, |_| true), Some((first, 1.0)));
        let other = texts.find(&near, |text| text != first).unwrap();
        assert!(other.0 == second && other.1 < 1.0, "{other:?}");
        assert_eq!(texts.find(&near, |_| false), None);
    }

    #[test]
    fn many_equal_texts_are_not_all_looked_at() {
        let mut texts = Nearest::default();
        for _ in 0..10_000 {
            texts.add(text(1, None));
        }
        let asked = std::cell::Cell::new(0);
        let counts = |_| {
            asked.set(asked.get() + 1);
            false
        };
        texts.find(&text(1, None), counts);
        assert_eq!(asked.get(), MOST * BANDS);
    }
}
