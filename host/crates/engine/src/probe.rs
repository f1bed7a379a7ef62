//! Runs a component as far as the journal answers, and asks nobody: to know what it would ask, or what it
//! would make.

use std::sync::Arc;

use super::replay::Asking;
use super::step::{Executions, Step, TaskFailure};
use config::component::Component;
use gateway::prefix::Prefixes;
use plugin::sandbox::{self, Input};
use store::{Store, StoreError};
use types::image::Pictures;
use types::render;
use types::request::Answer;

/// How far a component came.
#[derive(Debug)]
pub struct Probe {
    /// Questions that the journal answered.
    pub journaled: u64,
    /// Bytes of each of these as it is asked, and tokens that were billed for it.
    pub(super) sizes: Vec<(u64, u64)>,
    pub end: ProbeEnd,
}

/// How a probe ended.
#[derive(Debug)]
pub enum ProbeEnd {
    /// It made its file without a new answer.
    Made { text: Arc<str> },
    /// It needs answers that the journal does not have.
    Asks {
        calls: u64,
        /// Bytes of these as they would be asked.
        bytes: u64,
        /// Those of them that questions before began with too.
        shared: u64,
    },
    /// It fails without a new answer.
    Fails(TaskFailure),
}

/// Probes a component.
pub(super) fn probe(
    store: &Store,
    component: &Component,
    asking: Asking<'_>,
    (input, pictures): (Input, Pictures),
    prefixes: &Prefixes,
) -> Result<Probe, StoreError> {
    let input = Arc::new(input);
    let mut executions = Executions::new(component, asking.generation, asking.feedback, pictures);
    let mut sizes = Vec::new();
    let end = loop {
        let execution = match executions.next(Arc::clone(&input), component.limits) {
            Ok(execution) => execution,
            Err(failure) => break ProbeEnd::Fails(failure),
        };
        let outcome = sandbox::execute(&component.plugin, execution).outcome;
        let questions = match executions.step(outcome) {
            Step::Made(text) => break ProbeEnd::Made { text: text.into() },
            Step::Failed(failure) => break ProbeEnd::Fails(failure),
            Step::Asks(questions) => questions,
        };
        let (mut open, mut open_bytes, mut shared) = (0, 0, 0);
        for question in questions {
            let bytes = render::bytes(&question.request);
            match store.answered(question.key)? {
                None => {
                    open += 1;
                    open_bytes += bytes;
                    let prefix = prefixes.of(&component.name, &question.request);
                    shared += prefix.map_or(0, |prefix| prefix.total as u64);
                }
                Some(answer) => {
                    if let Answer::Completion(completion) = &answer {
                        sizes.push((bytes, completion.usage.input_tokens));
                    }
                    executions.tell([question.answered(answer)]);
                }
            }
        }
        if open > 0 {
            break ProbeEnd::Asks {
                calls: open,
                bytes: open_bytes,
                shared,
            };
        }
    };
    Ok(Probe {
        journaled: executions.answers().len() as u64,
        sizes,
        end,
    })
}
