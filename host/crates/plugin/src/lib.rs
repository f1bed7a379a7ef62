//! Plugins: found, verified, compiled, and run in a sandbox where they can be suspended and replayed.
//!
//! It owns the plugin file with its manifest, the limits of a guest, the cache of compiled code, the sandbox and its threads,
//! and the lock file of a project's plugins.
//!
//! It does not know where an answer comes from, or how answers are kept.

#![warn(missing_docs)]

mod bindings;
mod cache;
pub mod compile;
mod contract;
mod cpu_time;
pub mod engine;
mod execution;
mod inspect;
pub mod limits;
pub mod load;
pub mod lock;
pub mod manifest;
pub mod pack;
pub mod pool;
pub mod sandbox;
mod settings;
mod state;
mod wasi;
