//! The dialects, and the facts of each. Waits for nothing and counts nothing.

mod headers;
mod spoken;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::http::Credentials;
use super::limits::{Limits, OutputCharge, Standing};

pub use spoken::Route;

/// A time of the world, in seconds since 1970, as RFC 3339 writes it.
pub fn rfc3339(seconds: u64) -> String {
    headers::rfc3339(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Headers of an answer.
pub type Headers = Vec<(&'static str, String)>;

/// Whose API is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
#[value(rename_all = "lower")]
pub enum Dialect {
    /// OpenAI's chat completions.
    #[default]
    OpenAi,
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's answers without limit headers; blank lines or comments while a call is queued.
    DeepSeek,
    /// OpenAI's answers with headers for requests of a day and tokens of a minute.
    Groq,
    /// OpenAI's answers from deployments, with the header `api-key`.
    Azure,
    /// OpenAI's answers without limit headers; the time to wait is in the error's body.
    Gemini,
    /// OpenAI's answers, and batch jobs of its own.
    Mistral,
    /// OpenAI's answers, and batches of its own.
    Together,
    /// OpenAI's answers, and batches that count.
    Xai,
}

impl Dialect {
    /// Where a client finds the API, behind host and port.
    pub fn base_path(self) -> &'static str {
        match self {
            Dialect::OpenAi
            | Dialect::Anthropic
            | Dialect::DeepSeek
            | Dialect::Mistral
            | Dialect::Together
            | Dialect::Xai => "/v1",
            Dialect::Groq | Dialect::Azure => "/openai/v1",
            Dialect::Gemini => "/v1beta/openai",
        }
    }

    /// The key that a call carries.
    pub fn carried(self, given: &Credentials) -> Option<&str> {
        let bearer = || given.authorization.as_deref()?.strip_prefix("Bearer ");
        match self {
            // Its own clients send the one or the other.
            Dialect::Anthropic => given.x_api_key.as_deref().or_else(bearer),
            Dialect::Azure => given.api_key.as_deref(),
            // The one with its own questions, the other with OpenAI's.
            Dialect::Gemini => given.x_goog_api_key.as_deref().or_else(bearer),
            _ => bearer(),
        }
    }

    /// The header that names a request.
    pub fn id_header(self) -> &'static str {
        match self {
            Dialect::Anthropic => "request-id",
            _ => "x-request-id",
        }
    }

    /// When the tokens of an answer count, unless the limits say it.
    pub fn charge(self, limits: &Limits) -> OutputCharge {
        match (limits.output, self) {
            (OutputCharge::Dialect, Dialect::OpenAi | Dialect::Azure | Dialect::Anthropic) => {
                OutputCharge::Reserve
            }
            (OutputCharge::Dialect, _) => OutputCharge::Charge,
            (chosen, _) => chosen,
        }
    }

    /// Tokens that come from the cache do not count against limits.
    pub fn cached_input_is_free(self) -> bool {
        self == Dialect::Anthropic
    }

    /// What it sends while a call is queued, whole or streamed.
    pub fn keep_alive(self, stream: bool) -> Option<&'static str> {
        match (self, stream) {
            (Dialect::DeepSeek, false) => Some("\n"),
            (Dialect::DeepSeek, true) => Some(": keep-alive\n\n"),
            _ => None,
        }
    }

    /// The headers that say how limits stand.
    pub fn limit_headers(self, limits: &Limits, standings: &[Standing]) -> Headers {
        headers::limits(self, limits, standings, SystemTime::now())
    }

    /// The headers that say when to come again.
    pub fn retry_headers(self, milliseconds: u64) -> Headers {
        headers::retry(self, milliseconds)
    }
}
