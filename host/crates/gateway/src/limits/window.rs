//! An exact ledger of a sliding window: how much was used in any span of its length, and when an amount
//! may start so that no span ever holds more than the limit. It does not wait, and it does not know
//! what it counts (requests or tokens).
//!
//! Bookings that lie close together share an entry that counts from the latest of them, so that a day
//! of calls takes bounded memory and the error is on the safe side.

use std::collections::VecDeque;
use std::time::Duration;

/// Entries share a slice of the span: a minute is kept to 15 ms.
const SLICES: u32 = 4096;

/// Where a booking stands in the ledger, to settle it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation {
    entry: u64,
    amount: u64,
}

/// A limit of so much in any span of a given length. Times are measured from any fixed moment and
/// must not go backwards.
#[derive(Clone, Debug)]
pub struct Window {
    limit: u64,
    span: Duration,
    entries: VecDeque<Entry>,
    /// Number of the first entry that is still kept.
    first: u64,
    used: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    since: Duration,
    latest: Duration,
    amount: u64,
}

impl Window {
    /// A window that allows `limit` in any `span`.
    pub fn new(limit: u64, span: Duration) -> Window {
        Window {
            limit,
            span,
            entries: VecDeque::new(),
            first: 0,
            used: 0,
        }
    }

    /// A window with the same bookings, another limit and a span that is a little longer.
    #[must_use]
    pub fn with(&self, limit: u64, span: Duration) -> Window {
        Window {
            limit,
            span,
            ..self.clone()
        }
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// The span.
    pub fn span(&self) -> Duration {
        self.span
    }

    /// Changes the limit; what was booked stays booked.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// How much of the limit is used at `now`.
    pub fn used(&mut self, now: Duration) -> u64 {
        self.expire(now);
        self.used
    }

    /// The earliest time, `now` or later, at which `amount` fits. `None`: more than the limit, never.
    pub fn earliest(&mut self, now: Duration, amount: u64) -> Option<Duration> {
        if amount > self.limit {
            return None;
        }
        self.expire(now);
        let mut excess = (self.used.saturating_add(amount)).saturating_sub(self.limit);
        let mut at = now;
        for entry in &self.entries {
            if excess == 0 {
                break;
            }
            excess = excess.saturating_sub(entry.amount);
            // One that was delayed goes after some that were booked later, and these go with it.
            at = at.max(entry.latest.saturating_add(self.span));
        }
        Some(at)
    }

    /// Books `amount` at `now`, to be called when [`Window::earliest`] allows it.
    pub fn reserve(&mut self, now: Duration, amount: u64) -> Reservation {
        self.expire(now);
        self.used = self.used.saturating_add(amount);
        let slice = self.span / SLICES;
        match self.entries.back_mut() {
            Some(last) if now.saturating_sub(last.since) < slice => {
                last.amount = last.amount.saturating_add(amount);
                last.latest = last.latest.max(now);
            }
            _ => self.entries.push_back(Entry {
                since: now,
                latest: now,
                amount,
            }),
        }
        Reservation {
            entry: self.first + (self.entries.len() as u64).saturating_sub(1),
            amount,
        }
    }

    /// Corrects a booking to what was really used. What has left the window is left alone.
    pub fn settle(&mut self, reservation: Reservation, actual: u64) {
        let place = reservation.entry.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            let correct = |sum: u64| {
                sum.saturating_sub(reservation.amount)
                    .saturating_add(actual)
            };
            entry.amount = correct(entry.amount);
            self.used = correct(self.used);
        }
    }

    /// What was booked began only now, or arrives only now: it counts from then on.
    pub fn delay(&mut self, reservation: Reservation, now: Duration) {
        let place = reservation.entry.checked_sub(self.first);
        let place = place.and_then(|place| usize::try_from(place).ok());
        if let Some(entry) = place.and_then(|place| self.entries.get_mut(place)) {
            entry.latest = entry.latest.max(now);
        }
    }

    /// Takes back `amount` of what was booked last.
    pub fn take_back(&mut self, amount: u64) {
        let mut left = amount.min(self.used);
        self.used -= left;
        for entry in self.entries.iter_mut().rev() {
            let part = left.min(entry.amount);
            entry.amount -= part;
            left -= part;
            if left == 0 {
                break;
            }
        }
    }

    /// Forgets what was booked before a moment.
    pub fn forget_before(&mut self, moment: Duration) {
        while let Some(entry) = self.entries.front() {
            if entry.latest >= moment {
                break;
            }
            self.used = self.used.saturating_sub(entry.amount);
            self.entries.pop_front();
            self.first += 1;
        }
    }

    fn expire(&mut self, now: Duration) {
        while let Some(entry) = self.entries.front() {
            if entry.latest.saturating_add(self.span) > now {
                break;
            }
            self.used = self.used.saturating_sub(entry.amount);
            self.entries.pop_front();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The law: whatever arrives when, no span of the window's length holds more than the limit.
        #[test]
        fn no_span_exceeds_the_limit(
            limit in 1u64..20,
            arrivals in prop::collection::vec((0u64..4000, 1u64..20, 0u64..20), 1..60),
        ) {
            let span = Duration::from_secs(10);
            let mut window = Window::new(limit, span);
            let mut now = Duration::ZERO;
            let mut started: Vec<(Duration, u64)> = Vec::new();
            for (gap, amount, actual) in arrivals {
                now += Duration::from_millis(gap);
                match window.earliest(now, amount) {
                    None => prop_assert!(amount > limit),
                    Some(at) => {
                        prop_assert!(at >= now);
                        now = at;
                        let actual = actual.min(amount);
                        let reservation = window.reserve(now, amount);
                        window.settle(reservation, actual);
                        started.push((now, actual));
                    }
                }
            }
            for (start, _) in &started {
                let used: u64 = started
                    .iter()
                    .filter(|(at, _)| at >= start && *at < *start + span)
                    .map(|(_, amount)| amount)
                    .sum();
                prop_assert!(used <= limit, "{used} > {limit}");
            }
        }
    }

    #[test]
    fn a_full_window_opens_when_its_first_entry_leaves() {
        let mut window = Window::new(2, Duration::from_secs(60));
        let at = Duration::from_secs;
        window.reserve(at(0), 1);
        window.reserve(at(10), 1);
        assert_eq!(window.earliest(at(11), 1), Some(at(60)));
        assert_eq!(window.earliest(at(11), 2), Some(at(70)));
        assert_eq!(window.earliest(at(11), 3), None);
        assert_eq!(window.earliest(at(60), 1), Some(at(60)));
    }

    #[test]
    fn settling_gives_back_what_was_not_used() {
        let mut window = Window::new(100, Duration::from_secs(60));
        let first = window.reserve(Duration::ZERO, 90);
        assert_ne!(window.earliest(Duration::ZERO, 50), Some(Duration::ZERO));
        window.settle(first, 20);
        assert_eq!(window.used(Duration::ZERO), 20);
        assert_eq!(window.earliest(Duration::ZERO, 50), Some(Duration::ZERO));
        assert_eq!(window.used(Duration::from_secs(61)), 0);
        window.settle(first, 99);
        assert_eq!(window.used(Duration::from_secs(61)), 0);
    }

    #[test]
    fn what_begins_late_leaves_late() {
        let mut window = Window::new(2, Duration::from_secs(60));
        let at = Duration::from_secs;
        let late = window.reserve(at(0), 1);
        window.reserve(at(1), 1);
        window.delay(late, at(20));
        assert_eq!(window.earliest(at(30), 1), Some(at(80)));
        // Whatever is told late makes nothing count earlier.
        window.delay(late, at(10));
        assert_eq!(window.earliest(at(30), 2), Some(at(80)));
        assert_eq!(window.used(at(79)), 2);
        assert_eq!(window.used(at(80)), 0);
    }

    #[test]
    fn a_day_of_calls_takes_bounded_memory() {
        let mut window = Window::new(u64::MAX, Duration::from_secs(86_400));
        for call in 0..200_000_u64 {
            window.reserve(Duration::from_millis(call * 432), 1);
        }
        assert!(window.entries.len() <= SLICES as usize + 1);
        assert_eq!(window.used(Duration::from_secs(86_399)), 200_000);
    }
}
