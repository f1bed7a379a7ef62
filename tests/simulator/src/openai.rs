//! OpenAI's chat completions and those who speak them in their own way: DeepSeek, Groq, Azure and
//! Gemini. Only text in and text out: nothing here waits, fails on purpose or counts.

mod answer;
mod azure;
mod error;
mod gemini;
mod read;

pub use answer::{events, finish, models, whole};
pub use error::{ApiError, error};
pub use read::read;

#[cfg(test)]
mod tests;
