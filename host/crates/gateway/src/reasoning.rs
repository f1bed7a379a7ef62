//! How much a model thinks before it answers, in one word, and what of the output cap is meant for that. How each API says
//! it is its dialect's.

use serde_json::{Map, Value};

use crate::models::{self, ModelFacts};
use types::key::{Parameters, Reasoning};

/// Tokens that thoughts are given beside those of the answer. Gemini gives its levels about as many.
pub fn allowance(level: Reasoning) -> u32 {
    match level {
        Reasoning::None => 0,
        Reasoning::Low => 2_048,
        Reasoning::Medium => 8_192,
        Reasoning::High => 24_576,
    }
}

/// The output cap that a question is asked with first: that of the answer and the allowance for thoughts at this level, though
/// no more than the model may put out. What was told is never lowered.
pub fn cap(own: u32, level: Option<Reasoning>, most_output: Option<u32>) -> u32 {
    let allowance = level.map_or(0, allowance);
    own.saturating_add(allowance)
        .min(most_output.unwrap_or(u32::MAX))
        .max(own)
}

/// The same for a model of which only the table of models is known.
pub fn likely_cap(parameters: &Parameters) -> u32 {
    let facts = models::facts(&parameters.model);
    let thinks_anyway = facts.is_some_and(ModelFacts::thinks_anyway);
    let level = match parameters.reasoning {
        Some(Reasoning::None) if thinks_anyway => Some(Reasoning::Low),
        level => level,
    };
    let most_output = facts.and_then(|facts| facts.max_output);
    cap(parameters.max_output_tokens, level, most_output)
}

/// What a call is told of thinking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thoughts {
    /// How much is to be thought.
    pub level: Reasoning,
    /// Tokens of its output cap that are meant for that.
    pub most: u32,
}

/// What a call with this output cap is told of thinking, if anything.
pub fn thoughts(parameters: &Parameters, cap: u32) -> Option<Thoughts> {
    let level = parameters.reasoning?;
    let most = cap.saturating_sub(parameters.max_output_tokens);
    Some(Thoughts {
        level,
        most: most.min(allowance(level)),
    })
}

/// The field of a body that says how much a model thinks, if there is one.
pub fn said_by(extra_body: &Map<String, Value>) -> Option<&'static str> {
    let paths = [
        "/reasoning_effort",
        "/reasoning",
        "/thinking",
        "/output_config/effort",
        "/chat_template_kwargs/enable_thinking",
        "/chat_template_kwargs/reasoning_effort",
    ];
    paths.into_iter().find_map(|path| {
        let mut names = path.split('/').skip(1);
        let first = extra_body.get(names.next()?)?;
        let is_there = match names.next() {
            None => true,
            Some(inner) => first.get(inner).is_some(),
        };
        is_there.then_some(path.trim_start_matches('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn thoughts_have_room_of_their_own_within_what_the_model_puts_out() {
        let low = Some(Reasoning::Low);
        assert_eq!(cap(500, None, Some(16_384)), 500);
        assert_eq!(cap(500, Some(Reasoning::None), None), 500);
        assert_eq!(cap(500, low, None), 2_548);
        assert_eq!(cap(500, low, Some(16_384)), 2_548);
        assert_eq!(cap(500, Some(Reasoning::High), Some(16_384)), 16_384);
        // What a person told stays, whatever the table knows.
        assert_eq!(cap(20_000, low, Some(16_384)), 20_000);
        assert_eq!(cap(u32::MAX, low, None), u32::MAX);
    }

    #[test]
    fn who_thinks_anyway_is_given_room_for_it() {
        let likely = |model: &str, reasoning| {
            likely_cap(&Parameters {
                model: model.to_owned(),
                temperature: 0.6,
                max_output_tokens: 500,
                extra_body: None,
                reasoning,
            })
        };
        let none = Some(Reasoning::None);
        assert_eq!(likely("openai/gpt-5-mini", none), 2_548);
        assert_eq!(likely("anthropic/claude-opus-5-5", none), 2_548);
        assert_eq!(likely("openai/gpt-5.1", none), 500);
        assert_eq!(likely("openai/gpt-5-mini", None), 500);
        assert_eq!(likely("acme/m", Some(Reasoning::Medium)), 8_692);
    }

    #[test]
    fn a_body_that_says_it_too_is_seen() {
        let found = |body: Value| said_by(body.as_object().unwrap());
        assert_eq!(
            found(json!({"reasoning_effort": "low"})),
            Some("reasoning_effort")
        );
        assert_eq!(
            found(json!({"output_config": {"effort": "low"}})),
            Some("output_config/effort")
        );
        assert_eq!(
            found(json!({"chat_template_kwargs": {"enable_thinking": false}})),
            Some("chat_template_kwargs/enable_thinking")
        );
        assert_eq!(
            found(json!({"seed": 7, "output_config": {"format": {}}, "chat_template_kwargs": {}})),
            None
        );
    }
}
