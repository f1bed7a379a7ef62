//! What one execution of a component means for its task: the one place that says so, for a run and a replay alike.

use super::artifact;
use plugin::limits::Limits;
use plugin::manifest::MediaType;
use plugin::sandbox::{Answered, Outcome, Question};
use types::class::FailureClass;
use types::request::Answer;

/// Why there is no artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {cause}")]
pub struct TaskFailure {
    /// What kind.
    pub class: FailureClass,
    /// In words.
    pub cause: String,
}

/// How a task stands after an execution.
pub(super) enum Step {
    /// Its artifact, checked.
    Made(String),
    /// It needs answers.
    Asks(Vec<Question>),
    /// It failed.
    Failed(TaskFailure),
}

/// Judges an execution with the answers that it was told.
pub(super) fn step(outcome: Outcome, media_type: MediaType, told: &[Answered]) -> Step {
    match outcome {
        Outcome::Done { text } => match artifact::fault(&text, media_type) {
            None => Step::Made(text),
            Some(cause) => Step::Failed(TaskFailure {
                class: FailureClass::RejectedArtifact,
                cause,
            }),
        },
        Outcome::Failed {
            class,
            cause,
            violations,
        } => Step::Failed(TaskFailure {
            class: precise(class, told),
            cause: artifact::with_violations(cause, &violations),
        }),
        Outcome::Suspended { questions } => Step::Asks(questions),
    }
}

/// A component that gives up on a refusal does not say which it was: the last answer does.
fn precise(class: FailureClass, told: &[Answered]) -> FailureClass {
    match told.last().map(|answered| &answered.answer) {
        Some(Answer::ContextTooLong(_)) if class == FailureClass::ContentFilter => {
            FailureClass::Context
        }
        _ => class,
    }
}

/// Counts one more execution, or says that there may be no more.
pub(super) fn count(executions: &mut u32, limits: &Limits) -> Result<(), TaskFailure> {
    if *executions >= limits.executions {
        return Err(TaskFailure {
            class: FailureClass::Limit,
            cause: format!("it needs more than {} executions", limits.executions),
        });
    }
    *executions += 1;
    Ok(())
}
