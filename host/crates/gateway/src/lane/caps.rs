//! The output caps that a lane asks with: those of answers and their thoughts, smaller ones where a server refuses them, and what
//! is left of an answer that was cut off at every one.

use super::Lane;
use crate::adaptation::Refused;
use crate::error::CallError;
use crate::provider::RawAnswer;
use crate::reasoning;
use types::class::FailureClass;
use types::key::Parameters;
use types::request::CompletionRequest;

impl Lane {
    /// What a person does about answers that are cut off at this cap.
    pub fn advice_on_cap(&self, parameters: &Parameters) -> String {
        self.lessons.advice(self.cap(parameters))
    }

    /// The output cap of an answer and its thoughts.
    pub(super) fn cap(&self, parameters: &Parameters) -> u32 {
        let adaptations = &self.lessons.now().adaptations;
        let level = parameters.reasoning;
        let level = level.map(|level| self.provider.level(level, adaptations));
        let most_output = self.provider.most_output();
        reasoning::cap(parameters.max_output_tokens, level, most_output)
    }

    /// The cap to ask a question with at first.
    pub(crate) fn first_cap(
        &self,
        parameters: &Parameters,
        request: &CompletionRequest,
    ) -> Result<u32, CallError> {
        let configured = self.cap(parameters);
        self.lessons.first_cap(configured, || request.digest())
    }

    /// The cap to ask with when this one was refused, if there is one.
    pub(super) fn smaller(
        &self,
        error: &CallError,
        cap: u32,
        cut: Option<&(RawAnswer, u32)>,
    ) -> Option<u32> {
        let Some(Refused::Cap {
            most,
            for_this_question,
        }) = error.refused
        else {
            return None;
        };
        let did = cut.map(|(_, did)| *did);
        // Where no number is told, the one that did is the largest that is known to do.
        let most = most.or(did)?;
        if !for_this_question {
            self.lessons.no_more_than(most);
        }
        (most < cap && did.is_none_or(|did| most > did)).then_some(most)
    }

    /// What is left of an answer that was cut off at every cap.
    pub(super) fn cut_off(
        &self,
        longest: (RawAnswer, u32),
        configured: u32,
    ) -> Result<RawAnswer, CallError> {
        let (raw, cap) = longest;
        if !raw.text.trim().is_empty() {
            return Ok(raw);
        }
        let advice = self.lessons.advice(configured);
        let what = if raw.thought {
            "the model used all of them for thoughts"
        } else {
            "nothing but blanks came"
        };
        let message = format!("the answer was cut off at {cap} tokens, and {what} ({advice})");
        Err(CallError::new(FailureClass::BadRequest, message))
    }
}
