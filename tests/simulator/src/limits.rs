//! The provider's rate limits: any number of windows over requests and tokens, and a cap on calls in
//! flight. Knows no HTTP; time is an argument. A limit is written `MEASURE=AMOUNT/SPAN`, such as
//! `requests=600/60s` or `tokens=200000/1m:fixed`, in flags and in JSON alike.

mod limiter;
mod text;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use limiter::{Cost, Limiter, Receipt, Refusal, Standing};
pub use text::LimitParseError;
pub use window::WindowReport;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The span of a daily limit.
pub const DAY: Duration = Duration::from_secs(86_400);

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    Requests,
    /// Tokens of the questions.
    InputTokens,
    /// Tokens of the answers.
    OutputTokens,
    Tokens,
}

/// How a limit's window moves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WindowKind {
    /// Any span of time.
    #[default]
    Sliding,
    /// Spans that follow each other from the start of the simulator.
    Fixed,
}

/// The most of something in a window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Limit {
    pub measure: Measure,
    /// The most of it.
    pub amount: u64,
    /// Length of the window.
    pub span: Duration,
    /// How the window moves.
    pub window: WindowKind,
    /// Calls beyond it are refused; otherwise it is only watched.
    pub enforced: bool,
}

impl Limit {
    /// An enforced limit with a sliding window.
    pub const fn new(measure: Measure, amount: u64, span: Duration) -> Limit {
        Limit {
            measure,
            amount,
            span,
            window: WindowKind::Sliding,
            enforced: true,
        }
    }

    /// The same with a fixed window.
    pub const fn fixed(self) -> Limit {
        Limit {
            window: WindowKind::Fixed,
            ..self
        }
    }

    /// The same, but only watched.
    pub const fn observed(self) -> Limit {
        Limit {
            enforced: false,
            ..self
        }
    }

    /// The same window, whatever amount it allows.
    fn same_window(&self, other: &Limit) -> bool {
        (self.measure, self.span, self.window) == (other.measure, other.span, other.window)
    }
}

/// When the tokens of an answer count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OutputCharge {
    /// As the dialect's provider does it.
    #[default]
    Dialect,
    /// The request's cap counts from the start; what was not used of it is given back at the end.
    Reserve,
    /// The request's cap counts from the start, used or not.
    Keep,
    /// What was answered counts when it has been answered.
    Charge,
}

/// When calls are refused with 429. No limit by default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most calls let through in any second.
    pub requests_per_second: Option<u32>,
    /// Most calls let through in any minute.
    pub requests_per_minute: Option<u32>,
    /// Further limits, all of which hold at once.
    pub limits: Vec<Limit>,
    /// Most calls in flight.
    pub concurrent: Option<u32>,
    /// When the tokens of an answer count.
    pub output: OutputCharge,
    /// Refusals do not say when to come again.
    pub hide_retry_after: bool,
    /// Answers carry the dialect's limit headers. Anthropic and Groq always send them, DeepSeek and
    /// Gemini never do.
    pub headers: bool,
    /// The headers say that what is left is `-1`, as Azure's sometimes do.
    pub unknown_remaining: bool,
}

impl Limits {
    /// No limits but these.
    pub fn of(limits: impl Into<Vec<Limit>>) -> Limits {
        Limits {
            limits: limits.into(),
            ..Limits::default()
        }
    }

    /// All limits with a window.
    pub fn all(&self) -> Vec<Limit> {
        let requests = |amount: u32, span| Limit::new(Measure::Requests, amount.into(), span);
        let second = self.requests_per_second.map(|most| requests(most, SECOND));
        let minute = self.requests_per_minute.map(|most| requests(most, MINUTE));
        let mut all: Vec<Limit> = Vec::new();
        let given = second.into_iter().chain(minute);
        for limit in given.chain(self.limits.iter().copied()) {
            // The same window twice has one count, and the smaller amount decides.
            match all
                .iter_mut()
                .find(|other| other.same_window(&limit) && other.enforced == limit.enforced)
            {
                Some(other) => other.amount = other.amount.min(limit.amount),
                None => all.push(limit),
            }
        }
        all
    }
}
