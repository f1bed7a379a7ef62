//! Constructors for the contract's [`Failure`].

use crate::bindings::batchgen::component::types::{Failure, FailureKind};

impl Failure {
    /// The record lacks what the component cannot do without.
    pub fn unsuitable_record(message: impl Into<String>) -> Self {
        Self::new(FailureKind::UnsuitableRecord, message)
    }

    /// The component itself is at fault: its options, prompts or code.
    pub fn component_fault(message: impl Into<String>) -> Self {
        Self::new(FailureKind::ComponentFault, message)
    }

    /// The language model refused, or the question does not fit its context.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(FailureKind::Refused, message)
    }

    /// No acceptable answer was had; `violations` are the rules that the last one broke.
    pub fn invalid_answer(message: impl Into<String>, violations: Vec<String>) -> Self {
        Failure {
            violations,
            ..Self::new(FailureKind::InvalidAnswer, message)
        }
    }

    fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Failure {
            kind,
            message: message.into(),
            violations: Vec::new(),
        }
    }
}
