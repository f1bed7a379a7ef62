//! What a run may spend, shared by its lanes, each of which knows its price. A call waits while what others
//! may still take stands in its way, and while what is left belongs to records that are begun. It fails when nothing is
//! under way that could leave it room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::prices::{Price, Served};
use crate::limits::budget::{Budget, BudgetView, Room, Spend};
use types::limit::Size;
use types::request::Usage;

/// One lane's hand on the run's budget.
#[derive(Clone, Debug)]
pub struct LaneBudget {
    shared: Arc<Shared>,
    /// Of a call as it is asked.
    price: Option<Arc<Price>>,
    /// Of a call that is served at the ordinary tier.
    ordinary: Option<Arc<Price>>,
}

#[derive(Debug)]
struct Shared {
    budget: Mutex<Budget>,
    settled: Notify,
}

/// What a call has reserved; dropping it gives it back.
#[derive(Debug)]
pub(super) struct BudgetReservation {
    budget: LaneBudget,
    place: u64,
    likely: Spend,
}

/// Whether a call may begin.
pub(super) enum Reservation {
    /// It may.
    Reserved(BudgetReservation),
    /// It may when something has become free.
    NotYet,
    /// It may not any more.
    Never,
}

impl LaneBudget {
    /// A budget with limits in millionths of a dollar and in tokens, for records that are likely to need so many calls.
    pub fn new(
        most_micros: Option<u64>,
        most_tokens: Option<u64>,
        calls_per_record: u64,
    ) -> LaneBudget {
        LaneBudget {
            shared: Arc::new(Shared {
                budget: Mutex::new(Budget::new(most_micros, most_tokens, calls_per_record)),
                settled: Notify::new(),
            }),
            price: None,
            ordinary: None,
        }
    }

    /// The same budget for a lane with this price; without one, its calls count as tokens only.
    pub fn priced(&self, price: Option<Price>) -> LaneBudget {
        let price = price.map(Arc::new);
        LaneBudget {
            shared: Arc::clone(&self.shared),
            ordinary: price.clone(),
            price,
        }
    }

    /// The same for a lane that asks at a cheaper tier, whose calls cost this where they are served at the ordinary one.
    #[must_use]
    pub fn or_ordinary(self, ordinary: Option<Price>) -> LaneBudget {
        LaneBudget {
            ordinary: ordinary.map(Arc::new),
            ..self
        }
    }

    /// How much of it is spent.
    pub fn view(&self) -> BudgetView {
        self.budget().view()
    }

    /// Reserves what a call is likely to take, for the record with this place in the run.
    pub(super) fn reserve(&self, place: u64, likely: Size) -> Reservation {
        let likely = spend(
            self.price.as_deref(),
            Usage::new(likely.input, likely.output),
        );
        match self.budget().reserve(place, likely) {
            Room::NotYet => Reservation::NotYet,
            Room::Never => Reservation::Never,
            Room::Reserved => Reservation::Reserved(BudgetReservation {
                budget: self.clone(),
                place,
                likely,
            }),
        }
    }

    /// Counts what was spent and was reserved elsewhere. Returns its cost, where the price is known.
    pub(super) fn spend_at_once(&self, usage: Usage) -> Option<u64> {
        let spent = spend(self.price.as_deref(), usage);
        self.budget().spend(spent);
        self.price.as_ref().map(|_| spent.micros)
    }

    /// What a call costs that took so much, at this tier, where the price is known.
    pub(super) fn cost(&self, usage: Usage, served: Option<Served>) -> Option<u64> {
        let price = self.price_of(served)?;
        Some(price.cost(&usage))
    }

    fn price_of(&self, served: Option<Served>) -> Option<&Price> {
        match served {
            Some(Served::Ordinary) => self.ordinary.as_deref(),
            Some(Served::Flex) | None => self.price.as_deref(),
        }
    }

    /// Whether a batch of so many questions that takes so much fits beside what was spent and what is reserved.
    pub fn has_room_for(&self, questions: u64, likely: Size) -> bool {
        let likely = spend_of(self.price.as_deref(), questions, likely);
        self.budget().has_room_for(likely)
    }

    /// Reserves what a batch of so many questions is likely to take, whether or not there is room: it is spent already in all likelihood.
    pub fn reserve_batch(&self, questions: u64, likely: Size) -> BatchReservation {
        let likely = spend_of(self.price.as_deref(), questions, likely);
        self.budget().reserve_anyway(likely);
        BatchReservation {
            budget: self.clone(),
            likely,
        }
    }

    /// Waits until something becomes free after this call.
    pub(super) fn freed(&self) -> Notified<'_> {
        self.shared.settled.notified()
    }

    /// The record with this place has ended, so nothing is kept for it any more.
    pub fn record_ended(&self, place: u64) {
        if self.budget().record_ended(place) {
            self.shared.settled.notify_waiters();
        }
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.shared
            .budget
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, place: u64, likely: Spend, spent: Spend) {
        self.budget().settle(place, likely, spent);
        self.shared.settled.notify_waiters();
    }
}

impl BudgetReservation {
    /// The call took so much, at this tier.
    pub fn settle(mut self, usage: Usage, served: Option<Served>) {
        let spent = spend(self.budget.price_of(served), usage);
        let likely = std::mem::take(&mut self.likely);
        self.budget.give_back(self.place, likely, spent);
    }
}

fn spend(price: Option<&Price>, usage: Usage) -> Spend {
    Spend {
        micros: price.map_or(0, |price| price.cost(&usage)),
        tokens: usage.input_tokens.saturating_add(usage.output_tokens),
    }
}

fn spend_of(price: Option<&Price>, questions: u64, likely: Size) -> Spend {
    let usage = Usage::new(likely.input, likely.output);
    Spend {
        micros: price.map_or(0, |price| price.cost_of(questions, &usage)),
        ..spend(None, usage)
    }
}

/// What a batch has reserved; dropping it gives it back.
#[derive(Debug)]
pub struct BatchReservation {
    budget: LaneBudget,
    likely: Spend,
}

impl Drop for BatchReservation {
    fn drop(&mut self) {
        self.budget.budget().free(self.likely);
        self.budget.shared.settled.notify_waiters();
    }
}

impl Drop for BudgetReservation {
    fn drop(&mut self) {
        if self.likely != Spend::default() {
            self.budget
                .give_back(self.place, self.likely, Spend::default());
        }
    }
}
