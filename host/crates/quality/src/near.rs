//! Finds the texts of many that are nearly the same, without comparing each with each.
//!
//! Signatures are cut into bands of six rows. Texts that agree in a whole band are compared, row by row; others never meet (locality
//! sensitive hashing: Indyk and Motwani 1998, "Approximate nearest neighbors"; bands as Leskovec, Rajaraman and Ullman, "Mining of
//! massive datasets", chapter 3). Of pairs that share 0.74 of their shingles, as when one word in twenty was changed, 998 in 1000
//! meet; of those that share 0.1, 1 in 2000.
//!
//! One band after the other is sorted, so that no more than one is in memory. Texts that are all alike do not make it slow: equal
//! ones are one, and of a large group each text meets those that are the most like it.

use super::minhash::{BYTES, ROWS, Signature, share};

/// Bytes of a band, of two rows each.
const BAND: usize = 3;
/// Equal rows of two texts that are nearly the same: an estimate of 0.64 and more. Texts of which one word in twenty was changed are three
/// standard deviations above it, and those that share a half are three below.
const LEAST: u8 = 128;
/// The exact share of shingles that two texts must have in common to be told as nearly the same.
pub const NEAR: f64 = 0.6;
/// Texts with a band in common that are all compared with each other. Of more, each is compared with so many others.
const ALL: usize = 32;
/// Signatures that are kept together, so that memory never has to be copied to grow.
const TOGETHER: usize = 1 << 14;

/// Takes in texts.
#[derive(Debug, Default)]
pub struct Index {
    signatures: Vec<Vec<Signature>>,
    count: u32,
}

impl Index {
    /// Adds a text, whose number is the number of texts before it.
    pub fn add(&mut self, signature: Signature) {
        match self.signatures.last_mut() {
            Some(last) if last.len() < TOGETHER => last.push(signature),
            _ => {
                let mut next = Vec::with_capacity(TOGETHER);
                next.push(signature);
                self.signatures.push(next);
            }
        }
        self.count += 1;
    }

    /// Compares all texts.
    pub fn find(&self) -> Found {
        let mut found = Found::new(self.count);
        let mut order = Vec::with_capacity(self.count as usize);
        self.find_equal(&mut order, &mut found);
        for band in 0..BYTES / BAND {
            order.clear();
            let others = (0..self.count).filter(|text| !found.is_copy(*text));
            order
                .extend(others.map(|text| {
                    self.key(text, |rows| band_of(rows, band)) << 32 | u64::from(text)
                }));
            order.sort_unstable();
            for run in order.chunk_by(|one, other| one >> 32 == other >> 32) {
                self.compare(run, band, &mut found);
            }
        }
        found.settle();
        found
    }

    /// The first of texts whose signatures are equal stands for them all from now on.
    fn find_equal(&self, order: &mut Vec<u64>, found: &mut Found) {
        let texts = 0..self.count;
        order.extend(texts.map(|text| self.key(text, digest) << 32 | u64::from(text)));
        order.sort_unstable();
        for run in order.chunk_by_mut(|one, other| one >> 32 == other >> 32) {
            if run.len() == 1 {
                continue;
            }
            run.sort_unstable_by_key(|entry| (self.signature(*entry as u32), *entry));
            for equal in run
                .chunk_by(|one, other| self.signature(*one as u32) == self.signature(*other as u32))
            {
                let mut texts = equal.iter().map(|entry| *entry as u32);
                let Some(first) = texts.next() else { continue };
                for text in texts {
                    found.copy(first, text);
                }
            }
        }
    }

    fn compare(&self, run: &[u64], band: usize, found: &mut Found) {
        if run.len() == 1 {
            return;
        }
        let mut texts: Vec<u32> = run.iter().map(|entry| *entry as u32).collect();
        if texts.len() > ALL {
            // Texts that are alike in the rows behind the band come together.
            let behind = (band + 1) * BAND;
            texts.sort_unstable_by(|one, other| {
                let [one, other] = [one, other].map(|text| self.rows(*text));
                let [rest_one, rest_other] = [one, other].map(|rows| rows.get(behind..));
                rest_one.cmp(&rest_other).then_with(|| one.cmp(other))
            });
        }
        for (place, one) in texts.iter().enumerate() {
            for other in texts.iter().skip(place + 1).take(ALL) {
                let equal = match (self.signature(*one), self.signature(*other)) {
                    (Some(one), Some(other)) => one.equal_rows(other),
                    _ => 0,
                };
                if equal >= LEAST {
                    found.near(*one, *other, equal);
                }
            }
        }
    }

    fn signature(&self, text: u32) -> Option<&Signature> {
        let text = text as usize;
        self.signatures.get(text / TOGETHER)?.get(text % TOGETHER)
    }

    fn rows(&self, text: u32) -> &[u8] {
        self.signature(text).map_or(&[], |signature| &signature.0)
    }

    fn key(&self, text: u32, key: impl Fn(&[u8]) -> u32) -> u64 {
        u64::from(key(self.rows(text)))
    }
}

fn band_of(rows: &[u8], band: usize) -> u32 {
    let rows = rows.get(band * BAND..).and_then(<[u8]>::first_chunk);
    rows.map_or(0, |[one, two, three]| {
        u32::from_le_bytes([*one, *two, *three, 0])
    })
}

/// A hash of all rows: FNV-1a, since what is equal is compared anyway.
fn digest(rows: &[u8]) -> u32 {
    let step = |hash: u32, row: &u8| (hash ^ u32::from(*row)).wrapping_mul(0x0100_0193);
    rows.iter().fold(0x811c_9dc5, step)
}

/// Which texts are nearly the same as others.
#[derive(Clone, Debug)]
pub struct Found {
    /// The text that each is the most like, and how many of their rows are equal; 0 where there is none.
    nearest: Vec<u32>,
    equal: Vec<u8>,
    /// The first text of its group, once all are compared; until then, an earlier one of the group.
    group: Vec<u32>,
}

/// Two texts that are nearly the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pair {
    /// The number of the one that was added first.
    pub one: u32,
    /// The number of the other.
    pub other: u32,
    /// An estimate of the share of shingles that they have in common.
    pub similarity: f64,
    /// How many texts are nearly the same as one of these two, or as one that is, and so on.
    pub group: u32,
}

impl Found {
    fn new(count: u32) -> Found {
        Found {
            nearest: vec![0; count as usize],
            equal: vec![0; count as usize],
            group: (0..count).collect(),
        }
    }

    /// Whether another text is nearly the same.
    pub fn is_near(&self, text: u32) -> bool {
        self.equal
            .get(text as usize)
            .is_some_and(|equal| *equal > 0)
    }

    /// The pairs that are the most alike, no more than `most`. Each text is in one pair at most, so that a group of a thousand texts
    /// does not hide the others; the pair tells how large the group is.
    pub fn worst(&self, most: usize) -> Vec<Pair> {
        let mut pairs: Vec<(u8, u32, u32)> = Vec::new();
        for ((text, equal), nearest) in (0..).zip(&self.equal).zip(&self.nearest) {
            if *equal > 0 {
                pairs.push((u8::MAX - equal, text.min(*nearest), text.max(*nearest)));
            }
        }
        pairs.sort_unstable();
        let mut sizes = vec![0_u32; self.group.len()];
        for first in &self.group {
            if let Some(size) = sizes.get_mut(*first as usize) {
                *size += 1;
            }
        }
        let mut is_told = vec![false; self.group.len()];
        let mut worst = Vec::new();
        for (unequal, one, other) in pairs {
            let told = [one, other].map(|text| is_told.get(text as usize).copied());
            if worst.len() == most {
                break;
            }
            if told != [Some(false); 2] {
                continue;
            }
            for text in [one, other] {
                if let Some(told) = is_told.get_mut(text as usize) {
                    *told = true;
                }
            }
            worst.push(Pair {
                one,
                other,
                similarity: share(u8::MAX - unequal),
                group: sizes.get(self.before(one) as usize).copied().unwrap_or(0),
            });
        }
        worst
    }

    fn copy(&mut self, first: u32, text: u32) {
        self.near(first, text, ROWS as u8);
    }

    /// Whether an equal text before it stands for it.
    fn is_copy(&self, text: u32) -> bool {
        let place = text as usize;
        let equal = self
            .equal
            .get(place)
            .is_some_and(|equal| usize::from(*equal) == ROWS);
        equal
            && self
                .nearest
                .get(place)
                .is_some_and(|nearest| *nearest < text)
    }

    fn near(&mut self, one: u32, other: u32, equal: u8) {
        for (text, nearest) in [(one, other), (other, one)] {
            let place = text as usize;
            let known = (self.equal.get_mut(place), self.nearest.get_mut(place));
            let (Some(best), Some(known)) = known else {
                continue;
            };
            if equal > *best || equal == *best && nearest < *known {
                (*best, *known) = (equal, nearest);
            }
        }
        let (one, other) = (self.first(one), self.first(other));
        if let Some(group) = self.group.get_mut(one.max(other) as usize) {
            *group = one.min(other);
        }
    }

    /// The first text of a group, which later questions find sooner.
    fn first(&mut self, mut text: u32) -> u32 {
        loop {
            let before = self.before(text);
            if before == text {
                return text;
            }
            let further = self.before(before);
            if let Some(group) = self.group.get_mut(text as usize) {
                *group = further;
            }
            text = further;
        }
    }

    /// An earlier text of the same group, or the text itself.
    fn before(&self, text: u32) -> u32 {
        self.group.get(text as usize).copied().unwrap_or(text)
    }

    /// Notes the first text of the group of each.
    fn settle(&mut self) {
        for text in (0..).take(self.group.len()) {
            // That of an earlier text is noted already.
            let first = self.before(self.before(text));
            if let Some(group) = self.group.get_mut(text as usize) {
                *group = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Prose, Signer};
    use proptest::prelude::*;

    fn found(texts: &[String]) -> Found {
        let mut signer = Signer::default();
        let mut index = Index::default();
        for text in texts {
            let prose = Prose::of(text, Form::Plain);
            index.add(signer.sign(&prose).unwrap());
        }
        index.find()
    }

    /// A text of its own kind, in which a few words may be others.
    fn text(kind: usize, words: usize, changed: &[usize]) -> String {
        let word = |place: usize| {
            let letter = if changed.contains(&place) { 'x' } else { 'w' };
            format!("{letter}{}", (kind * 7919 + place * 104_729) % 99_991)
        };
        (0..words).map(word).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn near_texts_are_found_and_others_are_not() {
        let mut texts: Vec<String> = (0..500).map(|kind| text(kind, 200, &[])).collect();
        // One word in twenty, far from each other, is the worst that is found for certain.
        let changed: Vec<usize> = (5..200).step_by(20).collect();
        texts.extend((0..100).map(|kind| text(kind * 5, 200, &changed)));
        let found = found(&texts);
        let near: Vec<u32> = (0..600).filter(|text| found.is_near(*text)).collect();
        let planted: Vec<u32> = (0..100).map(|kind| kind * 5).chain(500..600).collect();
        let missed = planted.iter().filter(|text| !near.contains(text)).count();
        assert!(missed <= 2, "{missed}");
        assert!(near.iter().all(|text| planted.contains(text)));
        for pair in found.worst(1000) {
            assert_eq!((pair.other - 500) * 5, pair.one);
            assert_eq!(pair.group, 2);
            assert!((pair.similarity - 0.74).abs() < 0.2, "{}", pair.similarity);
        }
        assert_eq!(found.worst(7).len(), 7);
    }

    #[test]
    fn a_large_group_is_counted_and_hides_no_other_pair() {
        let mut texts = vec![text(1, 60, &[]); 5000];
        texts.push(text(2, 60, &[]));
        texts.push(text(2, 60, &[59]));
        // All nearly the same, and no two equal.
        let words = text(3, 60, &[]);
        texts.extend((0..2000).map(|number| {
            let mut words: Vec<&str> = words.split(' ').collect();
            let own = format!("n{number}");
            words[2 + number % 50] = &own;
            words.join(" ")
        }));
        let found = found(&texts);
        assert!((0..7002).all(|text| found.is_near(text)));
        let worst = found.worst(5000);
        let of = |size| worst.iter().filter(move |pair| pair.group == size);
        assert_eq!(
            of(5000)
                .map(|pair| (pair.one, pair.other))
                .collect::<Vec<_>>(),
            [(0, 1)]
        );
        assert_eq!(
            of(2).map(|pair| (pair.one, pair.other)).collect::<Vec<_>>(),
            [(5000, 5001)]
        );
        assert!(of(2000).count() > 100);
        assert_eq!(worst.len(), of(5000).chain(of(2)).chain(of(2000)).count());
        assert_eq!(worst[0].similarity, 1.0);
    }

    #[test]
    fn texts_that_change_step_by_step_are_one_group() {
        // Each differs from the next one in two words, and the first and the last have few words in common.
        let step = |step: usize| -> String {
            let changed: Vec<usize> = (0..2 * step).map(|place| place * 37 % 80).collect();
            text(4, 80, &changed)
        };
        let mut texts: Vec<String> = (0..40).map(step).collect();
        // Groups are joined in any order.
        texts.sort_by_key(|text| text.bytes().rev().collect::<Vec<_>>());
        texts.push(text(5, 80, &[]));
        let found = found(&texts);
        let worst = found.worst(100);
        assert!(worst.len() > 5 && !found.is_near(40));
        assert!(worst.iter().all(|pair| pair.group == 40), "{worst:?}");
    }

    #[test]
    fn groups_that_are_joined_late_are_one() {
        let mut found = Found::new(4);
        for (one, other) in [(2, 3), (0, 1), (1, 2)] {
            found.near(one, other, 150);
        }
        found.settle();
        let pairs = found.worst(9);
        let pairs: Vec<_> = pairs
            .iter()
            .map(|pair| (pair.one, pair.other, pair.group))
            .collect();
        assert_eq!(pairs, [(0, 1, 4), (2, 3, 4)]);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let found = Index::default().find();
        assert!(found.worst(9).is_empty() && !found.is_near(0));
    }

    proptest! {
        #[test]
        fn the_order_of_adding_does_not_matter(kinds in proptest::collection::vec((0usize..6, 0usize..40), 2..60), turn in 0usize..60) {
            let texts: Vec<String> = kinds.iter().map(|(kind, changed)| text(*kind, 40, &[*changed])).collect();
            let mut turned = texts.clone();
            turned.rotate_left(turn % texts.len());
            let near = |texts: &[String]| {
                let found = found(texts);
                let near = texts.iter().zip(0..).filter(|(_, place)| found.is_near(*place));
                let mut near: Vec<String> = near.map(|(text, _)| text.clone()).collect();
                near.sort();
                near
            };
            prop_assert_eq!(near(&texts), near(&turned));
        }

        #[test]
        fn equal_texts_are_always_found(words in 1usize..50, copies in 2u32..40) {
            let texts = vec![text(0, words, &[]); copies as usize];
            let found = found(&texts);
            prop_assert!((0..copies).all(|text| found.is_near(text)));
            let worst = found.worst(9);
            prop_assert_eq!(worst.len(), 1);
            prop_assert_eq!((worst[0].one, worst[0].other, worst[0].similarity, worst[0].group), (0, 1, 1.0, copies));
        }
    }
}
