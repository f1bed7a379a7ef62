//! The chat completions API of OpenAI, at OpenAI or at any server that speaks it: streamed or not, JSON
//! by schema, usage, finish reason. What differs between servers and models is configuration, not code.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::body::{lay_over, turn, turn_of_parts, written};
use super::endpoint::{Endpoint, ModelOptions};
use super::gathered::{Gathered, Told, malformed, parsed};
use super::http::Http;
use super::lenient::{self, Count, First, Object, Text, Words, is_blank};
use super::response::{Reader, Step};
use super::schema;
use crate::adaptation::{Adaptation, Adaptations, Refused};
use crate::error::CallError;
use crate::pictures::Picture;
use crate::prices::Served;
use crate::provider::{Call, CallFuture, ModelsFuture, PromptCache, Provider, RawAnswer};
use crate::settings::{JsonSupport, ServiceTier};
use types::class::FailureClass;
use types::digest::Digest;
use types::key::Reasoning;
use types::render::render;
use types::request::{Message, ResponseFormat, Role, Usage};

/// One server and one model's parameters.
pub struct OpenAi {
    endpoint: Endpoint,
    options: ModelOptions,
    http: Http,
}

impl OpenAi {
    /// Prepares a client.
    ///
    /// # Errors
    /// When the key has characters that no header can carry, or TLS cannot be set up.
    pub fn new(endpoint: Endpoint, options: ModelOptions) -> Result<OpenAi, CallError> {
        let http = Http::new(&endpoint, "chat/completions", &[])?;
        Ok(OpenAi {
            endpoint,
            options,
            http,
        })
    }

    pub(super) fn body(&self, call: Call<'_>) -> Value {
        let adaptations = call.adaptations;
        let mut messages = render(call.request);
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(call.model));
        let schema = match &call.request.format {
            ResponseFormat::Text => None,
            ResponseFormat::JsonObject => Some(None),
            ResponseFormat::JsonSchema(schema) => Some(Some(schema)),
        };
        match (schema, self.options.json(adaptations)) {
            (None, _) => {}
            (Some(Some(schema)), JsonSupport::Schema) => {
                let (schema, is_strict) = schema::for_openai(schema.value());
                let format = json!({"type": "json_schema", "json_schema":
                    {"name": "answer", "strict": is_strict, "schema": schema}});
                body.insert("response_format".to_owned(), format);
            }
            (Some(schema), support) => {
                if support != JsonSupport::Prompt {
                    body.insert("response_format".to_owned(), json!({"type": "json_object"}));
                }
                if let Some(schema) = schema {
                    let content = schema::in_words(schema);
                    let role = Role::System;
                    messages.insert(0, Message { role, content });
                }
            }
        }
        if adaptations.contains(&Adaptation::NoSystem) {
            messages = without_system(messages);
        }
        body.insert("messages".to_owned(), turns(messages, call.pictures));
        body.insert(
            self.options.cap(adaptations).to_owned(),
            json!(call.max_output_tokens),
        );
        if self.options.sends_temperature(adaptations) {
            body.insert("temperature".to_owned(), json!(call.temperature));
        }
        if self.endpoint.streams(adaptations) {
            body.insert("stream".to_owned(), json!(true));
            if self.endpoint.stream_usage && !adaptations.contains(&Adaptation::NoStreamOptions) {
                body.insert("stream_options".to_owned(), json!({"include_usage": true}));
            }
        }
        let level = call.thoughts.map(|thoughts| thoughts.level);
        let thinker = self.options.thinker;
        thinker.ask_chat(&mut body, level, adaptations);
        if let Some(ServiceTier::Flex) = self.options.service_tier {
            body.insert("service_tier".to_owned(), json!("flex"));
        }
        let sends_key = self.options.cache_key && !adaptations.contains(&Adaptation::NoCacheKey);
        if let Some(prefix) = call.prefix.filter(|_| sends_key) {
            let key = format!("batchgen-{:016x}", prefix.id);
            body.insert("prompt_cache_key".to_owned(), json!(key));
        }
        lay_over(&mut body, &self.options.extra_body);
        Value::Object(body)
    }

    async fn ask(&self, body: String, call: Call<'_>) -> Result<RawAnswer, CallError> {
        let is_stream = self.endpoint.streams(call.adaptations);
        let asking = self.http.ask::<Partial>(body, call, is_stream);
        let mut answer = asking.await.map_err(|error| self.at_its_tier(error))?;
        if let ResponseFormat::JsonSchema(schema) = &call.request.format
            && self.options.json(call.adaptations) == JsonSupport::Schema
            && let Some(text) = schema::without_nulls(&schema.value(), &answer.text)
        {
            answer.text = text;
        }
        Ok(answer)
    }
}

impl OpenAi {
    /// Who has too much to do sheds what pays least: there it is no overload of the server.
    fn at_its_tier(&self, error: CallError) -> CallError {
        let is_shed = error.class == FailureClass::Overloaded;
        match self.options.service_tier {
            Some(ServiceTier::Flex) if is_shed => CallError {
                class: FailureClass::NoCapacity,
                ..error
            },
            _ => error,
        }
    }
}

/// Messages as the API takes them. The first one of the user shows the pictures, behind its text.
/// <https://platform.openai.com/docs/guides/images-vision>
fn turns(messages: Vec<Message>, pictures: &[Picture]) -> Value {
    let of_user = |message: &Message| message.role == Role::User;
    let first = messages.iter().position(of_user);
    let first = first.filter(|_| !pictures.is_empty());
    let turn_at = |(place, message): (usize, Message)| {
        if first != Some(place) {
            return turn(message.role, message.content);
        }
        let text = Some(message.content).filter(|text| !text.is_empty());
        let text = text.map(|text| json!({"type": "text", "text": text}));
        let shown = pictures
            .iter()
            .map(|picture| json!({"type": "image_url", "image_url": {"url": picture.data_url()}}));
        turn_of_parts(message.role, text.into_iter().chain(shown).collect())
    };
    messages.into_iter().enumerate().map(turn_at).collect()
}

/// The same conversation without system messages: what they say begins the user's first.
fn without_system(messages: Vec<Message>) -> Vec<Message> {
    let (system, mut rest): (Vec<Message>, Vec<Message>) = messages
        .into_iter()
        .partition(|message| message.role == Role::System);
    let mut said: Vec<String> = system.into_iter().map(|message| message.content).collect();
    if let Some(first) = rest.iter_mut().find(|message| message.role == Role::User) {
        said.push(std::mem::take(&mut first.content));
        first.content = said.join("\n\n");
    }
    rest
}

impl Provider for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        let body = written(&self.body(call));
        Box::pin(self.ask(body, call))
    }

    fn options(&self) -> Digest {
        self.options.digest(&self.endpoint)
    }

    fn prompt_cache(&self) -> Option<PromptCache> {
        self.options.cache
    }

    fn adapt(&self, refused: Refused, adaptations: &Adaptations) -> Option<Adaptation> {
        self.options.adapt(&self.endpoint, refused, adaptations)
    }

    fn most_output(&self) -> Option<u32> {
        self.options.most_output
    }

    fn level(&self, asked: Reasoning, adaptations: &Adaptations) -> Reasoning {
        let api = self.endpoint.api;
        self.options.thinker.level(asked, api, adaptations)
    }

    fn models(&self, within: Duration) -> ModelsFuture<'_> {
        Box::pin(self.http.models(within))
    }
}

/// A whole answer, or an event of a stream.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    choices: First<Choice>,
    usage: Object<Counts>,
    /// Groq's place for the usage of a stream.
    x_groq: Object<Aside>,
    model: Text,
    service_tier: Text,
    error: Value,
    /// Where servers put what went wrong when they send no choices.
    #[serde(alias = "error_msg")]
    message: Text,
    detail: Value,
    msg: Text,
    #[serde(alias = "error_code")]
    code: Value,
    base_resp: Object<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Aside {
    usage: Object<Counts>,
}

/// MiniMax's status.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    status_code: Value,
    status_msg: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Choice {
    message: Speech,
    delta: Speech,
    /// The legacy API's place for the answer.
    text: Words,
    finish_reason: Text,
    #[serde(rename = "finishReason")]
    finish_reason_of_gemini: Text,
    /// Moonshot's place for the usage of a stream.
    usage: Object<Counts>,
    error: Value,
}

/// What is said, as an object or as a mere text.
#[derive(Default)]
struct Speech(Option<Said>);

impl<'de> Deserialize<'de> for Speech {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Speech, D::Error> {
        lenient::object_or_text(from, |text| Said {
            content: text,
            ..Said::default()
        })
        .map(Speech)
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    content: Words,
    refusal: Text,
    /// Thoughts are no part of the answer, but no silence either.
    reasoning_content: Words,
    reasoning: Words,
    thinking: Words,
    tool_calls: First<Tool>,
    function_call: Object<Function>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    function: Object<Function>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Function {
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    prompt_tokens: Count,
    completion_tokens: Count,
    total_tokens: Count,
    prompt_tokens_details: Object<Details>,
    completion_tokens_details: Object<Details>,
    /// DeepSeek's and Moonshot's names for cached tokens.
    prompt_cache_hit_tokens: Count,
    cached_tokens: Count,
    /// LiteLLM's name for tokens that were written to a cache.
    cache_creation_input_tokens: Count,
    /// Names of other APIs, which some servers use here.
    input_tokens: Count,
    output_tokens: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    cached_tokens: Count,
    cache_write_tokens: Count,
    cache_write_tokens_details: Object<Written>,
    reasoning_tokens: Count,
}

/// What was written to a cache, by how long it is kept.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    ttl_12h_tokens: Count,
}

impl Counts {
    fn told(&self) -> Told {
        let asked = self.prompt_tokens_details.0.as_ref();
        let cached = asked.and_then(|details| details.cached_tokens.0);
        let answered = self.completion_tokens_details.0.as_ref();
        Told {
            input: self.prompt_tokens.0.or(self.input_tokens.0),
            output: self.completion_tokens.0.or(self.output_tokens.0),
            total: self.total_tokens.0,
            cached: cached
                .or(self.prompt_cache_hit_tokens.0)
                .or(self.cached_tokens.0),
            cache_write: asked
                .and_then(|details| details.cache_write_tokens.0)
                .or(self.cache_creation_input_tokens.0),
            long_cache_write: asked
                .and_then(|details| details.cache_write_tokens_details.0.as_ref())
                .and_then(|written| written.ttl_12h_tokens.0),
            reasoning: answered.and_then(|details| details.reasoning_tokens.0),
        }
    }
}

/// An answer as far as it has arrived.
#[derive(Default)]
pub(super) struct Partial {
    gathered: Gathered,
    /// It came in pieces, so that a whole message takes their place.
    has_pieces: bool,
}

impl Partial {
    /// Adds a piece.
    fn add(&mut self, body: Body) -> Result<Step, CallError> {
        let gathered = &mut self.gathered;
        gathered.fail(&body.error)?;
        if let Some(Status {
            status_code,
            status_msg,
        }) = body.base_resp.0
            && !is_blank(&status_code)
        {
            gathered.fail(&json!({"code": status_code, "message": status_msg.0}))?;
        }
        gathered.by(body.model.0);
        gathered.from(body.service_tier.0.as_deref().map(Served::of));
        let mut usage = body
            .usage
            .0
            .or(body.x_groq.0.and_then(|aside| aside.usage.0));
        let mut step = Step::Alive;
        let Some(choice) = body.choices.0 else {
            if let Some(counts) = usage {
                gathered.count(counts.told(), true);
            } else if !gathered.is_begun() {
                let words = body
                    .message
                    .0
                    .or(body.msg.0)
                    .map_or(body.detail, Value::from);
                gathered.fail(&json!({"code": body.code, "message": words}))?;
            }
            return Ok(step);
        };
        gathered.fail(&choice.error)?;
        let reason = choice.finish_reason.0.or(choice.finish_reason_of_gemini.0);
        let is_said = self.take(
            choice.delta.0,
            choice.message.0,
            choice.text,
            reason.as_deref(),
        );
        if is_said {
            step = Step::Part;
        }
        self.gathered.end(reason);
        usage = usage.or(choice.usage.0);
        if let Some(counts) = usage {
            self.gathered.count(counts.told(), !is_said);
        }
        Ok(step)
    }

    /// Adds what a choice says; whether that is something.
    fn take(
        &mut self,
        delta: Option<Said>,
        message: Option<Said>,
        text: Words,
        reason: Option<&str>,
    ) -> bool {
        let gathered = &mut self.gathered;
        let mut is_said = !text.said.is_empty() && gathered.say(&text, reason);
        for (said, is_piece) in [(delta, true), (message, false)] {
            let Some(said) = said else {
                continue;
            };
            is_said |= if is_piece || !self.has_pieces {
                gathered.say(&said.content, reason)
            } else {
                gathered.say_all(&said.content)
            };
            self.has_pieces |= is_piece && !said.content.said.is_empty();
            for (thought, field) in [
                (said.reasoning_content, "reasoning_content"),
                (said.reasoning, "reasoning"),
                (said.thinking, "thinking"),
            ] {
                is_said |= gathered.think(thought.said.len() + thought.thought, field);
            }
            gathered.refuse(&said.refusal.0.unwrap_or_default());
            let called = said.tool_calls.0.map(|tool| tool.function.0);
            if let Some(function) = called.or(said.function_call.0.map(Some)) {
                gathered.call_tool(function.and_then(|function| function.name.0));
            }
        }
        is_said
    }
}

impl Reader for Partial {
    fn event(&mut self, name: Option<&str>, data: &str) -> Result<Step, CallError> {
        if is_done(data) {
            self.gathered.ended();
            return Ok(Step::Last);
        }
        match parsed::<Body>(data) {
            Ok(Some(body)) if name == Some("error") && is_blank(&body.error) => {
                let words = body
                    .message
                    .0
                    .or(body.msg.0)
                    .map_or(body.detail, Value::from);
                let error = json!({"code": body.code, "message": words});
                self.gathered.fail(&error).map(|()| Step::Alive)
            }
            Ok(body) => self.add(body.unwrap_or_default()),
            Err(error) => self.gathered.noise(data, &error).map(|()| Step::Alive),
        }
    }

    fn whole(&mut self, body: &str) -> Result<(), CallError> {
        let body = parsed::<Body>(body).map_err(|error| malformed(&error))?;
        self.add(body.unwrap_or_default())?;
        self.gathered.ended();
        Ok(())
    }

    fn billed(&self, call: Call<'_>) -> Usage {
        self.gathered.billed(call)
    }

    fn served(&self) -> Option<Served> {
        self.gathered.served()
    }

    fn bytes(&self) -> usize {
        self.gathered.bytes()
    }

    fn is_sure(&self) -> bool {
        self.gathered.is_sure()
    }

    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        self.gathered.finish(call, "choices")
    }
}

/// The mark at the end of a stream; some servers put it in quotes.
fn is_done(data: &str) -> bool {
    let mark = data.trim().trim_matches('"');
    mark.eq_ignore_ascii_case("[done]")
}

#[cfg(test)]
mod tests;
