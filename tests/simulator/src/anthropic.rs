//! Anthropic's Messages API. Only text in and text out: nothing here waits, fails on purpose or counts.

mod answer;
mod error;
mod read;
mod thoughts;

#[cfg(test)]
use answer::finish;
pub use answer::{error_event, events, models, reason, whole};
pub use error::error;
pub use read::read;
pub use thoughts::thoughts;

#[cfg(test)]
mod tests;
