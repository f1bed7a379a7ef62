//! Batches as a client sees them.

mod anthropic;
mod client;
mod faults;
mod gemini;
mod mistral;
mod openai;
