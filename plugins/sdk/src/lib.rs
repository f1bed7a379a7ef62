//! What every plugin shares: typed input, questions to a language model whose answers are mended,
//! validated and repaired, and the glue that makes a Rust type a component.
//!
//! A plugin is a type that implements [`Component`], and one line: `sdk::export!(Summary);`. This
//! crate does no transport: limits, outages, retries and budgets are the host's, and no plugin sees
//! them.

#![warn(missing_docs)]

#[cfg(any(test, target_arch = "wasm32"))]
mod arena;
pub mod ask;
pub mod bindings;
mod component;
pub mod digits;
mod export;
mod failure;
mod front_matter;
mod host;
mod input;
pub mod log;
pub mod markdown;
pub mod mend;
pub mod numbers;
mod prompt;
pub mod rules;
pub mod schema;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod units;
pub mod yaml;

pub use ask::{JsonRequest, TextRequest, ask_text, ask_text_checked, complete_json};
pub use bindings::batchgen::component::llm::Rules;
pub use bindings::batchgen::component::types::{Failure, FailureKind, Site};
pub use component::Component;
#[doc(hidden)]
pub use export::run;
pub use input::{Input, Upstream};
pub use prompt::Prompt;
pub use serde_json::{Map, Value, json};
