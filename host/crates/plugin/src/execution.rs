//! What one execution of a component is given, and what it comes to.

use std::sync::Arc;
use std::time::Duration;

use super::limits::Limits;
use types::class::FailureClass;
use types::digest::Digest;
use types::image::Pictures;
use types::key::KeyContext;
use types::request::{Answer, CompletionRequest};

pub use super::bindings::batchgen::component::types::{Input, Prompt, Site, Upstream};

/// A question that was answered before.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Key of the question.
    pub key: Digest,
    /// The answer.
    pub answer: Answer,
    /// The question, where this process asked it: to show what differs.
    pub request: Option<Arc<CompletionRequest>>,
}

/// A question without an answer.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its place among the execution's questions, from 0.
    pub position: u32,
    /// Its key.
    pub key: Digest,
    /// The question.
    pub request: Arc<CompletionRequest>,
}

impl Question {
    /// The same question with its answer.
    pub fn answered(self, answer: Answer) -> Answered {
        Answered {
            key: self.key,
            answer,
            request: Some(self.request),
        }
    }
}

/// How an execution ended.
#[derive(Debug)]
pub enum Outcome {
    /// The component made its artifact.
    Done {
        /// The file's text.
        text: String,
    },
    /// It needs these answers.
    Suspended {
        /// The questions, in their order.
        questions: Vec<Question>,
    },
    /// It reported a failure, trapped, or went beyond a limit.
    Failed {
        /// What kind.
        class: FailureClass,
        /// In words.
        cause: String,
        /// The rules that the last answer broke.
        violations: Vec<String>,
    },
}

/// One line that a component logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its level.
    pub level: tracing::Level,
    /// Its text.
    pub message: String,
}

/// What one execution is given.
#[derive(Debug)]
pub struct Execution {
    /// The component's input.
    pub input: Arc<Input>,
    /// What its questions can show of the record.
    pub pictures: Arc<Pictures>,
    /// What its questions are keyed by; `None` for a component whose manifest needs no LLM.
    pub context: Option<Arc<KeyContext>>,
    /// Answers by position.
    pub answers: Vec<Answered>,
    /// What each of its questions says about earlier answers. The component does not know.
    pub feedback: Option<Arc<str>>,
    /// What it may use.
    pub limits: Limits,
}

/// What one execution came to.
#[derive(Debug)]
pub struct Executed {
    /// How it ended.
    pub outcome: Outcome,
    /// Everything that it logged.
    pub log: Vec<LogLine>,
    /// CPU time that it took.
    pub cpu: Duration,
}
