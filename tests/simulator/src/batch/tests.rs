//! Batches as a client sees them.

mod client;
mod faults;
mod openai;
