//! Version 0.1.0 of the contract in the types of the newest: a question without pictures, and an input that names none.

use crate::bindings::batchgen::component as newest;
use crate::bindings::first::batchgen::component::{llm, log, types};
use crate::state::State;

/// What a component is given.
pub(super) fn input(input: &newest::types::Input) -> types::Input {
    let newest::types::Input {
        id,
        name,
        category,
        fields,
        category_fields,
        site,
        options,
        prompts,
        upstreams,
        images: _,
    } = input.clone();
    types::Input {
        id,
        name,
        category,
        fields,
        category_fields,
        site: types::Site {
            base_url: site.base_url,
            name: site.name,
            locale: site.locale,
            output_path: site.output_path,
        },
        options,
        prompts: prompts
            .into_iter()
            .map(|newest::types::Prompt { name, text }| types::Prompt { name, text })
            .collect(),
        upstreams: upstreams
            .into_iter()
            .map(|given| types::Upstream {
                component: given.component,
                text: given.text,
                json: given.json,
            })
            .collect(),
    }
}

/// What it made.
pub(super) fn artifact(artifact: types::Artifact) -> newest::types::Artifact {
    newest::types::Artifact {
        text: artifact.text,
    }
}

/// Why it made nothing.
pub(super) fn failure(failure: types::Failure) -> newest::types::Failure {
    use newest::types::FailureKind;
    newest::types::Failure {
        kind: match failure.kind {
            types::FailureKind::UnsuitableRecord => FailureKind::UnsuitableRecord,
            types::FailureKind::InvalidAnswer => FailureKind::InvalidAnswer,
            types::FailureKind::Refused => FailureKind::Refused,
            types::FailureKind::ComponentFault => FailureKind::ComponentFault,
        },
        message: failure.message,
        violations: failure.violations,
    }
}

fn question(request: llm::CompletionRequest) -> newest::llm::CompletionRequest {
    use newest::llm::{Message, ResponseFormat, Role, Rules};
    newest::llm::CompletionRequest {
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
        facts: request.facts,
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
        response_format: match request.response_format {
            llm::ResponseFormat::Text => ResponseFormat::Text,
            llm::ResponseFormat::JsonObject => ResponseFormat::JsonObject,
            llm::ResponseFormat::JsonSchema(schema) => ResponseFormat::JsonSchema(schema),
        },
        images: Vec::new(),
    }
}

fn told(
    answer: Result<newest::llm::Completion, newest::llm::Error>,
) -> Result<llm::Completion, llm::Error> {
    match answer {
        Ok(completion) => Ok(llm::Completion {
            text: completion.text,
            stop_reason: match completion.stop_reason {
                newest::llm::StopReason::Stop => llm::StopReason::Stop,
                newest::llm::StopReason::Length => llm::StopReason::Length,
            },
            usage: llm::TokenUsage {
                input_tokens: completion.usage.input_tokens,
                output_tokens: completion.usage.output_tokens,
            },
            model: completion.model,
        }),
        Err(newest::llm::Error::ContentFiltered(why)) => Err(llm::Error::ContentFiltered(why)),
        Err(newest::llm::Error::ContextTooLong(why)) => Err(llm::Error::ContextTooLong(why)),
    }
}

impl llm::Host for State {
    fn complete(
        &mut self,
        request: llm::CompletionRequest,
    ) -> wasmtime::Result<Result<llm::Completion, llm::Error>> {
        newest::llm::Host::complete(self, question(request)).map(told)
    }

    fn complete_all(
        &mut self,
        requests: Vec<llm::CompletionRequest>,
    ) -> wasmtime::Result<Vec<Result<llm::Completion, llm::Error>>> {
        let requests = requests.into_iter().map(question).collect();
        let answers = newest::llm::Host::complete_all(self, requests)?;
        Ok(answers.into_iter().map(told).collect())
    }
}

impl log::Host for State {
    fn log(&mut self, level: log::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            log::Level::Debug => newest::log::Level::Debug,
            log::Level::Info => newest::log::Level::Info,
            log::Level::Warn => newest::log::Level::Warn,
            log::Level::Error => newest::log::Level::Error,
        };
        newest::log::Host::log(self, level, message)
    }
}

impl types::Host for State {}
