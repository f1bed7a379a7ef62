//! One task from beginning to end, with answers that are made up.

use std::convert::Infallible;
use std::sync::Arc;

use super::recorded::Recorded;
use config::component::Component;
use engine::TaskFailure;
use plugin::sandbox::{Answered, Input, Question};
use types::class::FailureClass;
use types::digest::Digest;
use types::image::{Image, ImageType, Pictures};
use types::request::{Answer, Completion, StopReason, Usage};

/// How a task went.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Every question with its key and answer, in order.
    pub told: Vec<Answered>,
    /// The artifact, checked as before publication.
    pub end: Result<String, TaskFailure>,
}

/// Runs a task to its end.
pub fn run(
    component: &Component,
    input: &Arc<Input>,
    mut answer: impl FnMut(&Question) -> Answer,
) -> Trial {
    resumed(component, input, Vec::new(), |question| answer(question))
}

/// Runs a task that was told something before.
pub fn resumed(
    component: &Component,
    input: &Arc<Input>,
    before: Vec<Answered>,
    mut answer: impl FnMut(&Question) -> Answer,
) -> Trial {
    let mut told = before.clone();
    let result = engine::replay_input(
        component,
        (input, pictures(input)),
        engine::Asking::PLAIN,
        before,
        |question| {
            let answer = answer(question);
            told.push(Answered {
                key: question.key,
                answer: answer.clone(),
                request: Some(Arc::clone(&question.request)),
            });
            Ok::<_, Infallible>(answer)
        },
    );
    let end = match result {
        Ok(replay) => replay.artifact,
        Err(never) => match never {},
    };
    Trial { told, end }
}

/// A made-up picture for each field that may be shown.
pub fn pictures(input: &Input) -> Pictures {
    let picture = |field: &String| Image {
        source: format!("{field}.png"),
        digest: Digest::of(field.as_bytes()),
        media_type: ImageType::Png,
        width: 800,
        height: 600,
        bytes: 1,
    };
    let fields = input.images.iter();
    fields
        .map(|field| (field.clone(), Ok(vec![picture(field)])))
        .collect()
}

/// Runs a task to its end with good answers.
pub fn good(component: &Component, input: &Arc<Input>, recorded: &Recorded) -> Trial {
    run(component, input, |question| {
        good_answer(component, input, recorded, question)
    })
}

/// A good answer: the one that was recorded for the question, else one that obeys rules and schema, as the offline
/// provider gives it.
pub fn good_answer(
    component: &Component,
    input: &Input,
    recorded: &Recorded,
    question: &Question,
) -> Answer {
    let request = &question.request;
    let text = match recorded.answer(component, &input.id, request) {
        Some(text) => text.to_owned(),
        None => offline::write(request, question.key.seed()),
    };
    completion(text, StopReason::Stop)
}

/// An answer of a model.
pub fn completion(text: String, stop: StopReason) -> Answer {
    Answer::Completion(Completion {
        usage: Usage::new(1, 1),
        text,
        stop,
        finish_reason: match stop {
            StopReason::Stop => "stop",
            StopReason::Length => "length",
        }
        .to_owned(),
        model: "conformance".to_owned(),
    })
}

/// How a task ended, in a line or two.
pub fn shown(end: &Result<String, TaskFailure>) -> String {
    match end {
        Ok(text) => format!("an artifact of {} bytes", text.len()),
        Err(failure) => failure.to_string(),
    }
}

/// Whether it ended as a component may that was given what it cannot work with.
pub fn is_orderly(end: &Result<String, TaskFailure>, allowed: &[FailureClass]) -> bool {
    match end {
        Ok(_) => true,
        Err(failure) => allowed.contains(&failure.class),
    }
}
