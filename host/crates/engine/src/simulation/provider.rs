//! A provider that goes wrong by a seed, and remembers all that it was asked and what it answered.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use gateway::error::CallError;
use gateway::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use types::class::FailureClass;
use types::digest::DigestBuilder;
use types::request::Usage;

/// What a history is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// Requests a minute, which the host is told.
    pub told: u64,
    /// Calls at once, which the host is told.
    pub at_once: u64,
    /// Of a thousand calls, how many go wrong.
    faults: u64,
    /// From when to when the provider is down.
    outage: (u64, u64),
    crashes: u64,
    seed: u64,
    /// So many calls panic.
    panics: u64,
}

/// A number below `below` that depends on all of `parts`.
pub(super) fn draw(parts: &[u64], below: u64) -> u64 {
    let mut builder = DigestBuilder::new("simulation 1");
    for part in parts {
        builder.number(*part);
    }
    builder.finish().seed() % below
}

impl Plan {
    pub fn of(seed: u64) -> Plan {
        let of = |what: u64, below: u64| draw(&[seed, what], below);
        let begins = of(4, 200);
        Plan {
            told: 3 + of(1, 40),
            at_once: 1 + of(2, 8),
            faults: [0, 50, 200, 500][of(3, 4) as usize],
            outage: match of(5, 3) {
                0 => (begins, begins + of(6, 400)),
                _ => (0, 0),
            },
            crashes: of(7, 3),
            seed,
            panics: 0,
        }
    }

    /// Nothing goes wrong, except that the first calls panic.
    pub fn panicking(panics: u64) -> Plan {
        Plan {
            told: 1000,
            at_once: 8,
            faults: 0,
            outage: (0, 0),
            crashes: 0,
            seed: 0,
            panics,
        }
    }

    /// After how long each run but the last is killed.
    pub fn crashes(&self) -> Vec<Duration> {
        (0..self.crashes)
            .map(|crash| Duration::from_millis(1 + draw(&[self.seed, 100, crash], 60_000)))
            .collect()
    }
}

pub(super) struct Faulty {
    plan: Plan,
    seed: u64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    start: Option<Instant>,
    /// When each call of the present process arrived.
    arrivals: Vec<Duration>,
    in_flight: u64,
    /// Calls that were thought about.
    ended: u64,
    attempts: HashMap<u64, u64>,
    /// Good answers that were sent to their end, by question.
    answered: HashMap<u64, u64>,
    /// Calls that were dropped while they were answered: a crash.
    lost: u64,
    /// Good answers of earlier processes that never reached the journal.
    unjournaled: u64,
}

/// Notices when a call is dropped half way.
struct InFlight<'a> {
    state: &'a Mutex<State>,
    ended: bool,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let mut state = self.state.lock().unwrap();
        state.in_flight -= 1;
        if !self.ended {
            state.lost += 1;
        }
    }
}

impl Faulty {
    pub fn new(seed: u64, plan: Plan) -> Faulty {
        Faulty {
            plan,
            seed,
            state: Mutex::default(),
        }
    }

    /// A process was killed, with so many completions in its journal.
    pub fn crashed(&self, journaled: u64) {
        let mut state = self.state.lock().unwrap();
        self.check_windows(&state);
        state.arrivals.clear();
        state.start = None;
        let good: u64 = state.answered.values().sum();
        state.unjournaled = good - journaled;
    }

    /// No window of the told limit ever held more, and no good answer that was journaled was given twice.
    pub fn check(&self, journaled: u64) {
        let state = self.state.lock().unwrap();
        self.check_windows(&state);
        assert_eq!(state.in_flight, 0);
        let good: u64 = state.answered.values().sum();
        assert_eq!(
            journaled,
            good - state.unjournaled,
            "nothing acknowledged is lost"
        );
        let again = good - state.answered.len() as u64;
        assert!(
            again <= state.unjournaled,
            "{again} questions were answered again, {} were not journaled",
            state.unjournaled
        );
    }

    /// Whether every call succeeds in the end.
    pub fn is_well(&self) -> bool {
        self.plan.faults < 200 && self.plan.outage.0 == self.plan.outage.1
    }

    fn check_windows(&self, state: &State) {
        let span = Duration::from_secs(60);
        for (place, first) in state.arrivals.iter().enumerate() {
            let within = state.arrivals[place..]
                .iter()
                .take_while(|at| **at < *first + span);
            let count = within.count() as u64;
            assert!(
                count <= self.plan.told,
                "{count} calls in a minute, {} allowed",
                self.plan.told
            );
        }
    }

    async fn answer(&self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let mut builder = DigestBuilder::new("question");
        builder.json(&serde_json::to_value(call.request).unwrap());
        builder.number(u64::from(call.max_output_tokens));
        let question = builder.finish().seed();
        let (now, attempt) = {
            let mut state = self.state.lock().unwrap();
            let start = *state.start.get_or_insert_with(Instant::now);
            let now = start.elapsed();
            state.arrivals.push(now);
            state.in_flight += 1;
            assert!(
                state.in_flight <= self.plan.at_once,
                "too many calls at once"
            );
            let attempt = state.attempts.entry(question).or_default();
            *attempt += 1;
            (now, *attempt)
        };
        let mut in_flight = InFlight {
            state: &self.state,
            ended: false,
        };
        let chance = |what: u64, below: u64| draw(&[self.seed, question, attempt, what], below);
        sleep(Duration::from_millis(20 + chance(0, 3000))).await;
        {
            let mut state = self.state.lock().unwrap();
            state.ended += 1;
            let panics = state.ended <= self.plan.panics;
            drop(state);
            assert!(!panics, "a defect that the test has made");
        }
        let (from, to) = self.plan.outage;
        let error = |class, text: &str| CallError::new(class, text);
        let fault = if (from..to).contains(&now.as_secs()) {
            Err(error(FailureClass::Transient, "cannot connect"))
        } else if chance(1, 1000) < self.plan.faults {
            match chance(2, 7) {
                0 => Err(error(FailureClass::Transient, "HTTP 500")),
                1 => Err(error(FailureClass::Overloaded, "HTTP 529")),
                2 => Err(error(FailureClass::RateLimit, "HTTP 429")),
                3 => Err(CallError {
                    retry_after: Some(Duration::from_millis(chance(3, 20_000))),
                    ..error(FailureClass::RateLimit, "HTTP 429")
                }),
                4 => {
                    sleep(call.idle_timeout).await;
                    Err(error(FailureClass::Transient, "nothing arrived"))
                }
                5 => Ok((String::new(), Finish::Stop)),
                _ => Ok(("Half an ans".to_owned(), Finish::Length)),
            }
        } else {
            Ok(("A good answer.".to_owned(), Finish::Stop))
        };
        in_flight.ended = true;
        let (text, finish) = fault?;
        (call.accepted)(&[]);
        if finish == Finish::Stop && !text.is_empty() {
            *self
                .state
                .lock()
                .unwrap()
                .answered
                .entry(question)
                .or_default() += 1;
        }
        Ok(RawAnswer {
            text,
            finish,
            finish_reason: "as planned".to_owned(),
            refusal: None,
            thought: false,
            usage: Usage::new(50, 5),
            model: "model".to_owned(),
            served: None,
            observed: Vec::new(),
        })
    }
}

impl Provider for Faulty {
    fn name(&self) -> &str {
        "sim"
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        Box::pin(self.answer(call))
    }
}
