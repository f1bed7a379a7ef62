//! What happens on a lane, for those who count and measure.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::CallError;
use types::class::FailureClass;
use types::request::Usage;

/// What one call took, for the statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spent {
    /// Tokens billed.
    pub usage: Usage,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
    /// Whether it was a retry or a repair: what a first attempt would not have taken.
    pub again: bool,
}

/// One try of a call, for those who measure calls.
#[derive(Clone, Copy, Debug)]
pub struct Tried<'a> {
    /// The provider, by the name that OpenTelemetry has for it.
    pub provider: &'a str,
    /// The model that was asked, as the provider knows it.
    pub model: &'a str,
    /// The model that answered, if one did.
    pub answered_by: Option<&'a str>,
    /// Tokens billed.
    pub usage: Usage,
    /// From the question to the end of the answer; nothing where it was asked in a batch.
    pub took: Option<Duration>,
    /// Why it brought nothing, if so.
    pub failed: Option<FailureClass>,
}

/// Is told what happens on a lane, for the statistics.
pub trait Observer: Send + Sync {
    /// A provider answered a question of this component, or billed what it did not answer.
    fn call_ended(&self, component: &str, spent: Spent);
    /// A try failed.
    fn try_failed(&self, model: &str, error: &CallError);
    /// An answer was in the journal.
    fn journaled(&self);
    /// A lane learned something of how its model wants to be asked.
    fn learned(&self, model: &str, what: &str);
    /// One of several endpoints of a model cannot be asked, or again.
    fn endpoint_changed(&self, lane: &str, what: &str);
    /// A try of a call ended, well or not.
    fn tried(&self, tried: Tried<'_>) {
        let _ = tried;
    }
    /// Whether the spans of calls have the texts of questions and answers.
    fn wants_texts(&self) -> bool {
        false
    }
}
