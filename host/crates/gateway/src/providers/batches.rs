//! The batch APIs of the providers, one file each. Nothing here retries, waits between two looks, or keeps anything.

mod anthropic;
mod files;
mod gemini;
mod grpc;
mod listed;
mod mistral;
mod openai;
mod result_line;
mod together;
mod xai;

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use self::files::{Chats, FileBatches, OfFiles};
use self::mistral::MistralBatches;
use self::openai::OpenAiBatches;
use self::together::TogetherBatches;
use self::xai::XaiBatches;
use super::endpoint::{Endpoint, ModelOptions};
use super::gathered::malformed;
use super::lenient;
use super::presets::{BatchApi, BatchPreset};
use crate::adaptation::Adaptations;
use crate::batch::protocol::{BatchError, BatchProtocol};
use crate::error::CallError;
use crate::provider::Call;
use types::request::CompletionRequest;

/// Longest wait for the answer to a small request.
const EXCHANGE: Duration = Duration::from_secs(60);
/// A file takes so much longer for each of its bytes, on the slowest line that is thought of.
const BYTES_PER_SECOND: u64 = 50_000;
/// The clocks of provider and host may differ by so many seconds.
const SLACK: u64 = 3600;

/// The batch API of a model, whose own name this is.
///
/// # Errors
/// When the key has characters that no header can carry, or TLS cannot be set up.
pub fn connect_batches(
    model: &str,
    preset: BatchPreset,
    endpoint: Endpoint,
    options: ModelOptions,
) -> Result<Arc<dyn BatchProtocol>, CallError> {
    let endpoint = Endpoint {
        stream: false,
        ..endpoint
    };
    let chats = |path, endpoint, options| Chats::new(model, preset, path, endpoint, options);
    Ok(match preset.api {
        BatchApi::Anthropic => Arc::new(anthropic::AnthropicBatches::new(
            model, preset, endpoint, options,
        )?),
        BatchApi::Gemini => Arc::new(gemini::GeminiBatches::new(
            model, preset, endpoint, options,
        )?),
        BatchApi::Mistral => {
            let chats = chats(MistralBatches::PATH, endpoint, options)?;
            Arc::new(OfFiles(MistralBatches(chats)))
        }
        BatchApi::OpenAi => Arc::new(OfFiles(OpenAiBatches {
            chats: chats(OpenAiBatches::PATH, endpoint, options)?,
            files_expire: preset.files_expire,
        })),
        BatchApi::Together => {
            let chats = chats(TogetherBatches::PATH, endpoint, options)?;
            Arc::new(OfFiles(TogetherBatches(chats)))
        }
        BatchApi::Xai => {
            let chats = chats(XaiBatches::PATH, endpoint, options)?;
            Arc::new(OfFiles(XaiBatches(chats)))
        }
    })
}

fn read<T: serde::de::DeserializeOwned>(body: &str) -> Result<T, CallError> {
    lenient::read(body).map_err(|error| malformed(&error))
}

/// Something was made, and an answer that cannot be read leaves open what.
fn answer_lost(error: CallError) -> BatchError {
    BatchError {
        error,
        is_in_doubt: true,
    }
}

/// How long the exchange of a body of so many bytes may take.
fn within(bytes: u64) -> Duration {
    EXCHANGE + Duration::from_secs(bytes / BYTES_PER_SECOND)
}

/// A time as RFC 3339 writes it, in seconds since 1970.
fn seconds(time: &str) -> Option<u64> {
    // The crate knows no other offset than that of UTC, and only by its letter.
    let time = match time.strip_suffix("+00:00") {
        Some(time) => format!("{time}Z"),
        None => time.to_owned(),
    };
    let time = humantime::parse_rfc3339_weak(&time).ok()?;
    let since = time.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// A question of which nothing is known any more: answers are read with it whose questions are not at hand.
fn no_question(model: &str) -> Call<'_> {
    static REQUEST: LazyLock<CompletionRequest> = LazyLock::new(|| CompletionRequest::text(""));
    static NONE: LazyLock<Adaptations> = LazyLock::new(Adaptations::default);
    Call {
        request: &REQUEST,
        pictures: &[],
        model,
        temperature: 0.0,
        max_output_tokens: u32::MAX,
        thoughts: None,
        idle_timeout: EXCHANGE,
        seed: 0,
        adaptations: &NONE,
        prefix: None,
        accepted: &|_| {},
    }
}
