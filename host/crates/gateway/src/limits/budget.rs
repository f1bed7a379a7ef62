//! What a run may spend, in money and in tokens. Hard, by reservation: a call begins only if what it is
//! likely to take fits beside what was spent and what others may still take, so that no more than what was
//! under way can go beyond. What records that are begun are likely to need still is kept for them, so that the budget
//! buys whole records. It does not know prices.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An amount of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spend {
    /// Millionths of a dollar.
    pub micros: u64,
    /// Tokens in and out.
    pub tokens: u64,
}

impl Spend {
    fn plus(self, other: Spend) -> Spend {
        Spend {
            micros: self.micros.saturating_add(other.micros),
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }

    fn times(self, factor: u64) -> Spend {
        Spend {
            micros: self.micros.saturating_mul(factor),
            tokens: self.tokens.saturating_mul(factor),
        }
    }

    fn over(self, parts: u64) -> Spend {
        Spend {
            micros: self.micros.div_ceil(parts.max(1)),
            tokens: self.tokens.div_ceil(parts.max(1)),
        }
    }

    fn minus(self, other: Spend) -> Spend {
        Spend {
            micros: self.micros.saturating_sub(other.micros),
            tokens: self.tokens.saturating_sub(other.tokens),
        }
    }
}

/// What a run may spend and has spent, for people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetView {
    /// Millionths of a dollar that it may spend; not limited where absent.
    pub most_cost_micros: Option<u64>,
    /// Tokens that it may take; not limited where absent.
    pub most_tokens: Option<u64>,
    /// Millionths of a dollar that it has spent.
    pub cost_micros: u64,
    /// Tokens that it has taken.
    pub tokens: u64,
}

/// The limits of a run and what is used of them.
#[derive(Debug, Default)]
pub struct Budget {
    most_micros: Option<u64>,
    most_tokens: Option<u64>,
    spent: Spend,
    reserved: Spend,
    /// The part of that which batches have reserved: no call waits for it, since it may last for a day.
    in_batches: Spend,
    /// Calls that a record is likely to need, until a record has ended.
    calls_per_record: u64,
    /// What each record that is begun has spent, by its place in the run.
    open: BTreeMap<u64, Spend>,
    /// Records that have ended, and what they spent.
    ended: (u64, Spend),
}

/// Whether a call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// It may, and what it is likely to take is reserved.
    Reserved,
    /// Not now: something may become free.
    NotYet,
    /// It may not, and nothing is under way that could make room.
    Never,
}

impl Budget {
    /// A budget; what is `None` is not limited. A record is likely to need so many calls.
    pub fn new(
        most_micros: Option<u64>,
        most_tokens: Option<u64>,
        calls_per_record: u64,
    ) -> Budget {
        Budget {
            most_micros,
            most_tokens,
            calls_per_record,
            ..Budget::default()
        }
    }

    /// What may be spent and what was.
    pub fn view(&self) -> BudgetView {
        BudgetView {
            most_cost_micros: self.most_micros,
            most_tokens: self.most_tokens,
            cost_micros: self.spent.micros,
            tokens: self.spent.tokens,
        }
    }

    /// What was spent.
    pub fn spent(&self) -> Spend {
        self.spent
    }

    /// Reserves what a call is likely to take, for the record with this place in the run.
    pub fn reserve(&mut self, place: u64, likely: Spend) -> Room {
        if self.is_limited() {
            let is_idle = self.reserved == self.in_batches;
            if !self.fits(self.spent.plus(self.reserved).plus(likely)) {
                return if is_idle { Room::Never } else { Room::NotYet };
            }
            // Were nothing under way, nobody would make room.
            if !is_idle && !self.open.contains_key(&place) && !self.fits_a_record(likely) {
                return Room::NotYet;
            }
            self.open.entry(place).or_default();
        }
        self.reserved = self.reserved.plus(likely);
        Room::Reserved
    }

    /// Whether so much fits beside what was spent and what is reserved.
    pub fn has_room_for(&self, more: Spend) -> bool {
        self.fits(self.spent.plus(self.reserved).plus(more))
    }

    /// Reserves what is spent already in all likelihood.
    pub fn reserve_anyway(&mut self, likely: Spend) {
        self.in_batches = self.in_batches.plus(likely);
        self.reserved = self.reserved.plus(likely);
    }

    /// Gives back what was reserved.
    pub fn free(&mut self, likely: Spend) {
        self.in_batches = self.in_batches.minus(likely);
        self.reserved = self.reserved.minus(likely);
    }

    /// Counts what was spent.
    pub fn spend(&mut self, spent: Spend) {
        self.spent = self.spent.plus(spent);
    }

    /// A call that was reserved for the record with this place took so much.
    pub fn settle(&mut self, place: u64, likely: Spend, spent: Spend) {
        self.reserved = self.reserved.minus(likely);
        self.spent = self.spent.plus(spent);
        if let Some(record) = self.open.get_mut(&place) {
            *record = record.plus(spent);
        }
    }

    /// The record with this place has ended: what was kept for it is free. Returns whether anything was.
    pub fn record_ended(&mut self, place: u64) -> bool {
        let Some(spent) = self.open.remove(&place) else {
            return false;
        };
        if spent != Spend::default() {
            let (records, sum) = self.ended;
            self.ended = (records + 1, sum.plus(spent));
        }
        true
    }

    fn is_limited(&self) -> bool {
        self.most_micros.is_some() || self.most_tokens.is_some()
    }

    fn fits(&self, amount: Spend) -> bool {
        let fits = |amount: u64, most: Option<u64>| most.is_none_or(|most| amount <= most);
        fits(amount.micros, self.most_micros) && fits(amount.tokens, self.most_tokens)
    }

    /// Whether another record fits beside what those that are begun are likely to need still.
    fn fits_a_record(&self, likely: Spend) -> bool {
        let expected = match self.ended {
            (0, _) => likely.times(self.calls_per_record.max(1)),
            (records, sum) => sum.over(records),
        };
        let needed = self.open.values().map(|spent| expected.minus(*spent));
        let needed = needed.fold(expected, Spend::plus);
        self.fits(self.spent.plus(needed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spend(micros: u64) -> Spend {
        Spend { micros, tokens: 0 }
    }

    #[test]
    fn a_call_that_does_not_fit_beside_the_others_does_not_begin() {
        let mut budget = Budget::new(Some(100), None, 1);
        assert_eq!(budget.reserve(1, spend(60)), Room::Reserved);
        assert_eq!(budget.reserve(2, spend(60)), Room::NotYet);
        budget.settle(1, spend(60), spend(30));
        assert!(budget.record_ended(1));
        assert_eq!(budget.reserve(1, spend(60)), Room::Reserved);
        assert_eq!(budget.spent(), spend(30));
    }

    #[test]
    fn what_begun_records_need_still_is_kept_for_them() {
        // Each record needs three calls of ten, and the budget holds two records.
        let mut budget = Budget::new(Some(60), None, 3);
        assert_eq!(budget.reserve(1, spend(10)), Room::Reserved);
        assert_eq!(budget.reserve(2, spend(10)), Room::Reserved);
        assert_eq!(budget.reserve(3, spend(10)), Room::NotYet);
        for place in [1, 2] {
            budget.settle(place, spend(10), spend(10));
            assert_eq!(budget.reserve(place, spend(10)), Room::Reserved);
            budget.settle(place, spend(10), spend(10));
            assert_eq!(budget.reserve(place, spend(10)), Room::Reserved);
        }
        budget.settle(1, spend(10), spend(10));
        budget.record_ended(1);
        assert_eq!(budget.reserve(3, spend(10)), Room::NotYet);
        budget.settle(2, spend(10), spend(10));
        budget.record_ended(2);
        assert_eq!(budget.reserve(3, spend(10)), Room::Never);
        assert_eq!(budget.spent(), spend(60));
    }

    proptest! {
        /// The law: if estimates hold, no more is ever spent than allowed.
        #[test]
        fn what_is_spent_stays_within(most in 1u64..1000, calls in prop::collection::vec((1u64..100, 0u64..100), 1..80)) {
            let mut budget = Budget::new(Some(most), None, 1);
            let mut open = Vec::new();
            for (place, (likely, spent)) in calls.into_iter().enumerate() {
                if budget.reserve(place as u64, spend(likely)) == Room::Reserved {
                    open.push((place as u64, likely, spent.min(likely)));
                }
                if open.len() > 3 {
                    let (place, likely, spent) = open.remove(0);
                    budget.settle(place, spend(likely), spend(spent));
                }
            }
            for (place, likely, spent) in open {
                budget.settle(place, spend(likely), spend(spent));
            }
            prop_assert!(budget.spent().micros <= most);
            prop_assert_eq!(budget.reserved, Spend::default());
        }
    }
}
