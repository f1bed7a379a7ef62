//! What a provider is to a lane: something that takes one question and brings one answer or one error.
//! It does not retry, limit, or know what else is being asked.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use super::adaptation::{Adaptation, Adaptations, Refused};
use super::error::CallError;
use super::pictures::Picture;
use super::prefix::Prefix;
use super::prices::Served;
use super::reasoning::Thoughts;
use types::digest::Digest;
use types::key::Reasoning;
use types::limit::Observed;
use types::request::{CompletionRequest, Usage};

/// One question, as a provider needs it.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// The question.
    pub request: &'a CompletionRequest,
    /// The pictures that it shows, with their bytes.
    pub pictures: &'a [Picture],
    /// Name of the model, without the provider's.
    pub model: &'a str,
    /// Sampling temperature.
    pub temperature: f64,
    /// Most tokens of the answer.
    pub max_output_tokens: u32,
    /// How much is to be thought; left to the model where absent.
    pub thoughts: Option<Thoughts>,
    /// Nothing for so long is a failure.
    pub idle_timeout: Duration,
    /// A number that depends on the question alone.
    pub seed: u64,
    /// What the question begins with, where others begin alike.
    pub prefix: Option<Prefix>,
    /// How to ask other than configured.
    pub adaptations: &'a Adaptations,
    /// To be told once the provider has accepted the call and an answer is on its way, with what its headers say of its
    /// limits.
    pub accepted: &'a (dyn Fn(&[Observed]) + Sync),
}

/// What is known of a provider's prompt cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptCache {
    /// Fewest tokens of a beginning that is kept there.
    pub least_tokens: u32,
    /// How long what nobody reads is kept.
    pub lifetime: Duration,
}

/// Why the model stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It had said all.
    Stop,
    /// It reached the output cap.
    Length,
    /// The content filter stepped in.
    ContentFilter,
}

/// One answer, unjudged: it may be empty, cut off or filtered.
#[derive(Clone, Debug)]
pub struct RawAnswer {
    /// What came.
    pub text: String,
    /// Why it stopped.
    pub finish: Finish,
    /// The provider's word for that.
    pub finish_reason: String,
    /// The model's words, where it refused to answer.
    pub refusal: Option<String>,
    /// It thought, so that an answer without text went for thoughts.
    pub thought: bool,
    /// Tokens billed.
    pub usage: Usage,
    /// Model that answered, as the provider names it.
    pub model: String,
    /// The tier that it came from, where the provider says so.
    pub served: Option<Served>,
    /// What the answer's headers said of the provider's limits.
    pub observed: Vec<Observed>,
}

/// What a call returns.
pub type CallFuture<'a> = Pin<Box<dyn Future<Output = Result<RawAnswer, CallError>> + Send + 'a>>;

/// What a list of models returns.
pub type ModelsFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Option<Vec<String>>, CallError>> + Send + 'a>>;

/// Somebody who answers.
pub trait Provider: Send + Sync {
    /// Its name, as it stands before the slash of a model's.
    fn name(&self) -> &str;

    /// Asks once.
    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a>;

    /// Whether it is sent the bytes of pictures.
    fn takes_pictures(&self) -> bool {
        true
    }

    /// A hash of how it is configured to ask: what was learned of another way of asking does not count for this one.
    fn options(&self) -> Digest {
        Digest::of(b"")
    }

    /// How to ask when a part of the request is refused that was made with these adaptations; `None` where nothing is left
    /// to try.
    fn adapt(&self, refused: Refused, adaptations: &Adaptations) -> Option<Adaptation> {
        let _ = (refused, adaptations);
        None
    }

    /// Most tokens that the model puts out, where that is known.
    fn most_output(&self) -> Option<u32> {
        None
    }

    /// How much is thought where this is asked for in this way.
    fn level(&self, asked: Reasoning, adaptations: &Adaptations) -> Reasoning {
        let _ = adaptations;
        asked
    }

    /// What is known of its prompt cache; nothing where it has none, or none that is known.
    fn prompt_cache(&self) -> Option<PromptCache> {
        None
    }

    /// Names of the models that it lists, within a time; `None` where it lists none. It asks no model, so it costs
    /// nothing, and shows whether the provider can be reached and takes the key.
    fn models(&self, within: Duration) -> ModelsFuture<'_> {
        let _ = within;
        Box::pin(async { Ok(None) })
    }
}
