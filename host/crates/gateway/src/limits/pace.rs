//! The pace of a lane whose provider refuses calls and takes others soon after: it counts calls by the second, or fills
//! a bucket evenly. What it takes in the long run is what it took between two moments at which it had enough. Calls are
//! spread evenly at that pace, and a little faster after many that were taken. It does not know what a call is.

use std::time::Duration;

use super::margin::Margin;

/// A provider that takes a call so soon after a refusal is one that fills evenly.
const SOON: Duration = Duration::from_secs(3);
/// With fewer calls than these, the rate is a first guess, and the measurement goes on.
const FEW: u64 = 8;
/// The pace is this share of the rate that was measured.
const BELOW: f64 = 0.97;
/// Calls that must be taken before a higher pace is tried, then before a still higher one, and the most of the first after
/// many measurements.
const TRY_AFTER: u64 = 120;
const TRY_AGAIN_AFTER: u64 = 20;
const MOST_PATIENCE: u64 = 960;
/// Calls before a higher pace is tried, and the share by which it is raised, while the rate is a first guess.
const TRY_SOON: u64 = 4;
const SOON_STEP: f64 = 0.12;
/// Shares by which the pace is raised: the first time, and at most.
const LEAST_STEP: f64 = 0.02;
const MOST_STEP: f64 = 0.25;

/// Measures and keeps the pace.
#[derive(Debug, Default)]
pub struct Pace {
    enough: Option<Enough>,
    kept: Option<Kept>,
    /// Calls before a higher pace is tried.
    patience: u64,
    /// The gap that did in an earlier run.
    recalled: Option<f64>,
    margin: Margin,
}

/// The provider had enough.
#[derive(Clone, Copy, Debug)]
struct Enough {
    at: Duration,
    /// When the first call was sent that it took since then.
    again: Option<Duration>,
    /// Calls that were sent since then and not refused, as far as is known.
    taken: u64,
    /// Whether more calls could have been sent.
    is_least: bool,
    /// Whether it refused a pace that was tried, and what had done before is tried again.
    after_a_try: bool,
}

impl Enough {
    fn at(at: Duration) -> Self {
        Enough {
            at,
            again: None,
            taken: 0,
            is_least: false,
            after_a_try: false,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    /// Seconds between two calls.
    gap: f64,
    next: Duration,
    /// Calls to be taken before a higher pace is tried.
    left: u64,
    step: f64,
    /// The gap that did, while a smaller one is tried.
    did: Option<f64>,
}

impl Pace {
    /// Begins with a pace that did before: so many seconds between two calls.
    pub fn begin_at(&mut self, now: Duration, gap: f64) {
        self.recalled = Some(gap);
        self.kept = Some(Kept {
            gap,
            next: now,
            left: TRY_AGAIN_AFTER,
            step: LEAST_STEP,
            did: None,
        });
    }

    /// When the next call may start.
    pub fn next(&self) -> Option<Duration> {
        self.kept.map(|kept| kept.next)
    }

    /// Calls in a second, where the provider fills evenly.
    pub fn rate(&self) -> Option<f64> {
        self.kept.map(|kept| 1.0 / (kept.gap * self.margin.times()))
    }

    /// Since when nothing was taken, if the provider has had enough.
    pub fn idle_since(&self) -> Option<Duration> {
        self.enough
            .filter(|enough| enough.again.is_none())
            .map(|enough| enough.at)
    }

    /// Whether the provider may still turn out to fill evenly.
    pub fn may_fill(&self, now: Duration) -> bool {
        self.idle_since()
            .is_none_or(|since| now.saturating_sub(since) < SOON)
    }

    /// A call starts.
    pub fn started(&mut self, now: Duration) {
        if let Some(enough) = &mut self.enough {
            enough.taken += 1;
        }
        if let Some(kept) = &mut self.kept {
            let gap =
                Duration::try_from_secs_f64(kept.gap * self.margin.times()).unwrap_or_default();
            // A timer that is late by less than a call makes up for it.
            kept.next = (kept.next + gap).max(now);
        }
    }

    /// The provider took a call that was sent then.
    pub fn taken(&mut self, started: Duration) {
        if let Some(enough) = &mut self.enough
            && started > enough.at
        {
            enough.again.get_or_insert(started);
        }
        if let Some(kept) = &mut self.kept {
            self.margin.taken();
            kept.left = kept.left.saturating_sub(1);
            if kept.left == 0 {
                kept.did = Some(kept.gap);
                kept.gap /= 1.0 + kept.step;
                kept.step = (kept.step * 2.0).min(MOST_STEP);
                kept.left = TRY_AGAIN_AFTER;
            }
        }
    }

    /// Calls wait for something else, so that it may take more than it is asked.
    pub fn was_not_asked(&mut self) {
        if let Some(enough) = &mut self.enough {
            enough.is_least = true;
        }
    }

    /// The provider refused a call that was sent then. Where it `tells` that this is all that the provider takes, the
    /// pace is measured anew.
    pub fn refused(&mut self, now: Duration, started: Duration, tells: bool) {
        let mut after_a_try = false;
        if let Some(enough) = &mut self.enough
            && started > enough.at
        {
            enough.taken = enough.taken.saturating_sub(1);
            after_a_try = enough.after_a_try;
        }
        if self.enough.is_none() && self.kept.is_some() {
            // It began with more than it takes in the long run.
            self.had_enough(now);
            return;
        }
        let Some(kept) = &mut self.kept else {
            return;
        };
        match kept.did.take() {
            // A higher pace was tried, and does not do.
            Some(did) => {
                kept.gap = did;
                self.patience = (self.patience * 2).clamp(TRY_AFTER, MOST_PATIENCE);
                (kept.left, kept.step) = (self.patience, LEAST_STEP);
                kept.next = kept
                    .next
                    .max(now + Duration::try_from_secs_f64(did).unwrap_or_default());
                // If it emptied a bucket that holds much, the next refusal comes soon, and what is taken until then is measured.
                self.enough = Some(Enough {
                    after_a_try: true,
                    ..Enough::at(now)
                });
                return;
            }
            None => self.margin.refused(),
        }
        if !tells && !after_a_try {
            return;
        }
        // It has just proved that it takes no more than this.
        self.had_enough(now);
    }

    /// The provider has enough. Returns whether it fills evenly, so that the pace is all there is to learn.
    pub fn had_enough(&mut self, now: Duration) -> bool {
        let Some(before) = self.enough else {
            self.enough = Some(Enough::at(now));
            let (Some(gap), Some(kept)) = (self.recalled, &mut self.kept) else {
                return false;
            };
            // It began with more than it takes in the long run, and that is known.
            kept.gap = gap;
            kept.next = now + Duration::try_from_secs_f64(gap).unwrap_or_default();
            (kept.left, kept.step) = (TRY_AFTER, LEAST_STEP);
            return true;
        };
        let Some(again) = before.again else {
            // It has not taken a call since then, so it does not fill evenly.
            if now.saturating_sub(before.at) > SOON {
                self.kept = None;
            }
            return self.kept.is_some();
        };
        let fills = again.saturating_sub(before.at) <= SOON;
        if before.taken >= FEW || !fills {
            self.enough = Some(Enough::at(now));
        }
        if !fills {
            return false;
        }
        let lasted = now.saturating_sub(before.at).as_secs_f64();
        let taken = before.taken.max(1);
        let mut gap = lasted / (taken as f64 * BELOW);
        let is_sure = taken >= FEW;
        // At first calls are not spread evenly yet, so that it may take more than it took.
        let is_least = before.is_least || self.kept.is_none();
        if self.kept.is_some() {
            gap /= self.margin.times();
        }
        self.patience = if is_sure {
            (self.patience * 2).clamp(TRY_AFTER, MOST_PATIENCE)
        } else {
            TRY_AFTER
        };
        self.kept = Some(Kept {
            gap,
            next: now + Duration::try_from_secs_f64(gap).unwrap_or_default(),
            left: match (is_sure, is_least) {
                (true, false) => self.patience,
                (true, true) => TRY_AGAIN_AFTER,
                (false, _) => TRY_SOON,
            },
            step: match (is_sure, is_least) {
                (true, false) => LEAST_STEP,
                (true, true) => 4.0 * LEAST_STEP,
                (false, _) => SOON_STEP,
            },
            did: None,
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    /// A provider that takes four calls a second, of which it has had enough at 10 s and at 20 s.
    fn measured() -> Pace {
        let mut pace = Pace::default();
        assert!(!pace.had_enough(at(10.0)), "one refusal measures nothing");
        for call in 0..40 {
            let now = at(10.1 + f64::from(call) * 0.24);
            pace.started(now);
            pace.taken(now);
        }
        assert!(pace.had_enough(at(20.0)));
        pace
    }

    #[test]
    fn the_pace_is_what_was_taken_between_two_refusals() {
        let rate = measured().rate().unwrap();
        assert!((3.8..4.0).contains(&rate), "{rate}");
    }

    #[test]
    fn a_pace_of_an_earlier_run_is_raised_soon_and_fallen_back_to() {
        let mut pace = Pace::default();
        pace.begin_at(at(0.0), 0.25);
        for call in 0..100 {
            let now = at(f64::from(call) / 4.0);
            pace.started(now);
            pace.taken(now);
        }
        assert!(pace.rate().unwrap() > 5.0, "a full bucket takes more");
        assert!(pace.had_enough(at(25.0)));
        assert_eq!(pace.rate(), Some(4.0));
    }

    #[test]
    fn it_is_raised_after_many_calls_and_falls_back_to_what_did_and_then_to_what_was_measured() {
        let mut pace = measured();
        let (before, mut now) = (pace.rate().unwrap(), 20.0);
        let mut call = |pace: &mut Pace| {
            now += 0.25;
            pace.started(at(now));
            at(now)
        };
        for _ in 0..2 * TRY_AGAIN_AFTER {
            let started = call(&mut pace);
            pace.taken(started);
        }
        assert!(pace.rate().unwrap() > before * 1.2, "raised twice");
        let refused = call(&mut pace);
        pace.refused(refused, refused, false);
        let did = pace.rate().unwrap();
        assert!((before * 1.07..before * 1.09).contains(&did), "{did}");
        for _ in 0..FEW {
            let started = call(&mut pace);
            pace.taken(started);
        }
        assert_eq!(pace.rate().unwrap(), did);
        let refused = call(&mut pace);
        pace.refused(refused, refused, false);
        let rate = pace.rate().unwrap();
        assert!((3.4..4.0).contains(&rate), "what it took since: {rate}");
    }

    #[test]
    fn refusals_of_calls_that_arrive_too_early_widen_the_gap_and_few_do_not() {
        let mut pace = measured();
        let before = pace.rate().unwrap();
        let now = at(20.5);
        for _ in 0..5 {
            pace.refused(now, now, false);
        }
        let rate = pace.rate().unwrap();
        assert!((before * 0.85..before * 0.95).contains(&rate), "{rate}");
        for _ in 0..1_000 {
            pace.refused(now, now, false);
        }
        assert!(
            pace.rate().unwrap() > before * 0.7,
            "accidents cost no more"
        );
    }

    #[test]
    fn a_provider_that_takes_nothing_for_long_does_not_fill_evenly() {
        let mut pace = measured();
        assert!(pace.had_enough(at(22.0)));
        assert!(!pace.had_enough(at(25.0)));
        assert_eq!(pace.rate(), None);
        pace.started(at(60.0));
        pace.taken(at(60.0));
        assert!(!pace.had_enough(at(61.0)), "it took a call too late");
    }
}
