//! A lane: one model of one provider under one key, the unit of limits, retries and breaker. It brings
//! answers that can be used, or one error that says why not. No permit is held during a back-off.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, sleep};

use super::error::CallError;
use super::pace::Pace;
use super::provider::{Call, Finish, Provider, RawAnswer};
use super::render::render;
use super::request::{Answer, Completion, CompletionRequest, StopReason, Usage};
use crate::core::breaker::{Admission, Breaker, State};
use crate::core::class::FailureClass;
use crate::core::key::Parameters;
use crate::core::retry::{Failure, RetryPolicy};

/// Failures in a row, over all calls of the lane, that open its breaker.
const BREAKER: u32 = 10;

/// Limits of a lane; what is absent is not limited.
#[derive(Clone, Copy, Debug, Default)]
pub struct LaneLimits {
    /// Requests in any minute.
    pub requests_per_minute: Option<u64>,
    /// Tokens in any minute.
    pub tokens_per_minute: Option<u64>,
    /// Requests at once.
    pub concurrency: Option<u64>,
}

/// How a lane behaves.
#[derive(Clone, Copy, Debug)]
pub struct LaneSettings {
    /// Its limits.
    pub limits: LaneLimits,
    /// When it tries again.
    pub retry: RetryPolicy,
    /// Nothing for so long is a failure.
    pub idle_timeout: Duration,
}

/// Is told what happens on a lane, for the statistics.
pub trait Observer: Send + Sync {
    /// A provider answered; these tokens were billed.
    fn call_ended(&self, usage: Usage);
    /// A try failed.
    fn try_failed(&self, model: &str, error: &CallError);
    /// An answer was in the journal.
    fn journaled(&self);
}

/// What a lane is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneView {
    /// `provider/model`.
    pub model: String,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// Requests of the last minute and their limit.
    pub used: Option<(u64, u64)>,
}

/// A usable answer and what it took.
#[derive(Clone, Debug)]
pub struct Obtained {
    /// What the component may see.
    pub answer: Answer,
    /// Model that answered.
    pub model: String,
    /// Tokens of all tries.
    pub usage: Usage,
    /// Tries, the last included.
    pub tries: u32,
}

/// One lane.
pub struct Lane {
    model: String,
    provider: Arc<dyn Provider>,
    settings: LaneSettings,
    pace: Pace,
    slots: Semaphore,
    slot_count: u64,
    breaker: Mutex<Breaker>,
    breaker_changed: Notify,
    observer: Arc<dyn Observer>,
    closing: watch::Receiver<bool>,
}

impl Lane {
    /// A lane to `model`, named as `provider/model`. Once `closing` is true no call begins any more;
    /// what is being answered is still waited for, since it is paid for.
    pub fn new(
        model: String,
        provider: Arc<dyn Provider>,
        settings: LaneSettings,
        observer: Arc<dyn Observer>,
        closing: watch::Receiver<bool>,
    ) -> Lane {
        let limits = settings.limits;
        let slot_count = limits
            .concurrency
            .unwrap_or(u64::MAX)
            .min(Semaphore::MAX_PERMITS as u64);
        Lane {
            pace: Pace::new(limits.requests_per_minute, limits.tokens_per_minute),
            slots: Semaphore::new(usize::try_from(slot_count).unwrap_or(Semaphore::MAX_PERMITS)),
            slot_count,
            breaker: Mutex::new(Breaker::new(BREAKER)),
            breaker_changed: Notify::new(),
            model,
            provider,
            settings,
            observer,
            closing,
        }
    }

    /// Name of the provider.
    pub fn provider(&self) -> &str {
        self.provider.name()
    }

    /// What it is doing.
    pub fn view(&self) -> LaneView {
        LaneView {
            model: self.model.clone(),
            in_flight: self
                .slot_count
                .saturating_sub(self.slots.available_permits() as u64),
            used: self.pace.used(),
        }
    }

    /// Lets one call find out whether a lane that was down is back.
    pub fn probe(&self) {
        self.breaker().probe();
        self.breaker_changed.notify_waiters();
    }

    /// Why nothing can be had from the lane any more, if so.
    pub fn stopped(&self) -> Option<CallError> {
        match self.breaker().state() {
            State::Open { class, cause } if class.stops_lane() => {
                Some(CallError::new(*class, cause.clone()))
            }
            _ => None,
        }
    }

    /// Gets an answer, with retries, and once more with twice the cap if it was cut off.
    ///
    /// # Errors
    /// When nothing that may be tried brought a usable answer.
    pub async fn obtain(
        &self,
        parameters: &Parameters,
        request: &CompletionRequest,
        seed: u64,
    ) -> Result<Obtained, CallError> {
        let mut cap = parameters.max_output_tokens;
        let mut spent = Usage::default();
        let mut tries = 0;
        let mut raised = false;
        loop {
            let call = Call {
                request,
                model: self
                    .model
                    .split_once('/')
                    .map_or(self.model.as_str(), |(_, name)| name),
                temperature: parameters.temperature,
                max_output_tokens: cap,
                idle_timeout: self.settings.idle_timeout,
                seed,
            };
            let result = self.retried(call, &mut spent, &mut tries).await;
            let raw = match result {
                Ok(raw) => raw,
                Err(error) => {
                    let answer = match error.class {
                        FailureClass::ContentFilter => Answer::ContentFiltered(error.message),
                        FailureClass::Context => Answer::ContextTooLong(error.message),
                        _ => {
                            return Err(CallError {
                                usage: spent,
                                ..error
                            });
                        }
                    };
                    return Ok(Obtained {
                        answer,
                        model: self.model.clone(),
                        usage: spent,
                        tries,
                    });
                }
            };
            if raw.finish == Finish::Length && !raised {
                raised = true;
                cap = cap.saturating_mul(2);
                continue;
            }
            let answer = match raw.finish {
                Finish::ContentFilter => Answer::ContentFiltered(format!(
                    "the answer was withheld ({})",
                    raw.finish_reason
                )),
                finish => Answer::Completion(Completion {
                    text: raw.text,
                    stop: match finish {
                        Finish::Length => StopReason::Length,
                        _ => StopReason::Stop,
                    },
                    finish_reason: raw.finish_reason,
                    usage: spent,
                    model: raw.model.clone(),
                }),
            };
            return Ok(Obtained {
                answer,
                model: raw.model,
                usage: spent,
                tries,
            });
        }
    }

    /// One call with its retries.
    async fn retried(
        &self,
        call: Call<'_>,
        spent: &mut Usage,
        tries: &mut u32,
    ) -> Result<RawAnswer, CallError> {
        let started = Instant::now();
        let (mut counted, mut in_a_row) = (0, 0);
        let mut probe = Probe {
            lane: self,
            active: false,
        };
        loop {
            let result = self.attempt(call, &mut probe).await;
            *tries += 1;
            let error = match result {
                Ok(raw) => {
                    *spent += raw.usage;
                    self.observer.call_ended(raw.usage);
                    self.pace.observe(raw.usage.output_tokens);
                    probe.ended(|breaker| breaker.succeeded());
                    if !raw.text.trim().is_empty() || raw.finish == Finish::ContentFilter {
                        return Ok(raw);
                    }
                    CallError::new(FailureClass::Transient, "the answer is empty")
                }
                Err(Refusal::NotSent(error)) => return Err(error),
                Err(Refusal::Call(error)) => {
                    *spent += error.usage;
                    self.breaker().failed(error.class, &error.message);
                    self.breaker_changed.notify_waiters();
                    error
                }
            };
            self.observer.try_failed(&self.model, &error);
            in_a_row += 1;
            if error.class != FailureClass::RateLimit {
                counted += 1;
            } else if let Some(hint) = error.retry_after {
                self.pace.pause(hint);
            }
            let failure = Failure {
                class: error.class,
                tries: counted,
                in_a_row,
                elapsed: started.elapsed(),
                hint: error.retry_after,
            };
            match self
                .settings
                .retry
                .next(failure, random(call.seed, in_a_row))
            {
                Some(wait) => self.unless_closing(sleep(wait)).await?,
                None => {
                    probe.ended(|breaker| breaker.gave_up(error.class, &error.message));
                    return Err(error);
                }
            }
        }
    }

    /// One try: a slot and a place in the windows are held while it lasts, and only then.
    async fn attempt(&self, call: Call<'_>, probe: &mut Probe<'_>) -> Result<RawAnswer, Refusal> {
        let slot = loop {
            self.admitted(probe).await.map_err(Refusal::NotSent)?;
            let slot = self
                .unless_closing(self.slots.acquire())
                .await
                .and_then(|slot| slot.map_err(|_| closed()))
                .map_err(Refusal::NotSent)?;
            // While it waited for the slot, others may have found the lane down.
            if probe.active || *self.breaker().state() == State::Closed {
                break slot;
            }
        };
        let bytes: usize = render(call.request)
            .iter()
            .map(|message| message.content.len())
            .sum();
        let booking = self
            .unless_closing(self.pace.start(
                (bytes as u64).div_ceil(4),
                u64::from(call.max_output_tokens),
            ))
            .await
            .flatten()
            .map_err(Refusal::NotSent)?;
        let result = self.provider.call(call).await;
        drop(slot);
        let used = match &result {
            Ok(raw) => raw.usage,
            Err(error) => error.usage,
        };
        self.pace.settle(
            &booking,
            used.input_tokens.saturating_add(used.output_tokens),
        );
        result.map_err(Refusal::Call)
    }

    async fn admitted(&self, probe: &mut Probe<'_>) -> Result<(), CallError> {
        loop {
            let changed = self.breaker_changed.notified();
            let admission = if probe.active {
                Admission::Go
            } else {
                self.breaker().admit()
            };
            match admission {
                Admission::Go => {
                    probe.active = probe.active || self.breaker().is_probing();
                    return Ok(());
                }
                Admission::Wait => self.unless_closing(changed).await?,
                Admission::Refused { class, cause } => return Err(CallError::new(class, cause)),
            }
        }
    }

    /// Waits for something, but not once the lane is closing.
    async fn unless_closing<T>(&self, wait: impl Future<Output = T>) -> Result<T, CallError> {
        let mut closing = self.closing.clone();
        tokio::select! {
            biased;
            _ = closing.wait_for(|closing| *closing) => Err(closed()),
            done = wait => Ok(done),
        }
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a try brought nothing.
enum Refusal {
    /// Nothing was sent: the breaker is open, the lane closing, or the request too large.
    NotSent(CallError),
    /// The call failed.
    Call(CallError),
}

fn closed() -> CallError {
    CallError::new(FailureClass::Transient, "the run is being stopped")
}

/// Whether this call is the one that finds out for all. If it is dropped half way, another may.
struct Probe<'a> {
    lane: &'a Lane,
    active: bool,
}

impl Probe<'_> {
    fn ended(&mut self, change: impl FnOnce(&mut Breaker)) {
        self.active = false;
        change(&mut self.lane.breaker());
        self.lane.breaker_changed.notify_waiters();
    }
}

impl Drop for Probe<'_> {
    fn drop(&mut self) {
        if self.active {
            self.ended(Breaker::abandoned);
        }
    }
}

/// A number in 0..1 that spreads callers and is the same in every run.
fn random(seed: u64, turn: u32) -> f64 {
    let mixed = (seed ^ u64::from(turn)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}
