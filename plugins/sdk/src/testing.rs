//! A host for a plugin's own tests: answers that the test gives, and what was asked and logged.
//! There is no sandbox and no journal here; it does not exist in a built plugin.

use std::cell::RefCell;
use std::collections::VecDeque;

use serde_json::Value;

pub use crate::bindings::Input as RawInput;
use crate::bindings::batchgen::component::{llm, log, types};
use crate::{Component, Failure, Input, Site};

pub use crate::bindings::batchgen::component::llm::{
    CompletionRequest, Error, Message, ResponseFormat, Role,
};

/// An answer that a test gives.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The model said all.
    Whole(String),
    /// The model was cut off.
    CutOff(String),
    /// There is no answer.
    Refused(Error),
}

type Model = Box<dyn FnMut(&CompletionRequest) -> Answer>;

thread_local! {
    static MODEL: RefCell<Option<Model>> = const { RefCell::new(None) };
    static ASKED: RefCell<Vec<CompletionRequest>> = const { RefCell::new(Vec::new()) };
}

/// Runs something that asks a model; returns what it returns, and what it asked.
pub fn with_model<T>(
    model: impl FnMut(&CompletionRequest) -> Answer + 'static,
    run: impl FnOnce() -> T,
) -> (T, Vec<CompletionRequest>) {
    MODEL.set(Some(Box::new(model)));
    ASKED.take();
    let result = run();
    MODEL.set(None);
    (result, ASKED.take())
}

/// Runs something that asks, on answers in this order. Once they are used up, questions are refused.
pub fn with_answers<T>(
    answers: impl IntoIterator<Item = Answer>,
    run: impl FnOnce() -> T,
) -> (T, Vec<CompletionRequest>) {
    let mut answers: VecDeque<Answer> = answers.into_iter().collect();
    let none = || {
        Answer::Refused(Error::ContentFiltered(
            "the test has no more answers".to_owned(),
        ))
    };
    with_model(move |_| answers.pop_front().unwrap_or_else(none), run)
}

/// Runs a component on whole answers.
pub fn generate<C: Component>(
    input: RawInput,
    answers: &[&str],
) -> (Result<String, Failure>, Vec<CompletionRequest>) {
    let answers = answers
        .iter()
        .map(|answer| Answer::Whole((*answer).to_owned()));
    with_answers(answers.collect::<Vec<_>>(), || {
        C::generate(&Input::new(input))
    })
}

/// An input without fields, options, prompts and upstreams, to fill in.
pub fn input(id: &str, name: &str, category: &str) -> RawInput {
    RawInput {
        id: id.to_owned(),
        name: name.to_owned(),
        category: category.to_owned(),
        fields: "{}".to_owned(),
        category_fields: "{}".to_owned(),
        site: Site {
            base_url: "https://example.org".to_owned(),
            name: "Example".to_owned(),
            locale: "en_US".to_owned(),
            output_path: format!("component/{id}-laser-cleaning.md"),
        },
        options: "{}".to_owned(),
        prompts: Vec::new(),
        upstreams: Vec::new(),
        images: Vec::new(),
    }
}

/// An instruction file.
pub fn prompt(name: &str, text: &str) -> types::Prompt {
    types::Prompt {
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

/// A file that another component made.
pub fn upstream(component: &str, text: &str, json: Option<&Value>) -> types::Upstream {
    types::Upstream {
        component: component.to_owned(),
        text: text.to_owned(),
        json: json.map(Value::to_string),
    }
}

pub(crate) fn complete(request: &CompletionRequest) -> Result<llm::Completion, Error> {
    ASKED.with_borrow_mut(|asked| asked.push(request.clone()));
    let answer = MODEL.with_borrow_mut(|model| model.as_mut().map(|model| model(request)));
    let (text, stop_reason) = match answer {
        Some(Answer::Whole(text)) => (text, llm::StopReason::Stop),
        Some(Answer::CutOff(text)) => (text, llm::StopReason::Length),
        Some(Answer::Refused(error)) => return Err(error),
        None => return Err(Error::ContentFiltered("the test has no model".to_owned())),
    };
    let usage = llm::TokenUsage {
        input_tokens: 0,
        output_tokens: 0,
    };
    Ok(llm::Completion {
        text,
        stop_reason,
        usage,
        model: "test".to_owned(),
    })
}

/// Lines are of no interest to a test.
pub(crate) fn log(_level: log::Level, _message: &str) {}
