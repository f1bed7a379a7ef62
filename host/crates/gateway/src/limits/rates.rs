//! All windows of one lane: the limits that it was told, and those that it learned from what the provider
//! said or refused. Predictive: a call is booked by estimate before it starts and settled by what it used.
//! Reactive: a refusal that follows the rate lowers what was learned once, and clean time raises it again.
//! It does not wait, and knows neither requests nor providers.

mod guard;

use std::collections::VecDeque;
use std::time::Duration;

use super::counts::Counts;
use super::pace::Pace;
use super::window::{Reservation, Window};
use crate::found::FoundLimit;
use guard::{Caps, Guard, Level, Probe};
use types::limit::{Amount, Limit, Observed, Size};

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
const LEARNED_MARGIN: u32 = 500;
const LEAST_LEARNED_MARGIN: Duration = Duration::from_millis(10);
const MOST_MARGIN: Duration = Duration::from_millis(1200);

/// Spans that a limit may have that nobody told.
const SPANS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    MINUTE,
    Duration::from_secs(86_400),
];
const MINUTE: Duration = Duration::from_secs(60);
/// Spans that limits in headers have.
const TOLD_SPANS: [Duration; 3] = [Duration::from_secs(1), MINUTE, Duration::from_secs(86_400)];
/// Outcomes that are remembered, to tell whether a learned limit is refused often.
const OUTCOMES: usize = 20;
/// A limit as large as this is rarely one of a second.
const LARGE: u64 = 30;
/// A header's span is taken for a usual one when it is within this share of it.
const NEAR: f64 = 0.25;
/// So many refusals may be risked for each call that passes, and so many beside. While more than that were refused, a
/// limit is probed seldom.
const RISK: f64 = 0.007;
const RISK_AT_FIRST: f64 = 2.0;
const RISK_MOST: f64 = 10.0;
/// A call that finds out whether the provider counts anew is sent so long after it should.
const RESET_MARGIN: Duration = Duration::from_millis(100);
/// Refusals within so long of the first belong to one burst.
const BURST: Duration = Duration::from_secs(1);
/// A learned limit that was lowered so often for a few refusals among many answers, without a probe between, is none.
const IN_VAIN: u32 = 5;

/// A call that was let through; to be settled with what it used.
#[derive(Clone, Debug)]
pub struct Booking {
    at: Duration,
    size: Booked,
    reservations: Vec<Reserved>,
}

#[derive(Clone, Copy, Debug)]
struct Reserved {
    guard: u64,
    likely: Reservation,
    caps: Option<[Reservation; 2]>,
    /// What the windows held then, as [`Counts`] orders them.
    held: [u64; 3],
    /// What all calls until then were booked as.
    booked: u64,
    /// Whether it is to find out if the provider counts anew.
    finds_out: bool,
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
    /// Refusals that may be risked to find out whether there is more.
    risk: f64,
    pace: Pace,
    /// About what a call may take at most.
    a_call: Size,
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
            risk: RISK_AT_FIRST,
            pace: Pace::default(),
            a_call: Size::default(),
        };
        for limit in told {
            rates.guard(
                Duration::ZERO,
                limit.amount,
                limit.span,
                limit.most,
                Source::Told,
            );
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

    fn guard(
        &mut self,
        since: Duration,
        amount: Amount,
        span: Duration,
        most: u64,
        source: Source,
    ) {
        let margin = (span / MARGIN).clamp(LEAST_MARGIN, MOST_MARGIN);
        let window = Window::new(most, span + margin);
        self.guards.push(Guard {
            number: self.next_guard,
            amount,
            span,
            source,
            since,
            told: (source == Source::Told).then_some(most),
            seen: None,
            is_recalled: false,
            a_call: 0,
            caps: (amount != Amount::Requests).then(|| Caps::new(&window)),
            likely: window,
            // Many that tell their limits in headers count the caps; what they say later shows it.
            counts: if source == Source::Headers {
                Counts::Kept
            } else {
                Counts::Used
            },
            others: (0, Duration::ZERO),
            booked: 0,
            level: None,
            resets: None,
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
        let mut at = now.max(self.pace.next().unwrap_or(now));
        for guard in &mut self.guards {
            let amount = guard.takes(size);
            let told = guard.told.is_some_and(|told| amount > told);
            let free = match guard.earliest(now, amount) {
                Some(free) => free,
                None if told => {
                    return Err(TooLarge {
                        amount,
                        limit: guard.limit(),
                    });
                }
                // What headers say or refusals teach may be wrong: such a call goes when nothing else does.
                None => {
                    let window = guard.window();
                    window.earliest(now, window.limit()).unwrap_or(now)
                }
            };
            at = at.max(if free > now {
                guard.probed(now, free, amount)
            } else {
                free
            });
        }
        Ok(at)
    }

    /// Books a call that starts now.
    pub fn reserve(&mut self, now: Duration, size: Booked) -> Booking {
        self.pace.started(now);
        let typical = |before: u64, most: u64| match before {
            0 => most,
            before => before - before / 8 + most / 8,
        };
        self.a_call = Size {
            input: typical(self.a_call.input, size.most.input),
            output: typical(self.a_call.output, size.most.output),
        };
        for (amount, _, window) in &mut self.history {
            window.reserve(now, size.most.of(*amount));
        }
        let reserve = |guard: &mut Guard| {
            guard.booked = guard.booked.saturating_add(guard.takes(size));
            let finds_out = guard.resets.take_if(|resets| *resets <= now).is_some();
            let amount = guard.amount;
            let likely = guard.likely.reserve(now, size.likely.of(amount));
            let caps = guard.caps.as_mut().map(|caps| {
                let most = size.most.of(amount);
                [caps.held.reserve(now, most), caps.kept.reserve(now, most)]
            });
            Reserved {
                guard: guard.number,
                likely,
                caps,
                held: Counts::ALL.map(|counts| guard.counted(counts).used(now)),
                booked: guard.booked,
                finds_out,
            }
        };
        let reservations = self.guards.iter_mut().map(reserve).collect();
        Booking {
            at: now,
            size,
            reservations,
        }
    }

    /// Corrects a booking to what was used.
    pub fn settle(&mut self, booking: &Booking, used: Size) {
        for reserved in &booking.reservations {
            if let Some(guard) = self.find(reserved.guard) {
                let used = used.of(guard.amount);
                guard.likely.settle(reserved.likely, used);
                if let (Some(caps), Some([held, _])) = (&mut guard.caps, reserved.caps) {
                    caps.held.settle(held, used);
                }
            }
        }
    }

    /// A call that was booked has begun only now: it had to travel to whoever makes it.
    pub fn began(&mut self, now: Duration, booking: &Booking) {
        for reserved in &booking.reservations {
            if let Some(guard) = self.find(reserved.guard) {
                guard.likely.delay(reserved.likely, now);
                if let (Some(caps), Some([held, kept])) = (&mut guard.caps, reserved.caps) {
                    caps.held.delay(held, now);
                    caps.kept.delay(kept, now);
                }
            }
        }
    }

    /// The shortest window of a limit.
    pub fn shortest(&self) -> Option<Duration> {
        self.guards.iter().map(|guard| guard.span).min()
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
                if let (Some(caps), Some([held, kept])) = (&mut guard.caps, reserved.caps) {
                    caps.held.settle(held, left);
                    caps.kept.settle(kept, left);
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
                // What it took is known, and not what it might have taken.
                amount if guard.counts == Counts::Kept => {
                    let counted = requests.saturating_mul(guard.a_call);
                    size.of(amount).max(counted)
                }
                amount => size.of(amount),
            };
            guard.book(at, amount);
        }
    }

    /// Begins with a limit that an earlier run found out, `ago` before now. What the user told stays an upper bound.
    pub fn recall(&mut self, now: Duration, found: &FoundLimit, ago: Duration) {
        let limit = found.limit();
        let same = |guard: &&mut Guard| {
            guard.amount == limit.amount && guard.span == limit.span && guard.told.is_some()
        };
        let seen = Some(now.saturating_sub(ago));
        match self.guards.iter_mut().find(same) {
            Some(told) if told.likely.limit() <= limit.most => return,
            Some(told) if found.by_headers => {
                told.set_limit(limit.most);
                (told.seen, told.is_recalled, told.counts) = (seen, true, found.counts);
                told.a_call = found.a_call;
                return;
            }
            _ => {}
        }
        if found.by_headers {
            self.guard(now, limit.amount, limit.span, limit.most, Source::Headers);
        } else {
            let margin = learned_margin(limit.span);
            self.learned(now, limit, Window::new(limit.most, limit.span + margin));
        }
        if let Some(guard) = self.guards.last_mut() {
            (guard.seen, guard.is_recalled, guard.counts) = (seen, true, found.counts);
            guard.a_call = found.a_call;
            // What it counts is known, and what an earlier run used is known by its answers only.
            guard.since = now.saturating_sub(limit.span);
        }
    }

    /// Begins with a pace that did in an earlier run: so many seconds between two calls.
    pub fn recall_pace(&mut self, now: Duration, gap: f64) {
        self.pace.begin_at(now, gap);
    }

    /// The limits that headers told or refusals taught, each with the time since the provider last spoke of it.
    pub fn found(&self, now: Duration) -> impl Iterator<Item = (FoundLimit, Duration)> {
        self.guards.iter().filter_map(move |guard| {
            let seen = guard.seen?;
            let limit = guard.limit();
            let found = FoundLimit {
                amount: limit.amount,
                span_millis: u64::try_from(limit.span.as_millis()).ok()?,
                most: limit.most,
                by_headers: guard.probe.is_none(),
                counts: guard.counts,
                a_call: if guard.amount == Amount::Requests {
                    0
                } else {
                    self.a_call.of(guard.amount).max(guard.a_call)
                },
                at: 0,
            };
            Some((found, now.saturating_sub(seen)))
        })
    }

    /// The longest window of a limit.
    pub fn longest(&self) -> Option<Duration> {
        self.guards.iter().map(|guard| guard.span).max()
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

    /// Calls that are spread evenly in a second, where the provider takes calls evenly.
    pub fn pace(&self) -> Option<f64> {
        self.pace.rate()
    }

    /// The pace as a limit, for people, where a call waits for its turn in it.
    pub fn paced(&self, at: Duration) -> Option<Limit> {
        let rate = self.pace.rate().filter(|_| self.pace.next() == Some(at))?;
        Some(Limit {
            amount: Amount::Requests,
            span: MINUTE,
            // A float becomes an integer by being cut off at the ends, so none wraps.
            most: (rate * MINUTE.as_secs_f64()).round().max(1.0) as u64,
        })
    }

    /// Calls of the last second that were not refused, as far as is known.
    pub fn requests_in_a_second(&mut self, now: Duration) -> u64 {
        self.just_used(now, Amount::Requests)
    }

    /// Something else than the provider's limits holds calls up.
    pub fn held_up_otherwise(&mut self) {
        self.pace.was_not_asked();
    }

    /// The provider took a call.
    pub fn accepted(&mut self, booking: &Booking) {
        self.pace.taken(booking.at);
    }

    /// A call was let through and answered.
    pub fn passed(&mut self) {
        self.risk = (self.risk + RISK).min(RISK_AT_FIRST);
        for guard in &mut self.guards {
            if let Some(probe) = &mut guard.probe {
                probe.is_known = true;
            }
        }
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
        may_be_accident: bool,
    ) -> bool {
        self.outcome(false);
        if exhausted {
            self.risk = (self.risk - 1.0).max(-RISK_MOST);
        }
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
        let is_alone = !exhausted && !in_burst;
        self.pace
            .refused(now, booking.at, is_alone && !may_be_accident);
        // Headers may name the limit of a minute where less is taken at once: then refusals know better.
        if exhausted && !in_burst && self.pace.had_enough(now) {
            // Windows that were learned before that was known are too short or too long.
            self.guards.retain(|guard| guard.probe.is_none());
            self.burst_until = now + BURST;
            return false;
        }
        let mut follows = self.lower_full(now, in_burst);
        let in_vain =
            |guard: &Guard| matches!(&guard.probe, Some(probe) if probe.in_vain > IN_VAIN);
        if self.guards.iter().any(in_vain) {
            // An accident taught it: the refusals do not follow it.
            self.guards.retain(|guard| !in_vain(guard));
            self.outcomes.clear();
            return false;
        }
        // Where the limits in headers are reached, there is nothing to be learned from refusals.
        let learns = exhausted && !self.headers_explain(now);
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

    /// Whether a limit that headers told is reached, so that a refusal is no surprise.
    fn headers_explain(&mut self, now: Duration) -> bool {
        let mut told = self.guards.iter_mut();
        told.any(|guard| guard.source == Source::Headers && guard.is_full(now))
    }

    /// Lowers the learned limits that are full: a limit that is far from full has nothing to do with a refusal.
    /// Returns whether there was one.
    fn lower_full(&mut self, now: Duration, in_burst: bool) -> bool {
        let few = self.refused_lately() * 4 < self.outcomes.len();
        let may_risk = self.risk > 0.0;
        let mut follows = false;
        for guard in self.guards.iter_mut().filter(|guard| guard.probe.is_some()) {
            if guard.is_full(now) {
                let used = guard.window().used(now);
                follows = true;
                guard.lower(now, used, in_burst, few, may_risk);
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
        let fills = self.pace.may_fill(now);
        let may_risk = self.risk > 0.0;
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
                    // It may take the next one: nothing is known yet.
                    Some(_) if fills => {}
                    // Nothing went through for so long, and still it refuses.
                    Some(span) => self.learn(now, amount, span),
                    None => {
                        guard.lower(now, used, in_burst, few, may_risk);
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

    /// Corrects the windows by what the headers of a call's response said. Returns whether a limit is new or another one
    /// than an earlier run knew.
    pub fn observe(&mut self, now: Duration, booking: &Booking, observed: &Observed) -> bool {
        let Some(limit) = observed.limit.filter(|limit| *limit > 0) else {
            return false;
        };
        let Some(span) = observed
            .span
            .or_else(|| self.known_span(observed))
            .or_else(|| span_of(observed, limit, self.just_used(now, observed.amount)))
        else {
            return false;
        };
        let same = |guard: &Guard| guard.amount == observed.amount && guard.span == span;
        // The provider counts in another window than it did in an earlier run.
        self.guards.retain(|guard| {
            same(guard)
                || guard.amount != observed.amount
                || guard.source != Source::Headers
                || !guard.is_recalled
        });
        let is_new = !self
            .guards
            .iter()
            .any(|guard| same(guard) && guard.probe.is_none());
        if is_new {
            // The provider says its limit: nothing to probe for, and nobody told a lower one.
            self.guards.retain(|guard| !same(guard));
            self.guard(now, observed.amount, span, limit, Source::Headers);
            self.book_history(now, observed.amount, span);
        }
        let Some(guard) = self.guards.iter_mut().find(|guard| same(guard)) else {
            return is_new;
        };
        let before = guard.likely.limit();
        // Of what headers say within a run the least holds; what an earlier run knew is replaced.
        let most = match (guard.is_recalled, guard.told) {
            (true, told) => told.unwrap_or(u64::MAX),
            (false, _) => before,
        };
        guard.set_limit(most.min(limit));
        guard.confirm(now);
        let is_new = is_new || guard.likely.limit() != before;
        // Others may use the same key: what they used is missing here.
        if let Some(remaining) = observed.remaining {
            let used = limit.saturating_sub(remaining);
            // The provider counted when the call arrived, so it is held against what was booked then.
            let mut reserved = booking.reservations.iter();
            let mut ours = guard.window().used(now);
            if let Some(reserved) = reserved.find(|reserved| reserved.guard == guard.number) {
                // Later, what leaves the provider's window and not yet this one says the wrong thing.
                if span < MINUTE || booking.at < guard.since + span {
                    guard.compare(reserved.held, used);
                }
                let [likely, held, kept] = reserved.held;
                let then = match guard.counts {
                    Counts::Used => likely,
                    Counts::Held => held,
                    Counts::Kept => kept,
                };
                // What little it still counts may be what came since.
                if reserved.finds_out && used <= then / 8 {
                    guard.counts_anew(booking.at);
                    let amount = guard.takes(booking.size);
                    guard.book(now, used.saturating_sub(amount));
                }
                // What was given back since then is no sign of others.
                ours = guard.window().used(now).max(then);
                guard.said_left(Level {
                    at: booking.at,
                    left: remaining,
                    booked: reserved.booked,
                });
            }
            if guard.level.is_none() {
                // Of what went through before the limit was known, nothing but this call may be counted in what is left.
                let amount = guard.takes(booking.size);
                guard.said_left(Level {
                    at: booking.at,
                    left: remaining,
                    booked: amount.min(guard.booked),
                });
            }
            // All is free again after the reset, whoever used it.
            let reset = observed.reset.filter(|reset| !reset.is_zero());
            let until = now + reset.unwrap_or(span).min(span);
            guard.others = (used.saturating_sub(ours), until);
            if guard.level.is_none_or(|level| level.at <= booking.at) {
                let reset = reset.filter(|reset| follows_another(span, *reset, used, limit));
                guard.resets = reset.map(|reset| booking.at.saturating_add(reset + RESET_MARGIN));
            }
        }
        is_new
    }

    /// The span that headers showed before, where all is free and this one shows none.
    fn known_span(&self, observed: &Observed) -> Option<Duration> {
        observed.reset.filter(Duration::is_zero)?;
        let mut told = self.guards.iter().rev();
        let same =
            |guard: &&Guard| guard.source == Source::Headers && guard.amount == observed.amount;
        told.find(same).map(|guard| guard.span)
    }

    /// What was used within the shortest span.
    fn just_used(&mut self, now: Duration, amount: Amount) -> u64 {
        let mut history = self.history.iter_mut();
        let shortest = history.find(|(of, ..)| *of == amount);
        shortest.map_or(u64::MAX, |(.., window)| window.used(now))
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
            guard.booked = guard.booked.saturating_add(used);
        }
    }

    /// How much of each limit is used.
    pub fn uses(&mut self, now: Duration) -> Vec<Use> {
        self.guards
            .iter_mut()
            .map(|guard| Use {
                limit: guard.limit(),
                used: guard.used(now),
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
        // What went through in shorter spans was no limit: it went on after them.
        let shorter = |guard: &Guard| guard.probe.is_some() && guard.span < span;
        self.guards
            .retain(|guard| guard.amount != amount || !shorter(guard));
        let window = history.with(most, span + learned_margin(span));
        self.learned(now, Limit { amount, span, most }, window);
    }

    /// Adds a limit that is learned, with its window.
    fn learned(&mut self, now: Duration, limit: Limit, window: Window) {
        let Limit { amount, span, .. } = limit;
        self.guards.push(Guard {
            number: self.next_guard,
            amount,
            span,
            source: Source::Learned,
            since: now,
            told: None,
            seen: Some(now),
            is_recalled: false,
            a_call: 0,
            // What was let through is known by what it might have taken, and so it is counted.
            counts: Counts::Kept,
            caps: (amount != Amount::Requests).then(|| Caps::new(&window)),
            likely: window,
            others: (0, Duration::ZERO),
            booked: 0,
            level: None,
            resets: None,
            probe: Some(Probe::new(now, span)),
        });
        self.next_guard += 1;
    }
}

/// Whether a provider may count in windows that follow each other, where this is what it says of one. A sliding window that
/// is not empty lasts as long as its span, and the reset of a bucket follows from what is used of it. A short window is worth
/// no call that finds out.
fn follows_another(span: Duration, reset: Duration, used: u64, limit: u64) -> bool {
    let filled = span.mul_f64((used as f64 / limit as f64).min(1.0));
    let is_bucket = (reset.as_secs_f64() / filled.as_secs_f64() - 1.0).abs() <= NEAR;
    span >= MINUTE && reset < span && !is_bucket
}

/// How much longer the window of a learned limit is than its span.
fn learned_margin(span: Duration) -> Duration {
    (span / LEARNED_MARGIN).clamp(LEAST_LEARNED_MARGIN, MOST_MARGIN)
}

/// The span of a limit whose header names none. Providers that fill a bucket evenly say how long it takes until it is full
/// again, which tells the span together with what is used; others say when the window ends. Where nothing tells it, it is
/// a minute, which is usual.
/// `ours` is what this program used just now.
fn span_of(observed: &Observed, limit: u64, ours: u64) -> Option<Duration> {
    let Some(reset) = observed.reset else {
        return Some(MINUTE);
    };
    if reset.is_zero() {
        // All is free, so it tells nothing.
        return Some(MINUTE);
    }
    let used = observed.remaining.map(|left| limit.saturating_sub(left));
    if let Some(used) = used.filter(|used| *used > 0) {
        let whole = reset.as_secs_f64() * limit as f64 / used as f64;
        let near = |span: &Duration| (whole / span.as_secs_f64() - 1.0).abs() <= NEAR;
        if let Some(span) = TOLD_SPANS.into_iter().find(near) {
            return Some(span);
        }
        // Far more was used than this program did: less than the limit is taken at once.
        if limit >= LARGE && reset < MINUTE && used > ours.saturating_mul(4).max(limit / 4 * 3) {
            return Some(MINUTE);
        }
    }
    TOLD_SPANS.into_iter().find(|span| reset <= *span)
}

#[cfg(test)]
mod tests;
