//! The chat completions API of OpenAI, at OpenAI or at any server that speaks it: streamed or not, JSON
//! by schema, usage, finish reason. What differs between servers and models is configuration, not code.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::arrival::{Reader, Step, broken_off, malformed};
use super::body::{estimate, lay_over};
use super::endpoint::{Endpoint, Manner};
use super::errors::from_event;
use super::http::Http;
use super::schema;
use crate::config::JsonSupport;
use crate::core::class::FailureClass;
use crate::llm::error::CallError;
use crate::llm::provider::{Call, CallFuture, Finish, ModelsFuture, Provider, RawAnswer};
use crate::llm::render::render;
use crate::llm::request::{ResponseFormat, Usage};

/// One server and one model's parameters.
pub struct OpenAi {
    endpoint: Endpoint,
    manner: Manner,
    http: Http,
}

impl OpenAi {
    /// Prepares a client.
    ///
    /// # Errors
    /// When the key has characters that no header can carry, or TLS cannot be set up.
    pub fn new(endpoint: Endpoint, manner: Manner) -> Result<OpenAi, CallError> {
        let http = Http::new(&endpoint, "chat/completions", &[])?;
        Ok(OpenAi {
            endpoint,
            manner,
            http,
        })
    }

    fn body(&self, call: Call<'_>) -> Value {
        let mut messages: Vec<Value> = render(call.request)
            .into_iter()
            .map(|message| json!({"role": message.role.as_str(), "content": message.content}))
            .collect();
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(call.model));
        let schema = match &call.request.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(None),
            ResponseFormat::JsonSchema(schema) => Some(Some(schema)),
        };
        match (schema, self.manner.json) {
            (None, _) => {}
            (Some(Some(schema)), JsonSupport::Schema) => {
                let format = json!({"type": "json_schema", "json_schema":
                    {"name": "answer", "strict": true, "schema": schema::for_openai(schema)}});
                body.insert("response_format".to_owned(), format);
            }
            (Some(schema), support) => {
                if support != JsonSupport::Prompt {
                    body.insert("response_format".to_owned(), json!({"type": "json_object"}));
                }
                if let Some(schema) = schema {
                    let content = schema::in_words(schema);
                    messages.insert(0, json!({"role": "system", "content": content}));
                }
            }
        }
        body.insert("messages".to_owned(), Value::Array(messages));
        body.insert(
            self.manner.max_tokens_parameter.clone(),
            json!(call.max_output_tokens),
        );
        if self.manner.send_temperature {
            body.insert("temperature".to_owned(), json!(call.temperature));
        }
        if self.endpoint.stream {
            body.insert("stream".to_owned(), json!(true));
        }
        if self.endpoint.stream && self.endpoint.stream_usage {
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        lay_over(&mut body, &self.manner.extra_body);
        Value::Object(body)
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        let body = self.body(call).to_string();
        Box::pin(self.http.ask(body, call, Partial::default()))
    }

    fn models(&self, within: Duration) -> ModelsFuture<'_> {
        Box::pin(self.http.models(within))
    }
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<TokenCounts>,
    model: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    message: Option<Said>,
    delta: Option<Said>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
    refusal: Option<String>,
    /// DeepSeek's thoughts, and those of servers like it: no part of the answer, but no silence either.
    reasoning_content: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct TokenCounts {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: Option<u64>,
    prompt_tokens_details: Option<PromptDetails>,
    completion_tokens_details: Option<CompletionDetails>,
    /// DeepSeek's name for cached tokens.
    prompt_cache_hit_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct CompletionDetails {
    reasoning_tokens: Option<u64>,
}

impl TokenCounts {
    fn usage(&self) -> Usage {
        let details = self.prompt_tokens_details.as_ref();
        let cached = details.and_then(|details| details.cached_tokens);
        let thought = self.completion_tokens_details.as_ref();
        let thought = thought.and_then(|details| details.reasoning_tokens);
        // xAI and Gemini count thoughts in the total only, and bill them as the answer.
        let rest = self.total_tokens.unwrap_or(0);
        let rest = rest.saturating_sub(self.prompt_tokens);
        let unsaid = rest.saturating_sub(self.completion_tokens);
        Usage {
            input_tokens: self.prompt_tokens,
            output_tokens: self.completion_tokens.max(rest),
            cached_tokens: cached.or(self.prompt_cache_hit_tokens).unwrap_or(0),
            cache_write_tokens: 0,
            reasoning_tokens: thought.unwrap_or(unsaid),
        }
    }
}

/// An answer as far as it has arrived.
#[derive(Default)]
struct Partial {
    text: String,
    refused: bool,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    model: Option<String>,
}

impl Partial {
    /// Adds a piece; whether it said something.
    fn add(&mut self, body: Body) -> Result<Step, CallError> {
        if let Some(error) = body.error {
            return Err(from_event(&error));
        }
        let mut step = Step::Alive;
        if let Some(choice) = body.choices.into_iter().next() {
            if let Some(said) = choice.delta.or(choice.message) {
                let content = said.content.unwrap_or_default();
                if !content.is_empty() || said.reasoning_content.is_some() {
                    step = Step::Part;
                }
                self.text.push_str(&content);
                self.refused |= said.refusal.is_some();
            }
            if choice.finish_reason.is_some() {
                self.finish_reason = choice.finish_reason;
            }
        }
        if let Some(counts) = body.usage {
            self.usage = Some(counts.usage());
        }
        if body.model.is_some() {
            self.model = body.model;
        }
        Ok(step)
    }
}

impl Reader for Partial {
    fn event(&mut self, data: &str) -> Result<Step, CallError> {
        if data == "[DONE]" {
            return Ok(Step::Last);
        }
        self.add(serde_json::from_str(data).map_err(|error| malformed(&error))?)
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), CallError> {
        let body = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        self.add(body).map(|_| ())
    }

    fn billed(&self) -> Usage {
        self.usage.unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let reason = self.finish_reason.ok_or_else(broken_off)?;
        let finish = match reason.as_str() {
            // Mistral's and Together's names for it too.
            "length" | "model_length" | "max_tokens" => Finish::Length,
            "insufficient_system_resource" => {
                return Err(CallError::new(FailureClass::Overloaded, reason));
            }
            "error" => return Err(CallError::new(FailureClass::Transient, "the answer failed")),
            // Gemini adds why.
            _ if self.refused || reason.starts_with("content_filter") || reason == "refusal" => {
                Finish::ContentFilter
            }
            _ => Finish::Stop,
        };
        // Some servers send no counts with a stream; an estimate is better than nothing billed.
        let usage = self
            .usage
            .unwrap_or_else(|| Usage::new(estimate(call), (self.text.len() as u64).div_ceil(4)));
        Ok(RawAnswer {
            text: self.text,
            finish,
            finish_reason: reason,
            usage,
            model: self.model.unwrap_or_else(|| call.model.to_owned()),
            observed: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests;
