//! The rules of a run: which tasks are due, what their fingerprints and recipes are made of, what changed, in which
//! order components run, what a failure means for others, and what a run will cost.
//!
//! It decides and does nothing: no input or output, no clock, no async, no database.

pub mod causes;
pub mod change;
pub mod decision;
pub mod duration;
pub mod explain;
pub mod fingerprint;
pub mod forecast;
pub mod graph;
pub mod policy;
pub mod recipe;
pub mod upstreams;
