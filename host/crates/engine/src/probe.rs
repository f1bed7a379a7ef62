//! Runs a component as far as the journal answers, and asks nobody: to know what it would ask, or what it
//! would make.

use std::sync::Arc;

use super::step::{self, Step, TaskFailure};
use config::component::Component;
use plugin::sandbox::{self, Answered, Execution, Input};
use store::{Store, StoreError};
use types::key::KeyContext;
use types::render;
use types::request::Answer;

/// How far a component came.
#[derive(Debug)]
pub struct Probe {
    /// Questions that the journal answered.
    pub journaled: u64,
    /// Bytes of each of these as it is asked, and tokens that were billed for it.
    pub(super) sizes: Vec<(u64, u64)>,
    /// How it ended.
    pub end: ProbeEnd,
}

/// How a probe ended.
#[derive(Debug)]
pub enum ProbeEnd {
    /// It made its file without a new answer.
    Made {
        /// The file's text.
        text: Arc<str>,
    },
    /// It needs answers that the journal does not have.
    Asks {
        /// Questions.
        calls: u64,
        /// Bytes of these as they would be asked.
        bytes: u64,
    },
    /// It fails without a new answer.
    Fails(TaskFailure),
}

/// Probes a component.
///
/// # Errors
/// When the state cannot be read.
pub(super) fn probe(
    store: &Store,
    component: &Component,
    generation: u32,
    input: Input,
) -> Result<Probe, StoreError> {
    let input = Arc::new(input);
    let context = component.parameters.as_ref().map(|parameters| {
        Arc::new(KeyContext {
            parameters: parameters.clone(),
            generation,
        })
    });
    let mut answers: Vec<Answered> = Vec::new();
    let mut sizes = Vec::new();
    let mut executions = 0;
    let end = loop {
        if let Err(failure) = step::count(&mut executions, &component.limits) {
            break ProbeEnd::Fails(failure);
        }
        let execution = Execution {
            input: Arc::clone(&input),
            context: context.clone(),
            answers: answers.clone(),
            limits: component.limits,
        };
        let outcome = sandbox::execute(&component.plugin, execution).outcome;
        let questions = match step::step(outcome, component.media_type, &answers) {
            Step::Made(text) => break ProbeEnd::Made { text: text.into() },
            Step::Failed(failure) => break ProbeEnd::Fails(failure),
            Step::Asks(questions) => questions,
        };
        let (mut open, mut open_bytes) = (0, 0);
        for question in questions {
            let bytes = render::bytes(&question.request);
            match store.answered(question.key)? {
                None => {
                    open += 1;
                    open_bytes += bytes;
                }
                Some(answer) => {
                    if let Answer::Completion(completion) = &answer {
                        sizes.push((bytes, completion.usage.input_tokens));
                    }
                    answers.push(Answered {
                        key: question.key,
                        answer,
                        request: Some(question.request),
                    });
                }
            }
        }
        if open > 0 {
            break ProbeEnd::Asks {
                calls: open,
                bytes: open_bytes,
            };
        }
    };
    Ok(Probe {
        journaled: answers.len() as u64,
        sizes,
        end,
    })
}
