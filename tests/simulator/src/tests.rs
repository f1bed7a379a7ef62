//! The simulator as a client sees it.

mod answers;
mod client;
mod dialects;
mod failures;
mod limits;
