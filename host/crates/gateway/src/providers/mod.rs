//! The providers: `offline` writes from the facts in the request; `openai` speaks the chat completions API and
//! `anthropic` the messages API, at their makers or at any compatible server. Nothing here retries or reads the
//! environment.

pub mod anthropic;
mod batches;
mod body;
mod choices;
mod classify;
mod connect;
mod endpoint;
mod errors;
mod families;
mod gathered;
mod headers;
mod http;
mod key;
mod lenient;
mod model_check;
pub mod offline;
pub mod openai;
mod presets;
mod reasons;
mod refusals;
mod response;
mod said;
mod schema;
#[cfg(test)]
pub(crate) mod testing;
mod thinking;
mod times;

pub use batches::connect_batches;
pub use choices::{AddressChoice, Choice, KeyChoice};
pub use connect::{BatchAccess, Catalogue, ConnectError, Connection, Variables, connect};
pub use endpoint::{AddressError, Endpoint, ModelOptions, check, is_this_machine};
pub use headers::{RateLimitHeaders, observed};
pub use key::Key;
pub use model_check::ModelError;
pub use presets::{
    BatchApi, BatchPreset, Manner, Preset, UnknownPreset, names, otel_name, preset, preset_of,
};
pub use thinking::Thinker;
