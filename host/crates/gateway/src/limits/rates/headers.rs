//! What the headers of responses say of the limits, and what follows from it for the windows.

use std::time::Duration;

use super::guard::{Guard, Level};
use super::{Booking, MINUTE, Rates, Source};
use crate::limits::counts::Counts;
use types::limit::{Amount, Observed};

/// Spans that limits in headers have.
const TOLD_SPANS: [Duration; 3] = [Duration::from_secs(1), MINUTE, Duration::from_secs(86_400)];
/// A limit as large as this is rarely one of a second.
const LARGE: u64 = 30;
/// A header's span is taken for a usual one when it is within this share of it.
const NEAR: f64 = 0.25;
/// A call that finds out whether the provider counts anew is sent so long after it should.
const RESET_MARGIN: Duration = Duration::from_millis(100);

impl Rates {
    /// Corrects the windows by what the headers of a call's response said. Returns whether a limit is new or another one
    /// than an earlier run knew.
    pub fn observe(&mut self, now: Duration, booking: &Booking, observed: &Observed) -> bool {
        let Some(limit) = observed.limit.filter(|limit| *limit > 0) else {
            return false;
        };
        let Some(span) = observed
            .span
            .or_else(|| self.known_span(observed))
            .or_else(|| span_of(observed, limit, self.just_used(now, observed.amount)))
        else {
            return false;
        };
        let same = |guard: &Guard| guard.amount == observed.amount && guard.span == span;
        // The provider counts in another window than it did in an earlier run.
        self.guards.retain(|guard| {
            same(guard)
                || guard.amount != observed.amount
                || guard.source != Source::Headers
                || !guard.is_recalled
        });
        let is_new = !self
            .guards
            .iter()
            .any(|guard| same(guard) && guard.probe.is_none());
        if is_new {
            // The provider says its limit: nothing to probe for, and nobody told a lower one.
            self.guards.retain(|guard| !same(guard));
            self.guard(now, observed.amount, span, limit, Source::Headers);
            self.book_history(now, observed.amount, span);
        }
        let Some(guard) = self.guards.iter_mut().find(|guard| same(guard)) else {
            return is_new;
        };
        let before = guard.likely.limit();
        // Of what headers say within a run the least holds; what an earlier run knew is replaced.
        let most = match (guard.is_recalled, guard.told) {
            (true, told) => told.unwrap_or(u64::MAX),
            (false, _) => before,
        };
        guard.set_limit(most.min(limit));
        guard.confirm(now);
        let is_new = is_new || guard.likely.limit() != before;
        // Others may use the same key: what they used is missing here.
        if let Some(remaining) = observed.remaining {
            let used = limit.saturating_sub(remaining);
            // The provider counted when the call arrived, so it is held against what was booked then.
            let mut reserved = booking.reservations.iter();
            let mut ours = guard.window().used(now);
            if let Some(reserved) = reserved.find(|reserved| reserved.guard == guard.number) {
                // Later, what leaves the provider's window and not yet this one says the wrong thing.
                if span < MINUTE || booking.at < guard.since + span {
                    guard.compare(reserved.held, used);
                }
                let [likely, held, kept] = reserved.held;
                let then = match guard.counts {
                    Counts::Used => likely,
                    Counts::Held => held,
                    Counts::Kept => kept,
                };
                // What little it still counts may be what came since.
                if reserved.finds_out && used <= then / 8 {
                    guard.counts_anew(booking.at);
                    let amount = guard.takes(booking.size);
                    guard.book(now, used.saturating_sub(amount));
                }
                // What was given back since then is no sign of others.
                ours = guard.window().used(now).max(then);
                guard.said_left(Level {
                    at: booking.at,
                    left: remaining,
                    booked: reserved.booked,
                });
            }
            if guard.level.is_none() {
                // Of what went through before the limit was known, nothing but this call may be counted in what is left.
                let amount = guard.takes(booking.size);
                guard.said_left(Level {
                    at: booking.at,
                    left: remaining,
                    booked: amount.min(guard.booked),
                });
            }
            // All is free again after the reset, whoever used it.
            let reset = observed.reset.filter(|reset| !reset.is_zero());
            let until = now + reset.unwrap_or(span).min(span);
            guard.others = (used.saturating_sub(ours), until);
            if guard.level.is_none_or(|level| level.at <= booking.at) {
                let reset = reset.filter(|reset| follows_another(span, *reset, used, limit));
                guard.resets = reset.map(|reset| booking.at.saturating_add(reset + RESET_MARGIN));
            }
        }
        is_new
    }

    /// The span that headers showed before, where all is free and this one shows none.
    fn known_span(&self, observed: &Observed) -> Option<Duration> {
        observed.reset.filter(Duration::is_zero)?;
        let mut told = self.guards.iter().rev();
        let same =
            |guard: &&Guard| guard.source == Source::Headers && guard.amount == observed.amount;
        told.find(same).map(|guard| guard.span)
    }

    /// What was used within the shortest span.
    pub(super) fn just_used(&mut self, now: Duration, amount: Amount) -> u64 {
        let mut history = self.history.iter_mut();
        let shortest = history.find(|(of, ..)| *of == amount);
        shortest.map_or(u64::MAX, |(.., window)| window.used(now))
    }

    /// Books in the newest guard what went through before it was known.
    fn book_history(&mut self, now: Duration, amount: Amount, span: Duration) {
        let history = self
            .history
            .iter_mut()
            .find(|(of, length, _)| *of == amount && *length == span);
        if let (Some((_, _, history)), Some(guard)) = (history, self.guards.last_mut()) {
            let used = history.used(now);
            guard.book(now, used);
            guard.booked = guard.booked.saturating_add(used);
        }
    }
}

/// Whether a provider may count in windows that follow each other, where this is what it says of one. A sliding window that
/// is not empty lasts as long as its span, and the reset of a bucket follows from what is used of it. A short window is worth
/// no call that finds out.
fn follows_another(span: Duration, reset: Duration, used: u64, limit: u64) -> bool {
    let filled = span.mul_f64((used as f64 / limit as f64).min(1.0));
    let is_bucket = (reset.as_secs_f64() / filled.as_secs_f64() - 1.0).abs() <= NEAR;
    span >= MINUTE && reset < span && !is_bucket
}

/// The span of a limit whose header names none. Providers that fill a bucket evenly say how long it takes until it is full
/// again, which tells the span together with what is used; others say when the window ends. Where nothing tells it, it is
/// a minute, which is usual.
/// `ours` is what this program used just now.
fn span_of(observed: &Observed, limit: u64, ours: u64) -> Option<Duration> {
    let Some(reset) = observed.reset else {
        return Some(MINUTE);
    };
    if reset.is_zero() {
        // All is free, so it tells nothing.
        return Some(MINUTE);
    }
    let used = observed.remaining.map(|left| limit.saturating_sub(left));
    if let Some(used) = used.filter(|used| *used > 0) {
        let whole = reset.as_secs_f64() * limit as f64 / used as f64;
        let near = |span: &Duration| (whole / span.as_secs_f64() - 1.0).abs() <= NEAR;
        if let Some(span) = TOLD_SPANS.into_iter().find(near) {
            return Some(span);
        }
        // Far more was used than this program did: less than the limit is taken at once.
        if limit >= LARGE && reset < MINUTE && used > ours.saturating_mul(4).max(limit / 4 * 3) {
            return Some(MINUTE);
        }
    }
    TOLD_SPANS.into_iter().find(|span| reset <= *span)
}
