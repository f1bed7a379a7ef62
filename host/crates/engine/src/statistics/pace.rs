//! How fast something goes, from what happened lately.

use std::collections::VecDeque;
use std::time::Duration;

/// Pace is measured over this span, so that an early stall does not spoil the estimate for ever.
pub(super) const RECENT: Duration = Duration::from_secs(60);
/// Bound on remembered moments; more are thinned out by merging neighbours.
const MOMENTS: usize = 4096;

/// Amounts over time, remembered for [`RECENT`] only.
#[derive(Debug, Default)]
pub(super) struct Pace {
    moments: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// So much happened now.
    pub fn add(&mut self, now: Duration, amount: u64) {
        while self
            .moments
            .front()
            .is_some_and(|(at, _)| *at + RECENT < now)
        {
            self.moments.pop_front();
        }
        // A full memory merges what comes within the same step; the sum stays exact.
        let step = RECENT / (MOMENTS as u32);
        match self.moments.back_mut() {
            Some((at, sum)) if now.saturating_sub(*at) < step => *sum += amount,
            _ => self.moments.push_back((now, amount)),
        }
    }

    /// Amount a second.
    pub fn per_second(&self, now: Duration) -> f64 {
        let from = now.saturating_sub(RECENT);
        let sum: u64 = self
            .moments
            .iter()
            .filter(|(at, _)| *at >= from)
            .map(|(_, amount)| amount)
            .sum();
        let span = now.saturating_sub(from).as_secs_f64();
        if span > 0.0 { sum as f64 / span } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_sums_are_exact() {
        let mut pace = Pace::default();
        for step in 0..200_000_u64 {
            pace.add(Duration::from_micros(step * 100), 1);
        }
        assert!(pace.moments.len() <= MOMENTS + 1);
        assert_eq!(pace.per_second(Duration::from_secs(20)), 10_000.0);
    }
}
