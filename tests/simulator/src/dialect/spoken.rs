//! What each dialect hears and says in its own words: addresses, keys, questions, answers and errors.

use super::Dialect;
use crate::chat::{Answer, Chat};
use crate::config::Thinks;
use crate::http::{Credentials, Head};
use crate::openai::ApiError;
use crate::problem::Problem;
use crate::{anthropic, batch, openai};

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
}
