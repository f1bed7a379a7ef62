//! The host's functions. In the sandbox they are the contract's imports; natively, in a plugin's own
//! tests, they are those of [`crate::testing`].

#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::batchgen::component::llm::complete;
#[cfg(target_arch = "wasm32")]
pub(crate) use crate::bindings::batchgen::component::log::log;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use crate::testing::{complete, log};
