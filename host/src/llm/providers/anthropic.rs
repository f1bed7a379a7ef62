//! Anthropic's messages API, streamed or not. The system part, which all records of a component share, is marked
//! for the prompt cache. It uses no tools and does not show what the model thought.

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
use crate::llm::error::CallError;
use crate::llm::provider::{Call, CallFuture, Finish, ModelsFuture, Provider, RawAnswer};
use crate::llm::render::render;
use crate::llm::request::{ResponseFormat, Role, Usage};

/// The version of the API that this module speaks.
const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

/// One server and one model's parameters.
pub struct Anthropic {
    endpoint: Endpoint,
    manner: Manner,
    http: Http,
}

impl Anthropic {
    /// Prepares a client.
    ///
    /// # Errors
    /// When the key has characters that no header can carry, or TLS cannot be set up.
    pub fn new(endpoint: Endpoint, manner: Manner) -> Result<Anthropic, CallError> {
        let http = Http::new(&endpoint, "messages", &[VERSION])?;
        Ok(Anthropic {
            endpoint,
            manner,
            http,
        })
    }

    fn body(&self, call: Call<'_>) -> Value {
        let (mut system, mut messages) = (Vec::new(), Vec::new());
        for message in render(call.request) {
            // A text without a character is refused.
            if message.content.is_empty() {
                continue;
            }
            match message.role {
                Role::System => system.push(json!({"type": "text", "text": message.content})),
                role => messages.push(json!({"role": role.as_str(), "content": message.content})),
            }
        }
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(call.model));
        body.insert(
            self.manner.max_tokens_parameter.clone(),
            json!(call.max_output_tokens),
        );
        if let ResponseFormat::JsonSchema(schema) = &call.request.format {
            if self.manner.json == JsonSupport::Schema {
                let format =
                    json!({"type": "json_schema", "schema": schema::for_anthropic(schema)});
                body.insert("output_config".to_owned(), json!({"format": format}));
            } else {
                system.push(json!({"type": "text", "text": schema::in_words(schema)}));
            }
        }
        // The mark counts for all that stands before it.
        if let Some(Value::Object(last)) = system.last_mut() {
            last.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
        }
        if !system.is_empty() {
            body.insert("system".to_owned(), Value::Array(system));
        }
        body.insert("messages".to_owned(), Value::Array(messages));
        if self.manner.send_temperature {
            body.insert("temperature".to_owned(), json!(call.temperature));
        }
        if self.endpoint.stream {
            body.insert("stream".to_owned(), json!(true));
        }
        lay_over(&mut body, &self.manner.extra_body);
        Value::Object(body)
    }
}

impl Provider for Anthropic {
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

/// An event of a stream, or a whole answer, which is a message by itself.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Message(Message),
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: Block,
    },
    MessageDelta {
        delta: End,
        usage: Option<Counts>,
    },
    MessageStop,
    Error {
        error: Value,
    },
    /// `ping`, the end of a block, and whatever comes to be.
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: Option<Counts>,
    model: Option<String>,
}

/// A block of the answer or a piece of one: only texts have `text`, a thought has none.
#[derive(Deserialize)]
struct Block {
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct End {
    stop_reason: Option<String>,
}

/// Sums until now; what a later event leaves out has not changed.
#[derive(Default, Deserialize)]
struct Counts {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Counts {
    fn update(&mut self, later: Counts) {
        let Counts {
            input_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            output_tokens,
        } = later;
        self.input_tokens = input_tokens.or(self.input_tokens);
        self.cache_creation_input_tokens =
            cache_creation_input_tokens.or(self.cache_creation_input_tokens);
        self.cache_read_input_tokens = cache_read_input_tokens.or(self.cache_read_input_tokens);
        self.output_tokens = output_tokens.or(self.output_tokens);
    }

    /// Anthropic's `input_tokens` are only those that the cache has nothing to do with.
    fn usage(&self) -> Usage {
        let cached = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let input = [self.input_tokens.unwrap_or(0), written, cached];
        Usage {
            cached_tokens: cached,
            cache_write_tokens: written,
            ..Usage::new(
                input.into_iter().fold(0, u64::saturating_add),
                self.output_tokens.unwrap_or(0),
            )
        }
    }
}

/// An answer as far as it has arrived.
#[derive(Default)]
struct Partial {
    text: String,
    stop_reason: Option<String>,
    counts: Option<Counts>,
    model: Option<String>,
}

impl Partial {
    fn take(&mut self, event: Event) -> Result<Step, CallError> {
        match event {
            Event::Message(message) | Event::MessageStart { message } => {
                for block in message.content {
                    self.text.push_str(&block.text);
                }
                self.model = message.model;
                self.stop_reason = message.stop_reason;
                self.count(message.usage);
            }
            Event::ContentBlockStart {
                content_block: block,
            }
            | Event::ContentBlockDelta { delta: block } => self.text.push_str(&block.text),
            Event::MessageDelta { delta, usage } => {
                self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
                self.count(usage);
            }
            Event::MessageStop => return Ok(Step::Last),
            Event::Error { error } => return Err(from_event(&error)),
            Event::Other => return Ok(Step::Alive),
        }
        Ok(Step::Part)
    }

    fn count(&mut self, later: Option<Counts>) {
        if let Some(later) = later {
            self.counts.get_or_insert_default().update(later);
        }
    }
}

impl Reader for Partial {
    fn event(&mut self, data: &str) -> Result<Step, CallError> {
        self.take(serde_json::from_str(data).map_err(|error| malformed(&error))?)
    }

    fn whole(&mut self, body: &[u8]) -> Result<(), CallError> {
        let message = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        self.take(message).map(|_| ())
    }

    fn billed(&self) -> Usage {
        self.counts.as_ref().map(Counts::usage).unwrap_or_default()
    }

    fn bytes(&self) -> usize {
        self.text.len()
    }

    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let reason = self.stop_reason.ok_or_else(broken_off)?;
        let finish = match reason.as_str() {
            "max_tokens" | "model_context_window_exceeded" => Finish::Length,
            "refusal" => Finish::ContentFilter,
            _ => Finish::Stop,
        };
        let usage = match self.counts {
            Some(counts) => counts.usage(),
            None => Usage::new(estimate(call), (self.text.len() as u64).div_ceil(4)),
        };
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
