//! The laws by which a lane lets calls start: windows, pace, concurrency, refusals, retries, budgets.
//!
//! Nothing here has a clock, input or output, or async: time and randomness are arguments, so every law is tested by
//! itself.

pub mod breaker;
pub mod budget;
pub mod concurrency;
pub mod counts;
pub mod estimate;
mod margin;
pub mod order;
pub mod pace;
pub mod ramp;
pub mod rates;
pub mod refusals;
pub mod retry;
pub mod window;
