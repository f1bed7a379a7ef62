//! Who may start on a lane, and when: fair between flows, within every window, no more at once than the
//! provider takes, not while it asked for a pause, not while it is down. All on tokio's clock.
//!
//! A caller waits here and holds nothing; what it gets is a [`Permit`], which is given back with what
//! became of the call. No task of its own: whoever comes or goes lets the next ones through, and a timer is
//! set only when time is what they wait for.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::error::CallError;
use super::lane_view::BreakerView;
use crate::core::breaker::{Admission, Breaker, Outage, State as BreakerState};
use crate::core::class::FailureClass;
use crate::core::concurrency::Concurrency;
use crate::core::estimate::Estimate;
use crate::core::fair::FairQueue;
use crate::core::limit::{Amount, Limit, Observed, Size};
use crate::core::rates::{Booking, Rates, SPREAD, TooLarge, Use};

/// The clock begins so much before the lane, so that what was used before can be booked.
const PAST: Duration = Duration::from_secs(2 * 86_400);
/// Calls that are spread leave in groups, one in so long.
const TOGETHER: Duration = Duration::from_millis(4);

/// Tokio's clock, for governor.
#[derive(Clone, Copy, Debug)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }
}

type Governor = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>;

/// What a turnstile is made with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Limits that were told.
    pub limits: Vec<Limit>,
    /// Calls at once.
    pub concurrency: u64,
    /// Failures in a row that open the breaker.
    pub breaker: u32,
    /// How long the provider may be down before calls fail.
    pub patience: Duration,
    /// The first call goes alone until the provider has accepted it, so that a wrong key costs one call.
    pub first_alone: bool,
}

/// A handle; clones share it.
#[derive(Clone)]
pub(super) struct Turnstile {
    inner: Arc<Inner>,
}

struct Inner {
    start: Instant,
    clock: TokioClock,
    governor: Option<Governor>,
    state: Mutex<State>,
}

struct State {
    queue: FairQueue<Waiter>,
    rates: Rates,
    concurrency: Concurrency,
    estimate: Estimate,
    breaker: Breaker,
    in_flight: u64,
    /// Whether the provider ever accepted a call, or that is not asked for.
    accepted: bool,
    paused_until: Duration,
    /// Why nobody is let through, and until when on the lane's clock.
    held_up: Option<(String, Option<Duration>)>,
    timer: Option<(Duration, AbortHandle)>,
}

impl State {
    fn likely(&self, asked: Asked) -> Size {
        self.estimate.size(asked.bytes, asked.cap)
    }
}

struct Waiter {
    asked: Asked,
    /// Waits while the provider is down; others are for another lane then.
    patient: bool,
    reply: oneshot::Sender<Result<Permit, CallError>>,
}

/// What a call asks for: what it will take is guessed from this when its turn comes, since much may be learned while it
/// waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// Bytes of the question.
    pub bytes: u64,
    /// Most tokens of the answer.
    pub cap: u64,
}

/// What the next call waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// In words.
    pub reason: String,
    /// How long it will last, where that is known.
    #[serde(with = "super::lane_view::seconds", rename = "left_seconds")]
    pub left: Option<Duration>,
}

/// What a turnstile is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub in_flight: u64,
    pub allowed: u64,
    pub waiting: u64,
    pub uses: Vec<Use>,
    pub wait: Option<Wait>,
    pub breaker: BreakerView,
    pub down: Option<String>,
}

/// What became of a call.
pub(super) enum Outcome<'a> {
    /// It was answered, and took so much.
    Answered(Size, &'a [Observed]),
    /// It failed.
    Failed(&'a CallError),
}

/// The right to make one call. Dropping it gives the place back.
pub(super) struct Permit {
    inner: Arc<Inner>,
    booking: Booking,
    probe: bool,
    settled: bool,
}

impl Turnstile {
    /// An open turnstile.
    pub fn new(settings: &Settings) -> Turnstile {
        let start = Instant::now();
        let clock = TokioClock { start };
        let requests = settings
            .limits
            .iter()
            .filter(|limit| limit.amount == Amount::Requests);
        // The tightest of them: so many calls in that share of the span, evenly.
        let spread = requests
            .filter_map(|limit| {
                let most = u32::try_from(limit.most).unwrap_or(u32::MAX);
                let period = (limit.span / SPREAD).checked_div(most)?;
                Quota::with_period(period).map(|quota| (period, quota))
            })
            .max_by_key(|(period, _)| *period);
        let governor = spread.map(|(period, quota)| {
            // A timer is no finer than that, so as many go together.
            let together = TOGETHER.as_nanos() / period.as_nanos().max(1);
            let together = u32::try_from(together).ok().and_then(NonZeroU32::new);
            let quota = quota.allow_burst(together.unwrap_or(NonZeroU32::MIN));
            RateLimiter::direct_with_clock(quota, clock)
        });
        Turnstile {
            inner: Arc::new(Inner {
                start,
                clock,
                governor,
                state: Mutex::new(State {
                    queue: FairQueue::default(),
                    rates: Rates::new(&settings.limits),
                    concurrency: Concurrency::new(settings.concurrency),
                    estimate: Estimate::default(),
                    breaker: Breaker::new(settings.breaker, settings.patience),
                    in_flight: 0,
                    accepted: !settings.first_alone,
                    paused_until: Duration::ZERO,
                    held_up: None,
                    timer: None,
                }),
            }),
        }
    }

    /// What a call is likely to take.
    pub fn estimate(&self, asked: Asked) -> Size {
        self.inner.state().likely(asked)
    }

    /// Waits for the right to make a call.
    pub async fn enter(
        &self,
        flow: &str,
        asked: Asked,
        patient: bool,
    ) -> Result<Permit, CallError> {
        let (reply, permit) = oneshot::channel();
        {
            let mut state = self.inner.state();
            let waiter = Waiter {
                asked,
                patient,
                reply,
            };
            state.queue.push(flow, waiter);
            self.inner.pump(&mut state);
        }
        permit.await.unwrap_or_else(|_| {
            Err(CallError::new(
                FailureClass::Transient,
                "the lane is closed",
            ))
        })
    }

    /// Books what was used before, the oldest first.
    pub fn remember(&self, ago: Duration, requests: u64, size: Size) {
        let now = self.inner.now();
        self.inner.state().rates.remember(now, ago, requests, size);
    }

    /// Books calls of this size that may have been under way when an earlier process ended.
    pub fn assume(&self, requests: u64, size: Size) {
        let now = self.inner.now();
        self.inner.state().rates.assume(now, requests, size);
    }

    /// Why no call can be made any more, if so.
    pub fn refusal(&self) -> Option<(FailureClass, String)> {
        let now = self.inner.now();
        self.inner.state().breaker.refusal(now)
    }

    /// What it is doing.
    pub fn view(&self) -> View {
        let now = self.inner.now();
        let mut state = self.inner.state();
        let uses = state.rates.uses(now);
        let down = |outage: &Outage| Some(format!("down: {}", outage.cause));
        let (breaker, down) = match state.breaker.state() {
            BreakerState::Closed => (BreakerView::Closed, None),
            BreakerState::Stopped { cause, .. } => {
                (BreakerView::Stopped, Some(format!("stopped: {cause}")))
            }
            BreakerState::Open(outage) => (BreakerView::Open, down(outage)),
            BreakerState::HalfOpen(outage) => (BreakerView::HalfOpen, down(outage)),
        };
        View {
            in_flight: state.in_flight,
            allowed: state.concurrency.allowed(),
            waiting: state.queue.len() as u64,
            uses,
            wait: state
                .held_up
                .clone()
                .filter(|_| !state.queue.is_empty())
                .map(|(reason, until)| Wait {
                    reason,
                    left: until.map(|until| until.saturating_sub(now)),
                }),
            breaker,
            down,
        }
    }
}

impl Inner {
    fn now(&self) -> Duration {
        PAST + self.start.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets through as many as may go now, and sees to it that the next is looked at in time.
    fn pump(self: &Arc<Self>, state: &mut State) {
        let now = self.now();
        state.held_up = None;
        while let Some(waiter) = state.queue.peek() {
            if waiter.reply.is_closed() {
                state.queue.pop();
                continue;
            }
            match self.next(state, now) {
                Next::Go { probe } => self.grant(state, now, probe),
                Next::Fail(error) => {
                    if let Some(waiter) = state.queue.pop() {
                        // Nobody waiting any more is no loss.
                        let _ = waiter.reply.send(Err(error));
                    }
                }
                Next::Wait { reason, until } => {
                    state.held_up = Some((reason, until));
                    if let Some(until) = until {
                        self.wake_at(state, until);
                    }
                    return;
                }
            }
        }
    }

    /// What is to be done with the waiter whose turn it is.
    fn next(&self, state: &mut State, now: Duration) -> Next {
        let Some(waiter) = state.queue.peek() else {
            return Next::wait("nothing", None);
        };
        let size = state.likely(waiter.asked);
        if let Some((class, cause)) = state.breaker.refusal(now) {
            return Next::Fail(CallError::new(class, cause));
        }
        if let BreakerState::Open(outage) | BreakerState::HalfOpen(outage) = state.breaker.state()
            && !waiter.patient
        {
            return Next::Fail(CallError::new(outage.class, outage.cause.clone()));
        }
        if state.in_flight >= state.concurrency.allowed() {
            let reason = format!("one of {} calls at once", state.concurrency.allowed());
            return Next::wait(reason, None);
        }
        if !state.accepted && state.in_flight > 0 {
            return Next::wait("the provider to accept the first call", None);
        }
        if now < state.paused_until {
            return Next::wait(
                "the pause that the provider asked for",
                Some(state.paused_until),
            );
        }
        match state.rates.earliest(now, size) {
            Err(error) => return Next::Fail(too_large(error)),
            Ok(at) if at > now => {
                let reason = fullest(&state.rates.uses(now));
                return Next::wait(reason, Some(at));
            }
            Ok(_) => {}
        }
        match state.breaker.admit(now) {
            Admission::Wait(until) => {
                let until = until.or_else(|| state.breaker.gives_up_at());
                return Next::wait("the provider to come back", until);
            }
            Admission::Refused { class, cause } => {
                return Next::Fail(CallError::new(class, cause));
            }
            Admission::Probe => return Next::Go { probe: true },
            Admission::Go => {}
        }
        match self.governor.as_ref().map(|governor| governor.check()) {
            Some(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                Next::wait(
                    "its place in the window",
                    Some(now + wait.max(Duration::from_micros(100))),
                )
            }
            Some(Ok(())) | None => Next::Go { probe: false },
        }
    }

    fn grant(self: &Arc<Self>, state: &mut State, now: Duration, probe: bool) {
        let Some(waiter) = state.queue.pop() else {
            return;
        };
        state.in_flight += 1;
        let size = state.likely(waiter.asked);
        let permit = Permit {
            inner: Arc::clone(self),
            booking: state.rates.reserve(now, size),
            probe,
            settled: false,
        };
        if let Err(Ok(mut permit)) = waiter.reply.send(Ok(permit)) {
            // It went away at this moment: as if it had never come.
            permit.settled = true;
            state.in_flight -= 1;
            state.rates.cancel(&permit.booking);
            if probe {
                state.breaker.abandoned(now);
            }
        }
    }

    /// Looks again at a moment, unless it is looked at before that anyway.
    fn wake_at(self: &Arc<Self>, state: &mut State, until: Duration) {
        if let Some((at, timer)) = &state.timer {
            if *at <= until && !timer.is_finished() {
                return;
            }
            timer.abort();
        }
        let at = self.start + until.saturating_sub(PAST);
        let inner: Weak<Inner> = Arc::downgrade(self);
        let timer = tokio::spawn(async move {
            sleep_until(at).await;
            if let Some(inner) = inner.upgrade() {
                let mut state = inner.state();
                state.timer = None;
                inner.pump(&mut state);
            }
        });
        state.timer = Some((until, timer.abort_handle()));
    }
}

enum Next {
    Go {
        probe: bool,
    },
    Fail(CallError),
    Wait {
        reason: String,
        until: Option<Duration>,
    },
}

impl Next {
    fn wait(reason: impl Into<String>, until: Option<Duration>) -> Next {
        Next::Wait {
            reason: reason.into(),
            until,
        }
    }
}

impl Permit {
    /// The provider has accepted the call: others need not wait for it any more.
    pub fn accepted(&self) {
        let mut state = self.inner.state();
        if !state.accepted {
            state.accepted = true;
            self.inner.pump(&mut state);
        }
    }

    /// Gives the right back, with what became of the call.
    pub fn settle(mut self, bytes: u64, outcome: &Outcome<'_>) {
        self.settled = true;
        let inner = Arc::clone(&self.inner);
        let now = inner.now();
        let mut guard = inner.state();
        let state = &mut *guard;
        state.in_flight = state.in_flight.saturating_sub(1);
        match outcome {
            Outcome::Answered(used, observed) => {
                state.accepted = true;
                state.rates.settle(&self.booking, *used);
                state.rates.passed(state.in_flight);
                state.estimate.observe(bytes, *used);
                state.concurrency.passed();
                state.breaker.succeeded();
                observed
                    .iter()
                    .for_each(|said| state.rates.observe(now, said));
            }
            Outcome::Failed(error) => {
                let used = Size {
                    input: error.usage.input_tokens,
                    output: error.usage.output_tokens,
                };
                if error.class != FailureClass::RateLimit {
                    state.rates.settle(&self.booking, used);
                } else {
                    let tokens = error.message.to_ascii_lowercase().contains("token");
                    let hint = error.retry_after;
                    let follows =
                        state
                            .rates
                            .refused(now, &self.booking, hint, tokens, state.in_flight);
                    if follows && hint.is_none() {
                        state.concurrency.refused(now, state.in_flight);
                    }
                    if let Some(hint) = hint {
                        state.paused_until = state.paused_until.max(now + hint);
                    }
                }
                error
                    .observed
                    .iter()
                    .for_each(|said| state.rates.observe(now, said));
                state.breaker.failed(now, error.class, &error.message);
            }
        }
        inner.pump(state);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.settled {
            let now = self.inner.now();
            let mut state = self.inner.state();
            state.in_flight = state.in_flight.saturating_sub(1);
            if self.probe {
                state.breaker.abandoned(now);
            }
            self.inner.pump(&mut state);
        }
    }
}

/// The limit that is used most, in words.
fn fullest(uses: &[Use]) -> String {
    let share = |used: &&Use| used.used.saturating_mul(1000) / used.limit.most.max(1);
    uses.iter().max_by_key(share).map_or_else(
        || "its place in the window".to_owned(),
        |fullest| {
            let learned = if fullest.learned { " (learned)" } else { "" };
            format!(
                "room within {} {} per {}{learned}",
                fullest.limit.most,
                fullest.limit.amount.as_str(),
                fullest.limit.per()
            )
        },
    )
}

fn too_large(error: TooLarge) -> CallError {
    let TooLarge { amount, limit } = error;
    let (unit, per) = (limit.amount.as_str(), limit.per());
    CallError::new(
        FailureClass::BadRequest,
        format!(
            "the request needs about {amount} {unit}, and the limit is {} per {per}; raise {unit}-per-{per} or \
             lower max-output-tokens",
            limit.most
        ),
    )
}

#[cfg(test)]
mod tests;
