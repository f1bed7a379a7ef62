//! The words that all crates share: hashes and keys, classes of failure, amounts and limits, the question to a model with its
//! pictures, its answer, how a question is rendered, texts as JSON, and the filter for what is shown.
//!
//! It has no input or output, no clock and no async runtime, and does not know another crate of the workspace.

#![warn(missing_docs)]

pub mod class;
pub mod digest;
pub mod escaped;
pub mod fields;
pub mod image;
pub mod json;
pub mod key;
pub mod limit;
pub mod pace;
pub mod render;
pub mod request;
pub mod shown;
pub mod suggest;
