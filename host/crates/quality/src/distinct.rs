//! How many different groups of words a set of texts has, for all that it has: distinct-n (Li and others 2016, "A diversity-promoting
//! objective function for neural conversation models").
//!
//! The different ones are counted by HyperLogLog++ (Heule, Nunkesser and Hall 2013), in 4 kB and with an error of 2 %.

use hyperloglockless::HyperLogLogPlus;

use super::minhash::joined;

/// Registers are two to the power of this.
const PRECISION: u8 = 12;
/// The same for ever, so that the same texts give the same number.
const SEED: u128 = 0;

/// Counts groups of some words in a row.
#[derive(Debug)]
pub(super) struct Distinct {
    group: usize,
    different: HyperLogLogPlus,
    all: u64,
}

impl Distinct {
    /// Counts groups of so many words.
    pub fn new(group: usize) -> Distinct {
        Distinct {
            group,
            different: HyperLogLogPlus::seeded(PRECISION, SEED),
            all: 0,
        }
    }

    /// What several counted, as if one had counted it.
    pub fn together(group: usize, parts: &[Distinct]) -> Distinct {
        let mut all = Distinct::new(group);
        for part in parts {
            // It fails for another number of registers alone.
            let _ = all.different.union(&part.different);
            all.all += part.all;
        }
        all
    }

    /// Counts the groups of a text, by the hashes of its words.
    pub fn add(&mut self, words: &[u64]) {
        for group in words.windows(self.group) {
            self.different.insert_hash(joined(group));
            self.all += 1;
        }
    }

    /// The share of groups that are different: 1 where no two are the same. `None` where there is none.
    pub fn share(&mut self) -> Option<f64> {
        (self.all > 0).then(|| (self.different.raw_count() / self.all as f64).min(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_an_exact_count() {
        for (words, different) in [(1000_u64, 40), (20_000, 5000), (300_000, 60_000)] {
            let mut distinct = Distinct::new(1);
            let hashes: Vec<u64> = (0..words).map(|word| word % different).collect();
            for text in hashes.chunks(100) {
                distinct.add(text);
            }
            let (share, exact) = (distinct.share().unwrap(), different as f64 / words as f64);
            assert!(
                (share / exact - 1.0).abs() < 0.05,
                "{share} and not {exact}"
            );
        }
    }

    #[test]
    fn parts_together_are_what_one_would_count() {
        let (mut one, mut other, mut all) = (Distinct::new(2), Distinct::new(2), Distinct::new(2));
        for text in (0..4000_u64).collect::<Vec<_>>().chunks(50) {
            one.add(text);
            all.add(text);
        }
        for text in (3000..3400_u64).collect::<Vec<_>>().chunks(50) {
            other.add(text);
            all.add(text);
        }
        let mut together = Distinct::together(2, &[one, other]);
        assert_eq!(together.all, all.all);
        let (share, exact) = (together.share().unwrap(), all.share().unwrap());
        assert!((share - exact).abs() < 0.03, "{share} and not {exact}");
    }

    #[test]
    fn groups_do_not_reach_from_text_to_text() {
        let mut distinct = Distinct::new(2);
        assert_eq!(distinct.share(), None);
        distinct.add(&[1]);
        assert_eq!(distinct.share(), None);
        for _ in 0..2 {
            distinct.add(&[1, 2, 3]);
        }
        assert!((distinct.share().unwrap() - 0.5).abs() < 0.01);
    }
}
