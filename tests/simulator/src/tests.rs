//! The simulator as a client sees it.

mod answers;
pub mod client;
mod dialects;
mod failures;
mod limits;
