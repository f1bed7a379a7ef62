//! The embedded provider: deterministic, without key or network. It is marked in the provenance of
//! what it wrote.

use crate::provider::{Call, CallFuture, Finish, Provider, RawAnswer};
use types::image::Image;
use types::render::render;
use types::request::Usage;

/// Name of the provider and of its only model.
pub const NAME: &str = crate::models::OFFLINE;

/// The provider.
#[derive(Debug, Default)]
pub struct Offline;

impl Offline {
    /// About how many tokens a question and an answer of so many bytes of English are.
    pub fn usage(question_bytes: usize, answer_bytes: usize) -> Usage {
        let tokens = |bytes: usize| bytes.div_ceil(4) as u64;
        Usage::new(tokens(question_bytes), tokens(answer_bytes))
    }
}

impl Provider for Offline {
    fn name(&self) -> &str {
        NAME
    }

    fn takes_pictures(&self) -> bool {
        false
    }

    fn call<'a>(&'a self, call: Call<'a>) -> CallFuture<'a> {
        Box::pin(async move {
            let text = offline::write(call.request, call.seed);
            let asked: usize = render(call.request)
                .iter()
                .map(|message| message.content.len())
                .sum();
            let shown = call.request.images.iter().map(Image::tokens).sum();
            let mut usage = Offline::usage(asked, text.len());
            usage.input_tokens = usage.input_tokens.saturating_add(shown);
            Ok(RawAnswer {
                text,
                finish: Finish::Stop,
                finish_reason: "stop".to_owned(),
                refusal: None,
                thought: false,
                usage,
                model: NAME.to_owned(),
                served: None,
                observed: Vec::new(),
            })
        })
    }
}
