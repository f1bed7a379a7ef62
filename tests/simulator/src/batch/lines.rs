//! The lines of a batch, read and written as each protocol has them.

use super::job::BatchError;
use super::protocol::{Outcome, Protocol, Read, Rendered};
use super::{anthropic, gemini, mistral, openai, xai};
use crate::chat::Chat;
use crate::dialect::Dialect;
use crate::problem::Problem;

impl Protocol {
    /// Reads a line, but not the question in it.
    ///
    /// # Errors
    /// The line makes the whole batch fail.
    pub fn read<'l>(self, bytes: &'l [u8], endpoint: &str) -> Result<Read<'l>, BatchError> {
        match self {
            Protocol::OpenAi | Protocol::Xai => openai::read_line(bytes, endpoint),
            Protocol::Anthropic => anthropic::read_line(bytes),
            Protocol::Gemini => gemini::read_line(bytes),
            Protocol::Mistral | Protocol::Together => mistral::read_line(bytes),
        }
    }

    /// Reads the question in a line.
    ///
    /// # Errors
    /// The line is answered with this problem.
    pub fn chat(self, line: &Read<'_>, model: Option<&str>) -> Result<Chat, Problem> {
        match self {
            Protocol::OpenAi | Protocol::Together | Protocol::Xai => {
                openai::read_question(line.body)
            }
            Protocol::Anthropic => anthropic::read_question(line.body),
            Protocol::Gemini => gemini::read_question(line.body, model.unwrap_or_default()),
            Protocol::Mistral => mistral::read_question(line.body, model.unwrap_or_default()),
        }
    }

    /// What the results say of a line.
    pub fn render(
        self,
        dialect: Dialect,
        custom_id: &str,
        id: &str,
        outcome: &Outcome<'_>,
    ) -> Rendered {
        match self {
            Protocol::OpenAi | Protocol::Together => {
                openai::result_line(dialect, custom_id, id, outcome)
            }
            Protocol::Anthropic => anthropic::result_line(custom_id, id, outcome),
            Protocol::Gemini => gemini::result_line(custom_id, id, outcome),
            Protocol::Mistral => mistral::result_line(custom_id, id, outcome),
            Protocol::Xai => xai::result_line(custom_id, id, outcome),
        }
    }
}
