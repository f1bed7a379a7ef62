//! All windows of one lane: the limits that it was told, and those that it learned from what the provider
//! said or refused. Predictive: a call is booked by estimate before it starts and settled by what it used.
//! Reactive: a refusal that follows the rate lowers what was learned once, and clean time raises it again.
//! It does not wait, and knows neither requests nor providers.

use std::collections::VecDeque;
use std::time::Duration;

use super::limit::{Amount, Limit, Observed, Size};
use super::window::{Reservation, Window};

/// A window's worth of calls is spread over this share of its span: providers punish bursts, and calls that
/// leave together do not arrive together.
pub const SPREAD: u32 = 50;
/// An answer may have come so long before a process was killed and not have reached the disk.
const UNWRITTEN: Duration = Duration::from_millis(250);
/// Calls arrive at the provider a little earlier or later than they left. A window that is longer by this
/// share of its span, within bounds, holds its limit at the other end too.
const MARGIN: u32 = 50;
const LEAST_MARGIN: Duration = Duration::from_millis(20);
/// Of a limit that was learned: it was seen at the other end, and is probed anyway.
const LEARNED_MARGIN: Duration = Duration::from_millis(10);
const MOST_MARGIN: Duration = Duration::from_millis(1200);

/// Spans that a limit may have that nobody told.
const SPANS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(60),
    Duration::from_secs(86_400),
];
/// Outcomes that are remembered, to tell whether refusals follow the rate; twice the calls that are under way
/// where that is more.
const OUTCOMES: usize = 20;
/// Fewer than this tell nothing.
const FEW: usize = 10;
/// A guard is probed again so long after a refusal; twice as long after each further one.
const PROBE_AFTER: Duration = Duration::from_secs(6);
const PROBE_AT_LEAST_EVERY: Duration = Duration::from_secs(48);
/// So long without a refusal, and what was probed counts as allowed.
const PROBE_SETTLES: Duration = Duration::from_secs(1);
/// Refusals within so long of the first belong to one burst.
const BURST: Duration = Duration::from_secs(1);
/// A learned limit that was lowered so often for a few refusals among many answers, without a probe between, is none.
const IN_VAIN: u32 = 5;

/// A call that was let through; to be settled with what it used.
#[derive(Clone, Debug)]
pub struct Booking {
    size: Size,
    reservations: Vec<(u64, Reservation)>,
}

/// Why a call can never start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge {
    /// How much it takes.
    pub amount: u64,
    /// Of which limit.
    pub limit: Limit,
}

/// How much of a limit is used, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    /// The limit.
    pub limit: Limit,
    /// How much of it is used now.
    pub used: u64,
    /// Whether it was learned, and not told.
    pub learned: bool,
}

/// The windows of one lane. Times are measured from any fixed moment and must not go backwards.
#[derive(Debug)]
pub struct Rates {
    guards: Vec<Guard>,
    /// What went through, by what a refusal may be about, to learn from.
    history: Vec<(Amount, Duration, Window)>,
    outcomes: VecDeque<bool>,
    burst_until: Duration,
    next_guard: u64,
}

#[derive(Debug)]
struct Guard {
    number: u64,
    amount: Amount,
    /// As the provider counts; the window's own is longer by the margin.
    span: Duration,
    window: Window,
    probe: Option<Probe>,
}

/// How a learned limit finds out whether there is more.
#[derive(Debug)]
struct Probe {
    next: Duration,
    interval: Duration,
    step: u64,
    /// Times that it was lowered for few refusals since it was last raised.
    in_vain: u32,
}

impl Rates {
    /// Windows for the limits that were told.
    pub fn new(told: &[Limit]) -> Rates {
        let mut rates = Rates {
            guards: Vec::new(),
            history: Vec::new(),
            outcomes: VecDeque::new(),
            burst_until: Duration::ZERO,
            next_guard: 0,
        };
        for limit in told {
            rates.guard(limit.amount, limit.span, limit.most, None);
        }
        for amount in [Amount::Requests, Amount::Tokens] {
            for span in SPANS {
                rates
                    .history
                    .push((amount, span, Window::new(u64::MAX, span)));
            }
        }
        rates
    }

    fn guard(&mut self, amount: Amount, span: Duration, most: u64, probe: Option<Probe>) {
        let margin = match probe {
            None => (span / MARGIN).clamp(LEAST_MARGIN, MOST_MARGIN),
            Some(_) => LEARNED_MARGIN,
        };
        self.guards.push(Guard {
            number: self.next_guard,
            amount,
            span,
            window: Window::new(most, span + margin),
            probe,
        });
        self.next_guard += 1;
    }

    /// When a call of this size may start, `now` or later.
    ///
    /// # Errors
    /// When it takes more than a limit that was told allows at all.
    pub fn earliest(&mut self, now: Duration, size: Size) -> Result<Duration, TooLarge> {
        let mut at = now;
        for guard in &mut self.guards {
            let amount = size.of(guard.amount);
            let told = guard.probe.is_none();
            let free = match guard.window.earliest(now, amount) {
                Some(free) => free,
                None if told => {
                    return Err(TooLarge {
                        amount,
                        limit: guard.limit(),
                    });
                }
                // What was learned may be wrong: such a call goes when nothing else does.
                None => guard
                    .window
                    .earliest(now, guard.window.limit())
                    .unwrap_or(now),
            };
            at = at.max(if free > now {
                guard.probed(now, free)
            } else {
                free
            });
        }
        Ok(at)
    }

    /// Books a call that starts now.
    pub fn reserve(&mut self, now: Duration, size: Size) -> Booking {
        for (amount, _, window) in &mut self.history {
            window.reserve(now, size.of(*amount));
        }
        let reservations = self
            .guards
            .iter_mut()
            .map(|guard| {
                (
                    guard.number,
                    guard.window.reserve(now, size.of(guard.amount)),
                )
            })
            .collect();
        Booking { size, reservations }
    }

    /// Corrects a booking to what was used.
    pub fn settle(&mut self, booking: &Booking, used: Size) {
        self.correct(booking, |guard| used.of(guard.amount));
    }

    /// Takes back a booking of which nothing was sent.
    pub fn cancel(&mut self, booking: &Booking) {
        self.correct(booking, |_| 0);
    }

    fn correct(&mut self, booking: &Booking, actual: impl Fn(&Guard) -> u64) {
        for (number, reservation) in &booking.reservations {
            let found = self.guards.iter_mut().find(|guard| guard.number == *number);
            if let Some(guard) = found {
                let actual = actual(guard);
                guard.window.settle(*reservation, actual);
            }
        }
    }

    /// Books what was used before this process began, `ago` before `now`; the oldest first.
    pub fn remember(&mut self, now: Duration, ago: Duration, requests: u64, size: Size) {
        let at = now.saturating_sub(ago);
        for guard in &mut self.guards {
            let amount = match guard.amount {
                Amount::Requests => requests,
                amount => size.of(amount),
            };
            guard.window.reserve(at, amount);
        }
    }

    /// Books calls that may have been under way when an earlier process was killed, and what may have been answered
    /// and not written, up to a whole limit, since it kept to it. What is remembered stands apart: it is booked when
    /// it was answered, and was sent before these.
    pub fn assume(&mut self, now: Duration, requests: u64, size: Size) {
        for guard in &mut self.guards {
            let amount = match guard.amount {
                Amount::Requests => requests,
                amount => size.of(amount).saturating_mul(requests),
            };
            let most = guard.window.limit();
            let burst = (guard.span / SPREAD).as_secs_f64();
            let unwritten = most as f64 * (UNWRITTEN.as_secs_f64() / burst).min(1.0);
            let amount = amount.saturating_add(unwritten.ceil() as u64);
            guard.window.reserve(now, amount.min(most));
        }
    }

    /// A call was let through and answered, while so many others are under way.
    pub fn passed(&mut self, under_way: u64) {
        self.outcome(true, under_way);
    }

    /// The provider refused a call for its rate, while so many others are under way. `hint` is how long it asked
    /// to wait. Returns whether the refusals follow the rate, so that fewer calls at once would help too.
    pub fn refused(
        &mut self,
        now: Duration,
        booking: &Booking,
        hint: Option<Duration>,
        tokens: bool,
        under_way: u64,
    ) -> bool {
        self.outcome(false, under_way);
        // Some providers count what they refuse, and what was told is never to be overrun. What is learned
        // is what went through.
        self.correct(booking, |guard| {
            u64::from(guard.amount == Amount::Requests && guard.probe.is_none())
        });
        for (amount, _, window) in &mut self.history {
            // It was not let through. Of what it was booked as, nothing counted.
            window.take_back(booking.size.of(*amount));
        }
        let amount = if tokens {
            Amount::Tokens
        } else {
            Amount::Requests
        };
        let in_burst = now < self.burst_until;
        let few = self.refused_lately() * 4 < self.outcomes.len();
        let mut follows = false;
        for guard in self.guards.iter_mut().filter(|guard| guard.probe.is_some()) {
            let used = guard.window.used(now);
            // A guard that is far from full has nothing to do with the refusal.
            if used.saturating_mul(20) >= guard.window.limit().saturating_mul(19) {
                follows = true;
                guard.lower(now, used, in_burst, few);
            }
        }
        let in_vain =
            |guard: &Guard| matches!(&guard.probe, Some(probe) if probe.in_vain > IN_VAIN);
        if self.guards.iter().any(in_vain) {
            // An accident taught it: the refusals do not follow it.
            self.guards.retain(|guard| !in_vain(guard));
            self.outcomes.clear();
            return false;
        }
        if !follows && self.refusals_follow(under_way) && (hint.is_some() || !in_burst) {
            follows = true;
            let hinted = hint.map(|hint| SPANS.into_iter().find(|span| hint <= *span));
            let learned = self.guards.iter_mut().filter(|guard| guard.probe.is_some());
            let longest = learned.max_by_key(|guard| guard.span);
            match (longest, hinted) {
                // It asks to wait for longer than any limit that is known.
                (Some(guard), Some(Some(span))) if span > guard.span => {
                    self.learn(now, amount, span);
                }
                (Some(guard), _) => {
                    let used = guard.window.used(now);
                    let longer = SPANS.into_iter().find(|span| *span > guard.span);
                    match longer.filter(|_| used == 0) {
                        // Nothing went through for so long, and still it refuses.
                        Some(span) => self.learn(now, amount, span),
                        None => {
                            guard.lower(now, used, in_burst, few);
                            // It is judged anew by what comes of this.
                            self.outcomes.clear();
                        }
                    }
                }
                (None, span) => {
                    let [shortest, ..] = SPANS;
                    self.learn(now, amount, span.flatten().unwrap_or(shortest));
                }
            }
        }
        if follows && !in_burst {
            self.burst_until = now + BURST;
        }
        follows || (in_burst && self.refusals_follow(under_way))
    }

    /// Corrects the windows by what a response's headers said.
    pub fn observe(&mut self, now: Duration, observed: &Observed) {
        let span = observed.span.or_else(|| {
            let reset = observed.reset?;
            SPANS.into_iter().find(|span| reset <= *span)
        });
        let (Some(span), Some(limit)) = (span, observed.limit.filter(|limit| *limit > 0)) else {
            return;
        };
        let same = |guard: &Guard| guard.amount == observed.amount && guard.span == span;
        if !self.guards.iter().any(same) {
            // The provider says its limit: nothing to probe for, and nobody told a lower one.
            self.guard(observed.amount, span, limit, None);
        }
        let Some(guard) = self.guards.iter_mut().find(|guard| same(guard)) else {
            return;
        };
        guard.window.set_limit(guard.window.limit().min(limit));
        // Others may use the same key: what they used is missing here.
        if let Some(remaining) = observed.remaining {
            let used = limit.saturating_sub(remaining);
            let ours = guard.window.used(now);
            if used > ours {
                guard.window.reserve(now, used - ours);
            }
        }
    }

    /// How much of each limit is used.
    pub fn uses(&mut self, now: Duration) -> Vec<Use> {
        self.guards
            .iter_mut()
            .map(|guard| Use {
                limit: guard.limit(),
                used: guard.window.used(now),
                learned: guard.probe.is_some(),
            })
            .collect()
    }

    fn outcome(&mut self, passed: bool, under_way: u64) {
        let under_way = usize::try_from(under_way).unwrap_or(usize::MAX);
        while self.outcomes.len() >= OUTCOMES.max(under_way.saturating_mul(2)) {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(passed);
    }

    /// Whether so many of the last calls were refused that it is no accident: who is over a limit with calls
    /// at once is refused most of them, and a server that stumbles refuses a few. Calls under way count as let
    /// through, since a refusal comes sooner than an answer.
    fn refusals_follow(&self, under_way: u64) -> bool {
        let all = (self.outcomes.len() as u64).saturating_add(under_way);
        self.outcomes.len() >= FEW && self.refused_lately() as u64 * 2 >= all
    }

    /// How many of the last outcomes were refusals.
    fn refused_lately(&self) -> usize {
        self.outcomes.iter().filter(|passed| !**passed).count()
    }

    /// Takes what went through within `span` for the limit.
    fn learn(&mut self, now: Duration, amount: Amount, span: Duration) {
        // One that was told may be far too high.
        let known = self
            .guards
            .iter()
            .any(|guard| guard.probe.is_some() && guard.amount == amount && guard.span == span);
        let history = self
            .history
            .iter_mut()
            .find(|(of, length, _)| *of == amount && *length == span);
        let Some((_, _, history)) = history.filter(|_| !known) else {
            return;
        };
        let most = history.used(now).max(1);
        let probe = Probe {
            next: now + PROBE_AFTER,
            interval: PROBE_AFTER,
            step: 1,
            in_vain: 0,
        };
        self.guard(amount, span, most, Some(probe));
        // The window begins full: what it learned from is what it holds.
        if let Some(guard) = self.guards.last_mut() {
            guard.window.reserve(now, most);
        }
    }
}

impl Guard {
    fn limit(&self) -> Limit {
        Limit {
            amount: self.amount,
            span: self.span,
            most: self.window.limit(),
        }
    }

    /// A call waits for this guard until `free`. If it is learned and was not probed for a while, a few more
    /// are let through to see.
    fn probed(&mut self, now: Duration, free: Duration) -> Duration {
        let Some(probe) = &mut self.probe else {
            return free;
        };
        if now < probe.next {
            return free.min(probe.next);
        }
        let limit = self.window.limit();
        self.window.set_limit(limit.saturating_add(probe.step));
        probe.step = probe.step.saturating_mul(2).min((limit / 4).max(1));
        probe.next = now + PROBE_SETTLES;
        probe.in_vain = 0;
        if probe.step > (limit / 16).max(8) {
            // There is much more room than was thought.
            probe.interval = PROBE_AFTER;
        }
        now
    }

    /// The provider refused while this guard was full; `few` if it refuses few of many.
    fn lower(&mut self, now: Duration, used: u64, in_burst: bool, few: bool) {
        let limit = self.window.limit();
        let Some(probe) = &mut self.probe else { return };
        if in_burst {
            self.window.set_limit(limit.min(used).max(1));
            return;
        }
        // A probe that went too far goes back by what it had added; otherwise the limit itself has fallen.
        let back = if probe.step > 1 {
            probe.step / 2
        } else {
            (limit / 50).max(1)
        };
        self.window
            .set_limit(limit.min(used).saturating_sub(back).max(1));
        probe.step = 1;
        probe.in_vain += u32::from(few);
        probe.next = now + probe.interval;
        probe.interval = (probe.interval * 2).min(PROBE_AT_LEAST_EVERY);
    }
}

#[cfg(test)]
mod tests;
