//! Whether one of two ways to make texts is better, from what was measured of the same records with both.

use serde::Serialize;

/// Times that records are drawn anew.
const RESAMPLES: usize = 4000;
/// Differences up to which every way to give them signs is looked at; beyond, as many as [`RESAMPLES`].
const EXACT: usize = 13;
/// Share of the resamples that the interval leaves out, on both sides together.
const OUTSIDE: f64 = 0.05;

/// The differences between two ways, pair by pair, and what they can show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Records that were measured with both.
    pub pairs: usize,
    /// Mean difference: the second less the first.
    pub mean: f64,
    /// Where the mean lies in 95 of 100 samples of such records: percentiles of the paired bootstrap (Efron and Tibshirani, An
    /// Introduction to the Bootstrap, 1993, chapter 13).
    pub interval: (f64, f64),
    /// How often two equal ways differ more, by giving each difference a random sign (Fisher, The Design of Experiments, 1935,
    /// section 21); half of the times that they differ as much count, too (the mid-p value: Lancaster, Significance tests in discrete
    /// distributions, 1961), since few records give few different sums.
    pub chance: f64,
}

/// Which of two ways is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// The first one.
    First,
    /// The second one.
    Second,
    /// These records show no difference.
    Neither,
}

impl Paired {
    /// Looks at differences, each of the second way less the first; `None` if there are none. Equal differences and seeds give equal
    /// results. Time grows with their number.
    pub fn of(differences: &[f64], seed: u64) -> Option<Paired> {
        if differences.is_empty() || differences.iter().any(|one| !one.is_finite()) {
            return None;
        }
        let mut dice = Dice(seed);
        Some(Paired {
            pairs: differences.len(),
            mean: mean(differences),
            interval: interval(differences, &mut dice),
            chance: chance(differences, &mut dice),
        })
    }

    /// Which way is better, where at most a share `error` of comparisons of equals may name one. The interval alone names one too
    /// often where few records differ.
    pub fn better(&self, error: f64) -> Better {
        let (low, high) = self.interval;
        match self.chance <= error {
            true if low > 0.0 => Better::Second,
            true if high < 0.0 => Better::First,
            _ => Better::Neither,
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn interval(differences: &[f64], dice: &mut Dice) -> (f64, f64) {
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..differences.len())
                .filter_map(|_| differences.get(dice.below(differences.len())))
                .sum::<f64>();
            drawn / differences.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let outside = (RESAMPLES as f64 * OUTSIDE / 2.0) as usize;
    let at = |place: usize| means.get(place).copied().unwrap_or_default();
    (at(outside), at(RESAMPLES - 1 - outside))
}

fn chance(differences: &[f64], dice: &mut Dice) -> f64 {
    let sizes: Vec<f64> = differences
        .iter()
        .map(|one| one.abs())
        .filter(|size| *size > 0.0)
        .collect();
    let found = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in another order differ in their last digits.
    let slack = 1e-9 * sizes.iter().sum::<f64>();
    let weight = |signs: &mut dyn FnMut() -> bool| {
        let signed = sizes.iter().map(|size| if signs() { *size } else { -size });
        let sum = signed.sum::<f64>().abs();
        match sum - found {
            more if more > slack => 1.0,
            less if less < -slack => 0.0,
            _ => 0.5,
        }
    };
    if sizes.len() <= EXACT {
        let all = 1_u32 << sizes.len();
        let weights = (0..all).map(|pattern| {
            let mut rest = pattern;
            weight(&mut || {
                let sign = rest & 1 == 1;
                rest >>= 1;
                sign
            })
        });
        return weights.sum::<f64>() / f64::from(all);
    }
    // What was found is one of the ways.
    let weights = (0..RESAMPLES).map(|_| weight(&mut || dice.draw() >> 63 == 1));
    (weights.sum::<f64>() + 0.5) / (RESAMPLES + 1) as f64
}

/// A stream of pseudo-random numbers (SplitMix64; Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not 0: the upper half of a product, which has no rest to divide by.
    fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.draw()) * bound as u128;
        usize::try_from(wide >> 64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As `compare` asks.
    const ERROR: f64 = 0.035;

    #[test]
    fn what_differs_in_all_records_is_named_and_what_hardly_differs_is_not() {
        let clear = Paired::of(&[1.0; 20], 1).unwrap();
        assert_eq!((clear.mean, clear.interval), (1.0, (1.0, 1.0)));
        assert_eq!(clear.better(ERROR), Better::Second);
        let reversed = Paired::of(&[-1.0; 20], 1).unwrap();
        assert_eq!(reversed.better(ERROR), Better::First);
        // Five of five for one way: a coin does that in 2 of 32, of which half counts. Four of four are not enough.
        let few = |count: usize| {
            let mut few = vec![0.0; 50 - count];
            few.extend(vec![1.0; count]);
            Paired::of(&few, 1).unwrap()
        };
        assert!((few(5).chance - 1.0 / 32.0).abs() < 1e-9, "{:?}", few(5));
        assert_eq!(few(5).better(ERROR), Better::Second);
        assert_eq!(few(4).better(ERROR), Better::Neither);
        assert_eq!(
            Paired::of(&[0.0; 50], 1).unwrap().better(ERROR),
            Better::Neither
        );
    }

    #[test]
    fn nothing_and_what_is_no_number_shows_nothing() {
        assert_eq!(Paired::of(&[], 1), None);
        assert_eq!(Paired::of(&[1.0, f64::NAN], 1), None);
    }

    /// What a judge says of 50 pairs: two of a hundred by mistake, and for the first where the second is wrong.
    fn said(seed: u64, wrong: f64) -> Vec<f64> {
        let mut dice = Dice(seed);
        let mut lot = || dice.below(1000) as f64 / 1000.0;
        let one = |_| match (lot() < wrong, lot()) {
            (true, _) => -1.0,
            (false, lot) if lot < 0.02 => 1.0,
            (false, lot) if lot < 0.04 => -1.0,
            (false, _) => 0.0,
        };
        (0..50).map(one).collect()
    }

    #[test]
    fn of_comparisons_of_equals_few_name_one_and_a_fifth_of_wrong_texts_is_found() {
        let named = |wrong: f64| {
            let found = (0..200).map(|seed| {
                let paired = Paired::of(&said(seed, wrong), seed);
                paired.map_or(Better::Neither, |paired| paired.better(ERROR))
            });
            let found: Vec<Better> = found.collect();
            [Better::First, Better::Second]
                .map(|one| found.iter().filter(|said| **said == one).count())
        };
        let [first, second] = named(0.0);
        assert!(first + second <= 10, "{first} and {second} of 200");
        let [first, second] = named(0.2);
        assert!(first >= 160 && second == 0, "{first} and {second} of 200");
    }

    proptest! {
        #[test]
        fn the_mean_lies_in_the_interval_and_swapping_the_ways_turns_all_around(
            differences in prop::collection::vec(-5_i8..=5, 1..40),
            seed in any::<u64>(),
        ) {
            let differences: Vec<f64> = differences.into_iter().map(f64::from).collect();
            let swapped: Vec<f64> = differences.iter().map(|one| -one).collect();
            let (one, other) = (Paired::of(&differences, seed).unwrap(), Paired::of(&swapped, seed).unwrap());
            prop_assert!(one.interval.0 <= one.mean && one.mean <= one.interval.1);
            prop_assert!((one.mean + other.mean).abs() < 1e-9);
            prop_assert!(one.chance > 0.0 && one.chance <= 1.0);
            if differences.len() <= EXACT {
                prop_assert!((one.chance - other.chance).abs() < 1e-9);
            }
        }
    }
}
