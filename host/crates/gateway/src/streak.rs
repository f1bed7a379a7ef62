//! Answers that cannot be used and follow each other on a lane. One is an accident. When equal ones come again and again,
//! the cause lies in how the model is asked: the next costs money and brings nothing.

use std::sync::{Mutex, PoisonError};

use super::error::CallError;
use types::class::FailureClass;

/// How many of the same kind came in a row.
#[derive(Debug, Default)]
pub(super) struct Streak {
    state: Mutex<Option<(&'static str, u32)>>,
}

impl Streak {
    /// An answer could be used.
    pub fn broken(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A call failed. Gives the error, as one that does not pass if it came too often.
    pub fn judge(&self, error: CallError) -> CallError {
        let Some(kind) = error.unusable else {
            return error;
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match *state {
            Some((same, times)) if same == kind.kind => times,
            _ => 0,
        };
        let times = before.saturating_add(1);
        *state = Some((kind.kind, times));
        if times < kind.no_accident || error.class == FailureClass::BadRequest {
            return error;
        }
        CallError {
            class: FailureClass::BadRequest,
            message: format!(
                "{}; this came again and again (hint: {})",
                error.message, kind.remedy
            ),
            ..error
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unusable;

    #[test]
    fn the_third_equal_one_in_a_row_is_no_accident() {
        let streak = Streak::default();
        let class = |kind| streak.judge(CallError::unusable("m", kind)).class;
        assert_eq!(class(Unusable::EMPTY), FailureClass::Transient);
        assert_eq!(class(Unusable::EMPTY), FailureClass::Transient);
        let error = streak.judge(CallError::unusable("m", Unusable::EMPTY));
        assert_eq!(error.class, FailureClass::BadRequest);
        assert!(error.message.contains("hint: fix the prompt"), "{error}");
        assert_eq!(class(Unusable::EMPTY), FailureClass::BadRequest);
        // Another kind, or a good answer, begins anew.
        assert_eq!(class(Unusable::TOOL), FailureClass::Transient);
        assert_eq!(class(Unusable::TOOL), FailureClass::BadRequest);
        streak.broken();
        assert_eq!(class(Unusable::TOOL), FailureClass::Transient);
    }

    #[test]
    fn what_the_network_does_is_no_answer() {
        let streak = Streak::default();
        for _ in 0..9 {
            let error = CallError::new(FailureClass::Transient, "reset");
            assert_eq!(streak.judge(error).class, FailureClass::Transient);
        }
    }
}
