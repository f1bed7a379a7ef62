//! A question to a model and its answer, as the contract knows them: nothing here knows a provider,
//! a lane or HTTP.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Instructions, the same for every record.
    System,
    /// The question, and what was wrong with an answer.
    User,
    /// An earlier answer of the model.
    Assistant,
}

impl Role {
    /// The name that chat APIs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        }
    }
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// The shape that an answer must have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResponseFormat {
    /// Prose.
    Text,
    /// Any JSON object.
    JsonObject,
    /// A JSON value that obeys this JSON Schema.
    JsonSchema(Value),
}

/// What a text answer must obey (`llm.rules` in the contract). A word is a run without white space
/// that has a letter or digit; a line counts when it is not blank.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Fewest words.
    pub min_words: Option<u32>,
    /// Most words.
    pub max_words: Option<u32>,
    /// Fewest lines.
    pub min_lines: Option<u32>,
    /// Most lines.
    pub max_lines: Option<u32>,
    /// Words or phrases that must occur, whatever their case.
    pub required_words: Vec<String>,
    /// Headings that must occur as `## heading`, in this order.
    pub headings: Vec<String>,
    /// Every number must be one of the facts'.
    pub numbers_from_facts: bool,
    /// The answer ends with a whole sentence.
    pub whole_sentences: bool,
}

/// A question, apart from who is to answer it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompletionRequest {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// JSON object: what is known of the record, apart from the instructions.
    pub facts: Value,
    /// What a text answer must obey.
    pub rules: Option<Rules>,
    /// The shape of the answer.
    pub format: ResponseFormat,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StopReason {
    /// It had said all.
    Stop,
    /// It was cut off at the output cap.
    Length,
}

/// Tokens of one or more calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the question, those from the provider's prompt cache included.
    pub input_tokens: u64,
    /// Tokens of the answer, those of reasoning included.
    pub output_tokens: u64,
    /// Tokens of the question that the provider had in its prompt cache.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cached_tokens: u64,
    /// Tokens of the question that were written to the provider's prompt cache, where that costs extra.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cache_write_tokens: u64,
    /// Tokens of the answer that were thought and not said.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub reasoning_tokens: u64,
}

impl Usage {
    /// A question and an answer without cache or reasoning.
    pub fn new(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage {
            input_tokens,
            output_tokens,
            ..Usage::default()
        }
    }
}

fn is_zero(tokens: &u64) -> bool {
    *tokens == 0
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self
            .cache_write_tokens
            .saturating_add(other.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completion {
    /// What the model said.
    pub text: String,
    /// Why it stopped.
    pub stop: StopReason,
    /// The provider's own word for that, kept as evidence.
    pub finish_reason: String,
    /// What it cost, all attempts that were billed for it included.
    pub usage: Usage,
    /// The model that answered.
    pub model: String,
}

/// What a component is told in answer to a question: the only outcomes that it can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The model answered.
    Completion(Completion),
    /// The provider's content filter refused; its words.
    ContentFiltered(String),
    /// The question is longer than the model's context; the provider's words.
    ContextTooLong(String),
}
