//! A lane whose questions are asked in batches: the line of a question, and what the line of its answer means. The rules are
//! those of single calls, so that an answer counts the same however it was asked for. It sends nothing.

use std::sync::Arc;

use super::lines::{AskedLine, Line};
use super::{CallContext, Lane, Obtained, Question, Spent, Tried, judged, span, with_text};
use crate::batch::protocol::{BatchProtocol, LineResult};
use crate::batch::{Asked, custom_id};
use crate::budget::LaneBudget;
use crate::error::CallError;
use crate::limiter::RequestSize;
use crate::prefix::Prefixes;
use crate::provider::{Finish, RawAnswer};
use crate::providers::otel_name;
use crate::reasoning;
use types::class::FailureClass;
use types::key::Parameters;
use types::render;
use types::request::{Answer, Usage};

/// A question is asked in so many batches at most, where nothing but chance stands in its way.
const MOST_TRIES: u32 = 5;

/// What becomes of a question whose batch has ended. Usage and cost are those of all its tries.
#[derive(Debug)]
pub enum Verdict {
    /// It has its answer.
    Answered(Obtained),
    /// It is asked again, with this output cap where one is given.
    Again {
        /// The output cap to ask with.
        cap: Option<u32>,
        /// Tokens that were billed.
        usage: Usage,
        /// Millionths of a dollar, where the price is known.
        micros: Option<u64>,
        /// Tries so far.
        tries: u32,
    },
    /// It has none and is not asked again.
    Failed(CallError, Option<u64>),
}

/// A lane that is asked in batches.
#[derive(Clone)]
pub struct BatchLane {
    /// The lane that asks the same model one question at a time: what one learns of it holds for both.
    pub lane: Arc<Lane>,
    /// The batch API of its provider.
    pub protocol: Arc<dyn BatchProtocol>,
    /// The budget of the run, at the price of batches.
    pub budget: LaneBudget,
    prefixes: Option<Arc<Prefixes>>,
}

impl BatchLane {
    /// A lane with the batch API of its provider, and a budget at the price of batches.
    pub fn new(lane: Arc<Lane>, protocol: Arc<dyn BatchProtocol>, budget: LaneBudget) -> BatchLane {
        let cache = lane.prompt_cache().filter(|_| protocol.marks_beginnings());
        BatchLane {
            prefixes: cache.map(|cache| Arc::new(Prefixes::from_tokens(cache.least_tokens))),
            lane,
            protocol,
            budget,
        }
    }

    /// The output cap that a question is asked with first.
    pub fn cap(&self, parameters: &Parameters) -> u32 {
        self.lane.cap(parameters)
    }

    /// The line of a question; with this output cap where one is given.
    ///
    /// # Errors
    /// When its answer was cut off at the largest cap already.
    pub fn line(&self, asked: &Asked<'_>, cap: Option<u32>) -> Result<Line, CallError> {
        let lane = &self.lane;
        let (parameters, request) = (asked.parameters, asked.request);
        let cap = match cap {
            Some(cap) => cap,
            None => lane
                .lessons
                .first_cap(lane.cap(parameters), || request.digest())?,
        };
        let question = Question {
            request,
            temperature: parameters.temperature,
            thoughts: reasoning::thoughts(parameters, cap),
            cap,
        };
        let context = CallContext {
            caller: asked.caller,
            seed: asked.key.seed(),
            waits_for_recovery: true,
            leaves: false,
            prefix: self
                .prefixes
                .as_ref()
                .and_then(|prefixes| prefixes.of(asked.caller.component, request)),
        };
        let learned = lane.lessons.now();
        let call = lane.call(question, &context, &learned.adaptations);
        Ok(Line {
            text: self.protocol.line(&custom_id(asked.key), call),
            cap,
            adaptations: learned.adaptations.clone(),
            likely: lane.limiter.estimate(RequestSize {
                bytes: render::bytes(request),
                cap: u64::from(cap),
                prefix: None,
            }),
        })
    }

    /// What a line of a result file of this batch means for its question. What it cost is counted here, once.
    pub fn judge(&self, result: LineResult, asked: &AskedLine, batch: &str) -> Verdict {
        let result = match result {
            LineResult::NotReached(_) => {
                return Verdict::Again {
                    cap: Some(asked.cap),
                    usage: asked.usage,
                    micros: asked.micros,
                    tries: asked.tries + 1,
                };
            }
            LineResult::Answered(raw) => with_text(counted(raw, asked)),
            LineResult::Failed(error) => Err(error),
        };
        let usage = match &result {
            Ok(raw) => raw.usage,
            Err(error) => *error.usage,
        };
        let micros = self.budget.spend_at_once(usage);
        self.trace(&result, (usage, micros), asked, batch);
        if result.is_ok() || usage != Usage::default() {
            let spent = Spent {
                usage,
                micros,
                again: asked.tries > 0,
            };
            self.lane.observer.call_ended(&asked.component, spent);
        }
        let mut sum = asked.usage;
        sum += usage;
        let tally = Tally {
            usage: sum,
            micros: match (asked.micros, micros) {
                (None, micros) => micros,
                (Some(sum), micros) => Some(sum.saturating_add(micros.unwrap_or(0))),
            },
            tries: asked.tries + 1,
        };
        match result {
            Ok(raw) => {
                self.lane.lessons.answered_with(&asked.adaptations);
                self.judge_answer(raw, asked, tally)
            }
            Err(error) => {
                self.lane.observer.try_failed(&self.lane.name, &error);
                self.judge_error(error, asked, tally)
            }
        }
    }

    /// Tells those who trace and measure calls.
    fn trace(
        &self,
        result: &Result<RawAnswer, CallError>,
        (usage, micros): (Usage, Option<u64>),
        asked: &AskedLine,
        batch: &str,
    ) {
        let lane = &self.lane;
        let provider = otel_name(lane.provider.name());
        let span = span::of_line(provider, &lane.model, asked, batch);
        span::ended(span, result, micros, lane.observer.wants_texts());
        lane.observer.tried(Tried {
            provider,
            model: &lane.model,
            answered_by: result.as_ref().ok().map(|raw| raw.model.as_str()),
            usage,
            took: None,
            failed: result.as_ref().err().map(|error| error.class),
        });
    }

    /// Whether an answer to a question shows that the way in which is asked now will do.
    pub fn is_proved_by(&self, asked: &AskedLine) -> bool {
        let learned = self.lane.lessons.now();
        learned.adaptations.is_subset(&asked.adaptations)
    }

    fn judge_answer(&self, raw: RawAnswer, asked: &AskedLine, tally: Tally) -> Verdict {
        if raw.finish == Finish::Length {
            let next = self
                .lane
                .lessons
                .cut_off(asked.configured, asked.cap, asked.key);
            if let Some(next) = next {
                return tally.again(Some(next));
            }
            if raw.text.trim().is_empty() {
                return match self.lane.cut_off((raw, asked.cap), asked.configured) {
                    Ok(raw) => self.answered(raw, asked, tally),
                    Err(error) => tally.failed(error),
                };
            }
        } else {
            self.lane.lessons.whole_at(asked.configured, asked.cap);
        }
        self.answered(raw, asked, tally)
    }

    fn answered(&self, raw: RawAnswer, asked: &AskedLine, tally: Tally) -> Verdict {
        let raw = match &asked.schema {
            Some(schema) => RawAnswer {
                text: self.protocol.unstrict(schema, raw.text),
                ..raw
            },
            None => raw,
        };
        let model = raw.model.clone();
        let answer = judged(raw, tally.usage);
        tally.answered(answer, model, asked)
    }

    fn judge_error(&self, error: CallError, asked: &AskedLine, tally: Tally) -> Verdict {
        let adapted = error
            .refused
            .and_then(|refused| self.lane.provider.adapt(refused, &asked.adaptations));
        if let Some(adaptation) = adapted {
            self.lane.lessons.adapt(adaptation);
            return tally.again(None);
        }
        if let Some(smaller) = self.lane.smaller(&error, asked.cap, None) {
            return tally.again(Some(smaller));
        }
        let model = self.lane.name.clone();
        match error.class {
            FailureClass::ContentFilter => {
                tally.answered(Answer::ContentFiltered(error.message), model, asked)
            }
            FailureClass::Context => {
                tally.answered(Answer::ContextTooLong(error.message), model, asked)
            }
            class if class.is_transient() && tally.tries < MOST_TRIES => tally.again(None),
            // What fails in every batch is no accident, and a run that waited for it would never end.
            class if class.is_transient() => tally.failed(CallError {
                class: FailureClass::BadRequest,
                message: format!("it failed in {MOST_TRIES} batches: {}", error.message),
                ..error
            }),
            _ => tally.failed(error),
        }
    }
}

/// What the tries of a question took, the last included.
struct Tally {
    usage: Usage,
    micros: Option<u64>,
    tries: u32,
}

impl Tally {
    fn again(self, cap: Option<u32>) -> Verdict {
        Verdict::Again {
            cap,
            usage: self.usage,
            micros: self.micros,
            tries: self.tries,
        }
    }

    fn failed(self, error: CallError) -> Verdict {
        let error = CallError {
            usage: Box::new(self.usage),
            ..error
        };
        Verdict::Failed(error, self.micros)
    }

    fn answered(self, answer: Answer, model: String, asked: &AskedLine) -> Verdict {
        Verdict::Answered(Obtained {
            answer,
            model,
            usage: self.usage,
            micros: self.micros,
            tries: self.tries,
            took: asked.took,
        })
    }
}

/// The answer with an estimate of what was not counted.
fn counted(raw: RawAnswer, asked: &AskedLine) -> RawAnswer {
    let usage = match raw.usage.input_tokens {
        0 => Usage {
            input_tokens: asked.likely.input,
            ..raw.usage
        },
        _ => raw.usage,
    };
    RawAnswer { usage, ..raw }
}
