//! Where answers are kept: the gateway asks it before it asks a model, and makes an answer durable in it before
//! anybody sees the answer. The gateway does not know what a journal writes to.

mod memory;

use std::time::Duration;

pub use memory::MemoryJournal;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::learned::Learned;
use types::digest::Digest;
use types::request::{Answer, Usage};

/// A durable store of answers by the keys of their questions.
pub trait Journal: Send + Sync {
    /// The right to ask a question. Dropping it lets another caller ask.
    type Claim: Send;
    /// The journal cannot be read or written.
    type Error: std::error::Error + Send + Sync + 'static;

    /// Looks a question up, and claims it if it has no answer and nobody is asking it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    fn begin(&self, key: Digest) -> Result<Begin<Self::Claim>, Self::Error>;

    /// Makes an answer durable, and returns its number once it is.
    ///
    /// # Errors
    /// When the journal cannot be written: the answer must then not be used.
    fn record(
        &self,
        claim: Self::Claim,
        answer: &Answer,
        provenance: &Provenance,
    ) -> impl Future<Output = Result<i64, Self::Error>> + Send;

    /// Keeps what a lane has learned while it was configured like this (`options`).
    ///
    /// # Errors
    /// When the journal cannot be written.
    fn keep_lessons(
        &self,
        lane: &str,
        options: Digest,
        learned: &Learned,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// What [`Journal::begin`] says about a question.
#[derive(Debug)]
pub enum Begin<Claim> {
    /// It is answered: the number of the answer, and the answer.
    Have(i64, Answer),
    /// The caller asks it, and holds the claim until it is recorded or given up.
    Go(Claim),
    /// Another task is asking it: begin again when the receiver wakes.
    Wait(oneshot::Receiver<()>),
}

/// Who answered, and how it was had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// Name of the provider.
    pub provider: String,
    /// The lane that answered: `provider/model` as it was asked for.
    pub lane: String,
    /// Model that answered.
    pub model: String,
    /// Tokens of all tries that were billed.
    pub usage: Usage,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
    /// Tries, the last included.
    pub tries: u32,
    /// How long these took together.
    pub took: Duration,
}
