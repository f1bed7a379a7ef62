//! Suspend by replay: a component is run again and again, each time with one more answer, until it ends. This is the one
//! place that says what an execution is given and what it means, for a run, a replay and a probe alike. Who has the
//! answers, and on which thread a component runs, it does not know.

use std::sync::Arc;

use super::artifact;
use config::component::Component;
use plan::verdict::{Feedback, Judgement};
use plugin::limits::Limits;
use plugin::sandbox::{Answered, Execution, Input, Outcome, Question};
use types::class::FailureClass;
use types::image::Pictures;
use types::key::KeyContext;
use types::request::Answer;

/// Why there is no artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {cause}")]
pub struct TaskFailure {
    pub class: FailureClass,
    pub cause: String,
}

/// How a task stands after an execution.
pub(super) enum Step {
    Made(String),
    Asks(Vec<Question>),
    Failed(TaskFailure),
}

/// The executions of one task.
pub(super) struct Executions<'a> {
    component: &'a Component,
    context: Option<Arc<KeyContext>>,
    feedback: Option<Arc<str>>,
    pictures: Arc<Pictures>,
    answers: Vec<Answered>,
    count: u32,
}

impl<'a> Executions<'a> {
    /// Of a component whose questions are asked in this generation, with this feedback on earlier artifacts, and can show
    /// these pictures.
    pub fn new(
        component: &'a Component,
        generation: u32,
        feedback: &Feedback,
        pictures: Pictures,
    ) -> Self {
        let context = component.parameters.as_ref().map(|parameters| {
            Arc::new(KeyContext {
                parameters: parameters.clone(),
                generation,
            })
        });
        Self {
            component,
            context,
            feedback: feedback.in_words().map(Into::into),
            pictures: Arc::new(pictures),
            answers: Vec::new(),
            count: 0,
        }
    }

    /// How many there were.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// What the component was told.
    pub fn answers(&self) -> &[Answered] {
        &self.answers
    }

    /// The same, when there are no more executions.
    pub fn into_answers(self) -> Vec<Answered> {
        self.answers
    }

    /// Tells the component answers from its next execution on.
    pub fn tell(&mut self, answers: impl IntoIterator<Item = Answered>) {
        self.answers.extend(answers);
    }

    /// What the next execution is given.
    ///
    /// # Errors
    /// When there may be no more.
    pub fn next(&mut self, input: Arc<Input>, limits: Limits) -> Result<Execution, TaskFailure> {
        if self.count >= limits.executions {
            return Err(TaskFailure {
                class: FailureClass::Limit,
                cause: format!("it needs more than {} executions", limits.executions),
            });
        }
        self.count += 1;
        Ok(Execution {
            input,
            pictures: Arc::clone(&self.pictures),
            context: self.context.clone(),
            answers: self.answers.clone(),
            feedback: self.feedback.clone(),
            limits,
        })
    }

    /// How the task stands after an execution.
    pub fn step(&self, outcome: Outcome) -> Step {
        step(outcome, self.component, &self.answers)
    }
}

/// What an execution means, with the answers that it was told.
fn step(outcome: Outcome, component: &Component, told: &[Answered]) -> Step {
    let fault = |text: &str| {
        let fault = artifact::fault(text, component.media_type);
        fault.or_else(|| judgement(component, text)?.err())
    };
    match outcome {
        Outcome::Done { text } => match fault(&text) {
            None => Step::Made(text),
            Some(cause) => Step::Failed(TaskFailure {
                class: FailureClass::RejectedArtifact,
                cause,
            }),
        },
        Outcome::Failed {
            class,
            cause,
            violations,
        } => Step::Failed(TaskFailure {
            class: precise(class, told),
            cause: artifact::with_violations(cause, &violations),
        }),
        Outcome::Suspended { questions } => Step::Asks(questions),
    }
}

/// The verdict that an artifact is, if its component judges, or what is wrong with it.
pub(super) fn judgement(component: &Component, text: &str) -> Option<Result<Judgement, String>> {
    component.judges.as_ref()?;
    let json = artifact::as_json(text, component.media_type);
    Some(match json {
        Some(json) => Judgement::read(&json),
        None => Err("a verdict is an object, as YAML or JSON".to_owned()),
    })
}

/// A component that gives up on a refusal does not say which it was: the last answer does.
fn precise(class: FailureClass, told: &[Answered]) -> FailureClass {
    match told.last().map(|answered| &answered.answer) {
        Some(Answer::ContextTooLong(_)) if class == FailureClass::ContentFilter => {
            FailureClass::Context
        }
        _ => class,
    }
}
