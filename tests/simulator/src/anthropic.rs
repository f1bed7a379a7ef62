//! Anthropic's Messages API. Only text in and text out: nothing here waits, fails on purpose or counts.

mod answer;
mod error;
mod read;

#[cfg(test)]
use answer::finish;
pub use answer::{error_event, events, models, reason, whole};
pub use error::error;
pub use read::read;

#[cfg(test)]
mod tests;
