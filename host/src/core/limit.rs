//! What a provider limits, and what it says of its limits. Nothing here knows how a provider says it: its
//! dialect reads headers, and a lane corrects itself by what they say.

use std::time::Duration;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// One limit, as a response described it. What it did not say is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
