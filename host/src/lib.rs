//! batchgen's host: runs sandboxed components over every record of a dataset.
//!
//! `ARCHITECTURE.md` at the root of the repository has the bird's-eye view. Only [`cli`] knows the
//! terminal, the environment and exit codes.

pub mod cli;
