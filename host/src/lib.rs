//! batchgen's host: runs sandboxed components over every record of a dataset.
//!
//! `ARCHITECTURE.md` at the root of the repository has the bird's-eye view. Only [`cli`] knows the
//! terminal, the environment and exit codes.

pub mod cli;
pub mod component;
pub mod config;
pub mod conformance;
pub mod core;
pub mod dataset;
pub mod llm;
pub mod plugin;
pub mod run;
pub mod store;
pub mod watch;
