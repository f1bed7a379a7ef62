//! An exact ledger of a provider's sliding window: how much was used in any span of its length, and
//! when an amount may start so that no span ever holds more than the limit. It does not wait,
//! and it does not know what it counts (requests or tokens).

use std::collections::VecDeque;
use std::time::Duration;

/// Where a reservation stands in the ledger, to settle it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reservation(u64);

/// A limit of so much in any span of a given length. Times are measured from any fixed moment and
/// must not go backwards.
#[derive(Debug)]
pub struct Window {
    limit: u64,
    span: Duration,
    entries: VecDeque<Entry>,
    used: u64,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    id: u64,
    at: Duration,
    amount: u64,
}

impl Window {
    /// A window that allows `limit` in any `span`.
    pub fn new(limit: u64, span: Duration) -> Window {
        Window {
            limit,
            span,
            entries: VecDeque::new(),
            used: 0,
            next: 0,
        }
    }

    /// The limit.
    pub fn limit(&self) -> u64 {
        self.limit
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
            at = entry.at.saturating_add(self.span);
        }
        Some(at)
    }

    /// Books `amount` at `now`, to be called when [`Window::earliest`] allows it.
    pub fn reserve(&mut self, now: Duration, amount: u64) -> Reservation {
        self.expire(now);
        let id = self.next;
        self.next += 1;
        self.used = self.used.saturating_add(amount);
        self.entries.push_back(Entry {
            id,
            at: now,
            amount,
        });
        Reservation(id)
    }

    /// Corrects a reservation to what was really used. What has left the window is left alone.
    pub fn settle(&mut self, reservation: Reservation, actual: u64) {
        let Some(first) = self.entries.front().map(|entry| entry.id) else {
            return;
        };
        let Some(place) = reservation.0.checked_sub(first) else {
            return;
        };
        let Ok(place) = usize::try_from(place) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(place) {
            self.used = self
                .used
                .saturating_sub(entry.amount)
                .saturating_add(actual);
            entry.amount = actual;
        }
    }

    fn expire(&mut self, now: Duration) {
        while let Some(entry) = self.entries.front() {
            if entry.at.saturating_add(self.span) > now {
                break;
            }
            self.used = self.used.saturating_sub(entry.amount);
            self.entries.pop_front();
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
            arrivals in prop::collection::vec((0u64..40, 1u64..20), 1..60),
        ) {
            let span = Duration::from_secs(10);
            let mut window = Window::new(limit, span);
            let mut now = Duration::ZERO;
            let mut started: Vec<(Duration, u64)> = Vec::new();
            for (gap, amount) in arrivals {
                now += Duration::from_millis(gap * 100);
                match window.earliest(now, amount) {
                    None => prop_assert!(amount > limit),
                    Some(at) => {
                        prop_assert!(at >= now);
                        now = at;
                        window.reserve(now, amount);
                        started.push((now, amount));
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
}
