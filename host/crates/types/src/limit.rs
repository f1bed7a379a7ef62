//! What a provider limits, what a call takes of it, and what a provider says of its limits. Nothing here
//! knows how a provider says it: its dialect reads headers, and a lane corrects itself by what they say.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Amount {
    /// Requests.
    Requests,
    /// Tokens of questions.
    InputTokens,
    /// Tokens of answers.
    OutputTokens,
    /// Tokens of both together.
    Tokens,
}

impl Amount {
    /// The name on screen and in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Amount::Requests => "requests",
            Amount::InputTokens => "input-tokens",
            Amount::OutputTokens => "output-tokens",
            Amount::Tokens => "tokens",
        }
    }

    /// One of it, in words.
    pub fn noun(self) -> &'static str {
        match self {
            Amount::Requests => "request",
            Amount::InputTokens => "input token",
            Amount::OutputTokens => "output token",
            Amount::Tokens => "token",
        }
    }

    /// So many of it, in words: `1 request`, `2 input tokens`.
    pub fn counted(self, count: u64) -> String {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {}{plural}", self.noun())
    }
}

/// So much in any span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What is limited.
    pub amount: Amount,
    /// Length of the window.
    pub span: Duration,
    /// Most of it in any span.
    pub most: u64,
}

impl Limit {
    /// The span as people say it: `second`, `minute`, `day`, or seconds.
    pub fn per(&self) -> String {
        match self.span.as_secs() {
            1 => "second".to_owned(),
            60 => "minute".to_owned(),
            86_400 => "day".to_owned(),
            seconds => format!("{seconds} s"),
        }
    }
}

/// Tokens that a call takes, or is expected to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Tokens of the question.
    pub input: u64,
    /// Tokens of the answer.
    pub output: u64,
}

impl Size {
    /// How much of a limit on `amount` one call of this size takes.
    pub fn of(self, amount: Amount) -> u64 {
        match amount {
            Amount::Requests => 1,
            Amount::InputTokens => self.input,
            Amount::OutputTokens => self.output,
            Amount::Tokens => self.input.saturating_add(self.output),
        }
    }
}

/// One limit, as a response described it. What it did not say is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// What is limited.
    pub amount: Amount,
    /// Length of the window, where the dialect tells it.
    pub span: Option<Duration>,
    /// Allowed in a window.
    pub limit: Option<u64>,
    /// Left of it now.
    pub remaining: Option<u64>,
    /// Until the window is whole again.
    pub reset: Option<Duration>,
}
