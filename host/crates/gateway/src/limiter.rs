//! Who may start on a lane, and when: records that are begun first, within every window, no more at once than the
//! provider takes, not while it asked for a pause, not while it is down. All on tokio's clock.
//!
//! A caller waits here and holds nothing; what it gets is a [`Permit`], which is given back with what
//! became of the call. No task of its own: whoever comes or goes lets the next ones through, and a timer is
//! set only when time is what they wait for.

mod cache;
mod group;
mod permit;

use std::num::NonZeroU32;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::oneshot;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

use super::error::CallError;
use super::found::{Found, FoundLimit, UnixTime};
use super::lane_view::{BreakerView, Wait};
use crate::limits::breaker::{Admission, Breaker, Outage, State as BreakerState};
use crate::limits::concurrency::Concurrency;
use crate::limits::estimate::Estimate;
use crate::limits::order::{OrderKey, OrderedQueue};
use crate::limits::ramp::{HANDFUL, Ramp};
use crate::limits::rates::{Booked, Booking, Rates, SPREAD, Source, TooLarge, Use};
use crate::limits::refusals::Refusals;
use crate::limits::window::Window;
use types::class::FailureClass;
use types::limit::{Amount, Limit, Observed, Size};

/// The clock begins so much before the lane, so that what was used before can be booked.
const PAST: Duration = Duration::from_secs(2 * 86_400);
/// So many of those who wait are looked at for one that may go.
const AHEAD: usize = 64;
/// Calls that are spread leave in groups, one in so long.
const TOGETHER: Duration = Duration::from_millis(4);
/// Where a limit has a span of no more than this, it matters when exactly a call begins that was let through.
const TIMED: Duration = Duration::from_secs(10);
/// A refusal that asks for a longer wait than this pauses the lane by itself.
const LONG_HINT: Duration = Duration::from_secs(10);
/// The first pause where the provider does not say how long; it grows threefold with each refusal that follows.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest such pause within the first minute and a half: most limits are by the minute.
const LONGEST_AT_FIRST: Duration = Duration::from_secs(8);
const AT_FIRST: Duration = Duration::from_secs(90);

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

/// What a limiter is made with.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    /// Limits that were told.
    pub limits: Vec<Limit>,
    /// Calls at once; found out where absent.
    pub concurrency: Option<u64>,
    /// Failures in a row that open the breaker.
    pub breaker: u32,
    /// How long the provider may be down before calls fail.
    pub patience: Duration,
    /// Whether the lane is known to work. Otherwise only a handful of calls is sent until one is accepted, so that a
    /// wrong key costs a handful.
    pub is_proven: bool,
    /// How long the provider's prompt cache keeps what nobody reads, where questions wait for the first that begins alike.
    pub cache_lifetime: Option<Duration>,
}

/// A handle; clones share it.
#[derive(Clone)]
pub(super) struct Limiter {
    inner: Arc<Inner>,
}

struct Inner {
    start: Instant,
    clock: TokioClock,
    patience: Duration,
    /// Where it stands in a group, if it is in one.
    member: OnceLock<Member>,
    state: Mutex<State>,
}

struct State {
    queue: OrderedQueue<Waiter>,
    rates: Rates,
    /// Spreads the calls of a window.
    governor: Option<Governor>,
    /// Whether the governor spreads by what headers told.
    spreads_by_headers: bool,
    /// Calls that were accepted in the last second, and the most that ever were.
    lately: Window,
    most_lately: u64,
    /// Whether any call of this process was accepted.
    has_accepted: bool,
    /// The pace while no limit is known.
    ramp: Option<Ramp>,
    concurrency: Concurrency,
    estimate: Estimate,
    breaker: Breaker,
    refusals: Refusals,
    cache: PromptCache,
    in_flight: u64,
    /// Whether the provider ever accepted a call.
    accepted: bool,
    /// Number of the next call.
    next_call: u64,
    pause: Option<Pause>,
    /// Why nobody is let through, and until when on the lane's clock.
    held_up: Option<(Hold, Option<Duration>)>,
    held: HeldUp,
    timer: Option<(Duration, AbortHandle)>,
}

/// The provider takes nothing more for now.
struct Pause {
    since: Duration,
    until: Duration,
    /// Grows while the provider does not say how long.
    back_off: Duration,
    class: FailureClass,
    cause: String,
    asked: Option<Duration>,
}

impl State {
    fn likely(&self, asked: RequestSize) -> Size {
        self.estimate.size(asked.bytes, asked.cap)
    }

    fn booked(&self, asked: RequestSize) -> Booked {
        let likely = self.likely(asked);
        Booked {
            likely,
            most: Size {
                output: asked.cap.max(likely.output),
                ..likely
            },
        }
    }
}

struct Waiter {
    asked: RequestSize,
    /// Waits while the provider is down; others are for another lane then.
    waits_for_recovery: bool,
    /// Members of the group that it was sent to in vain.
    tried: Tried,
    /// How often a later one was taken before it.
    passed_over: u32,
    reply: oneshot::Sender<Result<Permit, CallError>>,
}

/// What a call asks for: what it will take is guessed from this when its turn comes, since much may be learned while it
/// waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestSize {
    /// Bytes of the question.
    pub bytes: u64,
    /// Most tokens of the answer.
    pub cap: u64,
    /// What the question begins with, where others begin alike.
    pub prefix: Option<u64>,
}

use super::hold::HeldUp;
pub use super::hold::Hold;
pub(super) use group::{Group, Tried};

use cache::PromptCache;
use group::Member;

/// What a limiter is doing, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct View {
    pub in_flight: u64,
    pub allowed: u64,
    pub waiting: u64,
    pub uses: Vec<Use>,
    pub wait: Option<Wait>,
    pub breaker: BreakerView,
    pub down: Option<String>,
    /// What held calls up for the longest time, and for how long in all.
    pub held_most: Option<(Hold, Duration)>,
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
    number: u64,
    started: Duration,
    accepted: AtomicBool,
    probe: bool,
    settled: bool,
    prefix: Option<u64>,
    is_timed: bool,
}

impl Limiter {
    /// An open limiter.
    pub fn new(settings: &Settings) -> Limiter {
        let start = Instant::now();
        let clock = TokioClock { start };
        let nothing_told = settings.limits.is_empty() && settings.concurrency.is_none();
        let mut concurrency = Concurrency::new(settings.concurrency);
        if !settings.limits.is_empty() {
            concurrency.is_guarded();
        }
        Limiter {
            inner: Arc::new(Inner {
                start,
                clock,
                patience: settings.patience,
                member: OnceLock::new(),
                state: Mutex::new(State {
                    queue: OrderedQueue::default(),
                    rates: Rates::new(&settings.limits),
                    governor: governor(&settings.limits, clock),
                    spreads_by_headers: false,
                    lately: Window::new(u64::MAX, Duration::from_secs(1)),
                    most_lately: 0,
                    has_accepted: false,
                    ramp: nothing_told.then(Ramp::default),
                    concurrency,
                    estimate: Estimate::default(),
                    breaker: Breaker::new(settings.breaker, settings.patience),
                    refusals: Refusals::default(),
                    cache: PromptCache::new(settings.cache_lifetime),
                    in_flight: 0,
                    accepted: settings.is_proven,
                    next_call: 0,
                    pause: None,
                    held_up: None,
                    held: HeldUp::default(),
                    timer: None,
                }),
            }),
        }
    }

    /// What a call is likely to take.
    pub fn estimate(&self, asked: RequestSize) -> Size {
        self.inner.state().likely(asked)
    }

    /// Waits for the right to make a call for the record with this place in the run.
    pub async fn enter(
        &self,
        place: u64,
        asked: RequestSize,
        waits_for_recovery: bool,
    ) -> Result<Permit, CallError> {
        let (reply, permit) = oneshot::channel();
        {
            let mut state = self.inner.state();
            let waiter = Waiter {
                asked,
                waits_for_recovery,
                tried: Tried::default(),
                passed_over: 0,
                reply,
            };
            state.queue.push(place, waiter);
            self.inner.pump(&mut state);
        }
        permit.await.unwrap_or_else(|_| Err(closed()))
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

    /// Begins with what an earlier run found out and is recent.
    pub fn recall(&self, found: &Found, unix: UnixTime) {
        let now = self.inner.now();
        let mut state = self.inner.state();
        let ago = |at: UnixTime| Duration::from_secs(unix.saturating_sub(at));
        for limit in &found.limits {
            state.rates.recall(now, limit, ago(limit.at));
        }
        let at_once = found.at_once.map(|(at_once, _)| at_once);
        if let Some(at_once) = at_once {
            state.concurrency.recall(at_once);
        }
        if state.ramp.is_some()
            && let Some((calls, _)) = found.a_second
        {
            let unaccepted = at_once.map_or(0, |at_once| at_once.calls);
            state.ramp = Some(Ramp::begin_at(calls as f64, unaccepted));
            state.most_lately = calls;
        }
        if let Some((gap, _)) = found.gap_micros {
            state.rates.recall_pace(now, gap as f64 / 1e6);
            state.ramp = None;
            state.concurrency.is_paced();
        }
        self.inner.follow_headers(&mut state, now);
    }

    /// What was found out, if any call was accepted since the process began.
    pub fn found(&self, unix: UnixTime) -> Option<Found> {
        let now = self.inner.now();
        let state = self.inner.state();
        if !state.has_accepted {
            return None;
        }
        let limits = state.rates.found(now).map(|(limit, ago)| FoundLimit {
            at: unix.saturating_sub(ago.as_secs()),
            ..limit
        });
        let pace = state.rates.pace();
        Some(Found {
            limits: limits.collect(),
            // A float becomes an integer by being cut off at the ends, so none wraps.
            gap_micros: pace.map(|rate| ((1e6 / rate) as u64, unix)),
            a_second: Some((state.most_lately, unix)).filter(|(calls, _)| *calls > 0),
            at_once: state.concurrency.found().map(|at_once| (at_once, unix)),
        })
    }

    /// The longest window of a limit that is known.
    pub fn longest(&self) -> Option<Duration> {
        self.inner.state().rates.longest()
    }

    /// Why no call can be made any more, if so.
    pub fn refusal(&self) -> Option<(FailureClass, String)> {
        let now = self.inner.now();
        let state = self.inner.state();
        self.inner.refusal(&state, now)
    }

    /// What it is doing.
    pub fn view(&self) -> View {
        let now = self.inner.now();
        let mut state = self.inner.state();
        let uses = state.rates.uses(now);
        let waiting = self.inner.waiting(&state);
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
            waiting,
            uses,
            wait: state
                .held_up
                .filter(|_| waiting > 0)
                .map(|(hold, until)| Wait {
                    reason: hold.to_string(),
                    advice: hold.advice(),
                    left: until.map(|until| until.saturating_sub(now)),
                }),
            breaker,
            down,
            held_most: state.held.longest(now),
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

    /// Once headers have told limits, these decide, and calls are spread by them.
    fn follow_headers(&self, state: &mut State, now: Duration) {
        if !state.rates.are_told_by_headers()
            || !(state.concurrency.is_guessed() || state.spreads_by_headers)
        {
            return;
        }
        state.concurrency.is_guarded();
        state.ramp = None;
        state.spreads_by_headers = true;
        let uses = state.rates.uses(now);
        let limits: Vec<Limit> = uses.iter().map(|used| used.limit).collect();
        state.governor = governor(&limits, self.clock);
    }

    /// Why no call can be made any more, if so.
    fn refusal(&self, state: &State, now: Duration) -> Option<(FailureClass, String)> {
        let paused = state.pause.as_ref();
        let outlasted = paused.and_then(|pause| self.outlasted(pause, now));
        outlasted.or_else(|| state.breaker.refusal(now))
    }

    /// How many wait for it.
    fn waiting(&self, state: &State) -> u64 {
        let of_group = self.member.get().map_or(0, Member::waiting);
        of_group.saturating_add(state.queue.len() as u64)
    }

    /// Why a pause has lasted for too long, if it has.
    fn outlasted(&self, pause: &Pause, now: Duration) -> Option<(FailureClass, String)> {
        let lasted = now.saturating_sub(pause.since);
        (lasted >= self.patience).then(|| {
            let asked = pause.asked.map_or_else(String::new, |asked| {
                let asked = Duration::from_secs(asked.as_secs());
                format!(
                    " (it asked to wait for {})",
                    humantime::format_duration(asked)
                )
            });
            let (seconds, cause) = (lasted.as_secs(), &pause.cause);
            (
                pause.class,
                format!("it has taken no call for {seconds} s{asked}: {cause}"),
            )
        })
    }

    /// Lets through as many as may go now, and sees to it that the next is looked at in time.
    fn pump(self: &Arc<Self>, state: &mut State) {
        let now = self.now();
        self.let_through(state, now);
        let hold = state.held_up.as_ref().map(|(hold, _)| *hold);
        let hold = hold.filter(|_| self.waiting(state) > 0);
        state.held.note(now, hold.as_ref());
    }

    fn let_through(self: &Arc<Self>, state: &mut State, now: Duration) {
        state.held_up = None;
        let mut queue = std::mem::take(&mut state.queue);
        while state.held_up.is_none()
            && let Some(key) = self.first(state, now, &queue)
        {
            let Some(waiter) = queue.get_mut(key) else {
                break;
            };
            let (asked, waits_for_recovery) = (waiter.asked, waiter.waits_for_recovery);
            let next = match waiter.reply.is_closed() {
                true => None,
                false => Some(self.next(state, now, asked, waits_for_recovery)),
            };
            if let Some(Next::Wait { hold, until }) = next {
                self.hold_up(state, hold, until);
                break;
            }
            let Some(waiter) = queue.remove(key) else {
                break;
            };
            match next {
                Some(Next::Go { probe }) => self.grant(state, now, probe, waiter),
                // Nobody waiting any more is no loss.
                Some(Next::Fail(error)) => drop(waiter.reply.send(Err(error))),
                Some(Next::Wait { .. }) | None => {}
            }
        }
        state.queue = queue;
        if let Some(member) = self.member.get() {
            member.let_through(self, state, now);
        }
    }

    /// Whose turn it is: the first that does not wait for another question to be accepted.
    fn first(
        self: &Arc<Self>,
        state: &mut State,
        now: Duration,
        queue: &OrderedQueue<Waiter>,
    ) -> Option<OrderKey> {
        let mut waits = None;
        let cache = &state.cache;
        let first = queue.first(AHEAD, |waiter| {
            let until = cache.waits_until(waiter.asked.prefix, now);
            waits = waits.or(until);
            until.is_none()
        });
        if let (None, Some(until)) = (first, waits) {
            self.hold_up(state, Hold::Prefix, Some(until));
        }
        first
    }

    /// Nobody is let through for now.
    fn hold_up(self: &Arc<Self>, state: &mut State, hold: Hold, until: Option<Duration>) {
        state.held_up = Some((hold, until));
        if let Some(until) = until {
            self.wake_at(state, until);
        }
    }

    /// What is to be done with a waiter whose turn it is.
    fn next(
        &self,
        state: &mut State,
        now: Duration,
        asked: RequestSize,
        waits_for_recovery: bool,
    ) -> Next {
        let size = state.booked(asked);
        if let Some((class, cause)) = state.breaker.refusal(now) {
            return Next::Fail(CallError::new(class, cause));
        }
        if let BreakerState::Open(outage) | BreakerState::HalfOpen(outage) = state.breaker.state()
            && !waits_for_recovery
        {
            return Next::Fail(CallError::new(outage.class, outage.cause.clone()));
        }
        if state.in_flight >= state.concurrency.allowed() {
            state.concurrency.binds();
            state.rates.held_up_otherwise();
            let at_once = state.concurrency.allowed();
            let guessed = state.concurrency.is_guessed();
            return Next::wait(Hold::Concurrency { at_once, guessed }, None);
        }
        if !state.accepted && state.in_flight >= HANDFUL {
            return Next::wait(Hold::FirstCalls, None);
        }
        if let Some(next) = self.paused(state, now).or_else(|| ramped(state, now)) {
            return next;
        }
        match state.rates.earliest(now, size) {
            Err(error) => return Next::Fail(too_large(error)),
            Ok(at) if at > now => {
                let hold = match state.rates.paced(at) {
                    Some(limit) => Hold::Window {
                        limit,
                        source: Source::Learned,
                    },
                    None => fullest(&state.rates.uses(now)),
                };
                return Next::wait(hold, Some(at));
            }
            Ok(_) => {}
        }
        match state.breaker.admit(now) {
            Admission::Wait(until) => {
                let until = until.or_else(|| state.breaker.gives_up_at());
                return Next::wait(Hold::Down, until);
            }
            Admission::Refused { class, cause } => {
                return Next::Fail(CallError::new(class, cause));
            }
            Admission::Probe => return Next::Go { probe: true },
            Admission::Go => {}
        }
        match state.governor.as_ref().map(|governor| governor.check()) {
            Some(Err(not_until)) => {
                let wait = not_until.wait_time_from(self.clock.now());
                let at = now + wait.max(Duration::from_micros(100));
                Next::wait(Hold::Spread, Some(at))
            }
            Some(Ok(())) | None => Next::Go { probe: false },
        }
    }

    /// What a call has to do because calls were refused, if anything.
    fn paused(&self, state: &State, now: Duration) -> Option<Next> {
        if let Some(pause) = &state.pause {
            if let Some((class, cause)) = self.outlasted(pause, now) {
                return Some(Next::Fail(CallError::new(class, cause)));
            }
            if now < pause.until {
                let last = pause.since.saturating_add(self.patience);
                return Some(Next::wait(Hold::Pause, Some(pause.until.min(last))));
            }
        }
        (!state.refusals.may_start()).then(|| Next::wait(Hold::Refused, None))
    }

    fn grant(self: &Arc<Self>, state: &mut State, now: Duration, probe: bool, waiter: Waiter) {
        state.in_flight += 1;
        let size = state.booked(waiter.asked);
        let number = state.next_call;
        state.next_call += 1;
        state.refusals.started(number);
        state.cache.sent(waiter.asked.prefix, number, now);
        if let Some(ramp) = &mut state.ramp {
            ramp.started(now);
        }
        let permit = Permit {
            inner: Arc::clone(self),
            booking: state.rates.reserve(now, size),
            number,
            started: now,
            accepted: AtomicBool::new(false),
            probe,
            settled: false,
            prefix: waiter.asked.prefix,
            is_timed: state.rates.shortest().is_some_and(|span| span <= TIMED),
        };
        if let Err(Ok(mut permit)) = waiter.reply.send(Ok(permit)) {
            // It went away at this moment: as if it had never come.
            permit.settled = true;
            permit.left(state);
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
    Go { probe: bool },
    Fail(CallError),
    Wait { hold: Hold, until: Option<Duration> },
}

impl Next {
    fn wait(hold: Hold, until: Option<Duration>) -> Next {
        Next::Wait { hold, until }
    }
}

/// Nobody is there any more to let a call through.
fn closed() -> CallError {
    CallError::new(FailureClass::Transient, "the lane is closed")
}

/// What a call has to do while nobody knows the limits, if anything.
fn ramped(state: &State, now: Duration) -> Option<Next> {
    let ramp = state.ramp.as_ref()?;
    if !ramp.has_room() {
        return Some(Next::wait(Hold::Ramp, None));
    }
    (ramp.next() > now).then(|| Next::wait(Hold::Ramp, Some(ramp.next())))
}

/// Spreads calls by the tightest limit on requests: so many calls in that share of the span, evenly.
fn governor(limits: &[Limit], clock: TokioClock) -> Option<Governor> {
    let requests = limits
        .iter()
        .filter(|limit| limit.amount == Amount::Requests);
    let spread = requests.filter_map(|limit| {
        let most = u32::try_from(limit.most).unwrap_or(u32::MAX);
        let period = (limit.span / SPREAD).checked_div(most)?;
        Quota::with_period(period).map(|quota| (period, quota))
    });
    let (period, quota) = spread.max_by_key(|(period, _)| *period)?;
    // A timer is no finer than that, so as many go together.
    let together = TOGETHER.as_nanos() / period.as_nanos().max(1);
    let together = u32::try_from(together).ok().and_then(NonZeroU32::new);
    let quota = quota.allow_burst(together.unwrap_or(NonZeroU32::MIN));
    Some(RateLimiter::direct_with_clock(quota, clock))
}

/// The limit that is used most.
fn fullest(uses: &[Use]) -> Hold {
    let share = |used: &&Use| used.used.saturating_mul(1000) / used.limit.most.max(1);
    uses.iter()
        .max_by_key(share)
        .map_or(Hold::Spread, |fullest| Hold::Window {
            limit: fullest.limit,
            source: fullest.source,
        })
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
