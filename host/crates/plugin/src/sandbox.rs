//! One execution of a component: a fresh instance, answered from what is already known. At the first
//! question without an answer the instance is dropped and the questions are handed out; the caller
//! runs the component again from its start when it has the answers. No instance ever waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::bindings::batchgen::component::types::FailureKind;
use super::bindings::batchgen::component::{llm, log, types};
use super::cpu_time::CpuTime;
use super::limits::{HANDLES, Limits, MemoryLimiter, TABLE_ELEMENTS};
use super::load::{Plugin, PluginError};
use super::wasi::WasiState;
use ::types::class::FailureClass;
use ::types::digest::Digest;
use ::types::key::KeyContext;
use ::types::request::{
    Answer, CompletionRequest, Message, ResponseFormat, Role, Rules, StopReason,
};

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
    /// What its questions are keyed by; `None` for a component whose manifest needs no LLM.
    pub context: Option<Arc<KeyContext>>,
    /// Answers by position.
    pub answers: Vec<Answered>,
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

/// Runs a component once, on this thread. Its code is compiled where nobody did before.
pub fn execute(plugin: &Plugin, execution: Execution) -> Executed {
    let code = match plugin.code() {
        Ok(code) => code,
        Err(error) => return never_ran(&error),
    };
    let limits = execution.limits;
    let input = Arc::clone(&execution.input);
    let mut store = Store::new(&plugin.engine.wasmtime, State::new(execution));
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(hostcall_fuel(limits));
    store.set_max_component_handles(HANDLES);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        if store.data_mut().cpu.since_first_tick() >= limits.cpu {
            Err(wasmtime::Error::new(Stop::CpuLimit { limit: limits.cpu }))
        } else {
            Ok(UpdateDeadline::Continue(1))
        }
    });
    let result = code
        .instantiate(&mut store)
        .and_then(|component| component.call_generate(&mut store, &input));
    let mut state = store.into_data();
    state.flush_streams();
    let outcome = match result {
        Ok(Ok(artifact)) if artifact.text.len() > limits.artifact => Outcome::Failed {
            class: FailureClass::Limit,
            cause: format!(
                "the artifact has {} bytes, and {} are allowed",
                artifact.text.len(),
                limits.artifact
            ),
            violations: Vec::new(),
        },
        Ok(Ok(artifact)) => Outcome::Done {
            text: artifact.text,
        },
        Ok(Err(failure)) => reported(failure),
        Err(error) => stopped(&error, &state, limits),
    };
    Executed {
        outcome,
        cpu: state.cpu.total(),
        log: state.log,
    }
}

fn never_ran(error: &PluginError) -> Executed {
    Executed {
        outcome: Outcome::Failed {
            class: FailureClass::ComponentFault,
            cause: error.to_string(),
            violations: Vec::new(),
        },
        log: Vec::new(),
        cpu: Duration::ZERO,
    }
}

/// Most bytes that may cross the border at once: a question or an artifact, with room for its framing.
fn hostcall_fuel(limits: Limits) -> usize {
    limits.request.max(limits.artifact).saturating_mul(2)
}

/// What wasmtime says when more than that crosses it.
const HOSTCALL_FUEL: &str = "fuel allocated for hostcalls has been exhausted";

/// What wasmtime says when a component holds too many handles.
const HANDLE_LIMIT: &str = "handle limit exceeded";

fn reported(failure: types::Failure) -> Outcome {
    let class = match failure.kind {
        FailureKind::UnsuitableRecord => FailureClass::UnsuitableRecord,
        FailureKind::InvalidAnswer => FailureClass::InvalidOutput,
        FailureKind::Refused => FailureClass::ContentFilter,
        FailureKind::ComponentFault => FailureClass::ComponentFault,
    };
    let violations = failure.violations.iter().take(VIOLATIONS);
    Outcome::Failed {
        class,
        cause: shown(&failure.message),
        violations: violations.map(|violation| shown(violation)).collect(),
    }
}

/// Most violations that are kept.
const VIOLATIONS: usize = 20;
/// Longest message of a component that is kept, characters.
const MESSAGE: usize = 2_000;

/// A component's words as they may be kept and shown: not endless, and without what a terminal would obey.
fn shown(message: &str) -> String {
    let plain = |letter: char| match letter {
        '\n' | '\t' => letter,
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    };
    let mut text: String = message.chars().take(MESSAGE).map(plain).collect();
    if message.chars().nth(MESSAGE).is_some() {
        text.push('…');
    }
    text
}

/// Sorts out why wasmtime came back with an error.
fn stopped(error: &wasmtime::Error, state: &State, limits: Limits) -> Outcome {
    let failed = |class, cause| Outcome::Failed {
        class,
        cause,
        violations: Vec::new(),
    };
    match error.downcast_ref::<Stop>() {
        Some(Stop::Suspended) => {
            return Outcome::Suspended {
                questions: state.questions.clone(),
            };
        }
        Some(stop) => return failed(stop.class(), stop.to_string()),
        None => {}
    }
    if state.memory.refused {
        let mib = limits.memory / (1024 * 1024);
        return failed(
            FailureClass::Limit,
            format!("it wanted more than {mib} MiB of memory"),
        );
    }
    if state.memory.table_refused {
        return failed(
            FailureClass::Limit,
            format!("it wanted more than {TABLE_ELEMENTS} elements in its tables"),
        );
    }
    // Wasmtime has no type for these errors; a test with a hostile plugin notices if their words change.
    let root = error.root_cause().to_string();
    if root.contains(HANDLE_LIMIT) {
        return failed(
            FailureClass::Limit,
            format!("it held more than {HANDLES} handles of resources"),
        );
    }
    if root.contains(HOSTCALL_FUEL) {
        return failed(
            FailureClass::Limit,
            format!(
                "it passed the host more than {} bytes at once",
                hostcall_fuel(limits)
            ),
        );
    }
    let place = match error.downcast_ref::<Trap>() {
        Some(trap) => trap.to_string(),
        None => error.root_cause().to_string(),
    };
    // A Rust guest's panic is a bare trap; the SDK's hook logged message and place before it.
    let cause = match state.log.last() {
        Some(line) if line.level == tracing::Level::ERROR => {
            format!("{} ({place})", shown(&line.message))
        }
        _ => place,
    };
    failed(FailureClass::Trap, cause)
}

/// Why the host stopped a guest.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    #[error("it needs answers")]
    Suspended,
    #[error("it used more than {} ms of CPU time", limit.as_millis())]
    CpuLimit { limit: Duration },
    #[error("it wanted {count} random bytes at once, and {limit} are given")]
    Random { count: u64, limit: u64 },
    #[error("it asked more than {limit} questions")]
    Calls { limit: u32 },
    #[error("a question has {size} bytes, and {limit} are allowed")]
    RequestSize { size: usize, limit: usize },
    #[error(
        "it asks an LLM, and its manifest says that it needs none\nhint: add an [llm] section to plugin.toml"
    )]
    NoLlm,
    #[error("its question is malformed: {cause}")]
    Malformed { cause: String },
    #[error(
        "it is not deterministic: its question {number} is not the one that was asked before{difference}"
    )]
    Determinism { number: u32, difference: String },
}

impl Stop {
    fn class(&self) -> FailureClass {
        match self {
            Stop::Suspended | Stop::Determinism { .. } => FailureClass::Determinism,
            Stop::CpuLimit { .. }
            | Stop::Random { .. }
            | Stop::Calls { .. }
            | Stop::RequestSize { .. } => FailureClass::Limit,
            Stop::NoLlm | Stop::Malformed { .. } => FailureClass::ComponentFault,
        }
    }
}

/// What a running instance can reach.
pub struct State {
    execution: Execution,
    cpu: CpuTime,
    memory: MemoryLimiter,
    asked: u32,
    /// How many equal questions there were so far, but for those that repeat what was asked before.
    ordinals: HashMap<Digest, u32>,
    repeated: Vec<Arc<CompletionRequest>>,
    questions: Vec<Question>,
    log: Vec<LogLine>,
    log_bytes: usize,
    pub(super) wasi: WasiState,
}

impl State {
    fn new(execution: Execution) -> State {
        State {
            memory: MemoryLimiter::new(execution.limits.memory),
            execution,
            cpu: CpuTime::start(),
            asked: 0,
            ordinals: HashMap::new(),
            repeated: Vec::new(),
            questions: Vec::new(),
            log: Vec::new(),
            log_bytes: 0,
            wasi: WasiState::default(),
        }
    }

    /// Keeps a line, unless the log is full. Its end counts too, or empty lines would be free.
    pub(super) fn log_line(&mut self, level: tracing::Level, message: String) {
        let limit = self.execution.limits.log;
        if self.log_bytes >= limit {
            return;
        }
        self.log_bytes = self.log_bytes.saturating_add(message.len() + 1);
        let line = if self.log_bytes >= limit {
            LogLine {
                level: tracing::Level::WARN,
                message: format!("log cut off at {limit} bytes"),
            }
        } else {
            LogLine { level, message }
        };
        self.log.push(line);
    }

    /// The answer to one question, or the question noted as open.
    fn ask(&mut self, request: llm::CompletionRequest) -> Result<Option<Told>, Stop> {
        let Some(context) = &self.execution.context else {
            return Err(Stop::NoLlm);
        };
        let limits = self.execution.limits;
        if self.asked >= limits.calls {
            return Err(Stop::Calls {
                limit: limits.calls,
            });
        }
        let size = size(&request);
        if size > limits.request {
            return Err(Stop::RequestSize {
                size,
                limit: limits.request,
            });
        }
        let request = convert(request)?;
        let position = self.asked;
        self.asked += 1;
        let answered = self.execution.answers.get(position as usize);
        if let Some(answered) = answered
            && let Some(before) = &answered.request
            && **before == request
        {
            // All before it were the same too, so its key is: nothing need be hashed unless another question follows.
            self.repeated.push(Arc::clone(before));
            return Ok(Some(told(answered.answer.clone(), &request.format)));
        }
        for before in self.repeated.drain(..) {
            *self.ordinals.entry(before.digest()).or_insert(0) += 1;
        }
        let question = request.digest();
        let ordinal = self.ordinals.entry(question).or_insert(0);
        let key = context.key(question, *ordinal);
        *ordinal += 1;
        match answered {
            Some(answered) if answered.key == key => {
                Ok(Some(told(answered.answer.clone(), &request.format)))
            }
            Some(answered) => Err(Stop::Determinism {
                number: position + 1,
                difference: difference(answered.request.as_deref(), &request),
            }),
            None => {
                self.questions.push(Question {
                    position,
                    key,
                    request: Arc::new(request),
                });
                Ok(None)
            }
        }
    }
}

impl llm::Host for State {
    fn complete(&mut self, request: llm::CompletionRequest) -> wasmtime::Result<Told> {
        match self.ask(request)? {
            Some(answer) => Ok(answer),
            None => Err(wasmtime::Error::new(Stop::Suspended)),
        }
    }

    fn complete_all(
        &mut self,
        requests: Vec<llm::CompletionRequest>,
    ) -> wasmtime::Result<Vec<Told>> {
        let mut answers = Vec::with_capacity(requests.len().min(1024));
        for request in requests {
            if let Some(answer) = self.ask(request)? {
                answers.push(answer);
            }
        }
        if self.questions.is_empty() {
            Ok(answers)
        } else {
            Err(wasmtime::Error::new(Stop::Suspended))
        }
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => tracing::Level::DEBUG,
            log::Level::Info => tracing::Level::INFO,
            log::Level::Warn => tracing::Level::WARN,
            log::Level::Error => tracing::Level::ERROR,
        };
        self.log_line(level, message);
        Ok(())
    }
}

impl types::Host for State {}

fn size(request: &llm::CompletionRequest) -> usize {
    let schema = match &request.response_format {
        llm::ResponseFormat::JsonSchema(schema) => schema.len(),
        llm::ResponseFormat::Text | llm::ResponseFormat::JsonObject => 0,
    };
    let messages: usize = request
        .messages
        .iter()
        .map(|message| message.content.len())
        .sum();
    messages
        .saturating_add(request.facts.len())
        .saturating_add(schema)
}

/// The contract's question as the host knows it.
fn convert(request: llm::CompletionRequest) -> Result<CompletionRequest, Stop> {
    let json = |what: &str, text: &str| {
        serde_json::from_str::<Value>(text)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| Stop::Malformed {
                cause: format!("its {what} are not a JSON object"),
            })
    };
    if request.messages.is_empty() {
        return Err(Stop::Malformed {
            cause: "it has no message".to_owned(),
        });
    }
    Ok(CompletionRequest {
        messages: request
            .messages
            .into_iter()
            .map(|message| Message {
                role: match message.role {
                    llm::Role::System => Role::System,
                    llm::Role::User => Role::User,
                    llm::Role::Assistant => Role::Assistant,
                },
                content: message.content,
            })
            .collect(),
        facts: json("facts", &request.facts)?,
        rules: request.rules.map(|rules| Rules {
            min_words: rules.min_words,
            max_words: rules.max_words,
            min_lines: rules.min_lines,
            max_lines: rules.max_lines,
            required_words: rules.required_words,
            headings: rules.headings,
            numbers_from_facts: rules.numbers_from_facts,
            whole_sentences: rules.whole_sentences,
        }),
        format: match request.response_format {
            llm::ResponseFormat::Text => ResponseFormat::Text,
            llm::ResponseFormat::JsonObject => ResponseFormat::JsonObject,
            llm::ResponseFormat::JsonSchema(schema) => {
                ResponseFormat::JsonSchema(json("schema's keywords", &schema)?)
            }
        },
    })
}

/// What a component hears of an answer.
type Told = Result<llm::Completion, llm::Error>;

fn told(answer: Answer, format: &ResponseFormat) -> Told {
    match answer {
        Answer::Completion(completion) => Ok(llm::Completion {
            text: repair::answer(completion.text, format),
            stop_reason: match completion.stop {
                StopReason::Stop => llm::StopReason::Stop,
                StopReason::Length => llm::StopReason::Length,
            },
            usage: llm::TokenUsage {
                input_tokens: completion.usage.input_tokens,
                output_tokens: completion.usage.output_tokens,
            },
            model: completion.model,
        }),
        Answer::ContentFiltered(message) => Err(llm::Error::ContentFiltered(message)),
        Answer::ContextTooLong(message) => Err(llm::Error::ContextTooLong(message)),
    }
}

/// Where two questions part, for the person who has to find out why. What another run asked is known by its hash
/// alone.
fn difference(before: Option<&CompletionRequest>, now: &CompletionRequest) -> String {
    let pretty = |request| serde_json::to_string_pretty(request).unwrap_or_default();
    let now = pretty(now);
    let Some(before) = before.map(pretty) else {
        return format!("\n  now: {}", around(&now, 0));
    };
    let parted = before
        .chars()
        .zip(now.chars())
        .position(|(before, now)| before != now);
    let place = parted.unwrap_or_else(|| before.chars().count().min(now.chars().count()));
    let (before, now) = (around(&before, place), around(&now, place));
    format!("\n  before: {before}\n  now:    {now}")
}

/// Characters that are shown before and behind the place where questions part.
const CONTEXT: usize = 60;

fn around(text: &str, place: usize) -> String {
    let start = place.saturating_sub(CONTEXT);
    let mut shown: String = text.chars().skip(start).take(2 * CONTEXT).collect();
    if start > 0 {
        shown.insert(0, '…');
    }
    if text.chars().nth(start + 2 * CONTEXT).is_some() {
        shown.push('…');
    }
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}
