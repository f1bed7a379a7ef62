//! The providers: `offline` writes from the facts in the request; `openai` speaks the chat completions API and
//! `anthropic` the messages API, at their makers or at any compatible server. Nothing here retries or reads the
//! environment.

pub mod anthropic;
mod arrival;
mod body;
mod endpoint;
mod errors;
mod families;
mod gathered;
mod headers;
mod http;
mod key;
mod lenient;
pub mod offline;
pub mod openai;
mod presets;
mod reasons;
mod refusals;
mod schema;
#[cfg(test)]
mod testing;
mod times;
mod words;

use std::sync::Arc;

pub use endpoint::{AddressError, Endpoint, Manner, check};
pub use headers::{Dialect, observed};
pub use key::Key;
pub use presets::{Api, Preset, UnknownPreset, names, preset, preset_of};

use super::error::CallError;
use super::provider::Provider;

/// A provider for one model.
///
/// # Errors
/// When the key has characters that no header can carry, or TLS cannot be set up.
pub fn connect(endpoint: Endpoint, manner: Manner) -> Result<Arc<dyn Provider>, CallError> {
    Ok(match endpoint.api {
        Api::Chat => Arc::new(openai::OpenAi::new(endpoint, manner)?),
        Api::Messages => Arc::new(anthropic::Anthropic::new(endpoint, manner)?),
    })
}
