//! How fast calls are sent while nobody knows what the provider takes: a handful at first, and more with every call
//! that is accepted, evenly spread. When a limit is met, only as many calls are refused as were sent in the time that
//! the refusal took to come back.

use std::time::Duration;

/// Calls that may be sent before the first is accepted.
pub const HANDFUL: u64 = 4;
/// Calls that may be unaccepted at once when the ramp begins.
const FIRST: u64 = 8;
/// The same after the provider had enough.
const FIRST_AGAIN: u64 = 4;
/// One more call may be unaccepted for each so many that were accepted.
const PER: u64 = 3;
/// The pace is multiplied by *e* in so many seconds at most, once so many calls were accepted.
const GROWTH: f64 = 4.0;
/// The same below a pace that did before.
const GROWTH_AGAIN: f64 = 1.0;
const GROWTH_FROM: u64 = 24;
/// Weight of the newest call in the mean time until a call is accepted.
const WEIGHT: f64 = 0.2;

/// The pace of a lane that nobody told a limit.
#[derive(Debug)]
pub struct Ramp {
    first: u64,
    accepted: u64,
    unaccepted: u64,
    /// Mean seconds until a call is accepted.
    until_accepted: Option<f64>,
    next: Duration,
    /// Calls in a second that did before.
    did: f64,
}

impl Default for Ramp {
    fn default() -> Self {
        Ramp {
            first: FIRST,
            accepted: 0,
            unaccepted: 0,
            until_accepted: None,
            next: Duration::ZERO,
            did: 0.0,
        }
    }
}

impl Ramp {
    /// Begins at a pace that did before, with so many calls unaccepted at once.
    pub fn begin_at(a_second: f64, unaccepted: u64) -> Ramp {
        let grown = (a_second * GROWTH) as u64;
        Ramp {
            first: FIRST.max(unaccepted),
            accepted: grown.saturating_sub(GROWTH_FROM),
            // Not known yet; the pace is.
            until_accepted: Some(0.0),
            did: a_second,
            ..Ramp::default()
        }
    }

    /// Begins again, lower: the provider had enough. Up to `did` calls in a second the pace grows faster.
    pub fn begin_again(&mut self, did: f64) {
        self.first = FIRST_AGAIN;
        self.accepted = 0;
        self.did = did;
    }

    /// Whether another call may be sent as far as their number goes.
    pub fn has_room(&self) -> bool {
        self.unaccepted < self.most()
    }

    /// When the next call may be sent.
    pub fn next(&self) -> Duration {
        self.next
    }

    /// A call is sent.
    pub fn started(&mut self, now: Duration) {
        self.unaccepted += 1;
        let gap = self.until_accepted.unwrap_or(0.0) / self.most() as f64;
        // However soon calls are accepted, a refusal takes its time to come back.
        let grown = (self.accepted + GROWTH_FROM) as f64;
        let gap = gap.max((GROWTH / grown).min((GROWTH_AGAIN / grown).max(1.0 / self.did)));
        let gap = if self.until_accepted.is_none() {
            0.0
        } else {
            gap
        };
        let gap = Duration::try_from_secs_f64(gap).unwrap_or_default();
        self.next = now.saturating_add(gap);
    }

    /// A call was accepted after so long.
    pub fn accepted(&mut self, took: Duration) {
        self.unaccepted = self.unaccepted.saturating_sub(1);
        self.accepted += 1;
        let took = took.as_secs_f64();
        let before = self.until_accepted.unwrap_or(took);
        self.until_accepted = Some(before + WEIGHT * (took - before));
    }

    /// A call ended and had not been accepted.
    pub fn failed(&mut self) {
        self.unaccepted = self.unaccepted.saturating_sub(1);
    }

    fn most(&self) -> u64 {
        self.first + self.accepted / PER
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_sends_more_with_every_call_that_is_accepted_and_spreads_them() {
        let mut ramp = Ramp::default();
        let second = Duration::from_secs(1);
        for _ in 0..FIRST {
            assert!(ramp.has_room());
            assert_eq!(ramp.next(), Duration::ZERO);
            ramp.started(Duration::ZERO);
        }
        assert!(!ramp.has_room());
        (0..FIRST).for_each(|_| ramp.accepted(second));
        ramp.started(second);
        assert_eq!(ramp.next(), second + second / 8);
        ramp.failed();
        ramp.begin_again(0.0);
        assert!(ramp.has_room());
        (0..2 * FIRST).for_each(|_| ramp.accepted(second));
        let room = (0..).take_while(|_| {
            let room = ramp.has_room();
            ramp.started(second);
            room
        });
        assert_eq!(room.count(), 9);
    }
}
