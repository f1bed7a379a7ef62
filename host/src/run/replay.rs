//! One task by itself, without network, state or clock: the component is run again and again with the
//! answers that the caller has. It publishes nothing.

use std::sync::Arc;

use super::artifact;
use super::input;
use crate::component::Component;
use crate::config::SiteConfig;
use crate::core::class::FailureClass;
use crate::core::key::KeyContext;
use crate::dataset::{Dataset, Record};
use crate::llm::request::{Answer, CompletionRequest};
use crate::plugin::sandbox::{self, Answered, Execution, Outcome, Question, Upstream};

/// A file that the component depends on.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamText<'a> {
    /// What made it.
    pub component: &'a Component,
    /// Its text.
    pub text: &'a str,
}

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
    pub artifact: Result<String, ReplayFailure>,
}

/// Why there is no artifact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{class}: {cause}")]
pub struct ReplayFailure {
    /// What kind.
    pub class: FailureClass,
    /// In words.
    pub cause: String,
}

/// Replays a component on a record. `answer` is asked for every question, once.
///
/// # Errors
/// Those of `answer`, unchanged.
pub fn replay<E>(
    component: &Component,
    dataset: &Dataset,
    site: &SiteConfig,
    record: &Record,
    upstreams: &[UpstreamText<'_>],
    mut answer: impl FnMut(&Question) -> Result<Answer, E>,
) -> Result<Replay, E> {
    let given = input::given(component, dataset, record);
    let path = given.path.clone();
    let upstreams = upstreams
        .iter()
        .map(|upstream| Upstream {
            component: upstream.component.name.clone(),
            text: upstream.text.to_owned(),
            json: artifact::as_json(upstream.text, upstream.component.media_type)
                .map(|json| json.to_string()),
        })
        .collect();
    let input = Arc::new(input::input(component, site, record, &given, upstreams));
    let context = component.parameters.as_ref().map(|parameters| {
        Arc::new(KeyContext {
            parameters: parameters.clone(),
            generation: 0,
        })
    });
    let mut answers: Vec<Answered> = Vec::new();
    let mut executions = 0;
    let artifact = loop {
        executions += 1;
        let execution = Execution {
            input: Arc::clone(&input),
            context: context.clone(),
            answers: answers.clone(),
            limits: component.limits,
        };
        match sandbox::execute(&component.plugin, execution).outcome {
            Outcome::Done { text } => {
                break match artifact::fault(&text, component.media_type) {
                    None => Ok(text),
                    Some(cause) => Err(ReplayFailure {
                        class: FailureClass::RejectedArtifact,
                        cause,
                    }),
                };
            }
            Outcome::Failed {
                class,
                cause,
                violations,
            } => {
                let cause = artifact::with_violations(cause, &violations);
                break Err(ReplayFailure { class, cause });
            }
            Outcome::Suspended { questions } => {
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
        path,
        artifact,
    })
}
