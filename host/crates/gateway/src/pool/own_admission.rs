//! The right to make a call, given by this process to a machine that asks for it.

use std::sync::Arc;

use super::Pool;
use crate::budget::BudgetReservation;
use crate::error::CallError;
use crate::limiter::{Outcome, Permit};
use crate::remote::CallEnd;
use types::limit::{Observed, Size};

/// The right to make one call, given by the limits and the budget of this process.
pub struct OwnAdmission {
    pub(super) permit: Permit,
    pub(super) reserved: BudgetReservation,
    pub(super) bytes: u64,
    /// The pool that the lane is one of several of, and its place there.
    pub(super) pool: Option<(Arc<Pool>, usize)>,
}

impl OwnAdmission {
    /// Whether it matters when exactly the call begins.
    pub fn is_timed(&self) -> bool {
        self.permit.is_timed()
    }

    /// The call has begun only now: the right had to travel to whoever makes it.
    pub fn began(&self) {
        self.permit.began();
    }

    /// The provider has accepted the call, and said this of its limits.
    pub fn accepted(&self, observed: &[Observed]) {
        self.permit.accepted(observed);
    }

    /// Gives the right back: nothing was sent.
    pub fn unused(self) {
        self.permit.unused();
    }

    /// Gives the right back, with what became of the call. Returns whether the whole lane pauses because of it.
    pub fn settle(self, end: &CallEnd) -> bool {
        self.reserved.settle(end.usage, end.served);
        let pauses = match &end.failure {
            None => {
                let used = Size {
                    input: end.usage.input_tokens,
                    output: end.usage.output_tokens,
                };
                self.permit
                    .settle(self.bytes, &Outcome::Answered(used, &end.observed))
            }
            Some(failure) => {
                let error = CallError {
                    usage: Box::new(end.usage),
                    served: end.served,
                    observed: end.observed.clone().into(),
                    ..failure.error()
                };
                self.permit.settle(self.bytes, &Outcome::Failed(&error))
            }
        };
        if let Some((pool, place)) = self.pool {
            pool.tell_of(place);
        }
        pauses
    }
}
