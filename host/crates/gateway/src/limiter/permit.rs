//! The right to make one call: what its end tells the limiter.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{
    AT_FIRST, FIRST_PAUSE, LONG_HINT, LONGEST_AT_FIRST, LONGEST_PAUSE, Outcome, Pause, Permit,
    State,
};
use crate::error::CallError;
use crate::limits::refusals::Verdict;
use types::class::FailureClass;
use types::limit::{Observed, Size};

impl Permit {
    /// Whether it matters when exactly the call begins.
    pub fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// The call has begun only now.
    pub fn began(&self) {
        let now = self.inner.now();
        self.inner.state().rates.began(now, &self.booking);
    }

    /// The provider has accepted the call, and said this of its limits.
    pub fn accepted(&self, observed: &[Observed]) {
        if !self.accepted.swap(true, Ordering::Relaxed) {
            let mut state = self.inner.state();
            self.note_accepted(&mut state, observed);
            self.inner.pump(&mut state);
        }
    }

    fn note_accepted(&self, state: &mut State, observed: &[Observed]) {
        let now = self.inner.now();
        state.accepted = true;
        state.has_accepted = true;
        state.lately.reserve(now, 1);
        state.most_lately = state.most_lately.max(state.lately.used(now));
        state.concurrency.accepted(state.in_flight);
        state.rates.accepted(&self.booking);
        state.refusals.ended(self.number);
        state.cache.accepted(self.prefix, now);
        if state.refusals.accepted(self.number) {
            state.pause = None;
        }
        if let Some(ramp) = &mut state.ramp {
            ramp.accepted(now.saturating_sub(self.started));
        }
        self.observe(state, now, observed);
    }

    fn observe(&self, state: &mut State, now: Duration, observed: &[Observed]) {
        let mut is_new = false;
        for said in observed {
            is_new |= state.rates.observe(now, &self.booking, said);
        }
        if is_new {
            self.inner.follow_headers(state, now);
        }
    }

    /// Gives the right back: nothing was sent.
    pub fn unused(mut self) {
        self.settled = true;
        let inner = Arc::clone(&self.inner);
        let now = inner.now();
        let mut state = inner.state();
        self.left(&mut state);
        state.rates.cancel(&self.booking);
        if self.probe {
            state.breaker.abandoned(now);
        }
        inner.pump(&mut state);
    }

    /// Gives the right back, with what became of the call. Returns whether the lane pauses because of it, so that the
    /// call need not wait by itself.
    pub fn settle(mut self, bytes: u64, outcome: &Outcome<'_>) -> bool {
        self.settled = true;
        let inner = Arc::clone(&self.inner);
        let now = inner.now();
        let mut guard = inner.state();
        let state = &mut *guard;
        let pauses = match outcome {
            Outcome::Answered(used, observed) => {
                if !self.accepted.swap(true, Ordering::Relaxed) {
                    self.note_accepted(state, observed);
                }
                self.left(state);
                state.rates.settle(&self.booking, *used);
                state.rates.passed();
                state.estimate.observe(bytes, *used);
                state
                    .concurrency
                    .passed(now, now.saturating_sub(self.started));
                state.breaker.succeeded();
                false
            }
            Outcome::Failed(error) => {
                self.left(state);
                self.failed(state, now, error)
            }
        };
        inner.pump(state);
        pauses
    }

    fn failed(&self, state: &mut State, now: Duration, error: &CallError) -> bool {
        let is_refusal = error.class == FailureClass::RateLimit
            || (error.class == FailureClass::Overloaded && error.retry_after.is_some());
        let pauses = is_refusal && self.refused(state, now, error);
        if error.class == FailureClass::NoCapacity {
            // It was turned away before anything of it was counted, and shows nothing of limits.
            state.rates.settle(&self.booking, Size::default());
        } else if !is_refusal {
            // Providers count a question that they fail to answer.
            let used = Size {
                input: error.usage.input_tokens.max(self.booking.question()),
                output: error.usage.output_tokens,
            };
            state.rates.settle(&self.booking, used);
        }
        self.observe(state, now, &error.observed);
        if !(is_refusal && error.class == FailureClass::Overloaded) {
            state.breaker.failed(now, error.class, &error.message);
        }
        pauses
    }

    /// The provider refused the call: an accident, or it takes nothing more for now. Returns whether the lane pauses.
    fn refused(&self, state: &mut State, now: Duration, error: &CallError) -> bool {
        let hint = error.retry_after;
        let is_long = hint.is_some_and(|hint| hint > LONG_HINT);
        let verdict = state.refusals.refused(self.number, is_long);
        let exhausted = verdict == Verdict::Exhausted;
        let follows = if error.class == FailureClass::RateLimit {
            let accidents = state.refusals.has_accidents();
            let tokens = error.message.to_ascii_lowercase().contains("token");
            state
                .rates
                .refused(now, &self.booking, hint, tokens, exhausted, accidents)
        } else {
            state.rates.settle(&self.booking, Size::default());
            false
        };
        if !follows && state.rates.pace().is_some() {
            state.concurrency.is_paced();
        }
        // A call that finds out after a pause says nothing of how many at once are too many.
        let finds_out = state
            .pause
            .as_ref()
            .is_some_and(|pause| self.started >= pause.until);
        if follows && exhausted && hint.is_none() && !finds_out {
            state.concurrency.refused(now, state.in_flight);
        }
        if !exhausted {
            return false;
        }
        if state.pause.is_none() {
            // The faster calls are sent, the more are refused before the first refusal is back: as when the ramp begins again,
            // the next run begins with half of the pace at which the provider had enough.
            state.most_lately = state.most_lately.min((state.lately.used(now) / 2).max(1));
        }
        if state.rates.pace().is_some() {
            state.ramp = None;
        } else {
            let did = state.rates.requests_in_a_second(now) as f64 / 2.0;
            state.ramp.get_or_insert_default().begin_again(did);
        }
        let before = state.pause.take();
        let begins = before.as_ref().map_or(now, |pause| pause.since);
        let longest = if now.saturating_sub(begins) < AT_FIRST {
            LONGEST_AT_FIRST
        } else {
            LONGEST_PAUSE
        };
        let back_off = match &before {
            // What was sent before the pause began is refused by the same cause.
            Some(pause) if self.started < pause.until => pause.back_off,
            Some(pause) => (pause.back_off * 3).min(longest),
            None => FIRST_PAUSE,
        };
        let last = begins.saturating_add(self.inner.patience);
        let until = now.saturating_add(hint.unwrap_or(back_off)).min(last);
        state.pause = Some(Pause {
            since: begins,
            until: before.map_or(until, |pause| pause.until.max(until)),
            back_off,
            class: error.class,
            cause: error.message.clone(),
            asked: hint,
        });
        true
    }

    /// The call is no longer under way.
    pub(super) fn left(&self, state: &mut State) {
        state.in_flight = state.in_flight.saturating_sub(1);
        state.refusals.ended(self.number);
        state.cache.ended(self.prefix, self.number);
        if let Some(ramp) = &mut state.ramp
            && !self.accepted.load(Ordering::Relaxed)
        {
            ramp.failed();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            let now = self.inner.now();
            let mut state = self.inner.state();
            self.left(&mut state);
            if self.probe {
                state.breaker.abandoned(now);
            }
            self.inner.pump(&mut state);
        }
    }
}
