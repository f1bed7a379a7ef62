//! Plugins: found, verified, compiled, and run in a sandbox where they can be suspended and replayed.
//! Nothing here knows that a completion comes from afar, or how answers are kept.

#![warn(missing_docs)]

mod bindings;
mod cache;
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
mod state;
mod wasi;
