//! The provider's rate limits: sliding windows and a cap on calls in flight. Knows no HTTP; time is
//! an argument.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// When calls are refused with 429. No limit by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Most calls let through in any second.
    pub requests_per_second: Option<u32>,
    /// Most calls let through in any minute.
    pub requests_per_minute: Option<u32>,
    /// Most calls in flight.
    pub concurrent: Option<u32>,
    /// Refusals do not say `retry-after`.
    pub hide_retry_after: bool,
    /// Answers carry `x-ratelimit-*` headers.
    pub headers: bool,
}

/// Why a call is refused, and when it may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What there is too much of.
    pub what: &'static str,
    /// How long to wait; not known for calls in flight.
    pub retry_after: Option<Duration>,
}

/// What the `x-ratelimit-*` headers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Calls allowed in the window.
    pub limit: u32,
    /// Calls left in it.
    pub remaining: u32,
    /// Until the window is empty again.
    pub reset: Duration,
}

/// Counts calls against [`Limits`].
#[derive(Debug, Default)]
pub struct Limiter {
    second: Window,
    minute: Window,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Limiter {
    /// Lets a call through and counts it, or refuses it and does not.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn admit(&mut self, limits: &Limits, in_flight: u64, now: Instant) -> Result<(), Refusal> {
        if limits
            .concurrent
            .is_some_and(|most| in_flight >= u64::from(most))
        {
            return Err(Refusal {
                what: "concurrent requests",
                retry_after: None,
            });
        }
        let per_second = self.second.wait(limits.requests_per_second, SECOND, now);
        let per_minute = self.minute.wait(limits.requests_per_minute, MINUTE, now);
        let refusal = |what, wait| {
            Err(Refusal {
                what,
                retry_after: Some(wait),
            })
        };
        match (per_second, per_minute) {
            (None, None) => {}
            (Some(second), None) => return refusal("requests per second", second),
            (second, Some(minute)) => {
                return refusal(
                    "requests per minute",
                    minute.max(second.unwrap_or_default()),
                );
            }
        }
        // Without a limit nothing is kept, so that memory does not grow.
        if limits.requests_per_second.is_some() {
            self.second.calls.push_back(now);
        }
        if limits.requests_per_minute.is_some() {
            self.minute.calls.push_back(now);
        }
        Ok(())
    }

    /// Where calls stand in the longest limited window.
    pub fn standing(&mut self, limits: &Limits, now: Instant) -> Option<Standing> {
        let (window, limit, span) = match (limits.requests_per_minute, limits.requests_per_second) {
            (Some(limit), _) => (&mut self.minute, limit, MINUTE),
            (None, Some(limit)) => (&mut self.second, limit, SECOND),
            (None, None) => return None,
        };
        window.forget(span, now);
        let used = u32::try_from(window.calls.len()).unwrap_or(u32::MAX);
        let last = window.calls.back().map_or(Duration::ZERO, |last| {
            (*last + span).saturating_duration_since(now)
        });
        Some(Standing {
            limit,
            remaining: limit.saturating_sub(used),
            reset: last,
        })
    }
}

/// The times of the calls let through in the last span of time.
#[derive(Debug, Default)]
struct Window {
    calls: VecDeque<Instant>,
}

impl Window {
    fn forget(&mut self, span: Duration, now: Instant) {
        while self.calls.front().is_some_and(|call| *call + span <= now) {
            self.calls.pop_front();
        }
    }

    /// How long until there is room for a call, if there is none now.
    fn wait(&mut self, limit: Option<u32>, span: Duration, now: Instant) -> Option<Duration> {
        let limit = limit? as usize;
        self.forget(span, now);
        if self.calls.len() < limit {
            return None;
        }
        // A lowered limit can leave several calls too many in the window.
        let blocking = self.calls.len() - limit;
        let leaves = self
            .calls
            .get(blocking)
            .map_or(now + span, |call| *call + span);
        Some(leaves.saturating_duration_since(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_beyond_the_limit_and_says_when_to_come_again() {
        let limits = Limits {
            requests_per_second: Some(2),
            ..Limits::default()
        };
        let mut limiter = Limiter::default();
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        assert!(limiter.admit(&limits, 0, at(0)).is_ok());
        assert!(limiter.admit(&limits, 0, at(300)).is_ok());
        let refusal = limiter.admit(&limits, 0, at(400)).unwrap_err();
        assert_eq!(refusal.retry_after, Some(Duration::from_millis(600)));
        assert!(limiter.admit(&limits, 0, at(1000)).is_ok());
        let standing = limiter.standing(&limits, at(1000)).unwrap();
        assert_eq!(
            (standing.limit, standing.remaining, standing.reset),
            (2, 0, SECOND)
        );
    }

    #[test]
    fn concurrent_calls_are_refused_without_a_time() {
        let limits = Limits {
            concurrent: Some(3),
            ..Limits::default()
        };
        let mut limiter = Limiter::default();
        assert!(limiter.admit(&limits, 2, Instant::now()).is_ok());
        assert_eq!(
            limiter
                .admit(&limits, 3, Instant::now())
                .unwrap_err()
                .retry_after,
            None
        );
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_limit(
            gaps in prop::collection::vec(0..400_u64, 1..200), second in 1..8_u32, minute in 1..60_u32,
        ) {
            let limits = Limits { requests_per_second: Some(second), requests_per_minute: Some(minute), ..Limits::default() };
            let mut limiter = Limiter::default();
            let mut now = Instant::now();
            let mut admitted: Vec<Instant> = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                match limiter.admit(&limits, 0, now) {
                    Ok(()) => admitted.push(now),
                    // Who comes when he is told to is let in.
                    Err(refusal) => {
                        now += refusal.retry_after.unwrap();
                        prop_assert!(limiter.admit(&limits, 0, now).is_ok());
                        admitted.push(now);
                    }
                }
            }
            for (span, limit) in [(SECOND, second), (MINUTE, minute)] {
                for last in &admitted {
                    let within = admitted.iter().filter(|call| *call <= last && **call + span > *last).count();
                    prop_assert!(within <= limit as usize);
                }
            }
        }
    }
}
