//! A gateway on several machines. One of them is the coordinator: its journal, limits and budget are those of the run. The others ask
//! it for every question and every call, and tell it what came of them. Neither knows how they reach each other: whoever puts a gateway
//! together gives it a [`Coordinator`].

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::budget::BudgetReservation;
use crate::error::CallError;
use crate::journal::Provenance;
use crate::limiter::{Permit, RequestSize};
use crate::prefix::Prefix;
use crate::prices::Served;
use types::class::FailureClass;
use types::digest::Digest;
use types::limit::Observed;
use types::request::{Answer, Usage};

/// What a method of a trait here returns.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The right to make a call, and the place of its lane in its pool.
pub type Entered = Result<(usize, Box<dyn Admission>), CallError>;

/// Whose turn it is to ask a question.
pub enum Turn {
    /// Nobody's: it is answered.
    Answered(Answer),
    /// This machine's. Nothing is said of its first call.
    Ours,
    /// This machine's, and the first call may begin: the place of the lane in its pool, and the right to make the call.
    Granted(usize, Box<dyn Admission>),
}

/// The machine whose journal, limits and budget are those of the run, as the others see it.
pub trait Coordinator: Send + Sync {
    /// The answer to a question, or the right to ask it. While another machine asks it, that is waited for. Where the first call is
    /// known, the right to make it comes with the right to ask: one message in place of two.
    ///
    /// # Errors
    /// When the question cannot be asked any more, and [`CallError::elsewhere`] where it is to be asked for again.
    fn ask(&self, key: Digest, first: Option<Entry>) -> Later<'_, Result<Turn, CallError>>;

    /// The question was answered. The answer is durable on this machine, if this machine can keep anything.
    fn answered(&self, key: Digest, answer: &Answer, provenance: &Provenance);

    /// The question is not asked any more, if this machine had the right to ask it.
    fn given_up(&self, key: Digest);

    /// Waits for the right to make a call. Gives the place of the lane in its pool.
    ///
    /// # Errors
    /// Those of the coordinator's lane, and [`CallError::elsewhere`] where the question is not this machine's to ask any more.
    fn enter(&self, entry: Entry) -> Later<'_, Entered>;
}

/// The right to make one call. Dropping it gives it back unused.
pub trait Admission: Send + Sync {
    /// The call begins now.
    fn began(&self);

    /// The provider has accepted the call, and said this of its limits.
    fn accepted(&self, observed: &[Observed]);

    /// Gives the right back, with what became of the call. Returns whether the whole lane pauses because of it.
    fn settle(self: Box<Self>, end: CallEnd) -> Later<'static, bool>;
}

/// Who may make a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// The lane of this name.
    Lane(String),
    /// Any lane of the pool of this model, rather none of those that were tried: a bit for each.
    Pool(String, u64),
}

/// A call that wants to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub target: Target,
    /// A number that depends on the question alone: the seed of its key.
    pub question: u64,
    /// Place of its record in the run.
    pub place: u64,
    /// Bytes of the question.
    pub bytes: u64,
    /// Most tokens of the answer.
    pub cap: u64,
    /// What the question begins with, where others begin alike.
    pub prefix: Option<u64>,
    /// Waits while the provider is down.
    pub waits_for_recovery: bool,
}

impl Entry {
    pub(super) fn asked(&self) -> RequestSize {
        RequestSize {
            bytes: self.bytes,
            cap: self.cap,
            prefix: self.prefix,
        }
    }
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// Tokens that were billed.
    pub usage: Usage,
    /// The tier that was billed, where the provider says so.
    pub served: Option<Served>,
    /// What the answer's headers said of the provider's limits.
    pub observed: Vec<Observed>,
    /// Why there is no answer, where there is none.
    pub failure: Option<CallFailure>,
}

/// Why a call brought no answer, as far as limits go by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallFailure {
    /// What it means.
    pub class: FailureClass,
    /// What the provider or the network said, without secrets.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
}

impl CallFailure {
    /// Of an error.
    pub fn of(error: &CallError) -> CallFailure {
        CallFailure {
            class: error.class,
            message: error.message.clone(),
            retry_after: error.retry_after,
        }
    }

    /// The error, as far as it is known.
    pub fn error(&self) -> CallError {
        CallError {
            retry_after: self.retry_after,
            ..CallError::new(self.class, self.message.clone())
        }
    }
}

/// The right to make a call, by whoever gives it.
pub(super) enum Admitted {
    Own(Permit, BudgetReservation),
    Remote(Box<dyn Admission>),
}

impl Admitted {
    pub fn began(&self) {
        // One's own begins when it is given.
        if let Admitted::Remote(admission) = self {
            admission.began();
        }
    }

    pub fn accepted(&self, observed: &[Observed]) {
        match self {
            Admitted::Own(permit, _) => permit.accepted(observed),
            Admitted::Remote(admission) => admission.accepted(observed),
        }
    }
}

/// The right to make a call that was waited for before its lane was known.
pub(super) enum Right {
    Own(Permit),
    Remote(Box<dyn Admission>),
}

/// What was found out of the first call for a question before its pool was asked.
pub(super) struct First {
    /// What the question begins with, where others begin alike.
    pub(super) prefix: Option<Prefix>,
    /// The right to make it, and the place of its lane in the pool.
    pub(super) right: Option<(usize, Right)>,
}
