//! Anthropic's messages API, streamed or not. What questions of a component share is
//! marked for the prompt cache. It uses no tools and does not show what the model thought.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value, json};

use super::body::{lay_over, turn, turn_of_parts, written};
use super::endpoint::{Endpoint, ModelOptions};
use super::gathered::{Gathered, Told, malformed, parsed};
use super::http::Http;
use super::lenient::{Count, Object, Text, Words};
use super::response::{Reader, Step};
use super::schema;
use crate::adaptation::{Adaptation, Adaptations, Refused};
use crate::error::CallError;
use crate::pictures::Picture;
use crate::provider::{Call, CallFuture, ModelsFuture, PromptCache, Provider, RawAnswer};
use crate::settings::JsonSupport;
use types::digest::Digest;
use types::key::Reasoning;
use types::render::render;
use types::request::{ResponseFormat, Role, Usage};

/// The version of the API that this module speaks.
pub(super) const VERSION: (&str, &str) = ("anthropic-version", "2023-06-01");

/// One server and one model's parameters.
pub struct Anthropic {
    endpoint: Endpoint,
    options: ModelOptions,
    http: Http,
}

impl Anthropic {
    /// Prepares a client.
    ///
    /// # Errors
    /// When the key has characters that no header can carry, or TLS cannot be set up.
    pub fn new(endpoint: Endpoint, options: ModelOptions) -> Result<Anthropic, CallError> {
        let http = Http::new(&endpoint, "messages", &[VERSION])?;
        Ok(Anthropic {
            endpoint,
            options,
            http,
        })
    }

    pub(super) fn body(&self, call: Call<'_>) -> Value {
        let adaptations = call.adaptations;
        let Conversation {
            mut system,
            messages,
            is_whole,
        } = self.conversation(call);
        let mut body = Map::new();
        body.insert("model".to_owned(), json!(call.model));
        body.insert(
            self.options.cap(adaptations).to_owned(),
            json!(call.max_output_tokens),
        );
        if let ResponseFormat::JsonSchema(schema) = &call.request.format {
            let held = match self.options.json(adaptations) {
                JsonSupport::Schema => schema::for_anthropic(schema.value()),
                JsonSupport::Object | JsonSupport::Prompt => None,
            };
            if let Some(schema) = held {
                let format = json!({"type": "json_schema", "schema": schema});
                body.insert("output_config".to_owned(), json!({"format": format}));
            } else {
                system.push(text(&schema::in_words(schema)));
            }
        }
        // The mark counts for all that stands before it, and the schema is shared like the instructions.
        if is_whole && let Some(last) = system.last_mut() {
            self.mark(last);
        }
        if !system.is_empty() {
            body.insert("system".to_owned(), Value::Array(system));
        }
        body.insert("messages".to_owned(), Value::Array(messages));
        let thinker = self.options.thinker;
        let thinks = thinker.ask_messages(&mut body, call.thoughts, adaptations);
        // While it thinks it takes no temperature but its own.
        if !thinks && self.options.sends_temperature(adaptations) {
            body.insert("temperature".to_owned(), json!(call.temperature));
        }
        if self.endpoint.streams(adaptations) {
            body.insert("stream".to_owned(), json!(true));
        }
        lay_over(&mut body, &self.options.extra_body);
        Value::Object(body)
    }
}

/// What is said, as the API has it.
struct Conversation {
    system: Vec<Value>,
    messages: Vec<Value>,
    /// Questions begin with the whole of the system part, and its end is not marked yet.
    is_whole: bool,
}

impl Anthropic {
    fn conversation(&self, call: Call<'_>) -> Conversation {
        let mut conversation = Conversation {
            system: Vec::new(),
            messages: Vec::new(),
            is_whole: call.prefix.is_some(),
        };
        for (place, message) in render(call.request).into_iter().enumerate() {
            let is_first = message.role == Role::User && conversation.messages.is_empty();
            let shown = match is_first {
                true => call.pictures,
                false => &[],
            };
            // A text without a character is refused.
            if message.content.is_empty() && shown.is_empty() {
                continue;
            }
            let shared = call
                .prefix
                .filter(|prefix| prefix.messages == place)
                .and_then(|prefix| message.content.split_at_checked(prefix.bytes))
                .filter(|(shared, _)| !shared.is_empty());
            let blocks = shared.map(|(shared, own)| {
                let mut marked = text(shared);
                self.mark(&mut marked);
                let own = Some(own).filter(|own| !own.is_empty()).map(text);
                std::iter::once(marked).chain(own).collect::<Vec<_>>()
            });
            let is_beyond = call.prefix.is_some_and(|prefix| place >= prefix.messages);
            let is_own = is_beyond && message.role == Role::System;
            conversation.is_whole &= blocks.is_none() && !is_own;
            match (message.role, blocks) {
                (Role::System, Some(blocks)) => conversation.system.extend(blocks),
                (Role::System, None) => conversation.system.push(text(&message.content)),
                // What questions share stands in front.
                (role, Some(mut blocks)) => {
                    blocks.extend(shown.iter().map(image));
                    conversation.messages.push(turn_of_parts(role, blocks));
                }
                (role, None) if shown.is_empty() => {
                    conversation.messages.push(turn(role, message.content));
                }
                // The model looks at pictures best that come before the text.
                (role, None) => {
                    let said = Some(message.content).filter(|said| !said.is_empty());
                    let said = said.iter().map(|said| text(said));
                    let parts = shown.iter().map(image).chain(said).collect();
                    conversation.messages.push(turn_of_parts(role, parts));
                }
            }
        }
        conversation
    }

    /// Asks that all be kept in the prompt cache up to the end of this block.
    fn mark(&self, block: &mut Value) {
        let mark = match self.options.cache_time {
            Some(time) => json!({"type": "ephemeral", "ttl": time.as_str()}),
            None => json!({"type": "ephemeral"}),
        };
        if let Value::Object(block) = block {
            block.insert("cache_control".to_owned(), mark);
        }
    }
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

/// A picture as the API takes it. <https://docs.claude.com/en/docs/build-with-claude/vision>
fn image(picture: &Picture) -> Value {
    json!({"type": "image", "source": {"type": "base64", "media_type": picture.media_type.as_str(),
        "data": picture.base64}})
}

impl Provider for Anthropic {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        let body = written(&self.body(call));
        let is_stream = self.endpoint.streams(call.adaptations);
        Box::pin(self.http.ask::<Partial>(body, call, is_stream))
    }

    fn options(&self) -> Digest {
        self.options.digest(&self.endpoint)
    }

    fn prompt_cache(&self) -> Option<PromptCache> {
        self.options.cache
    }

    fn adapt(&self, refused: Refused, adaptations: &Adaptations) -> Option<Adaptation> {
        // It has one name for the cap, asks for no usage, and its JSON without a schema is the prompt's.
        match refused {
            Refused::CapName | Refused::StreamOptions | Refused::System => None,
            Refused::Json if self.options.json(adaptations) == JsonSupport::Schema => {
                Some(Adaptation::JsonPrompt)
            }
            Refused::Json => None,
            refused => self.options.adapt(&self.endpoint, refused, adaptations),
        }
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

/// An event of a stream, or a whole answer, which is a message by itself. What it is shows by what it has: some servers
/// leave out its type.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Event {
    #[serde(rename = "type")]
    kind: Text,
    message: Object<Message>,
    content_block: Object<Block>,
    delta: Object<Block>,
    error: Value,
    /// Of a whole answer.
    content: Content,
    stop_reason: Text,
    model: Text,
    /// Of a whole answer, or of the event that ends one.
    usage: Object<Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Message {
    content: Content,
    stop_reason: Text,
    usage: Object<Counts>,
    model: Text,
}

/// Blocks, or a mere text.
#[derive(Default)]
struct Content(Option<Vec<Block>>);

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Content, D::Error> {
        let content = Value::deserialize(from)?;
        let text = |text: &Value| Block {
            text: Words::deserialize(text).unwrap_or_default(),
            ..Block::default()
        };
        Ok(Content(match &content {
            Value::String(_) => Some(vec![text(&content)]),
            Value::Array(blocks) => {
                let block = |block: &Value| match block {
                    Value::Object(_) => Block::deserialize(block).unwrap_or_default(),
                    other => text(other),
                };
                Some(blocks.iter().map(block).collect())
            }
            _ => None,
        }))
    }
}

/// A block of the answer, a piece of one, or what ended it.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: Text,
    text: Words,
    thinking: Text,
    /// Of a tool that is called.
    name: Text,
    stop_reason: Text,
}

/// Sums until now; what a later event leaves out has not changed.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Object<Written>,
    cache_read_input_tokens: Count,
    output_tokens: Count,
    output_tokens_details: Object<Details>,
}

/// What was written to the cache, by how long it is kept.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    ephemeral_1h_input_tokens: Count,
}

/// Parts of the answer.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Details {
    thinking_tokens: Count,
}

impl Counts {
    fn update(&mut self, later: Counts) {
        let update = |count: &mut Count, later: Count| count.0 = later.0.or(count.0);
        update(&mut self.input_tokens, later.input_tokens);
        update(
            &mut self.cache_creation_input_tokens,
            later.cache_creation_input_tokens,
        );
        update(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        update(&mut self.output_tokens, later.output_tokens);
        let told = |written: &Object<Written>| written.0.as_ref()?.ephemeral_1h_input_tokens.0;
        if told(&later.cache_creation).is_some() {
            self.cache_creation = later.cache_creation;
        }
        if later.output_tokens_details.0.is_some() {
            self.output_tokens_details = later.output_tokens_details;
        }
    }

    /// Anthropic's `input_tokens` are only those that the cache has nothing to do with.
    fn told(&self) -> Told {
        let (cached, written) = (
            self.cache_read_input_tokens.0,
            self.cache_creation_input_tokens.0,
        );
        let by_time = self.cache_creation.0.as_ref();
        let details = self.output_tokens_details.0.as_ref();
        let input = [self.input_tokens.0, written, cached];
        Told {
            input: input.into_iter().flatten().reduce(u64::saturating_add),
            output: self.output_tokens.0,
            cached,
            cache_write: written,
            long_cache_write: by_time.and_then(|written| written.ephemeral_1h_input_tokens.0),
            reasoning: details.and_then(|details| details.thinking_tokens.0),
            ..Told::default()
        }
    }
}

/// An answer as far as it has arrived.
#[derive(Default)]
pub(super) struct Partial {
    gathered: Gathered,
    counts: Counts,
}

impl Partial {
    fn take(&mut self, event: Event) -> Result<Step, CallError> {
        let gathered = &mut self.gathered;
        gathered.fail(&event.error)?;
        let message = event.message.0.unwrap_or(Message {
            content: event.content,
            stop_reason: event.stop_reason,
            usage: event.usage,
            model: event.model,
        });
        let (mut is_part, mut reason) = (false, message.stop_reason.0);
        let (block, delta) = (event.content_block.0, event.delta.0);
        for block in message
            .content
            .0
            .into_iter()
            .flatten()
            .chain(block)
            .chain(delta)
        {
            reason = reason.or(block.stop_reason.0.clone());
            is_part |= add(gathered, block, reason.as_deref());
        }
        gathered.by(message.model.0);
        gathered.end(reason);
        if let Some(counts) = message.usage.0 {
            self.counts.update(counts);
            gathered.count(self.counts.told(), !is_part);
        }
        match event.kind.0.as_deref() {
            Some("message_stop") => {
                gathered.ended();
                Ok(Step::Last)
            }
            _ if is_part => Ok(Step::Part),
            _ => Ok(Step::Alive),
        }
    }
}

/// Adds a block; whether it says something. Only texts have `text`; a thought has none.
fn add(gathered: &mut Gathered, block: Block, reason: Option<&str>) -> bool {
    let kind = block.kind.0.unwrap_or_default();
    if kind == "tool_use" {
        gathered.call_tool(block.name.0);
    }
    let is_thought = kind.contains("thinking");
    let thought = block.thinking.0.map_or(0, |thought| thought.len());
    if is_thought {
        gathered.think(thought + block.text.said.len(), "thinking");
        return true;
    }
    gathered.say(&block.text, reason)
}

impl Reader for Partial {
    fn event(&mut self, name: Option<&str>, data: &str) -> Result<Step, CallError> {
        if data.trim() == "[DONE]" {
            self.gathered.ended();
            return Ok(Step::Last);
        }
        let mut event = match parsed::<Event>(data) {
            Ok(event) => event.unwrap_or_default(),
            Err(error) => return self.gathered.noise(data, &error).map(|()| Step::Alive),
        };
        event.kind.0 = event.kind.0.or_else(|| name.map(ToOwned::to_owned));
        self.take(event)
    }

    fn whole(&mut self, body: &str) -> Result<(), CallError> {
        let message = parsed(body).map_err(|error| malformed(&error))?;
        self.take(message.unwrap_or_default())?;
        self.gathered.ended();
        Ok(())
    }

    fn billed(&self, call: Call<'_>) -> Usage {
        self.gathered.billed(call)
    }

    fn bytes(&self) -> usize {
        self.gathered.bytes()
    }

    fn is_sure(&self) -> bool {
        self.gathered.is_sure()
    }

    fn finish(self, call: Call<'_>) -> Result<RawAnswer, CallError> {
        self.gathered.finish(call, "content")
    }
}

#[cfg(test)]
mod tests;
