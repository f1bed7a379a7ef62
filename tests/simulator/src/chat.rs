//! A request and its answer, whatever the dialect.

use sha2::{Digest, Sha256};

use super::cache::Beginning;
use super::tokens::{TOKEN_CHARS, tokens};
use types::request::{Message, ResponseFormat};

/// Tokens of a picture, whatever its size.
const PICTURE_TOKENS: u64 = 85;

/// A request for an answer.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The model that was asked for.
    pub model: String,
    pub messages: Vec<Message>,
    /// Hashes of the pictures that it shows.
    pub pictures: Vec<String>,
    /// The shape of the answer.
    pub format: ResponseFormat,
    /// The tool that the answer must be a call of.
    pub tool: Option<String>,
    /// The answer is to be streamed.
    pub stream: bool,
    /// A stream is to end with its usage.
    pub include_usage: bool,
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// The tier of service that is asked for.
    pub tier: Option<Tier>,
    /// What is said of thinking.
    pub told: Told,
    /// What the prompt cache is asked to keep, where it is asked.
    pub marked: Vec<Beginning>,
    /// Hash of messages and format.
    pub prompt: u128,
    /// Hash of the whole body.
    pub body: u64,
}

impl Chat {
    /// Tokens of the question.
    pub fn input_tokens(&self) -> u64 {
        let messages = self.messages.iter();
        let said: u64 = messages.map(|message| tokens(&message.content) + 4).sum();
        said + PICTURE_TOKENS * self.pictures.len() as u64
    }
}

/// What a call says of thinking.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// How much, in a word.
    pub effort: Option<String>,
    /// Anthropic's switch: `enabled`, `adaptive` or `disabled`.
    pub switch: Option<String>,
    /// The most tokens.
    pub budget: Option<u64>,
    pub temperature: Option<f64>,
}

/// A tier of service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    Default,
    /// Cheaper, slower, and only while there is room.
    Flex,
}

impl Tier {
    /// The API's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Default => "default",
            Tier::Flex => "flex",
        }
    }
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Finish {
    #[default]
    Stop,
    /// The cap was reached.
    Length,
    /// A filter took it.
    ContentFilter,
    /// The model did not want to.
    Refusal,
    /// The provider had no room to finish it.
    InsufficientResource,
}

/// An answer, before it has a shape on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub text: String,
    pub finish: Finish,
    /// Tokens of the question.
    pub input_tokens: u64,
    /// Those of them that came from the cache.
    pub cached_tokens: u64,
    /// Those of them that were written to the cache, where that is billed.
    pub cache_write_tokens: u64,
    /// They are kept there for an hour.
    pub for_an_hour: bool,
    /// Tokens of the answer, thoughts included.
    pub output_tokens: u64,
    /// Those of them that were thoughts.
    pub reasoning_tokens: u64,
    /// The tier that it is served at, if one was asked for.
    pub tier: Option<Tier>,
}

impl Answer {
    /// Cuts the text to so many bytes.
    pub fn shorten(&mut self, bytes: usize, finish: Finish) {
        truncate(&mut self.text, bytes);
        self.output_tokens = tokens(&self.text) + self.reasoning_tokens;
        self.finish = finish;
    }
}

/// Tokens that a model thinks at an effort, if there is one of that name.
pub fn spent(effort: &str) -> Option<u64> {
    let efforts = [
        ("none", 0),
        ("minimal", 64),
        ("low", 800),
        ("medium", 4_000),
        ("high", 12_000),
    ];
    let found = efforts.into_iter().find(|(word, _)| *word == effort);
    found.map(|(_, tokens)| tokens)
}

/// The answer to a request, cut off at the request's cap.
pub fn answer(chat: &Chat, text: String, reasoning_tokens: u64) -> Answer {
    let most = chat.max_tokens.unwrap_or(u64::MAX);
    let reasoning_tokens = reasoning_tokens.min(most);
    let mut answer = Answer {
        output_tokens: tokens(&text) + reasoning_tokens,
        text,
        finish: Finish::Stop,
        input_tokens: chat.input_tokens(),
        cached_tokens: 0,
        cache_write_tokens: 0,
        for_an_hour: false,
        reasoning_tokens,
        tier: chat.tier,
    };
    if answer.output_tokens > most {
        let left = usize::try_from(most - reasoning_tokens).unwrap_or(usize::MAX);
        answer.shorten(left.saturating_mul(TOKEN_CHARS), Finish::Length);
    }
    answer
}

/// Cuts a text to so many bytes, or to a little less where a character would be cut.
pub fn truncate(text: &mut String, bytes: usize) {
    let end = (0..=bytes.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or(0));
}

/// A text in pieces of about so many bytes.
pub fn split(text: &str, bytes: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = (bytes.min(rest.len())..=rest.len()).find(|end| rest.is_char_boundary(*end));
        let (piece, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(piece)
    })
}

/// A hash of the parts of a request that make it the same question.
pub fn prompt_hash(parts: &[&str]) -> u128 {
    let mut sha = Sha256::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            // A byte that no JSON has, so that parts cannot run into each other.
            sha.update([0xff]);
        }
        sha.update(part);
    }
    fold(&sha.finalize())
}

/// The first half of a hash.
pub fn short(hash: u128) -> u64 {
    (hash >> 64) as u64
}

/// A hash of bytes.
pub fn hash(bytes: &[u8]) -> u128 {
    fold(&Sha256::digest(bytes))
}

fn fold(digest: &[u8]) -> u128 {
    let bytes = digest.iter().take(16);
    bytes.fold(0, |hash, byte| hash << 8 | u128::from(*byte))
}
