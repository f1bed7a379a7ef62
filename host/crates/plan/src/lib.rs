//! The rules of a run.
//!
//! It owns the decision whether a task must run and why, what fingerprints and recipes are made of, the order of components,
//! what a failure means for the rest of its record, what a verdict on an artifact means, and the forecast of what a run will cost.
//!
//! It decides and does nothing: it has no input or output, no clock, no async runtime and no database.

pub mod causes;
pub mod change;
pub mod decision;
pub mod duration;
pub mod explain;
pub mod fingerprint;
pub mod forecast;
pub mod gate;
pub mod graph;
pub mod policy;
pub mod recipe;
pub mod sample;
pub mod upstreams;
pub mod verdict;
