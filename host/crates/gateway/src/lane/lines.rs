//! A question as a line of a batch: as it is handed in, and what was noted of it.

use std::time::Duration;

use serde_json::Value;

use crate::adaptation::Adaptations;
use types::digest::Digest;
use types::limit::Size;
use types::request::Usage;

/// A question as it goes into a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The line, without a newline.
    pub text: String,
    /// The output cap that it asks with.
    pub cap: u32,
    /// How it asks other than configured.
    pub adaptations: Adaptations,
    /// Tokens that it is likely to take.
    pub likely: Size,
}

/// What was noted of a question when it went into a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct AskedLine {
    /// Its key.
    pub key: Digest,
    /// Name of the component that asked first, for the statistics.
    pub component: String,
    /// The output cap that is configured.
    pub configured: u32,
    /// The output cap that it asked with.
    pub cap: u32,
    /// How it asked other than configured.
    pub adaptations: Adaptations,
    /// Tokens that it was likely to take.
    pub likely: Size,
    /// The schema of its answer.
    pub schema: Option<Value>,
    /// Tries before this one.
    pub tries: u32,
    /// Tokens of all tries before this one.
    pub usage: Usage,
    /// Millionths of a dollar of these, where the price is known.
    pub micros: Option<u64>,
    /// How long the batch took.
    pub took: Duration,
}
