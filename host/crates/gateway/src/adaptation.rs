//! What a server refuses of a request, and the ways in which a lane then asks otherwise.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A parameter that a server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It takes no temperature, or only its own.
    Temperature,
    /// It knows the output cap by another name.
    CapName,
    /// The output cap is too large.
    Cap {
        /// The largest that it takes, where it says so.
        most: Option<u32>,
        /// Whether that depends on the length of the question.
        for_this_question: bool,
    },
    /// It does not tell the usage of a stream.
    StreamOptions,
    /// It does not stream.
    Stream,
    /// It does nothing but stream.
    NoStream,
    /// It does not take this way to ask for JSON.
    Json,
    /// It takes no system message.
    System,
    /// It does not take what says how much is to be thought.
    Reasoning,
    /// It takes no key by which questions that begin alike reach the same cache.
    CacheKey,
}

/// A way in which a lane asks other than it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Adaptation {
    /// Without a temperature.
    NoTemperature,
    /// With `max_tokens` for the output cap.
    MaxTokens,
    /// With `max_completion_tokens` for the output cap.
    MaxCompletionTokens,
    /// Without asking for the usage of a stream.
    NoStreamOptions,
    /// Not streamed.
    NoStream,
    /// Streamed.
    Stream,
    /// For any JSON object, with the schema in the prompt.
    JsonObject,
    /// For JSON in the prompt only.
    JsonPrompt,
    /// With the instructions in the user's message.
    NoSystem,
    /// For a little thinking where none is wanted.
    LowReasoning,
    /// With an effort in place of a budget for thoughts.
    AdaptiveThinking,
    /// Without saying how much is to be thought.
    NoReasoning,
    /// Without a key by which questions that begin alike reach the same cache.
    NoCacheKey,
}

impl Adaptation {
    /// What it changes, and why.
    pub fn told(self) -> &'static str {
        match self {
            Adaptation::NoTemperature => "it refuses a temperature, so none is sent",
            Adaptation::MaxTokens => {
                "it does not know `max_completion_tokens`, so `max_tokens` is sent"
            }
            Adaptation::MaxCompletionTokens => {
                "it refuses `max_tokens`, so `max_completion_tokens` is sent"
            }
            Adaptation::NoStreamOptions => {
                "it refuses `stream_options`, so streams are not asked for their usage"
            }
            Adaptation::NoStream => "it refuses to stream, so answers come at once",
            Adaptation::Stream => "it answers in streams only, so answers are streamed",
            Adaptation::JsonObject => {
                "it refuses the schema, so any JSON object is asked for, with the schema in the prompt"
            }
            Adaptation::JsonPrompt => {
                "it refuses `response_format`, so JSON is asked for in the prompt"
            }
            Adaptation::NoSystem => {
                "it refuses system messages, so instructions stand in the user's message"
            }
            Adaptation::LowReasoning => {
                "it refuses to be told how much to think in these words, so it is told to think a little where `reasoning` is \
                 \"none\""
            }
            Adaptation::AdaptiveThinking => {
                "it takes no budget for thoughts, so it is told an effort"
            }
            Adaptation::NoReasoning => {
                "it refuses to be told how much to think, so `reasoning` is not sent"
            }
            Adaptation::NoCacheKey => "it refuses `prompt_cache_key`, so none is sent",
        }
    }
}

/// The ways in which a lane asks other than it is configured.
pub type Adaptations = BTreeSet<Adaptation>;
