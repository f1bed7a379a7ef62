//! The dialects, and what each says in its own words. Waits for nothing and counts nothing.

mod headers;

#[cfg(test)]
mod tests;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::batch;
use super::chat::{Answer, Chat};
use super::config::Thinks;
use super::http::{Credentials, Head};
use super::limits::{Limits, OutputCharge, Standing};
use super::openai::ApiError;
use super::problem::Problem;
use super::{anthropic, openai};

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

/// What an address means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// An answer is asked for; the deployment is the one in the address.
    Chat(Option<String>),
    /// The models are asked for.
    Models,
    /// It is about files or batches.
    Batch(batch::Call),
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

    /// What a request's address means, if it is one of the API's.
    pub fn route(self, head: &Head) -> Option<Route> {
        if let Some(call) = batch::call(self, head) {
            return Some(Route::Batch(call));
        }
        let prefixes: &[&str] = match self {
            Dialect::OpenAi | Dialect::DeepSeek => &["/v1", ""],
            Dialect::Anthropic | Dialect::Mistral | Dialect::Together | Dialect::Xai => &["/v1"],
            Dialect::Groq => &["/openai/v1", "/v1"],
            Dialect::Azure => &["/openai/v1"],
            Dialect::Gemini => &["/v1beta/openai", "/v1"],
        };
        let chat = match self {
            Dialect::Anthropic => "/messages",
            _ => "/chat/completions",
        };
        for prefix in prefixes {
            match (head.method.as_str(), head.path.strip_prefix(prefix)) {
                ("POST", Some(path)) if path == chat => return Some(Route::Chat(None)),
                ("GET", Some("/models")) => return Some(Route::Models),
                _ => {}
            }
        }
        // Azure knows no deployment without the version of its API.
        let versioned = head
            .query
            .split('&')
            .any(|part| part.starts_with("api-version="));
        if self == Dialect::Azure && head.method == "POST" && versioned {
            let path = head.path.strip_prefix("/openai/deployments/")?;
            let deployment = path.strip_suffix(chat)?;
            return Some(Route::Chat(Some(deployment.to_owned())));
        }
        None
    }

    /// Whether a call carries the key, if one is asked for.
    ///
    /// # Errors
    /// It does not, or lacks what the API asks of every call.
    pub fn authorize(self, given: &Credentials, key: Option<&str>) -> Result<(), Problem> {
        if self == Dialect::Anthropic {
            if given.anthropic_version.is_none() {
                let message = "anthropic-version: header is required";
                return Err(Problem::Invalid(message.to_owned()));
            }
            // It is asked for even when any will do.
            if self.carried(given).is_none() {
                return Err(Problem::Unauthorized);
            }
        }
        let carried = self.carried(given);
        match key {
            Some(key) if carried != Some(key) => Err(Problem::Unauthorized),
            _ => Ok(()),
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

    /// Reads the body of a call.
    ///
    /// # Errors
    /// It is no JSON, or lacks what the API requires.
    pub fn read(self, body: &[u8], deployment: Option<&str>) -> Result<Chat, Problem> {
        match self {
            Dialect::Anthropic => anthropic::read(body),
            _ => openai::read(body, deployment),
        }
    }

    /// How many tokens a model thinks before it answers a call.
    ///
    /// # Errors
    /// It does not take what it is told of that.
    pub fn thoughts(self, thinks: Thinks, chat: &Chat) -> Result<u64, Problem> {
        match self {
            Dialect::Anthropic => anthropic::thoughts(thinks, chat),
            _ => openai::thoughts(self, thinks, chat),
        }
    }

    /// The body of a whole answer.
    pub fn whole(self, chat: &Chat, answer: &Answer, id: &str) -> String {
        match self {
            Dialect::Anthropic => anthropic::whole(chat, answer, id),
            _ => openai::whole(chat, answer, id),
        }
    }

    /// The events of a streamed answer, the last one included.
    pub fn events(self, chat: &Chat, answer: &Answer, id: &str) -> Vec<String> {
        match self {
            Dialect::Anthropic => anthropic::events(chat, answer, id),
            _ => openai::events(chat, answer, id),
        }
    }

    /// The provider's word for why an answer ended.
    pub fn finish(self, chat: &Chat, answer: &Answer) -> &'static str {
        match self {
            Dialect::Anthropic => anthropic::reason(chat, answer),
            _ => openai::finish(answer.finish),
        }
    }

    /// A problem as the API reports it.
    pub fn error(self, problem: &Problem, id: &str) -> ApiError {
        match self {
            Dialect::Anthropic => anthropic::error(problem, id),
            _ => openai::error(self, problem),
        }
    }

    /// A problem in the middle of a stream.
    pub fn error_event(self, problem: &Problem, id: &str) -> String {
        let body = self.error(problem, id).body;
        match self {
            Dialect::Anthropic => anthropic::error_event(&body),
            _ => format!("data: {body}\n\n"),
        }
    }

    /// The list of models.
    pub fn models(self) -> String {
        match self {
            Dialect::Anthropic => anthropic::models(),
            _ => openai::models(),
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
