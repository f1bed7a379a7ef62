//! What the simulator would have billed. Knows no HTTP.
//!
//! A call is entered before its last byte is sent, so that whoever has an answer finds it here. If
//! the rest then cannot be sent, the entry is corrected: in a ledger file by another line of the same
//! id, the last of which counts.

mod book;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use book::{Bill, BilledFor, Book};

/// A billed call: one that was answered 200, in full or in part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The `x-request-id` of the answer.
    pub id: String,
    /// The model that was asked for.
    pub model: String,
    /// Hash of messages and format, in hexadecimal.
    pub prompt: String,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Those of them that came from the cache.
    pub cached_tokens: u64,
    /// Those of them that were written to the cache, where that is billed.
    pub cache_write_tokens: u64,
    /// Tokens of the answer, thoughts included.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// It was served at the flex tier, and billed at its price, which is half.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub flex: bool,
    pub status: u16,
    /// The provider's word for why the answer ended.
    pub finish_reason: String,
    /// The answer was sent to its end.
    pub complete: bool,
    /// The same prompt had been answered well before: in full, not empty, not cut off.
    pub again: bool,
    /// When it arrived, in milliseconds since the start.
    pub arrived_ms: u64,
    /// When its last byte was about to be sent, or when it broke off.
    pub ended_ms: u64,
    /// Hashes of the pictures that the question showed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<String>,
    /// The batch that it was a line of; it was billed at the price of batches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<String>,
    /// The name of the line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_id: Option<String>,
}

/// What was billed for the lines with one name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BilledLine {
    /// How often.
    pub billed: u64,
    /// In which batches, in the order of the bills.
    pub batches: Vec<String>,
    /// Tokens of all of them.
    pub tokens: Tokens,
}

/// Tokens of many calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    pub input: u64,
    /// Those of them that came from the cache.
    pub cached: u64,
    /// Those of them that were written to the cache, where that is billed.
    pub cache_write: u64,
    /// Of the answers, thoughts included.
    pub output: u64,
    /// Those of them that were thoughts.
    pub reasoning: u64,
}

/// Everything that happened since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// Calls that arrived, refused ones included.
    pub requests: u64,
    /// Answers by HTTP status; a call that was reset or hung before its status is in none.
    pub statuses: BTreeMap<u16, u64>,
    pub in_flight: u64,
    /// Most calls in flight at once.
    pub max_in_flight: u64,
    /// Tokens of all billed calls, lines of batches included.
    pub tokens: Tokens,
    /// Those of them that were billed at the price of batches, which is half.
    #[serde(default)]
    pub batch_tokens: Tokens,
    /// Billed calls in the order of their answers.
    pub calls: Vec<Call>,
}

/// The same as numbers only, for those who look often.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Calls that arrived, refused ones included.
    pub requests: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<u16, u64>,
    pub in_flight: u64,
    /// Most calls in flight at once.
    pub max_in_flight: u64,
    /// Tokens of all billed calls, lines of batches included.
    pub tokens: Tokens,
    /// Those of them that were billed at the price of batches, which is half.
    #[serde(default)]
    pub batch_tokens: Tokens,
    pub billed: u64,
    /// Calls that were billed for a prompt that had been answered well before.
    pub billed_again: u64,
}

impl Tokens {
    /// Counts these as well.
    pub fn add(&mut self, other: Tokens) {
        self.input += other.input;
        self.cached += other.cached;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.reasoning += other.reasoning;
    }
}

impl Ledger {
    /// How many calls were billed.
    pub fn billed(&self) -> u64 {
        self.calls.len() as u64
    }

    /// How many calls were billed for a prompt that had been answered well before.
    pub fn billed_again(&self) -> u64 {
        self.calls.iter().filter(|call| call.again).count() as u64
    }

    /// How many answers had this HTTP status.
    pub fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or(0)
    }
}
