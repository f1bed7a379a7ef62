//! A call that brought no answer, in the words of `core::class`.

use std::time::Duration;

use crate::core::class::FailureClass;
use crate::core::limit::Observed;
use crate::llm::request::Usage;
use crate::store::StoreError;

/// One try failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{class}: {message}")]
pub struct CallError {
    /// What it means.
    pub class: FailureClass,
    /// What the provider or the network said, without secrets.
    pub message: String,
    /// How long the provider asked to wait.
    pub retry_after: Option<Duration>,
    /// Tokens that were billed all the same.
    pub usage: Usage,
    /// What the answer's headers said of the provider's limits.
    pub observed: Vec<Observed>,
}

impl CallError {
    /// An error without hint or bill.
    pub fn new(class: FailureClass, message: impl Into<String>) -> CallError {
        CallError {
            class,
            message: message.into(),
            retry_after: None,
            usage: Usage::default(),
            observed: Vec::new(),
        }
    }
}

/// No answer was had.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The lane gave up.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The answer could not be made durable, or the journal not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}
