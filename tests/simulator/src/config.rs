//! How a simulator is to behave. Everything defaults to a fast, faultless and unlimited provider.

use std::path::PathBuf;
use std::time::Duration;

use super::batch::BatchScript;
use super::dialect::Dialect;
use super::faults::Fault;
use super::limits::Limits;
use super::quality::Quality;

/// The quality of the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Answers {
    /// Answers that obey the rules and the schema of the request.
    #[default]
    Good,
    /// The same, but often with fences, chatter, wrong lengths or stray numbers; mostly good after
    /// a repair turn.
    Sloppy,
    /// One short fixed text.
    Echo,
    /// One fixed text of 2 KB.
    Long,
}

/// How long an answer takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Latency {
    /// Before the first byte of an answer.
    pub first_token: Duration,
    /// From there to its last byte; a streamed answer is spread over it.
    pub answer: Duration,
}

/// How the model thinks before it answers, and what it takes to be told about that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Thinks {
    /// Not at all; it refuses to be told.
    #[default]
    Never,
    /// As much as `reasoning_effort` says, which is never nothing. Anthropic's takes a budget, and does not think without.
    Told,
    /// The same, and nothing where it is told so; Anthropic's takes an effort in place of a budget, and no temperature.
    Adaptively,
}

/// What becomes of calls that ask for the flex tier. That there is no room for them is a fault, `flex-capacity`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flex {
    /// How much longer they wait for the first byte of an answer.
    pub delay: Duration,
    /// How likely it is that they are served, and billed, at the default tier: 0 to 1.
    pub at_default: f64,
}

/// What a simulator is started with.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Port on the loopback address; 0 takes a free one.
    pub port: u16,
    /// Answers and random faults follow from this and the request.
    pub seed: u64,
    /// The quality of the answers.
    pub answers: Answers,
    /// How often good answers are wrong, and verdicts are drawn by lot.
    pub quality: Quality,
    /// Whose API is spoken.
    pub dialect: Dialect,
    /// If set, every call must carry it as the dialect has it: `Authorization: Bearer <key>`,
    /// `x-api-key` (Anthropic) or `api-key` (Azure).
    pub key: Option<String>,
    /// How long an answer takes.
    pub latency: Latency,
    /// How often DeepSeek gives a sign of life before the first byte of an answer; 1 s if not set.
    pub keep_alive: Option<Duration>,
    /// Tokens that the model thinks before each answer, whatever it is told.
    pub reasoning_tokens: u64,
    /// How it can be told how much to think.
    pub thinks: Thinks,
    /// What becomes of calls that ask for the flex tier.
    pub flex: Flex,
    /// When calls are refused with 429.
    pub limits: Limits,
    /// What goes wrong; the first that applies to a call is done to it.
    pub faults: Vec<Fault>,
    /// How batches behave.
    pub batch: BatchScript,
    /// Billed calls are appended to this file, a JSON line each, before their last byte is sent.
    pub ledger_file: Option<PathBuf>,
}
