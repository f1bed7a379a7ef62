//! All windows of one lane: the limits that it was told, and those that it learned from what the provider
//! said or refused. Predictive: a call is booked by estimate before it starts and settled by what it used.
//! Reactive: a refusal that follows the rate lowers what was learned once, and clean time raises it again.
//! It does not wait, and knows neither requests nor providers.

mod guard;
mod headers;
mod refusals;

use std::collections::VecDeque;
use std::time::Duration;

use super::counts::Counts;
use super::margin::Margin;
use super::pace::Pace;
use super::window::{Reservation, Window};
use crate::found::FoundLimit;

use guard::{Caps, Guard};
use refusals::learned_margin;
use types::limit::{Amount, Limit, Size};

/// A window's worth of calls is spread over this share of its span: providers punish bursts, and calls that
/// leave together do not arrive together.
pub const SPREAD: u32 = 50;
/// An answer may have come so long before a process was killed and not have reached the disk.
const UNWRITTEN: Duration = Duration::from_millis(250);
/// Calls arrive at the provider a little earlier or later than they left. A window that is longer by this
/// share of its span, within bounds, holds its limit at the other end too.
const MARGIN: u32 = 50;
const LEAST_MARGIN: Duration = Duration::from_millis(20);
const MOST_MARGIN: Duration = Duration::from_millis(1200);

/// Spans that a limit may have that nobody told.
const SPANS: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    MINUTE,
    Duration::from_secs(86_400),
];
const MINUTE: Duration = Duration::from_secs(60);
/// So many refusals may be risked for each call that passes, and so many beside. While more than that were refused, a
/// limit is probed seldom.
const RISK: f64 = 0.007;
const RISK_AT_FIRST: f64 = 2.0;
const RISK_MOST: f64 = 10.0;

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
            margin: Margin::default(),
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
        for guard in &mut self.guards {
            guard.margin.taken();
        }
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
}

#[cfg(test)]
mod tests;
