//! What a run may spend, shared by its lanes, each of which knows its price. A call waits while what others
//! may still take stands in its way, and fails when nothing is under way that could leave it room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::error::CallError;
use super::prices::Price;
use super::request::Usage;
use crate::core::budget::{Budget, BudgetView, Spend};
use crate::core::class::FailureClass;
use crate::core::limit::Size;

/// One lane's hand on the run's budget.
#[derive(Clone, Debug)]
pub struct Purse {
    shared: Arc<Shared>,
    price: Option<Price>,
}

#[derive(Debug)]
struct Shared {
    budget: Mutex<Budget>,
    settled: Notify,
}

/// What a call has reserved; dropping it gives it back.
#[derive(Debug)]
pub(super) struct Reserved {
    purse: Purse,
    likely: Spend,
}

impl Purse {
    /// A purse with limits in millionths of a dollar and in tokens.
    pub fn new(most_micros: Option<u64>, most_tokens: Option<u64>) -> Purse {
        Purse {
            shared: Arc::new(Shared {
                budget: Mutex::new(Budget::new(most_micros, most_tokens)),
                settled: Notify::new(),
            }),
            price: None,
        }
    }

    /// The same purse for a lane with this price; without one, its calls count as tokens only.
    pub fn priced(&self, price: Option<Price>) -> Purse {
        Purse {
            shared: Arc::clone(&self.shared),
            price,
        }
    }

    /// How much of it is spent.
    pub fn view(&self) -> BudgetView {
        self.budget().view()
    }

    /// Reserves what a call is likely to take.
    pub(super) async fn reserve(&self, likely: Size) -> Result<Reserved, CallError> {
        let usage = Usage::new(likely.input, likely.output);
        let likely = self.spend(usage);
        loop {
            let settled = self.shared.settled.notified();
            {
                let mut budget = self.budget();
                if budget.reserve(likely) {
                    return Ok(Reserved {
                        purse: self.clone(),
                        likely,
                    });
                }
                if budget.is_idle() {
                    return Err(CallError::new(
                        FailureClass::Budget,
                        "the run has spent what it may",
                    ));
                }
            }
            settled.await;
        }
    }

    fn spend(&self, usage: Usage) -> Spend {
        Spend {
            micros: self.price.map_or(0, |price| price.cost(&usage)),
            tokens: usage.input_tokens.saturating_add(usage.output_tokens),
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared
            .budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, likely: Spend, spent: Spend) {
        self.budget().settle(likely, spent);
        self.shared.settled.notify_waiters();
    }
}

impl Reserved {
    /// The call took so much. Returns its cost, where the price is known.
    pub fn settle(mut self, usage: Usage) -> Option<u64> {
        let spent = self.purse.spend(usage);
        let likely = std::mem::take(&mut self.likely);
        self.purse.give_back(likely, spent);
        self.purse.price.map(|_| spent.micros)
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.likely != Spend::default() {
            self.purse.give_back(self.likely, Spend::default());
        }
    }
}
