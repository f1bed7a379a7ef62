//! How many calls a lane has at once. Where the number was told, it is that, less when the provider refuses more. Where
//! nobody told it, it begins low and grows while more calls at once bring more answers a second: what is useful is the
//! rate of answers times the time that each takes. A burst of refusals shrinks it once, to what was let through; clean
//! rounds grow it again, fast at first and by one near the level at which it was cut. It does not know what a call is.

use std::time::Duration;

use crate::found::{AtOnce, Known};

/// Calls that were accepted before a level at which calls are refused is remembered.
const FEW: u64 = 16;
/// Refusals within so long of the first belong to one burst.
const BURST: Duration = Duration::from_secs(1);
/// Calls at once where nobody told how many.
pub const FIRST_GUESS: u64 = 8;
/// The most calls at once where nobody told how many.
pub const MOST_GUESSED: u64 = 512;
/// A round with more calls at once is better when it brings so many times as many answers a second.
const BETTER: f64 = 1.1;
/// A round lasts so many times as long as an answer takes.
const ROUND: f64 = 1.5;
/// Weight of the newest answer in the mean time that one takes.
const WEIGHT: f64 = 0.1;
/// So many rounds that are no better end the growth.
const FLAT: u32 = 2;
/// After so many rounds at its level it tries a higher one.
const TRY_AFTER: u32 = 10;

/// The number of calls at once.
#[derive(Debug)]
pub struct Concurrency {
    most: u64,
    now: u64,
    /// Below this it doubles.
    threshold: u64,
    passed: u64,
    accepted: u64,
    /// The most calls under way when one was accepted; less with each refusal that had another cause.
    most_accepted: u64,
    burst_until: Duration,
    growth: Option<Growth>,
}

/// Finds the number of calls that brings the most answers a second.
#[derive(Debug)]
struct Growth {
    /// Whether a call had to wait for this number in the round.
    bound: bool,
    /// When the round began, and with how many calls at once.
    round: (Duration, u64),
    /// Mean seconds that an answer takes.
    latency: Option<f64>,
    /// The level with the best rate, and that rate.
    best: (u64, f64),
    flat: u32,
    /// Rounds since it stopped to grow.
    settled: Option<u32>,
}

impl Concurrency {
    /// Up to `told` calls at once; where that is absent, as many as are useful.
    pub fn new(told: Option<u64>) -> Concurrency {
        let growth = told.is_none().then_some(Growth {
            bound: false,
            round: (Duration::ZERO, FIRST_GUESS),
            latency: None,
            best: (FIRST_GUESS, 0.0),
            flat: 0,
            settled: None,
        });
        Concurrency {
            most: told.unwrap_or(MOST_GUESSED),
            now: told.unwrap_or(FIRST_GUESS),
            threshold: told.unwrap_or(MOST_GUESSED),
            passed: 0,
            accepted: 0,
            most_accepted: 0,
            burst_until: Duration::ZERO,
            growth,
        }
    }

    /// Begins with what an earlier run found out.
    pub fn recall(&mut self, found: AtOnce) {
        let calls = found.calls.clamp(1, self.most);
        match (found.known, &mut self.growth) {
            (Known::Refused, growth) => {
                *growth = None;
                self.now = calls;
                // It was found by refusals, so it is gone beyond one by one.
                self.threshold = calls;
            }
            (Known::Grew | Known::Useful, Some(growth)) => {
                self.now = calls;
                growth.round.1 = calls;
                growth.best = (calls, 0.0);
            }
            // The user told how many.
            (Known::Grew | Known::Useful, None) => {}
        }
    }

    /// The number that was found out, if it was.
    pub fn found(&self) -> Option<AtOnce> {
        let (calls, known) = match &self.growth {
            Some(growth) if growth.settled.is_some() => (growth.best.0, Known::Useful),
            Some(_) => (self.now, Known::Grew),
            None => (self.now, Known::Refused),
        };
        let is_guess = known == Known::Grew && calls <= FIRST_GUESS;
        let is_cut = known != Known::Refused || calls < self.most;
        (!is_guess && is_cut).then_some(AtOnce { calls, known })
    }

    /// Calls that may be under way at once.
    pub fn allowed(&self) -> u64 {
        self.now
    }

    /// Whether the number is a guess that may still grow.
    pub fn is_guessed(&self) -> bool {
        self.growth.is_some()
    }

    /// Windows guard the provider now, so calls at once need no guess of their own.
    pub fn is_guarded(&mut self) {
        if self.growth.take().is_some() {
            self.now = self.most;
            self.passed = 0;
        }
    }

    /// The pace of calls is known, so that fewer at once would not help.
    pub fn is_paced(&mut self) {
        self.growth = None;
        self.now = self.most;
    }

    /// A call waits because so many are under way.
    pub fn binds(&mut self) {
        if let Some(growth) = &mut self.growth {
            growth.bound = true;
        }
    }

    /// A call was accepted.
    pub fn accepted(&mut self, under_way: u64) {
        self.accepted += 1;
        self.most_accepted = self.most_accepted.max(under_way);
        if let Some(growth) = &self.growth
            && growth.bound
            && growth.settled.is_none()
        {
            self.now = self.now.saturating_add(1).min(self.most);
        }
    }

    /// A call came back with an answer after so long. A round is as many of these as are allowed at once.
    pub fn passed(&mut self, now: Duration, took: Duration) {
        self.passed += 1;
        if let Some(growth) = &mut self.growth {
            if let Some(level) = growth.passed(now, took, (self.now, self.most), self.passed) {
                self.now = level;
                self.passed = 0;
            }
            return;
        }
        if self.now >= self.most {
            self.passed = 0;
            return;
        }
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
        // One call alone is not one too many at once, and neither are far fewer than were taken before.
        if under_way == 0 || under_way.saturating_mul(2) < self.most_accepted {
            self.most_accepted /= 2;
            return;
        }
        self.growth = None;
        if now < self.burst_until {
            self.now = self.now.min(under_way.max(1));
            return;
        }
        self.burst_until = now + BURST;
        self.passed = 0;
        let level = self.now.min(under_way.max(1));
        // While little was accepted, the level says little.
        if self.accepted >= FEW {
            self.threshold = level.saturating_mul(4) / 5;
        }
        self.now = (level.saturating_mul(3) / 4).max(1);
    }
}

impl Growth {
    /// An answer came. Returns the level of the next round where this one is over: it lasts longer than an answer takes, so
    /// that calls that leave together count alike in each.
    fn passed(
        &mut self,
        now: Duration,
        took: Duration,
        (level, most): (u64, u64),
        passed: u64,
    ) -> Option<u64> {
        let took = took.as_secs_f64();
        let before = self.latency.unwrap_or(took);
        let latency = *self.latency.insert(before + WEIGHT * (took - before));
        let (start, began_with) = self.round;
        if start.is_zero() {
            self.round.0 =
                now.saturating_sub(Duration::try_from_secs_f64(took).unwrap_or_default());
            return None;
        }
        let lasted = now.saturating_sub(start).as_secs_f64();
        if passed < FIRST_GUESS || lasted < ROUND * latency || lasted <= 0.0 {
            return None;
        }
        let next = if self.bound {
            self.ended(began_with, level, passed as f64 / lasted, most)
        } else {
            level
        };
        self.bound = false;
        self.round = (now, next);
        Some(next)
    }

    /// A round that began at one level ended at another, with so many answers a second. Returns the level of the next.
    fn ended(&mut self, began_with: u64, level: u64, rate: f64, most: u64) -> u64 {
        let (best, best_rate) = self.best;
        if rate >= best_rate * BETTER {
            self.best = (began_with, rate);
            self.flat = 0;
            self.settled = None;
            return level;
        }
        match &mut self.settled {
            None => {
                self.flat += 1;
                if self.flat < FLAT {
                    return level;
                }
                self.settled = Some(0);
                best
            }
            Some(rounds) => {
                *rounds += 1;
                // What the best level brings may have changed.
                if began_with == best {
                    self.best.1 = rate;
                }
                if *rounds % TRY_AFTER == 0 {
                    (best + (best / 4).max(1)).min(most)
                } else {
                    best
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_burst_shrinks_it_once_and_clean_rounds_grow_it() {
        let mut concurrency = Concurrency::new(Some(64));
        (0..FEW).for_each(|_| concurrency.accepted(40));
        concurrency.refused(at(0), 40);
        concurrency.refused(at(10), 40);
        assert_eq!(concurrency.allowed(), 30);
        let mut full = Concurrency::new(Some(64));
        (0..58).for_each(|refused| full.refused(at(refused), 63 - refused));
        assert_eq!(full.allowed(), 6, "what was let through");
        (0..30).for_each(|_| concurrency.passed(at(20), at(10)));
        assert_eq!(
            concurrency.allowed(),
            32,
            "doubled, but not beyond the level of the cut"
        );
        (0..32).for_each(|_| concurrency.passed(at(20), at(10)));
        assert_eq!(concurrency.allowed(), 33);
        (0..10_000).for_each(|_| concurrency.passed(at(20), at(10)));
        assert_eq!(concurrency.allowed(), 64);
        concurrency.refused(at(5000), 0);
        concurrency.refused(at(5000), 8);
        assert_eq!(
            concurrency.allowed(),
            64,
            "far fewer than were taken before"
        );
        concurrency.refused(at(5000), 60);
        assert_eq!(concurrency.allowed(), 45);
    }

    /// A server that answers `at_once` calls in parallel, each in a second. Returns the calls at once after a minute.
    fn grown(told: Option<u64>, at_once: u64) -> u64 {
        let mut concurrency = Concurrency::new(told);
        let mut busy: Vec<u64> = Vec::new();
        let mut queued = 0_u64;
        for tick in 0..60_000 {
            let before = busy.len();
            busy.retain(|end| *end > tick);
            (busy.len()..before).for_each(|_| concurrency.passed(at(tick), at(1000)));
            while busy.len() as u64 + queued < concurrency.allowed() {
                queued += 1;
                concurrency.accepted(0);
            }
            concurrency.binds();
            while queued > 0 && (busy.len() as u64) < at_once {
                queued -= 1;
                busy.push(tick + 1000);
            }
        }
        concurrency.allowed()
    }

    #[test]
    fn it_grows_while_more_calls_bring_more_answers() {
        assert!(grown(None, 200) >= 200, "{}", grown(None, 200));
        let local = grown(None, 4);
        assert!((8..=24).contains(&local), "{local}");
        assert_eq!(grown(Some(16), 200), 16, "what was told is the most");
    }

    #[test]
    fn limits_that_are_known_need_no_guess() {
        let mut concurrency = Concurrency::new(None);
        assert_eq!(concurrency.allowed(), FIRST_GUESS);
        concurrency.is_guarded();
        assert_eq!(concurrency.allowed(), MOST_GUESSED);
        let mut told = Concurrency::new(Some(3));
        told.is_guarded();
        assert_eq!(told.allowed(), 3);
    }
}
