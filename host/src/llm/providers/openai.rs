//! The chat completions API of OpenAI, at OpenAI or at any server that speaks it: streamed or not, JSON
//! by schema, usage, finish reason. What differs between models is configuration, not code.

use std::fmt;
use std::time::Duration;

use eventsource_stream::Eventsource;
use futures_util::StreamExt;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Client, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::errors::{from_network, from_response};
use crate::config::{JsonSupport, ModelConfig};
use crate::core::class::FailureClass;
use crate::llm::error::CallError;
use crate::llm::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use crate::llm::render::render;
use crate::llm::request::{ResponseFormat, Usage};

/// Longest error body that is read.
const ERROR_BODY: usize = 64 * 1024;
/// Longest answer that is read.
const ANSWER: usize = 8 * 1024 * 1024;
/// A server that cannot stream is given so much more time for each token asked for.
const PER_TOKEN: Duration = Duration::from_millis(50);

/// How to reach a server.
#[derive(Clone)]
pub struct Endpoint {
    /// Name of the provider.
    pub name: String,
    /// Address up to and with `/v1`.
    pub base_url: String,
    /// The key, if the server wants one.
    pub key: Option<String>,
    /// Whether answers are streamed.
    pub stream: bool,
}

impl fmt::Debug for Endpoint {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("base_url", &self.base_url)
            .finish()
    }
}

/// One server and one model's parameters.
pub struct OpenAi {
    endpoint: Endpoint,
    model: ModelConfig,
    client: Client,
    url: String,
}

impl OpenAi {
    /// Prepares a client.
    ///
    /// # Errors
    /// When the key has characters that no header can carry, or TLS cannot be set up.
    pub fn new(endpoint: Endpoint, model: ModelConfig) -> Result<OpenAi, CallError> {
        let refused = |message: String| CallError::new(FailureClass::Auth, message);
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &endpoint.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                refused(format!(
                    "the key of `{}` has characters that a key cannot have",
                    endpoint.name
                ))
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        // Installed once for the process; a second call finds it there.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder()
            .default_headers(headers)
            .redirect(reqwest::redirect::Policy::none())
            // The lane retries, and counts what it does.
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(usize::MAX)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| refused(from_network(&error).message))?;
        let url = format!(
            "{}/chat/completions",
            endpoint.base_url.trim_end_matches('/')
        );
        Ok(OpenAi {
            endpoint,
            model,
            client,
            url,
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
        match (schema, self.model.json) {
            (None, _) => {}
            (Some(Some(schema)), JsonSupport::Schema) => {
                let format = json!({"type": "json_schema", "json_schema":
                    {"name": "answer", "strict": true, "schema": strict(schema)}});
                body.insert("response_format".to_owned(), format);
            }
            (Some(schema), support) => {
                if support != JsonSupport::Prompt {
                    body.insert("response_format".to_owned(), json!({"type": "json_object"}));
                }
                if let Some(schema) = schema {
                    let content =
                        format!("Answer with JSON that obeys this JSON Schema:\n{schema}");
                    messages.insert(0, json!({"role": "system", "content": content}));
                }
            }
        }
        body.insert("messages".to_owned(), Value::Array(messages));
        body.insert(
            self.model.max_tokens_parameter.clone(),
            json!(call.max_output_tokens),
        );
        if self.model.send_temperature {
            body.insert("temperature".to_owned(), json!(call.temperature));
        }
        if self.endpoint.stream {
            body.insert("stream".to_owned(), json!(true));
            body.insert("stream_options".to_owned(), json!({"include_usage": true}));
        }
        body.extend(self.model.extra_body.clone());
        Value::Object(body)
    }

    async fn ask(&self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let deadline = if self.endpoint.stream {
            call.idle_timeout
        } else {
            call.idle_timeout + PER_TOKEN.saturating_mul(call.max_output_tokens)
        };
        let request = self
            .client
            .post(&self.url)
            .body(self.body(call).to_string());
        let response = timeout(deadline, request.send())
            .await
            .map_err(|_| idle(deadline))?
            .map_err(|error| from_network(&error))?;
        let status = response.status();
        if !status.is_success() {
            let headers = response.headers().clone();
            let body = read(response, ERROR_BODY, call.idle_timeout)
                .await
                .unwrap_or_default();
            return Err(from_response(
                status,
                &headers,
                &String::from_utf8_lossy(&body),
            ));
        }
        let kind = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok());
        match kind.map(|kind| kind.split(';').next().unwrap_or_default().trim().to_owned()) {
            Some(kind) if kind == "text/event-stream" => streamed(response, call).await,
            Some(kind) if kind == "application/json" => {
                let body = read(response, ANSWER, deadline).await?;
                whole(&body, call)
            }
            other => Err(CallError::new(
                FailureClass::Transient,
                format!(
                    "the server answered with {}",
                    other.as_deref().unwrap_or("no content type")
                ),
            )),
        }
    }
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        Box::pin(self.ask(call))
    }
}

/// Strict mode refuses `uniqueItems`; the SDK checks it all the same.
fn strict(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => map
            .iter()
            .filter(|(key, value)| !(*key == "uniqueItems" && value.is_boolean()))
            .map(|(key, value)| (key.clone(), strict(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(items) => items.iter().map(strict).collect(),
        other => other.clone(),
    }
}

fn idle(limit: Duration) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("nothing arrived for {} s", limit.as_secs_f64()),
    )
}

/// Reads a body that may have at most `limit` bytes.
async fn read(response: Response, limit: usize, deadline: Duration) -> Result<Vec<u8>, CallError> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = timeout(deadline, chunks.next())
        .await
        .map_err(|_| idle(deadline))?
    {
        body.extend_from_slice(&chunk.map_err(|error| from_network(&error))?);
        if body.len() > limit {
            return Err(too_long(limit));
        }
    }
    Ok(body)
}

fn too_long(limit: usize) -> CallError {
    CallError::new(
        FailureClass::BadRequest,
        format!("the answer has more than {limit} bytes"),
    )
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
}

#[derive(Deserialize)]
struct TokenCounts {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
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
    fn add(&mut self, body: Body) -> Result<(), CallError> {
        if let Some(error) = body.error {
            let status = error.get("code").and_then(Value::as_u64).unwrap_or(500);
            let status = u16::try_from(status)
                .ok()
                .and_then(|code| reqwest::StatusCode::from_u16(code).ok());
            let text = json!({"error": error}).to_string();
            let status = status.unwrap_or(reqwest::StatusCode::INTERNAL_SERVER_ERROR);
            return Err(from_response(status, &HeaderMap::new(), &text));
        }
        if let Some(choice) = body.choices.into_iter().next() {
            if let Some(said) = choice.delta.or(choice.message) {
                self.text
                    .push_str(said.content.as_deref().unwrap_or_default());
                self.refused |= said.refusal.is_some();
            }
            if choice.finish_reason.is_some() {
                self.finish_reason = choice.finish_reason;
            }
        }
        if let Some(counts) = body.usage {
            self.usage = Some(Usage::new(counts.prompt_tokens, counts.completion_tokens));
        }
        if body.model.is_some() {
            self.model = body.model;
        }
        if self.text.len() > ANSWER {
            return Err(too_long(ANSWER));
        }
        Ok(())
    }

    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let Some(reason) = self.finish_reason else {
            return Err(CallError {
                usage: self.usage.unwrap_or_default(),
                ..CallError::new(
                    FailureClass::Transient,
                    "the answer broke off before its end",
                )
            });
        };
        let finish = match reason.as_str() {
            "length" => Finish::Length,
            "content_filter" => Finish::ContentFilter,
            "insufficient_system_resource" => {
                return Err(CallError::new(FailureClass::Overloaded, reason));
            }
            _ if self.refused => Finish::ContentFilter,
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

/// About how many tokens a question has.
fn estimate(call: Call<'_>) -> u64 {
    let bytes: usize = render(call.request)
        .iter()
        .map(|message| message.content.len())
        .sum();
    (bytes as u64).div_ceil(4)
}

async fn streamed(response: Response, call: Call<'_>) -> Result<RawAnswer, CallError> {
    let mut events = response.bytes_stream().eventsource();
    let mut partial = Partial::default();
    while let Some(event) = timeout(call.idle_timeout, events.next())
        .await
        .map_err(|_| idle(call.idle_timeout))?
    {
        let event = event.map_err(|error| match error {
            eventsource_stream::EventStreamError::Transport(error) => from_network(&error),
            other => CallError::new(FailureClass::Transient, format!("broken stream: {other}")),
        })?;
        if event.data == "[DONE]" {
            break;
        }
        let body = serde_json::from_str(&event.data).map_err(|error| malformed(&error))?;
        partial.add(body)?;
    }
    partial.finish(call)
}

fn whole(body: &[u8], call: Call<'_>) -> Result<RawAnswer, CallError> {
    let mut partial = Partial::default();
    partial.add(serde_json::from_slice(body).map_err(|error| malformed(&error))?)?;
    partial.finish(call)
}

fn malformed(error: &serde_json::Error) -> CallError {
    CallError::new(
        FailureClass::Transient,
        format!("the answer is not the JSON that it should be: {error}"),
    )
}
