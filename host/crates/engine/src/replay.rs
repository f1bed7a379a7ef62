//! One task by itself, without network, state or clock: the component is run again and again with the
//! answers that the caller has. It publishes nothing.

use std::sync::Arc;

use super::input::{self, UpstreamText};
use super::step::{Executions, Step, TaskFailure};
use config::SiteConfig;
use config::component::Component;
use dataset::{Dataset, Fetching, Fields, Record};
use plan::verdict::Feedback;
use plugin::sandbox::{self, Answered, Input, LogLine, Question};
use types::image::Pictures;
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

/// Replays a component on a record. `answer` is asked for every question,
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
    asking: Asking<'_>,
    answer: impl FnMut(&Question) -> Result<Answer, E>,
) -> Result<Replay, E> {
    let none = Fields::default();
    let category = dataset.category_fields(&record.category).unwrap_or(&none);
    let input = input::prepared(component, site, record, category, upstreams);
    let names = &component.input.images;
    let pictures = input::pictures(dataset.images(), names, &record.fields, Fetching::Later);
    let given = (&Arc::new(input), pictures);
    replay_input(component, given, asking, Vec::new(), answer)
}

/// How a component asks.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Generation of its questions.
    pub generation: u32,
    /// What was said about its earlier artifacts.
    pub feedback: &'a Feedback,
}

impl Asking<'static> {
    /// As a task asks that nothing was said about, and none of whose answers was at fault.
    pub const PLAIN: Asking<'static> = Asking {
        generation: 0,
        feedback: &Feedback {
            reasons: Vec::new(),
        },
    };
}

/// Replays a component on an input, with the pictures that it may show. `answers` is what it was told before: their questions are not asked again.
///
/// # Errors
/// Those of `answer`, unchanged.
pub fn replay_input<E>(
    component: &Component,
    (input, pictures): (&Arc<Input>, Pictures),
    asking: Asking<'_>,
    answers: Vec<Answered>,
    mut answer: impl FnMut(&Question) -> Result<Answer, E>,
) -> Result<Replay, E> {
    let mut executions = Executions::new(component, asking.generation, asking.feedback, pictures);
    executions.tell(answers);
    let mut log = Vec::new();
    let artifact = loop {
        let execution = match executions.next(Arc::clone(input), component.limits) {
            Ok(execution) => execution,
            Err(failure) => break Err(failure),
        };
        let executed = sandbox::execute(&component.plugin, execution);
        log = executed.log;
        match executions.step(executed.outcome) {
            Step::Made(text) => break Ok(text),
            Step::Failed(failure) => break Err(failure),
            Step::Asks(questions) => {
                for question in questions {
                    let answer = answer(&question)?;
                    executions.tell([question.answered(answer)]);
                }
            }
        }
    };
    let count = executions.count();
    let told = executions
        .into_answers()
        .into_iter()
        .filter_map(|answered| Some((answered.request?, answered.answer)))
        .collect();
    Ok(Replay {
        told,
        executions: count,
        path: input.site.output_path.clone(),
        artifact,
        log,
    })
}
