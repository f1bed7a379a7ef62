//! What a lane makes of an answer: whether it can be used, and what a component may see of it.

use crate::error::{CallError, Unusable};
use crate::provider::{Finish, RawAnswer};
use types::request::{Answer, Completion, StopReason, Usage};

/// An answer with a text, or one of which it is known why it has none.
pub(super) fn with_text(raw: RawAnswer) -> Result<RawAnswer, CallError> {
    if !raw.text.trim().is_empty() || raw.finish != Finish::Stop {
        return Ok(raw);
    }
    Err(CallError {
        usage: Box::new(raw.usage),
        served: raw.served,
        observed: raw.observed.into(),
        ..CallError::unusable("the answer is empty", Unusable::EMPTY)
    })
}

/// What a component may see of an answer that is not empty.
pub(super) fn judged(raw: RawAnswer, usage: Usage) -> Answer {
    let stop = match raw.finish {
        Finish::ContentFilter => {
            return Answer::ContentFiltered(match raw.refusal {
                Some(words) => format!("the model refused: {words}"),
                None => format!("the answer was withheld ({})", raw.finish_reason),
            });
        }
        Finish::Length => StopReason::Length,
        Finish::Stop => StopReason::Stop,
    };
    Answer::Completion(Completion {
        text: raw.text,
        stop,
        finish_reason: raw.finish_reason,
        usage,
        model: raw.model,
    })
}
