//! Counts calls against all limits at once.

use std::time::Duration;

use super::window::{Window, WindowReport};
use super::{DAY, Limit, Limits, MINUTE, Measure, OutputCharge, SECOND};

/// What a call takes from the limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Tokens of the question.
    pub input: u64,
    /// The request's cap on the tokens of the answer.
    pub most_output: Option<u64>,
}

/// What was counted for a call, until it is settled.
#[derive(Clone, Debug, Default)]
pub struct Receipt {
    at: Duration,
    reserved: u64,
    /// The windows that count answers: the window's id and the number of its event.
    counted: Vec<(u64, u64)>,
}

/// Why a call is refused, and when it may come again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The limit that is reached; `None` for calls in flight.
    pub limit: Option<Limit>,
    /// What its window holds.
    pub held: u64,
    /// What the call would take.
    pub requested: u64,
    /// How long to wait; not known for calls in flight and for what never fits.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// What there is too much of: `requests per minute`.
    pub fn what(&self) -> String {
        let Some(limit) = self.limit else {
            return "concurrent requests".to_owned();
        };
        let measure = limit.measure.name().replace('-', " ");
        match limit.span {
            SECOND => format!("{measure} per second"),
            MINUTE => format!("{measure} per minute"),
            DAY => format!("{measure} per day"),
            span => format!("{measure} per {} s", span.as_secs_f64()),
        }
    }
}

/// Where a limit stands, for the headers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub limit: Limit,
    /// What is left in its window.
    pub remaining: u64,
    /// Until the window is empty again.
    pub reset: Duration,
}

/// Counts calls against [`Limits`]. Times are since the start, and never go back.
#[derive(Debug, Default)]
pub struct Limiter {
    windows: Vec<Window>,
    past: Vec<WindowReport>,
    concurrent: Option<u32>,
    charge: OutputCharge,
    windows_made: u64,
    latest: Duration,
}

impl Limiter {
    /// A limiter that has seen no call.
    pub fn new(limits: &Limits, charge: OutputCharge) -> Limiter {
        let mut limiter = Limiter::default();
        limiter.set(limits, charge, Duration::ZERO);
        limiter
    }

    /// Replaces the limits. A window that stays keeps what it holds; without a limit nothing is kept.
    pub fn set(&mut self, limits: &Limits, charge: OutputCharge, now: Duration) {
        let now = self.clock(now);
        self.concurrent = limits.concurrent;
        self.charge = charge;
        let mut old = std::mem::take(&mut self.windows);
        for limit in limits.all() {
            let same = old.iter().position(|window| {
                window.limit().same_window(&limit) && window.limit().enforced == limit.enforced
            });
            let mut window = match same {
                Some(at) => old.swap_remove(at),
                None => {
                    self.windows_made += 1;
                    Window::new(self.windows_made, limit, now)
                }
            };
            if *window.limit() != limit {
                self.past.push(window.replace(limit, now));
            }
            self.windows.push(window);
        }
        self.past
            .extend(old.into_iter().map(|window| window.end(now)));
    }

    /// Lets a call through and counts it, or refuses it and does not.
    ///
    /// # Errors
    /// A limit is reached.
    pub fn admit(&mut self, cost: Cost, in_flight: u64, now: Duration) -> Result<Receipt, Refusal> {
        let now = self.clock(now);
        let reserved = match self.charge {
            OutputCharge::Charge => 0,
            _ => cost.most_output.unwrap_or(0),
        };
        let takes = |measure: Measure| match measure {
            Measure::Requests => 1,
            Measure::InputTokens => cost.input,
            Measure::OutputTokens => reserved,
            Measure::Tokens => cost.input.saturating_add(reserved),
        };
        for window in &mut self.windows {
            window.offer(takes(window.limit().measure), now);
        }
        if let Some(most) = self.concurrent
            && in_flight >= u64::from(most)
        {
            return Err(Refusal {
                limit: None,
                held: in_flight,
                requested: 1,
                retry_after: None,
            });
        }
        let mut refusal: Option<(usize, Refusal)> = None;
        for (at, window) in self.windows.iter_mut().enumerate() {
            let requested = takes(window.limit().measure);
            let Err(retry_after) = window.room(requested, now) else {
                continue;
            };
            // Windows only empty while nobody is let in, so the longest wait is enough for all.
            let longer = refusal.as_ref().is_none_or(|(_, other)| {
                let never = |wait: Option<Duration>| wait.unwrap_or(Duration::MAX);
                never(retry_after) > never(other.retry_after)
            });
            if longer {
                let refused = Refusal {
                    limit: Some(*window.limit()),
                    held: window.sum(),
                    requested,
                    retry_after,
                };
                refusal = Some((at, refused));
            }
        }
        if let Some((at, refusal)) = refusal {
            if let Some(window) = self.windows.get_mut(at) {
                window.refuse();
            }
            return Err(refusal);
        }
        let mut receipt = Receipt {
            at: now,
            reserved,
            counted: Vec::new(),
        };
        for window in &mut self.windows {
            let measure = window.limit().measure;
            let number = window.add(takes(measure), now);
            if matches!(measure, Measure::OutputTokens | Measure::Tokens) {
                receipt.counted.push((window.id, number));
            }
        }
        Ok(receipt)
    }

    /// A call has ended with an answer of so many tokens.
    pub fn settle(&mut self, receipt: &Receipt, output: u64, now: Duration) {
        let now = self.clock(now);
        let unused = receipt.reserved.saturating_sub(output);
        let excess = output.saturating_sub(receipt.reserved);
        for (id, number) in &receipt.counted {
            let Some(window) = self.windows.iter_mut().find(|window| window.id == *id) else {
                continue;
            };
            if excess > 0 {
                window.add(excess, now);
            } else if unused > 0 && self.charge != OutputCharge::Keep {
                window.give_back(*number, receipt.at, unused);
            }
        }
    }

    /// Where all limits stand.
    pub fn standings(&mut self, now: Duration) -> Vec<Standing> {
        let now = self.clock(now);
        let enforced = self
            .windows
            .iter_mut()
            .filter(|window| window.limit().enforced);
        enforced
            .map(|window| {
                let (remaining, reset) = window.standing(now);
                Standing {
                    limit: *window.limit(),
                    remaining,
                    reset,
                }
            })
            .collect()
    }

    /// What became of every limit there was, the present ones last.
    pub fn reports(&self) -> Vec<WindowReport> {
        let present = self.windows.iter().map(Window::report);
        self.past.iter().chain(present).cloned().collect()
    }

    fn clock(&mut self, now: Duration) -> Duration {
        self.latest = self.latest.max(now);
        self.latest
    }
}
