//! Decisions without effects: no input or output, no clock, no async, no sandbox, no database.
//! Time and randomness are arguments, so every law here can be tested by itself.
//! A check in `cargo xtask tidy` keeps it so.

pub mod breaker;
pub mod budget;
pub mod causes;
pub mod change;
pub mod class;
pub mod concurrency;
pub mod decision;
pub mod digest;
pub mod duration;
pub mod estimate;
pub mod explain;

pub mod fields;
pub mod fingerprint;
pub mod forecast;
pub mod graph;
pub mod key;
pub mod limit;
pub mod order;
pub mod pace;
pub mod policy;
pub mod ramp;
pub mod rates;
pub mod recipe;
pub mod refusals;
pub mod retry;
pub mod statistics;
pub mod suggest;
pub mod window;
