//! Finds what occurs often among very many different things, with memory for a few of them.
//!
//! Misra and Gries 1982, "Finding repeated elements", in the form of Anderson and others 2017, "A high-performance algorithm for
//! identifying frequent items in data streams": where there are too many counters, the middle count is taken from all of them, and
//! those that have nothing left go. So a count is never too high, and too low by no more than what was taken.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// Counts in how many texts a thing occurs.
#[derive(Debug)]
pub(super) struct Frequent {
    counters: HashMap<u64, Counter, BuildHasherDefault<AsItIs>>,
    most: usize,
}

#[derive(Debug)]
struct Counter {
    count: u32,
    /// The last text that it was in.
    last: u32,
    /// Its words, from the second text on: most things occur in one text alone.
    words: Option<Box<str>>,
}

impl Frequent {
    /// With memory for this number of things.
    pub fn new(most: usize) -> Frequent {
        Frequent {
            counters: HashMap::default(),
            most,
        }
    }

    /// Counts a thing of a text, by its hash. It counts once for each text; the texts come one after another.
    pub fn add(&mut self, hash: u64, text: u32, words: impl FnOnce() -> String) {
        match self.counters.get_mut(&hash) {
            Some(counter) if counter.last == text => {}
            Some(counter) => {
                counter.count += 1;
                counter.last = text;
                counter.words.get_or_insert_with(|| words().into());
            }
            None => {
                if self.counters.len() >= self.most {
                    self.make_room();
                }
                let counter = Counter {
                    count: 1,
                    last: text,
                    words: None,
                };
                self.counters.insert(hash, counter);
            }
        }
    }

    /// What occurs in so many texts or more: words, count and hash, the most frequent first.
    pub fn at_least(&self, least: u32) -> Vec<(&str, u32, u64)> {
        let often = self
            .counters
            .iter()
            .filter(|(_, counter)| counter.count >= least);
        let often = often
            .filter_map(|(hash, counter)| Some((counter.words.as_deref()?, counter.count, *hash)));
        let mut often: Vec<_> = often.collect();
        often.sort_unstable_by(|one, other| other.1.cmp(&one.1).then_with(|| one.0.cmp(other.0)));
        often
    }

    fn make_room(&mut self) {
        let mut counts: Vec<u32> = self
            .counters
            .values()
            .map(|counter| counter.count)
            .collect();
        let middle = counts.len() / 2;
        let (_, middle, _) = counts.select_nth_unstable(middle);
        let taken = *middle;
        self.counters.retain(|_, counter| {
            counter.count = counter.count.saturating_sub(taken);
            counter.count > 0
        });
    }
}

/// Takes a hash for what it is.
#[derive(Debug, Default)]
struct AsItIs(u64);

impl Hasher for AsItIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// A hash and words for a number.
    fn add(frequent: &mut Frequent, thing: u64, text: u32) {
        let hash = thing.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        frequent.add(hash, text, || format!("thing {thing}"));
    }

    #[test]
    fn what_occurs_twice_in_a_text_counts_once() {
        let mut frequent = Frequent::new(10);
        for text in 0..3 {
            add(&mut frequent, 1, text);
            add(&mut frequent, 1, text);
        }
        let found: Vec<_> = frequent
            .at_least(3)
            .into_iter()
            .map(|(words, count, _)| (words, count))
            .collect();
        assert_eq!(found, [("thing 1", 3)]);
        assert!(frequent.at_least(4).is_empty());
    }

    #[test]
    fn a_few_counters_find_what_is_frequent_among_very_many() {
        let mut frequent = Frequent::new(200);
        for text in 0..20_000 {
            if text % 20 == 0 {
                add(&mut frequent, 7, text);
            }
            add(&mut frequent, 1000 + u64::from(text), text);
        }
        assert!(frequent.counters.len() <= 200);
        let found = frequent.at_least(700);
        assert_eq!(found.len(), 1);
        let (words, count, _) = found[0];
        assert!(
            words == "thing 7" && (800..=1000).contains(&count),
            "{count}"
        );
    }

    proptest! {
        #[test]
        fn counts_are_never_too_high_and_bounded_below(things in proptest::collection::vec(0u64..40, 1..400), most in 8usize..30) {
            let mut frequent = Frequent::new(most);
            let mut exact: BTreeMap<u64, u32> = BTreeMap::new();
            for (text, thing) in (0..).zip(&things) {
                add(&mut frequent, *thing, text);
                *exact.entry(*thing).or_default() += 1;
            }
            let bound = (2 * things.len() / most) as u32 + 1;
            let found: BTreeMap<String, u32> = frequent.at_least(1).into_iter().map(|(words, count, _)| (words.to_owned(), count)).collect();
            for (thing, exact) in exact {
                let count = found.get(&format!("thing {thing}")).copied().unwrap_or(0);
                prop_assert!(count <= exact);
                prop_assert!(count + bound + 1 >= exact, "{count} of {exact}");
            }
        }
    }
}
