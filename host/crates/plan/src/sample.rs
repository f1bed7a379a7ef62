//! A sample of the records: those whose ids have the smallest hashes. So it is the same in every run and on every machine, whatever
//! else a record holds; of two samples the smaller one is a part of the larger one.

use std::collections::BinaryHeap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};

use types::digest::DigestBuilder;

/// How large a sample is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Sample {
    /// So many records. One that is added may take the place of one other.
    Records(u64),
    /// About so much of all records, in percent. What is added changes nothing for the others.
    Percent(f64),
}

/// The greatest hash that is in a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound(u64);

impl Bound {
    /// Whether a record of this id is in the sample.
    pub fn includes(self, id: &str) -> bool {
        hash(id) <= self.0
    }

    /// The greatest hash that is in the sample.
    pub fn greatest(self) -> u64 {
        self.0
    }

    /// Where a sample of so many percent ends.
    pub fn of_percent(percent: f64) -> Bound {
        // What is no share was refused before; a number beyond the range becomes its end.
        Bound((percent / 100.0 * u64::MAX as f64) as u64)
    }
}

/// Finds where a sample of a number of records ends, from the ids of all of them in any order. It keeps as many hashes as the
/// sample has records.
#[derive(Debug)]
pub struct Smallest {
    most: usize,
    kept: BinaryHeap<u64>,
}

impl Smallest {
    /// No record yet.
    pub fn new(most: u64) -> Smallest {
        Smallest {
            most: usize::try_from(most).unwrap_or(usize::MAX),
            kept: BinaryHeap::new(),
        }
    }

    /// One more record.
    pub fn add(&mut self, id: &str) {
        let hash = hash(id);
        if self.kept.len() < self.most {
            self.kept.push(hash);
        } else if let Some(mut greatest) = self.kept.peek_mut()
            && hash < *greatest
        {
            *greatest = hash;
        }
    }

    /// Where the sample ends: nowhere, as long as there are no more records than it may have.
    pub fn bound(&self) -> Bound {
        let greatest = self.kept.peek().filter(|_| self.kept.len() == self.most);
        Bound(greatest.copied().unwrap_or(u64::MAX))
    }
}

/// The hash of an id: what has a smaller one comes first into a sample.
pub fn hash(id: &str) -> u64 {
    let mut builder = DigestBuilder::new("batchgen sample 1");
    builder.text(id);
    builder.finish().seed()
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sample::Records(1) => f.write_str("1 record"),
            Sample::Records(count) => write!(f, "{count} records"),
            Sample::Percent(percent) => write!(f, "{percent} %"),
        }
    }
}

impl<'de> Deserialize<'de> for Sample {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// A sample as it is written: `100` or `"5%"`.
struct Written;

impl de::Visitor<'_> for Written {
    type Value = Sample;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of records, as in 100, or a share of them, as in \"5%\"")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<Sample, E> {
        if count == 0 {
            return Err(E::invalid_value(de::Unexpected::Unsigned(count), &self));
        }
        Ok(Sample::Records(count))
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<Sample, E> {
        match u64::try_from(count) {
            Ok(count) => self.visit_u64(count),
            Err(_) => Err(E::invalid_value(de::Unexpected::Signed(count), &self)),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Sample, E> {
        let percent = text.trim().strip_suffix('%');
        let percent = percent.and_then(|number| number.trim_end().parse().ok());
        match percent.filter(|percent| *percent > 0.0 && *percent <= 100.0) {
            Some(percent) => Ok(Sample::Percent(percent)),
            None => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(count: u64) -> Vec<String> {
        (0..count).map(|number| format!("r{number}")).collect()
    }

    fn sample(ids: &[String], most: u64) -> Vec<&String> {
        let mut smallest = Smallest::new(most);
        for id in ids {
            smallest.add(id);
        }
        let bound = smallest.bound();
        ids.iter().filter(|id| bound.includes(id)).collect()
    }

    #[test]
    fn a_number_of_records_is_met_and_their_order_does_not_matter() {
        let mut all = ids(1000);
        for most in [1, 10, 999, 1000, 1001] {
            assert_eq!(sample(&all, most).len() as u64, most.min(1000));
        }
        let before: Vec<String> = sample(&all, 10).into_iter().cloned().collect();
        all.reverse();
        let mut after: Vec<String> = sample(&all, 10).into_iter().cloned().collect();
        after.reverse();
        assert_eq!(before, after);
        assert!(sample(&all, 20).iter().any(|id| before.contains(id)));
        assert!(before.iter().all(|id| sample(&all, 20).contains(&id)));
    }

    #[test]
    fn a_record_that_is_added_takes_the_place_of_one_other_at_most() {
        let all = ids(300);
        let mut moved = 0;
        for count in 20..300 {
            let (before, after) = (sample(&all[..count], 20), sample(&all[..=count], 20));
            let left = before.iter().filter(|id| !after.contains(id)).count();
            assert!(left <= 1);
            moved += left;
        }
        assert!(moved > 0, "new records are as likely in it as old ones");
    }

    #[test]
    fn a_share_is_about_met_and_no_record_matters_for_another() {
        let all = ids(10_000);
        let within = |percent| {
            let bound = Bound::of_percent(percent);
            all.iter().filter(|id| bound.includes(id)).count()
        };
        assert!((400..600).contains(&within(5.0)), "{}", within(5.0));
        assert_eq!(within(100.0), 10_000);
        assert!(within(0.0001) < 10);
    }

    #[test]
    fn what_is_no_sample_is_refused_with_what_is_one() {
        let read = |text: &str| serde_json::from_str::<Sample>(text);
        assert_eq!(read("100").unwrap(), Sample::Records(100));
        for text in ["\"5%\"", "\"5 %\"", "\" 5.0%\""] {
            assert_eq!(read(text).unwrap(), Sample::Percent(5.0), "{text}");
        }
        for text in [
            "0", "-1", "1.5", "true", "\"5\"", "\"0%\"", "\"101%\"", "\"-1%\"", "\"NaN%\"",
            "\"%\"", "\"all\"",
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains("as in 100, or a share"), "{text}: {error}");
        }
    }
}
