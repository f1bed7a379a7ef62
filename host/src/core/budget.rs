//! What a run may spend, in money and in tokens. Hard, by reservation: a call begins only if what it is
//! likely to take fits beside what was spent and what others may still take, so that no more than what was
//! under way can go beyond. It does not know prices.

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
}

impl Budget {
    /// A budget; what is `None` is not limited.
    pub fn new(most_micros: Option<u64>, most_tokens: Option<u64>) -> Budget {
        Budget {
            most_micros,
            most_tokens,
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

    /// Whether nothing is reserved, so that nothing more can become free.
    pub fn is_idle(&self) -> bool {
        self.reserved == Spend::default()
    }

    /// Reserves what a call is likely to take; false if it does not fit.
    pub fn reserve(&mut self, likely: Spend) -> bool {
        let after = self.spent.plus(self.reserved).plus(likely);
        let fits = |amount: u64, most: Option<u64>| most.is_none_or(|most| amount <= most);
        let fits = fits(after.micros, self.most_micros) && fits(after.tokens, self.most_tokens);
        if fits {
            self.reserved = self.reserved.plus(likely);
        }
        fits
    }

    /// A call that was reserved took so much.
    pub fn settle(&mut self, likely: Spend, spent: Spend) {
        self.reserved = self.reserved.minus(likely);
        self.spent = self.spent.plus(spent);
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
        let mut budget = Budget::new(Some(100), None);
        assert!(budget.reserve(spend(60)));
        assert!(!budget.reserve(spend(60)));
        budget.settle(spend(60), spend(30));
        assert!(budget.reserve(spend(60)));
        assert_eq!(budget.spent(), spend(30));
    }

    proptest! {
        /// The law: if estimates hold, no more is ever spent than allowed.
        #[test]
        fn what_is_spent_stays_within(most in 1u64..1000, calls in prop::collection::vec((1u64..100, 0u64..100), 1..80)) {
            let mut budget = Budget::new(Some(most), None);
            let mut open = Vec::new();
            for (likely, spent) in calls {
                if budget.reserve(spend(likely)) {
                    open.push((likely, spent.min(likely)));
                }
                if open.len() > 3 {
                    let (likely, spent) = open.remove(0);
                    budget.settle(spend(likely), spend(spent));
                }
            }
            for (likely, spent) in open {
                budget.settle(spend(likely), spend(spent));
            }
            prop_assert!(budget.spent().micros <= most);
            prop_assert_eq!(budget.reserved, Spend::default());
        }
    }
}
