//! The circuit breaker of a lane: when a server has been down for many calls in a row, further calls
//! fail at once instead of each finding out by itself. It does not know time: the caller lets a
//! probe through when it wants to know again.

use super::class::FailureClass;

/// State of the breaker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Calls pass.
    Closed,
    /// One call finds out for all; the others wait for it.
    HalfOpen {
        /// Whether the probe is under way.
        probing: bool,
    },
    /// No call passes.
    Open {
        /// Class of the failure that opened it.
        class: FailureClass,
        /// Text of that failure.
        cause: String,
    },
}

/// What a call may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Go.
    Go,
    /// Another call is finding out: ask again when it is back.
    Wait,
    /// Do not call.
    Refused {
        /// Class of the failure that opened the breaker.
        class: FailureClass,
        /// Text of that failure.
        cause: String,
    },
}

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    state: State,
    failures: u32,
    threshold: u32,
}

impl Breaker {
    /// A closed breaker that opens after `threshold` failures in a row.
    pub fn new(threshold: u32) -> Breaker {
        Breaker {
            state: State::Closed,
            failures: 0,
            threshold,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Asks to make a call.
    pub fn admit(&mut self) -> Admission {
        match &mut self.state {
            State::Closed => Admission::Go,
            State::HalfOpen { probing: true } => Admission::Wait,
            State::HalfOpen { probing } => {
                *probing = true;
                Admission::Go
            }
            State::Open { class, cause } => Admission::Refused {
                class: *class,
                cause: cause.clone(),
            },
        }
    }

    /// A call came back with an answer, or with an error that shows a living server.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        if !matches!(&self.state, State::Open { class, .. } if class.stops_lane()) {
            self.state = State::Closed;
        }
    }

    /// A call that was let through ended without a word on the server (it was cancelled).
    pub fn abandoned(&mut self) {
        if let State::HalfOpen { probing } = &mut self.state {
            *probing = false;
        }
    }

    /// A try failed. What stops a lane opens it at once; a rate limit is no sign of a dead server.
    /// A probe may use all its tries before [`Breaker::gave_up`] decides.
    pub fn failed(&mut self, class: FailureClass, cause: &str) {
        if class.stops_lane() {
            self.open(class, cause);
        } else if matches!(class, FailureClass::Transient | FailureClass::Overloaded) {
            self.failures = self.failures.saturating_add(1);
            if self.failures >= self.threshold && self.state == State::Closed {
                self.open(class, cause);
            }
        } else if self.state == State::Closed {
            self.failures = 0;
        }
    }

    /// A call used up its tries. If it was the probe, the lane is still down.
    pub fn gave_up(&mut self, class: FailureClass, cause: &str) {
        match self.state {
            State::HalfOpen { .. } if class.is_transient() => self.open(class, cause),
            // An error that shows a living server.
            State::HalfOpen { .. } => self.succeeded(),
            State::Closed | State::Open { .. } => {}
        }
    }

    /// Whether a probe is under way.
    pub fn is_probing(&self) -> bool {
        self.state == State::HalfOpen { probing: true }
    }

    fn open(&mut self, class: FailureClass, cause: &str) {
        if !matches!(self.state, State::Open { .. }) {
            self.state = State::Open {
                class,
                cause: cause.to_owned(),
            };
        }
    }

    /// Lets one call find out whether the lane is back. What stopped for good stays stopped.
    pub fn probe(&mut self) {
        if matches!(&self.state, State::Open { class, .. } if !class.stops_lane()) {
            self.state = State::HalfOpen { probing: false };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_after_failures_in_a_row_and_probes() {
        let mut breaker = Breaker::new(3);
        breaker.failed(FailureClass::Transient, "reset");
        breaker.failed(FailureClass::Transient, "reset");
        breaker.succeeded();
        breaker.failed(FailureClass::Transient, "reset");
        breaker.failed(FailureClass::Transient, "reset");
        assert_eq!(breaker.admit(), Admission::Go);
        breaker.failed(FailureClass::Transient, "refused");
        assert!(matches!(breaker.admit(), Admission::Refused { .. }));
        breaker.probe();
        assert_eq!(breaker.admit(), Admission::Go);
        assert_eq!(breaker.admit(), Admission::Wait);
        breaker.failed(FailureClass::Transient, "refused");
        assert_eq!(breaker.admit(), Admission::Wait, "the probe has more tries");
        breaker.gave_up(FailureClass::Transient, "refused");
        assert!(matches!(breaker.admit(), Admission::Refused { .. }));
        breaker.probe();
        assert_eq!(breaker.admit(), Admission::Go);
        breaker.succeeded();
        assert_eq!(breaker.admit(), Admission::Go);
        assert_eq!(breaker.admit(), Admission::Go);
    }

    #[test]
    fn a_wrong_key_opens_at_once_and_for_good() {
        let mut breaker = Breaker::new(3);
        breaker.failed(FailureClass::Auth, "no such key");
        breaker.succeeded();
        breaker.probe();
        let Admission::Refused { class, cause } = breaker.admit() else {
            panic!("must refuse")
        };
        assert_eq!((class, cause.as_str()), (FailureClass::Auth, "no such key"));
    }

    #[test]
    fn a_rate_limit_never_opens() {
        let mut breaker = Breaker::new(1);
        for _ in 0..10 {
            breaker.failed(FailureClass::RateLimit, "slow down");
        }
        assert_eq!(breaker.admit(), Admission::Go);
    }
}
