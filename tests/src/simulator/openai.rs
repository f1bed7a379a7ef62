//! OpenAI's dialect: chat completions, whole and streamed, its errors and its list of models. Only
//! text in and text out: nothing here waits, fails on purpose or counts.

mod answer;
mod error;
mod read;

pub use answer::{
    Answer, answer, events, models, rate_headers, retry_headers, tokens, truncate, whole,
};
pub use error::{ApiError, of_fault, rate_limited, unauthorized};
pub use read::{Chat, read};

#[cfg(test)]
mod tests;
