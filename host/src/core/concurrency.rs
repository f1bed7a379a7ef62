//! How many calls a lane has at once: the configured number, less when the provider refuses more. A burst of
//! refusals shrinks it once, to what was let through; clean rounds grow it, fast at first and by one near the level
//! at which it was cut. It does not know what a call is.

use std::time::Duration;

/// Refusals within so long of the first belong to one burst.
const BURST: Duration = Duration::from_secs(1);

/// The number of calls at once.
#[derive(Debug)]
pub struct Concurrency {
    most: u64,
    now: u64,
    /// Below this it doubles.
    threshold: u64,
    passed: u64,
    burst_until: Duration,
}

impl Concurrency {
    /// Up to `most` calls at once.
    pub fn new(most: u64) -> Concurrency {
        Concurrency {
            most,
            now: most,
            threshold: most,
            passed: 0,
            burst_until: Duration::ZERO,
        }
    }

    /// Calls that may be under way at once.
    pub fn allowed(&self) -> u64 {
        self.now
    }

    /// A call came back with an answer. A round is as many of these as are allowed at once.
    pub fn passed(&mut self) {
        if self.now >= self.most {
            return;
        }
        self.passed += 1;
        if self.passed >= self.now {
            self.passed = 0;
            let grown = if self.now < self.threshold {
                self.now.saturating_mul(2).min(self.threshold)
            } else {
                self.now.saturating_add(1)
            };
            self.now = grown.min(self.most);
        }
    }

    /// A refusal that follows the load: `under_way` calls were let through and not refused, as far as is known. What
    /// a burst refuses is not replaced, so that it leaves what the provider takes.
    pub fn refused(&mut self, now: Duration, under_way: u64) {
        if now < self.burst_until {
            self.now = self.now.min(under_way.max(1));
            return;
        }
        self.burst_until = now + BURST;
        self.passed = 0;
        let level = self.now.min(under_way.max(1));
        self.threshold = level.saturating_mul(4) / 5;
        self.now = (level.saturating_mul(3) / 4).max(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_shrinks_it_once_and_clean_rounds_grow_it() {
        let at = Duration::from_millis;
        let mut concurrency = Concurrency::new(64);
        concurrency.refused(at(0), 40);
        concurrency.refused(at(10), 40);
        assert_eq!(concurrency.allowed(), 30);
        let mut full = Concurrency::new(64);
        (0..58).for_each(|refused| full.refused(at(refused), 63 - refused));
        assert_eq!(full.allowed(), 6, "what was let through");
        (0..30).for_each(|_| concurrency.passed());
        assert_eq!(
            concurrency.allowed(),
            32,
            "doubled, but not beyond the level of the cut"
        );
        (0..32).for_each(|_| concurrency.passed());
        assert_eq!(concurrency.allowed(), 33);
        (0..10_000).for_each(|_| concurrency.passed());
        assert_eq!(concurrency.allowed(), 64);
        concurrency.refused(at(5000), 0);
        assert_eq!(concurrency.allowed(), 1);
    }
}
