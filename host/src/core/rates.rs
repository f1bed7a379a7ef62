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
/// Outcomes that are remembered, to tell whether a learned limit is refused often.
const OUTCOMES: usize = 20;
/// A header's span is taken for a usual one when it is within this share of it.
const NEAR: f64 = 0.25;
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
    size: Booked,
    reservations: Vec<Reserved>,
}

#[derive(Clone, Copy, Debug)]
struct Reserved {
    guard: u64,
    likely: Reservation,
    most: Option<Reservation>,
    /// What the window held then: by what calls took, and by what they might have taken at most.
    held: (u64, u64),
}

impl Booking {
    /// About how many tokens the question has.
    pub fn question(&self) -> u64 {
        self.size.likely.input
    }
}

/// What a call is booked as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// What it is likely to take.
    pub likely: Size,
    /// What it may take at most: the question and the whole cap of the answer. Many providers count this.
    pub most: Size,
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
    /// How it is known.
    pub source: Source,
}

/// How a limit is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user said so.
    Told,
    /// The headers of answers say so.
    Headers,
    /// It was learned from refusals.
    Learned,
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
    source: Source,
    /// Calls by what they took.
    likely: Window,
    /// Calls by what they might have taken at most, for limits on tokens.
    most: Option<Window>,
    /// Whether the provider counts what a call may take at most, as far as is known.
    counts_most: bool,
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
            rates.guard(limit.amount, limit.span, limit.most, Source::Told);
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

    fn guard(&mut self, amount: Amount, span: Duration, most: u64, source: Source) {
        let margin = (span / MARGIN).clamp(LEAST_MARGIN, MOST_MARGIN);
        let window = Window::new(most, span + margin);
        self.guards.push(Guard {
            number: self.next_guard,
            amount,
            span,
            source,
            most: (amount != Amount::Requests).then(|| window.clone()),
            likely: window,
            // Many that tell their limits in headers count the caps; what they say later shows it.
            counts_most: source == Source::Headers && amount != Amount::Requests,
            probe: None,
        });
        self.next_guard += 1;
    }

    /// Whether the provider's headers have told a limit.
    pub fn are_told_by_headers(&self) -> bool {
        self.guards
            .iter()
            .any(|guard| guard.source == Source::Headers)
    }

    /// When a call of this size may start, `now` or later.
    ///
    /// # Errors
    /// When it takes more than a limit that was told allows at all.
    pub fn earliest(&mut self, now: Duration, size: Booked) -> Result<Duration, TooLarge> {
        let mut at = now;
        for guard in &mut self.guards {
            let amount = guard.takes(size);
            let told = guard.probe.is_none();
            let free = match guard.window().earliest(now, amount) {
                Some(free) => free,
                None if told => {
                    return Err(TooLarge {
                        amount,
                        limit: guard.limit(),
                    });
                }
                // What was learned may be wrong: such a call goes when nothing else does.
                None => {
                    let window = guard.window();
                    window.earliest(now, window.limit()).unwrap_or(now)
                }
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
    pub fn reserve(&mut self, now: Duration, size: Booked) -> Booking {
        for (amount, _, window) in &mut self.history {
            window.reserve(now, size.most.of(*amount));
        }
        let reserve = |guard: &mut Guard| {
            let amount = guard.amount;
            let most = guard.most.as_mut();
            let likely = guard.likely.reserve(now, size.likely.of(amount));
            let most =
                most.map(|window| (window.reserve(now, size.most.of(amount)), window.used(now)));
            let held = guard.likely.used(now);
            Reserved {
                guard: guard.number,
                likely,
                most: most.map(|(reservation, _)| reservation),
                held: (held, most.map_or(held, |(_, held)| held)),
            }
        };
        let reservations = self.guards.iter_mut().map(reserve).collect();
        Booking { size, reservations }
    }

    /// Corrects a booking to what was used.
    pub fn settle(&mut self, booking: &Booking, used: Size) {
        for reserved in &booking.reservations {
            if let Some(guard) = self.find(reserved.guard) {
                let used = used.of(guard.amount);
                guard.likely.settle(reserved.likely, used);
            }
        }
    }

    /// Takes back a booking of which nothing was sent.
    pub fn cancel(&mut self, booking: &Booking) {
        self.take_back(booking, |_| 0);
    }

    /// Corrects a booking to what remains of a call that was not let through.
    fn take_back(&mut self, booking: &Booking, left: impl Fn(&Guard) -> u64) {
        for reserved in &booking.reservations {
            if let Some(guard) = self.find(reserved.guard) {
                let left = left(guard);
                guard.likely.settle(reserved.likely, left);
                if let (Some(window), Some(most)) = (&mut guard.most, reserved.most) {
                    window.settle(most, left);
                }
            }
        }
    }

    fn find(&mut self, number: u64) -> Option<&mut Guard> {
        self.guards.iter_mut().find(|guard| guard.number == number)
    }

    /// Books what was used before this process began, `ago` before `now`; the oldest first.
    pub fn remember(&mut self, now: Duration, ago: Duration, requests: u64, size: Size) {
        let at = now.saturating_sub(ago);
        for guard in &mut self.guards {
            let amount = match guard.amount {
                Amount::Requests => requests,
                amount => size.of(amount),
            };
            guard.book(at, amount);
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
            let most = guard.window().limit();
            let burst = (guard.span / SPREAD).as_secs_f64();
            let unwritten = most as f64 * (UNWRITTEN.as_secs_f64() / burst).min(1.0);
            let amount = amount.saturating_add(unwritten.ceil() as u64);
            guard.book(now, amount.min(most));
        }
    }

    /// A call was let through and answered.
    pub fn passed(&mut self) {
        self.outcome(true);
    }

    /// The provider refused a call for its rate. `hint` is how long it asked to wait, `tokens` whether it spoke of
    /// tokens, `exhausted` whether this is more than an accident. Returns whether the refusal follows the rate, so that
    /// fewer calls at once would help too.
    pub fn refused(
        &mut self,
        now: Duration,
        booking: &Booking,
        hint: Option<Duration>,
        tokens: bool,
        exhausted: bool,
    ) -> bool {
        self.outcome(false);
        // Some providers count what they refuse, and what was told is never to be overrun. What is learned
        // is what went through.
        self.take_back(booking, |guard| {
            u64::from(guard.amount == Amount::Requests && guard.probe.is_none())
        });
        for (amount, _, window) in &mut self.history {
            // It was not let through. Of what it was booked as, nothing counted.
            window.take_back(booking.size.most.of(*amount));
        }
        let in_burst = now < self.burst_until;
        let mut follows = self.lower_full(now, in_burst);
        let in_vain =
            |guard: &Guard| matches!(&guard.probe, Some(probe) if probe.in_vain > IN_VAIN);
        if self.guards.iter().any(in_vain) {
            // An accident taught it: the refusals do not follow it.
            self.guards.retain(|guard| !in_vain(guard));
            self.outcomes.clear();
            return false;
        }
        // Who says its limits in headers has nothing to be learned from its refusals.
        let learns = exhausted && !self.are_told_by_headers();
        if !follows && learns && (hint.is_some() || !in_burst) {
            follows = true;
            let amount = if tokens {
                Amount::Tokens
            } else {
                Amount::Requests
            };
            self.learn_from(now, amount, hint, in_burst);
        }
        if follows && !in_burst {
            self.burst_until = now + BURST;
        }
        follows || (in_burst && exhausted)
    }

    /// Lowers the learned limits that are full: a limit that is far from full has nothing to do with a refusal.
    /// Returns whether there was one.
    fn lower_full(&mut self, now: Duration, in_burst: bool) -> bool {
        let few = self.refused_lately() * 4 < self.outcomes.len();
        let mut follows = false;
        for guard in self.guards.iter_mut().filter(|guard| guard.probe.is_some()) {
            let used = guard.window().used(now);
            if used.saturating_mul(20) >= guard.window().limit().saturating_mul(19) {
                follows = true;
                guard.lower(now, used, in_burst, few);
            }
        }
        follows
    }

    /// Learns a limit, or lowers the one that was learned.
    fn learn_from(
        &mut self,
        now: Duration,
        amount: Amount,
        hint: Option<Duration>,
        in_burst: bool,
    ) {
        let few = self.refused_lately() * 4 < self.outcomes.len();
        let hinted = hint.map(|hint| SPANS.into_iter().find(|span| hint <= *span));
        let learned = self.guards.iter_mut().filter(|guard| guard.probe.is_some());
        let longest = learned.max_by_key(|guard| guard.span);
        match (longest, hinted) {
            // It asks to wait for longer than any limit that is known.
            (Some(guard), Some(Some(span))) if span > guard.span => self.learn(now, amount, span),
            (Some(guard), _) => {
                let used = guard.window().used(now);
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

    /// Corrects the windows by what the headers of a call's response said.
    pub fn observe(&mut self, now: Duration, booking: &Booking, observed: &Observed) {
        let Some(limit) = observed.limit.filter(|limit| *limit > 0) else {
            return;
        };
        let Some(span) = observed.span.or_else(|| span_of(observed, limit)) else {
            return;
        };
        let same = |guard: &Guard| guard.amount == observed.amount && guard.span == span;
        if !self
            .guards
            .iter()
            .any(|guard| same(guard) && guard.probe.is_none())
        {
            // The provider says its limit: nothing to probe for, and nobody told a lower one.
            self.guards.retain(|guard| !same(guard));
            self.guard(observed.amount, span, limit, Source::Headers);
            self.book_history(now, observed.amount, span);
        }
        let Some(guard) = self.guards.iter_mut().find(|guard| same(guard)) else {
            return;
        };
        let least = guard.likely.limit().min(limit);
        guard.set_limit(least);
        // Others may use the same key: what they used is missing here.
        if let Some(remaining) = observed.remaining {
            let used = limit.saturating_sub(remaining);
            // The provider counted when the call arrived, so it is held against what was booked then.
            let mut reserved = booking.reservations.iter();
            if let Some(reserved) = reserved.find(|reserved| reserved.guard == guard.number) {
                guard.compare(reserved.held, used);
            }
            let ours = guard.window().used(now);
            if used > ours {
                guard.window().reserve(now, used - ours);
            }
        }
    }

    /// Books in the newest guard what went through before it was known.
    fn book_history(&mut self, now: Duration, amount: Amount, span: Duration) {
        let history = self
            .history
            .iter_mut()
            .find(|(of, length, _)| *of == amount && *length == span);
        if let (Some((_, _, history)), Some(guard)) = (history, self.guards.last_mut()) {
            let used = history.used(now);
            guard.book(now, used);
        }
    }

    /// How much of each limit is used.
    pub fn uses(&mut self, now: Duration) -> Vec<Use> {
        self.guards
            .iter_mut()
            .map(|guard| Use {
                limit: guard.limit(),
                used: guard.window().used(now),
                source: guard.source,
            })
            .collect()
    }

    fn outcome(&mut self, passed: bool) {
        if self.outcomes.len() >= OUTCOMES {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(passed);
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
        let window = history.with(most, span + LEARNED_MARGIN);
        self.guards.push(Guard {
            number: self.next_guard,
            amount,
            span,
            source: Source::Learned,
            // What was let through is known by what it might have taken, and so it is counted.
            counts_most: amount != Amount::Requests,
            most: (amount != Amount::Requests).then(|| window.clone()),
            likely: window,
            probe: Some(Probe {
                next: now + PROBE_AFTER,
                interval: PROBE_AFTER,
                step: 1,
                in_vain: 0,
            }),
        });
        self.next_guard += 1;
    }
}

impl Guard {
    /// The window that holds what the provider counts.
    fn window(&mut self) -> &mut Window {
        match &mut self.most {
            Some(most) if self.counts_most => most,
            _ => &mut self.likely,
        }
    }

    /// What a call takes of the limit.
    fn takes(&self, size: Booked) -> u64 {
        if self.counts_most {
            size.most.of(self.amount)
        } else {
            size.likely.of(self.amount)
        }
    }

    fn limit(&self) -> Limit {
        Limit {
            amount: self.amount,
            span: self.span,
            most: self.likely.limit(),
        }
    }

    fn set_limit(&mut self, limit: u64) {
        self.likely.set_limit(limit);
        if let Some(most) = &mut self.most {
            most.set_limit(limit);
        }
    }

    /// Books what was used outside of any booking.
    fn book(&mut self, at: Duration, amount: u64) {
        self.likely.reserve(at, amount);
        if let Some(most) = &mut self.most {
            most.reserve(at, amount);
        }
    }

    /// Finds out whether the provider counts what calls took or what they may take at most, by what it says was used.
    fn compare(&mut self, (likely, most): (u64, u64), used: u64) {
        // Where both are about the same, nothing can be told.
        if self.most.is_some() && most > likely.saturating_add(likely / 5) {
            self.counts_most = used > likely.midpoint(most);
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
        let limit = self.likely.limit();
        let raised = limit.saturating_add(probe.step);
        probe.step = probe.step.saturating_mul(2).min((limit / 4).max(1));
        probe.next = now + PROBE_SETTLES;
        probe.in_vain = 0;
        if probe.step > (limit / 16).max(8) {
            // There is much more room than was thought.
            probe.interval = PROBE_AFTER;
        }
        self.set_limit(raised);
        now
    }

    /// The provider refused while this guard was full; `few` if it refuses few of many.
    fn lower(&mut self, now: Duration, used: u64, in_burst: bool, few: bool) {
        let limit = self.likely.limit();
        let Some(probe) = &mut self.probe else { return };
        let lowered = if in_burst {
            limit.min(used).max(1)
        } else {
            // A probe that went too far goes back by what it had added; otherwise the limit itself has fallen.
            let back = if probe.step > 1 {
                probe.step / 2
            } else {
                (limit / 50).max(1)
            };
            probe.step = 1;
            probe.in_vain += u32::from(few);
            probe.next = now + probe.interval;
            probe.interval = (probe.interval * 2).min(PROBE_AT_LEAST_EVERY);
            limit.min(used).saturating_sub(back).max(1)
        };
        self.set_limit(lowered);
    }
}

/// The span of a limit whose header names none. Providers that fill a bucket evenly say how long it takes until it is full
/// again, which tells the span together with what is used; others say when the window ends. Where nothing tells it, it is
/// a minute, which is usual.
fn span_of(observed: &Observed, limit: u64) -> Option<Duration> {
    let [_, minute, _] = SPANS;
    let Some(reset) = observed.reset.filter(|reset| !reset.is_zero()) else {
        return Some(minute);
    };
    let used = observed.remaining.map(|left| limit.saturating_sub(left));
    if let Some(used) = used.filter(|used| *used > 0) {
        let whole = reset.as_secs_f64() * limit as f64 / used as f64;
        let near = |span: &Duration| (whole / span.as_secs_f64() - 1.0).abs() <= NEAR;
        if let Some(span) = SPANS.into_iter().find(near) {
            return Some(span);
        }
    }
    SPANS.into_iter().find(|span| reset <= *span)
}

#[cfg(test)]
mod tests;
