//! OpenAI's chat completions and those who speak them in their own way: DeepSeek, Groq, Azure and
//! Gemini. Only text in and text out: nothing here waits, fails on purpose or counts.

mod answer;
mod azure;
mod error;
mod gemini;
mod read;
mod thoughts;

pub use answer::{events, finish, models, whole};
pub use error::ApiError;
pub use read::read;
pub use thoughts::thoughts;

use crate::dialect::Dialect;
use crate::problem::Problem;

/// The error that a problem is in a dialect that has OpenAI's answers.
pub fn error(dialect: Dialect, problem: &Problem) -> ApiError {
    match dialect {
        Dialect::Azure => azure::error(problem),
        Dialect::Gemini => gemini::error(problem),
        _ => error::shared(dialect, problem),
    }
}

#[cfg(test)]
mod tests;
