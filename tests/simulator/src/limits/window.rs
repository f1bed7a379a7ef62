//! One limit's window: what it holds, and the most that it ever held.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Limit, WindowKind};

/// Spans that are told apart in a report; later ones are added to the last.
const SPANS: usize = 100_000;

/// What became of a limit while it had one amount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowReport {
    pub limit: Limit,
    /// The most that any of its windows held after a call was let through or charged.
    pub most: u64,
    /// The same if no call had been refused: what clients asked for.
    pub most_offered: u64,
    /// All that was used, without what was given back.
    pub used: u64,
    /// Calls that were refused for it.
    pub refused: u64,
    /// What was used in each span since the limit was set.
    pub per_span: Vec<u64>,
    /// When it was set, in milliseconds since the start.
    pub since_ms: u64,
    /// When it was replaced, if it was.
    pub until_ms: Option<u64>,
}

impl WindowReport {
    /// A window held more than the limit allows.
    pub fn overshot(&self) -> bool {
        self.most > self.limit.amount
    }

    /// Clients asked for more than the limit allows.
    pub fn over_asked(&self) -> bool {
        self.most_offered > self.limit.amount
    }

    /// The used share of what the limit allows in this time.
    pub fn share(&self, time: Duration) -> f64 {
        let allowed = self.limit.amount as f64 * time.as_secs_f64() / self.limit.span.as_secs_f64();
        self.used as f64 / allowed
    }
}

/// What was counted at a time.
#[derive(Clone, Copy, Debug)]
struct Event {
    at: Duration,
    amount: u64,
}

/// The events of the last span, oldest first.
#[derive(Debug, Default)]
struct Held {
    events: VecDeque<Event>,
    /// The number of the first event that is still there.
    first: u64,
    sum: u64,
}

impl Held {
    fn forget(&mut self, limit: &Limit, now: Duration) {
        while let Some(event) = self.events.front()
            && leaves(limit, event.at) <= now
        {
            self.sum -= event.amount;
            self.first += 1;
            self.events.pop_front();
        }
    }

    fn add(&mut self, at: Duration, amount: u64) -> u64 {
        self.sum += amount;
        self.events.push_back(Event { at, amount });
        self.first + self.events.len() as u64 - 1
    }
}

/// When what was counted at a time leaves the window.
fn leaves(limit: &Limit, at: Duration) -> Duration {
    match limit.window {
        WindowKind::Sliding => at + limit.span,
        WindowKind::Fixed => {
            let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
            let span = nanos(limit.span).max(1);
            Duration::from_nanos((nanos(at) / span + 1).saturating_mul(span))
        }
    }
}

/// A limit's window.
#[derive(Debug)]
pub(super) struct Window {
    /// Tells it from every other window there was.
    pub id: u64,
    held: Held,
    offered: Held,
    report: WindowReport,
    /// When the report begins, and the number of its first event.
    since: Duration,
    reported_from: u64,
}

impl Window {
    pub fn new(id: u64, limit: Limit, now: Duration) -> Window {
        Window {
            id,
            held: Held::default(),
            offered: Held::default(),
            report: report(limit, now),
            since: now,
            reported_from: 0,
        }
    }

    pub fn limit(&self) -> &Limit {
        &self.report.limit
    }

    pub fn report(&self) -> &WindowReport {
        &self.report
    }

    /// Takes another amount; what the window holds stays. Returns what became of the old one.
    pub fn replace(&mut self, limit: Limit, now: Duration) -> WindowReport {
        self.since = now;
        self.reported_from = self.held.first + self.held.events.len() as u64;
        let old = std::mem::replace(&mut self.report, report(limit, now));
        ended(old, now)
    }

    /// What became of a limit that is no more.
    pub fn end(self, now: Duration) -> WindowReport {
        ended(self.report, now)
    }

    /// Counts what a client asks for.
    pub fn offer(&mut self, amount: u64, now: Duration) {
        self.offered.forget(&self.report.limit, now);
        if amount > 0 {
            self.offered.add(now, amount);
            self.report.most_offered = self.report.most_offered.max(self.offered.sum);
        }
    }

    /// Counts a call that was refused for it.
    pub fn refuse(&mut self) {
        self.report.refused += 1;
    }

    /// How long until there is room for so much, if there is none now: `Err(None)` if there never is.
    pub fn room(&mut self, amount: u64, now: Duration) -> Result<(), Option<Duration>> {
        self.held.forget(&self.report.limit, now);
        let limit = self.report.limit;
        if !limit.enforced {
            return Ok(());
        }
        // Even a call whose tokens are counted later needs room for one.
        let amount = amount.max(1);
        if amount > limit.amount {
            return Err(None);
        }
        let mut over = (self.held.sum + amount).saturating_sub(limit.amount);
        if over == 0 {
            return Ok(());
        }
        for event in &self.held.events {
            over = over.saturating_sub(event.amount);
            if over == 0 {
                return Err(Some(leaves(&limit, event.at).saturating_sub(now)));
            }
        }
        Err(None)
    }

    /// Counts so much, and returns the event's number for [`Window::give_back`].
    pub fn add(&mut self, amount: u64, now: Duration) -> u64 {
        self.held.forget(&self.report.limit, now);
        self.report.most = self.report.most.max(self.held.sum + amount);
        self.report.used += amount;
        if let Some(span) = self.span_of(now) {
            *span += amount;
        }
        self.held.add(now, amount)
    }

    /// Takes back a part of what was counted at a time.
    pub fn give_back(&mut self, number: u64, at: Duration, amount: u64) {
        let index = number.checked_sub(self.held.first);
        let event = index.and_then(|index| self.held.events.get_mut(usize::try_from(index).ok()?));
        if let Some(event) = event {
            event.amount = event.amount.saturating_sub(amount);
            self.held.sum = self.held.sum.saturating_sub(amount);
        }
        // What was counted under another amount is in another report.
        if number >= self.reported_from {
            self.report.used = self.report.used.saturating_sub(amount);
            if let Some(span) = self.span_of(at) {
                *span = span.saturating_sub(amount);
            }
        }
    }

    /// What is left, and how long until the window is empty.
    pub fn standing(&mut self, now: Duration) -> (u64, Duration) {
        self.held.forget(&self.report.limit, now);
        let reset = self.held.events.back().map_or(Duration::ZERO, |event| {
            leaves(&self.report.limit, event.at).saturating_sub(now)
        });
        (
            self.report.limit.amount.saturating_sub(self.held.sum),
            reset,
        )
    }

    /// What is held.
    pub fn sum(&self) -> u64 {
        self.held.sum
    }

    fn span_of(&mut self, at: Duration) -> Option<&mut u64> {
        let span = self.report.limit.span.as_nanos().max(1);
        let index = at.saturating_sub(self.since).as_nanos() / span;
        let index = usize::try_from(index).unwrap_or(SPANS).min(SPANS - 1);
        if self.report.per_span.len() <= index {
            self.report.per_span.resize(index + 1, 0);
        }
        self.report.per_span.get_mut(index)
    }
}

fn report(limit: Limit, now: Duration) -> WindowReport {
    WindowReport {
        limit,
        most: 0,
        most_offered: 0,
        used: 0,
        refused: 0,
        per_span: Vec::new(),
        since_ms: millis(now),
        until_ms: None,
    }
}

fn ended(report: WindowReport, now: Duration) -> WindowReport {
    WindowReport {
        until_ms: Some(millis(now)),
        ..report
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
