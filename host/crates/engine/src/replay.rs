//! One task by itself, without network, state or clock: the component is run again and again with the
//! answers that the caller has. It publishes nothing.

use std::sync::Arc;

use super::input::{self, UpstreamText};
use super::step::{self, Step, TaskFailure};
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Fields, Record};
use plugin::sandbox::{self, Answered, Execution, Input, LogLine, Question};
use types::key::KeyContext;
use types::request::{Answer, CompletionRequest};

/// What a replay was told and made.
#[derive(Debug)]
pub struct Replay {
    /// Questions and answers, in order.
    pub told: Vec<(Arc<CompletionRequest>, Answer)>,
    /// Executions that it took.
    pub executions: u32,
    /// Path of the file below the output directory.
    pub path: String,
    /// The artifact, checked as before publication.
    pub artifact: Result<String, TaskFailure>,
    /// What the component logged.
    pub log: Vec<LogLine>,
}

/// Replays a component on a record, with the questions of a generation. `answer` is asked for every question,
/// once.
///
/// # Errors
/// Those of `answer`, unchanged.
pub fn replay<E>(
    component: &Component,
    dataset: &Dataset,
    site: &SiteConfig,
    record: &Record,
    upstreams: &[UpstreamText<'_>],
    generation: u32,
    answer: impl FnMut(&Question) -> Result<Answer, E>,
) -> Result<Replay, E> {
    let none = Fields::default();
    let category = dataset.category_fields(&record.category).unwrap_or(&none);
    let input = input::prepared(component, site, record, category, upstreams);
    replay_input(component, &Arc::new(input), generation, Vec::new(), answer)
}

/// Replays a component on an input. `answers` is what it was told before: their questions are not asked again.
///
/// # Errors
/// Those of `answer`, unchanged.
pub fn replay_input<E>(
    component: &Component,
    input: &Arc<Input>,
    generation: u32,
    mut answers: Vec<Answered>,
    mut answer: impl FnMut(&Question) -> Result<Answer, E>,
) -> Result<Replay, E> {
    let context = component.parameters.as_ref().map(|parameters| {
        Arc::new(KeyContext {
            parameters: parameters.clone(),
            generation,
        })
    });
    let mut executions = 0;
    let mut log = Vec::new();
    let artifact = loop {
        if let Err(failure) = step::count(&mut executions, &component.limits) {
            break Err(failure);
        }
        let execution = Execution {
            input: Arc::clone(input),
            context: context.clone(),
            answers: answers.clone(),
            limits: component.limits,
        };
        let executed = sandbox::execute(&component.plugin, execution);
        log = executed.log;
        match step::step(executed.outcome, component.media_type, &answers) {
            Step::Made(text) => break Ok(text),
            Step::Failed(failure) => break Err(failure),
            Step::Asks(questions) => {
                for question in questions {
                    let answer = answer(&question)?;
                    let request = Some(question.request);
                    answers.push(Answered {
                        key: question.key,
                        answer,
                        request,
                    });
                }
            }
        }
    };
    let told = answers
        .into_iter()
        .filter_map(|answered| Some((answered.request?, answered.answer)))
        .collect();
    Ok(Replay {
        told,
        executions,
        path: input.site.output_path.clone(),
        artifact,
        log,
    })
}
