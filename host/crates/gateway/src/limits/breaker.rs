//! The circuit breaker of a lane: when a server has been down for many calls in a row, further calls
//! wait for one that finds out for all, instead of each finding out by itself. Times are spans from any
//! fixed moment, and arguments.

use std::time::Duration;

use types::class::FailureClass;

/// First wait before a probe; it doubles with every probe that fails.
const COOL_DOWN: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// The same where there is no room: it comes back in minutes.
const COOL_DOWN_OF_ROOM: Duration = Duration::from_secs(15);
const LONGEST_OF_ROOM: Duration = Duration::from_secs(240);

/// State of the breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// No call passes until a moment; then one finds out.
    Open(Outage),
    /// One call is finding out for all.
    HalfOpen(Outage),
    /// Nothing can be had any more: key, quota or model.
    Stopped {
        /// Class of the failure.
        class: FailureClass,
        /// Its text.
        cause: String,
    },
}

/// A server that is down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// Class of the failure that opened the breaker.
    pub class: FailureClass,
    /// Text of the last failure.
    pub cause: String,
    /// When it began.
    pub since: Duration,
    /// When the next call may find out.
    pub until: Duration,
    wait: Duration,
}

impl Outage {
    /// What the server is, in words.
    fn state(&self) -> &'static str {
        match self.class {
            FailureClass::NoCapacity => "has had no room",
            _ => "has been down",
        }
    }
}

/// What a call may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go.
    Go,
    /// Go, and find out for all.
    Probe,
    /// Wait until a moment, or until the probe is back.
    Wait(Option<Duration>),
    /// Do not call: stopped, or down for too long.
    Refused {
        /// Class of the failure.
        class: FailureClass,
        /// In words.
        cause: String,
    },
}

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: u32,
    threshold: u32,
    patience: Duration,
}

impl Breaker {
    /// A closed breaker that opens after `threshold` failures in a row, and refuses calls when the server has
    /// been down for `patience`.
    pub fn new(threshold: u32, patience: Duration) -> Breaker {
        Breaker {
            state: State::Closed,
            failures: 0,
            threshold,
            patience,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// When calls that wait are refused, if the server is down.
    pub fn gives_up_at(&self) -> Option<Duration> {
        match &self.state {
            State::Open(outage) | State::HalfOpen(outage) => Some(outage.since + self.patience),
            State::Closed | State::Stopped { .. } => None,
        }
    }

    /// Why no call can be made any more, if so.
    pub fn refusal(&self, now: Duration) -> Option<(FailureClass, String)> {
        match &self.state {
            State::Stopped { class, cause } => Some((*class, cause.clone())),
            State::Open(outage) if now >= outage.since + self.patience => Some((
                outage.class,
                format!(
                    "it {} for {} s: {}",
                    outage.state(),
                    now.saturating_sub(outage.since).as_secs(),
                    outage.cause
                ),
            )),
            State::Open(_) | State::HalfOpen(_) | State::Closed => None,
        }
    }

    /// Asks to make a call, which is then made.
    pub fn admit(&mut self, now: Duration) -> Admission {
        if let Some((class, cause)) = self.refusal(now) {
            return Admission::Refused { class, cause };
        }
        match &self.state {
            State::Open(outage) if now >= outage.until => {
                self.state = State::HalfOpen(outage.clone());
                Admission::Probe
            }
            State::Open(outage) => Admission::Wait(Some(outage.until)),
            State::HalfOpen(_) => Admission::Wait(None),
            State::Closed | State::Stopped { .. } => Admission::Go,
        }
    }

    /// A call came back with an answer, or with an error that shows a living server.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        if !matches!(self.state, State::Stopped { .. }) {
            self.state = State::Closed;
        }
    }

    /// A probe ended without a word on the server (it was cancelled).
    pub fn abandoned(&mut self, now: Duration) {
        if let State::HalfOpen(outage) = &self.state {
            let outage = Outage {
                until: now,
                ..outage.clone()
            };
            self.state = State::Open(outage);
        }
    }

    /// A call failed. What stops a lane stops it at once; an error that shows a living server closes it.
    pub fn failed(&mut self, now: Duration, class: FailureClass, cause: &str) {
        if class.stops_lane() {
            self.state = State::Stopped {
                class,
                cause: cause.to_owned(),
            };
            return;
        }
        let is_outage = matches!(
            class,
            FailureClass::Transient | FailureClass::Overloaded | FailureClass::NoCapacity
        );
        if !is_outage {
            self.succeeded();
            return;
        }
        self.failures = self.failures.saturating_add(1);
        let cause = cause.to_owned();
        let (first, longest) = match class {
            FailureClass::NoCapacity => (COOL_DOWN_OF_ROOM, LONGEST_OF_ROOM),
            _ => (COOL_DOWN, LONGEST),
        };
        match &self.state {
            State::Closed if self.failures >= self.threshold => {
                self.state = State::Open(Outage {
                    class,
                    cause,
                    since: now,
                    until: now + first,
                    wait: first,
                });
            }
            State::HalfOpen(outage) => {
                let wait = (outage.wait * 2).clamp(first, longest);
                self.state = State::Open(Outage {
                    class,
                    cause,
                    since: outage.since,
                    until: now + wait,
                    wait,
                });
            }
            // What was under way when it opened says nothing new.
            State::Closed | State::Open(_) | State::Stopped { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(100);

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn down() -> Breaker {
        let mut breaker = Breaker::new(3, PATIENCE);
        (0..3).for_each(|_| breaker.failed(at(0), FailureClass::Transient, "refused"));
        breaker
    }

    #[test]
    fn opens_after_failures_in_a_row_and_one_call_finds_out() {
        let mut breaker = Breaker::new(3, PATIENCE);
        breaker.failed(at(0), FailureClass::Transient, "reset");
        breaker.failed(at(0), FailureClass::Transient, "reset");
        breaker.succeeded();
        breaker.failed(at(0), FailureClass::Transient, "reset");
        assert_eq!(breaker.admit(at(0)), Admission::Go);

        let mut breaker = down();
        assert_eq!(breaker.admit(at(0)), Admission::Wait(Some(at(1))));
        assert_eq!(breaker.admit(at(1)), Admission::Probe);
        assert_eq!(breaker.admit(at(1)), Admission::Wait(None));
        breaker.failed(at(2), FailureClass::Transient, "refused");
        assert_eq!(
            breaker.admit(at(3)),
            Admission::Wait(Some(at(4))),
            "it waits longer"
        );
        assert_eq!(breaker.admit(at(4)), Admission::Probe);
        breaker.succeeded();
        assert_eq!(breaker.admit(at(4)), Admission::Go);
        assert_eq!(breaker.admit(at(4)), Admission::Go);
    }

    #[test]
    fn a_probe_that_is_cancelled_lets_another_find_out() {
        let mut breaker = down();
        assert_eq!(breaker.admit(at(1)), Admission::Probe);
        breaker.abandoned(at(1));
        assert_eq!(breaker.admit(at(1)), Admission::Probe);
    }

    #[test]
    fn patience_ends() {
        let mut breaker = down();
        assert_eq!(breaker.gives_up_at(), Some(PATIENCE));
        let Admission::Refused { class, cause } = breaker.admit(at(100)) else {
            panic!("must refuse")
        };
        assert_eq!(class, FailureClass::Transient);
        assert_eq!(cause, "it has been down for 100 s: refused");
    }

    #[test]
    fn a_wrong_key_stops_at_once_and_for_good() {
        let mut breaker = Breaker::new(3, PATIENCE);
        breaker.failed(at(0), FailureClass::Auth, "no such key");
        breaker.succeeded();
        let Admission::Refused { class, cause } = breaker.admit(at(50)) else {
            panic!("must refuse")
        };
        assert_eq!((class, cause.as_str()), (FailureClass::Auth, "no such key"));
    }

    #[test]
    fn room_is_looked_for_less_often_and_given_up_as_an_outage() {
        let mut breaker = Breaker::new(3, PATIENCE);
        (0..3).for_each(|_| breaker.failed(at(0), FailureClass::NoCapacity, "no room"));
        assert_eq!(breaker.admit(at(1)), Admission::Wait(Some(at(15))));
        assert_eq!(breaker.admit(at(15)), Admission::Probe);
        breaker.failed(at(16), FailureClass::NoCapacity, "no room");
        assert_eq!(breaker.admit(at(17)), Admission::Wait(Some(at(46))));
        let Admission::Refused { class, cause } = breaker.admit(at(100)) else {
            panic!("must refuse")
        };
        assert_eq!(class, FailureClass::NoCapacity);
        assert_eq!(cause, "it has had no room for 100 s: no room");
    }

    #[test]
    fn a_rate_limit_never_opens() {
        let mut breaker = Breaker::new(1, PATIENCE);
        (0..10).for_each(|_| breaker.failed(at(0), FailureClass::RateLimit, "slow down"));
        assert_eq!(breaker.admit(at(0)), Admission::Go);
    }
}
