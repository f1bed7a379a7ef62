//! Limits that are learned from refusals: when one follows from the rate, which limit that tells, and how it is lowered.

use std::time::Duration;

use super::guard::{Caps, Guard, Probe};
use super::{Booking, MOST_MARGIN, RISK_MOST, Rates, SPANS, Source};
use crate::limits::counts::Counts;
use crate::limits::margin::Margin;
use crate::limits::window::Window;
use types::limit::{Amount, Limit};

/// Of a limit that was learned: it was seen at the other end, and is probed anyway.
const LEARNED_MARGIN: u32 = 500;
const LEAST_LEARNED_MARGIN: Duration = Duration::from_millis(10);
/// Outcomes that are remembered, to tell whether a learned limit is refused often.
const OUTCOMES: usize = 20;
/// Refusals within so long of the first belong to one burst.
const BURST: Duration = Duration::from_secs(1);
/// A learned limit that was lowered so often for a few refusals among many answers, without a probe between, is none.
const IN_VAIN: u32 = 5;

impl Rates {
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
        for guard in &mut self.guards {
            guard.margin.refused();
        }
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

    pub(super) fn outcome(&mut self, passed: bool) {
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
    pub(super) fn learned(&mut self, now: Duration, limit: Limit, window: Window) {
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
            margin: Margin::default(),
            resets: None,
            probe: Some(Probe::new(now, span)),
        });
        self.next_guard += 1;
    }
}

/// How much longer the window of a learned limit is than its span.
pub(super) fn learned_margin(span: Duration) -> Duration {
    (span / LEARNED_MARGIN).clamp(LEAST_LEARNED_MARGIN, MOST_MARGIN)
}
