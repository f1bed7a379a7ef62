//! When a call is tried again: only what can succeed, with exponential back-off and jitter, within
//! a number of tries and a span of time. It does not sleep and draws no random number itself.

use std::time::Duration;

use types::class::FailureClass;

/// How a lane retries.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Tries in all, the first included.
    pub max_tries: u32,
    /// No try starts later than this after the first.
    pub max_elapsed: Duration,
    /// Back-off after the first failure; it doubles from there. A server that is overloaded gets four times as long:
    /// other failures hit single calls, and those of all calls open the breaker.
    pub base: Duration,
    /// Longest back-off.
    pub cap: Duration,
    /// No try starts later than this after the first where there is no room: room is waited for as a server is that is
    /// down.
    pub max_without_room: Duration,
}

/// Back-off after the first answer that there is no room, and the longest.
const BASE_OF_ROOM: Duration = Duration::from_secs(5);
const CAP_OF_ROOM: Duration = Duration::from_secs(120);

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_tries: 3,
            max_elapsed: Duration::from_secs(300),
            base: Duration::from_millis(125),
            cap: Duration::from_secs(8),
            max_without_room: Duration::from_secs(600),
        }
    }
}

/// One failed try, as the policy needs to know it.
#[derive(Clone, Copy, Debug)]
pub struct Failure {
    /// What went wrong.
    pub class: FailureClass,
    /// Tries so far that count: an answer of "rate limit" or "no room" does not.
    pub tries: u32,
    /// Failures in a row of its class, since the last that was waited for already: what the back-off grows with.
    pub in_a_row: u32,
    /// Time since the first try began.
    pub elapsed: Duration,
    /// How long the try itself took.
    pub took: Duration,
    /// How long the provider asked to wait.
    pub hint: Option<Duration>,
}

impl RetryPolicy {
    /// How long to wait before the next try; `None` when there must be none. `random` is in 0..1.
    pub fn next(&self, failure: Failure, random: f64) -> Option<Duration> {
        if !failure.class.is_transient() {
            return None;
        }
        if counts(failure.class) && failure.tries >= self.max_tries {
            return None;
        }
        let back_off = self.back_off(failure.class, failure.in_a_row, random);
        let wait = match (failure.class, failure.hint) {
            (FailureClass::NoCapacity, hint) => back_off.max(hint.unwrap_or_default()),
            (_, Some(hint)) => hint,
            // What fell silent has been waited for already.
            (FailureClass::Transient, None) => back_off.saturating_sub(failure.took),
            (_, None) => back_off,
        };
        let most = match failure.class {
            FailureClass::NoCapacity => self.max_without_room,
            _ => self.max_elapsed,
        };
        (failure.elapsed.saturating_add(wait) <= most).then_some(wait)
    }

    /// Doubling from the base to `cap`, shortened by up to a quarter so that callers spread.
    fn back_off(&self, class: FailureClass, in_a_row: u32, random: f64) -> Duration {
        let doublings = in_a_row.saturating_sub(1).min(20);
        let (base, cap) = match class {
            FailureClass::Overloaded => (self.base.saturating_mul(4), self.cap),
            FailureClass::NoCapacity => (BASE_OF_ROOM, CAP_OF_ROOM),
            _ => (self.base, self.cap),
        };
        let full = base.saturating_mul(1 << doublings).min(cap);
        full.mul_f64(1.0 - 0.25 * random.clamp(0.0, 1.0))
    }
}

/// Whether a failure of this class uses up a try. What was refused before it began says nothing of the question.
pub fn counts(class: FailureClass) -> bool {
    !matches!(class, FailureClass::RateLimit | FailureClass::NoCapacity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn failure(class: FailureClass, tries: u32) -> Failure {
        Failure {
            class,
            tries,
            in_a_row: tries,
            elapsed: Duration::ZERO,
            took: Duration::ZERO,
            hint: None,
        }
    }

    #[test]
    fn only_what_can_succeed_is_tried_again() {
        let policy = RetryPolicy::default();
        assert!(
            policy
                .next(failure(FailureClass::Transient, 1), 0.5)
                .is_some()
        );
        assert!(
            policy
                .next(failure(FailureClass::Transient, 3), 0.5)
                .is_none()
        );
        for class in [
            FailureClass::Auth,
            FailureClass::Quota,
            FailureClass::BadRequest,
        ] {
            assert!(policy.next(failure(class, 1), 0.5).is_none(), "{class}");
        }
    }

    #[test]
    fn a_rate_limit_costs_time_but_no_try() {
        let policy = RetryPolicy::default();
        let mut limited = failure(FailureClass::RateLimit, 50);
        limited.hint = Some(Duration::from_secs(20));
        assert_eq!(policy.next(limited, 0.0), Some(Duration::from_secs(20)));
        limited.elapsed = Duration::from_secs(290);
        assert_eq!(policy.next(limited, 0.0), None);
    }

    #[test]
    fn room_is_waited_for_as_long_as_an_outage() {
        let policy = RetryPolicy::default();
        let mut full = failure(FailureClass::NoCapacity, 50);
        assert_eq!(policy.next(full, 0.0), Some(Duration::from_secs(120)));
        full.in_a_row = 1;
        assert_eq!(policy.next(full, 0.0), Some(Duration::from_secs(5)));
        full.elapsed = Duration::from_secs(590);
        assert_eq!(policy.next(full, 0.0), Some(Duration::from_secs(5)));
        full.elapsed = Duration::from_secs(596);
        assert_eq!(policy.next(full, 0.0), None);
    }

    #[test]
    fn what_was_waited_for_already_is_not_waited_for_again() {
        let policy = RetryPolicy::default();
        let mut silent = failure(FailureClass::Transient, 1);
        silent.took = Duration::from_secs(30);
        assert_eq!(policy.next(silent, 0.5), Some(Duration::ZERO));
        silent.class = FailureClass::Overloaded;
        assert!(policy.next(silent, 0.5) > Some(Duration::ZERO));
    }

    proptest! {
        #[test]
        fn back_off_grows_to_its_cap(in_a_row in 1u32..100, random in 0.0f64..1.0) {
            let policy = RetryPolicy::default();
            let class = FailureClass::Transient;
            let wait = policy.back_off(class, in_a_row, random);
            prop_assert!(wait <= policy.cap);
            prop_assert!(wait >= policy.base.mul_f64(0.75));
            prop_assert!(policy.back_off(class, in_a_row + 1, random) >= wait);
            prop_assert!(policy.back_off(FailureClass::Overloaded, in_a_row, random) >= wait);
        }
    }
}
