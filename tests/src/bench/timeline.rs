//! When calls came to a simulator.

use std::time::Instant;

use anyhow::Context;

use simulator::{Ledger, Simulator};

/// The ledger counts milliseconds.
pub fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1e3
}

/// What had arrived at a moment.
pub struct Seen {
    pub at: Instant,
    pub requests: u64,
    pub refused: u64,
}

impl Seen {
    pub fn now(simulator: &Simulator) -> Seen {
        let totals = simulator.totals();
        Seen {
            at: Instant::now(),
            requests: totals.requests,
            refused: totals.statuses.get(&429).copied().unwrap_or(0),
        }
    }
}

/// When billed calls came and ended, in seconds since the start of the simulator.
pub struct Span {
    pub first_arrival: f64,
    pub last_arrival: f64,
    pub last_end: f64,
}

impl Span {
    pub fn of(ledger: &Ledger) -> anyhow::Result<Span> {
        let arrivals = || ledger.calls.iter().map(|call| call.arrived_ms);
        let ends = ledger.calls.iter().map(|call| call.ended_ms);
        Ok(Span {
            first_arrival: seconds(arrivals().min().context("no call")?),
            last_arrival: seconds(arrivals().max().context("no call")?),
            last_end: seconds(ends.max().context("no call")?),
        })
    }
}

/// What a sliding window of this span held, as a mean over the time between two moments. Bursts that recur do
/// not count for more than they are, as they would if calls were divided by the time between first and last.
pub fn mean_fill(
    events: impl Iterator<Item = (f64, u64)>,
    span: f64,
    (from, to): (f64, f64),
) -> f64 {
    let held = events.map(|(at, amount)| {
        let inside = (at + span).min(to) - at.max(from);
        inside.max(0.0) * amount as f64
    });
    held.sum::<f64>() / (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_is_refilled_late_is_not_full_on_the_mean() {
        let events = [(0.0, 10), (1.25, 10), (2.5, 10)];
        assert_eq!(mean_fill(events.into_iter(), 1.0, (1.0, 3.5)), 8.0);
    }
}
