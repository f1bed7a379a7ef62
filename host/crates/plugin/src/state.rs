//! What a running instance can reach: the answers that are there, its log, and its share of WASI. A question without an
//! answer stops the instance.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::bindings::batchgen::component::{llm, log, types};
use super::cpu_time::CpuTime;
use super::execution::{Execution, LogLine, Question};
use super::limits::MemoryLimiter;
use ::types::class::FailureClass;
use ::types::digest::Digest;
use ::types::image::{Image, Pictures, Unshowable};
use ::types::json::Json;
use ::types::request::{
    Answer, CompletionRequest, Message, ResponseFormat, Role, Rules, StopReason,
};

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
    #[error("{0}")]
    Pictures(Unshowable),
    #[error(
        "it is not deterministic: its question {number} is not the one that was asked before{difference}"
    )]
    Determinism { number: u32, difference: String },
}

impl Stop {
    pub fn class(&self) -> FailureClass {
        match self {
            Stop::Suspended | Stop::Determinism { .. } => FailureClass::Determinism,
            Stop::CpuLimit { .. }
            | Stop::Random { .. }
            | Stop::Calls { .. }
            | Stop::RequestSize { .. } => FailureClass::Limit,
            Stop::NoLlm | Stop::Malformed { .. } => FailureClass::ComponentFault,
            Stop::Pictures(unshowable) => unshowable.class,
        }
    }
}

/// The random numbers of one execution, and what it has written of a line.
#[derive(Debug, Default)]
pub(super) struct WasiState {
    pub(super) random: u64,
    pub(super) output: Vec<u8>,
    pub(super) error: Vec<u8>,
}

/// What a running instance can reach.
pub struct State {
    pub(super) execution: Execution,
    pub(super) cpu: CpuTime,
    pub(super) memory: MemoryLimiter,
    asked: u32,
    /// How many equal questions there were so far, but for those that repeat what was asked before.
    ordinals: HashMap<Digest, u32>,
    repeated: Vec<Arc<CompletionRequest>>,
    pub(super) questions: Vec<Question>,
    pub(super) log: Vec<LogLine>,
    log_bytes: usize,
    pub(super) wasi: WasiState,
}

impl State {
    pub(super) fn new(execution: Execution) -> State {
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
        let execution = &self.execution;
        let images = shown(
            &request.images,
            &execution.input.images,
            &execution.pictures,
        )?;
        let mut request = CompletionRequest {
            images,
            ..convert(request)?
        };
        if let Some(feedback) = &self.execution.feedback {
            request.add_feedback(feedback);
        }
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
    let rules = request.rules.iter();
    let rules: usize = rules
        .flat_map(|rules| rules.required_words.iter().chain(&rules.headings))
        .map(String::len)
        .sum();
    messages
        .saturating_add(request.facts.len())
        .saturating_add(schema)
        .saturating_add(rules)
}

/// The contract's question as the host knows it.
fn convert(request: llm::CompletionRequest) -> Result<CompletionRequest, Stop> {
    let json = |what: &str, text: String| {
        Json::new(text)
            .ok()
            .filter(Json::is_object)
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
        facts: json("facts", request.facts)?,
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
                ResponseFormat::JsonSchema(json("schema's keywords", schema)?)
            }
        },
        images: Vec::new(),
    })
}

/// Most pictures of a question.
const MOST_IMAGES: usize = 16;

/// The pictures of the fields that a question shows, which must be among those that the component may show.
fn shown(fields: &[String], allowed: &[String], pictures: &Pictures) -> Result<Vec<Image>, Stop> {
    let unsuitable = |cause: String| {
        let class = FailureClass::UnsuitableRecord;
        Stop::Pictures(Unshowable { class, cause })
    };
    let mut images = Vec::new();
    for field in fields {
        if !allowed.contains(field) {
            return Err(Stop::Malformed {
                cause: format!(
                    "it shows the pictures of the field `{field}`, which `images` of its [input] does not name"
                ),
            });
        }
        match pictures.get(field) {
            Some(Ok(of_field)) => images.extend_from_slice(of_field),
            Some(Err(unshowable)) => return Err(Stop::Pictures(unshowable.clone())),
            None => {
                return Err(unsuitable(format!(
                    "the record has no field `{field}`, whose picture is to be shown"
                )));
            }
        }
        if images.len() > MOST_IMAGES {
            return Err(unsuitable(format!(
                "a question shows more than {MOST_IMAGES} pictures of the record"
            )));
        }
    }
    Ok(images)
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
