//! The protocols of batches, what tells them apart, and what a line is in each.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::job::Job;
use crate::chat::{Answer, Chat};
use crate::dialect::Dialect;
use crate::problem::Problem;

/// Whose batches are spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OpenAI's, which Azure and Groq speak too.
    OpenAi,
    /// Anthropic's, which come with their questions.
    Anthropic,
    /// Gemini's, which are operations of a model.
    Gemini,
    /// Mistral's jobs, with OpenAI's files.
    Mistral,
    /// Together's, with OpenAI's lines.
    Together,
    /// xAI's, with OpenAI's files.
    Xai,
}

/// A line of an input.
#[derive(Debug)]
pub struct Read<'l> {
    pub custom_id: Cow<'l, str>,
    pub body: &'l RawValue,
}

/// What became of a line.
#[derive(Debug)]
pub enum Outcome<'o> {
    Answered(&'o Chat, &'o Answer),
    Refused(&'o Problem),
    Expired,
    Cancelled,
}

/// A line of the results.
#[derive(Debug)]
pub struct Rendered {
    pub text: String,
    /// It belongs in the file of errors, where the protocol has two.
    pub is_error: bool,
}

impl Protocol {
    /// The batches that a dialect has.
    pub fn of(dialect: Dialect) -> Option<Protocol> {
        match dialect {
            Dialect::OpenAi | Dialect::Azure | Dialect::Groq => Some(Protocol::OpenAi),
            Dialect::Anthropic => Some(Protocol::Anthropic),
            Dialect::Gemini => Some(Protocol::Gemini),
            Dialect::Mistral => Some(Protocol::Mistral),
            Dialect::Together => Some(Protocol::Together),
            Dialect::Xai => Some(Protocol::Xai),
            Dialect::DeepSeek => None,
        }
    }

    /// The id that a batch is shown with.
    pub fn id(self, job: &Job) -> String {
        match self {
            Protocol::OpenAi => format!("batch_sim{:06}", job.number),
            Protocol::Anthropic => format!("msgbatch_sim{:06}", job.number),
            Protocol::Gemini => format!("sim{:06}", job.number),
            Protocol::Mistral | Protocol::Together => {
                format!("{:08}-0000-4000-8000-000000000000", job.number)
            }
            Protocol::Xai => format!("batch_{:08}-sim", job.number),
        }
    }

    /// All lines of a batch must name the same model.
    pub fn has_one_model(self) -> bool {
        self == Protocol::OpenAi
    }

    /// It looks whether two lines have the same name.
    pub fn checks_names(self) -> bool {
        matches!(self, Protocol::OpenAi | Protocol::Anthropic)
    }

    /// A batch that expires gives what it answered until then.
    pub fn keeps_what_expires(self) -> bool {
        self != Protocol::Gemini
    }

    /// A batch may fail as a whole, for one of its lines or for none.
    pub fn fails_as_a_whole(self) -> bool {
        self != Protocol::Anthropic
    }
}
