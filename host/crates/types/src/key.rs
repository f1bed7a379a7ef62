//! The key of a completion: the hash of the logical question and of what it is asked with. It leaves out what
//! changes neither: the lane that answers, the API key, streaming, the rendered body.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::digest::{Digest, DigestBuilder};

/// Parameters of the model that a question goes to, as the configuration resolved them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parameters {
    /// `provider/model`.
    pub model: String,
    /// Sampling temperature.
    pub temperature: f64,
    /// Most tokens that an answer may have.
    pub max_output_tokens: u32,
    /// More fields of the request's body, an object; `None` where none are configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_body: Option<Value>,
    /// How much is thought before the answer; `None` where that is left to the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Reasoning>,
}

/// How much a model thinks before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reasoning {
    /// Not at all, or as little as it can.
    None,
    /// A little.
    Low,
    /// More.
    Medium,
    /// Much.
    High,
}

impl Reasoning {
    /// The word in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Reasoning::None => "none",
            Reasoning::Low => "low",
            Reasoning::Medium => "medium",
            Reasoning::High => "high",
        }
    }
}

impl Parameters {
    /// Adds the parameters to a hash. What may be absent adds nothing where it is.
    pub fn add_to(&self, builder: &mut DigestBuilder) {
        builder
            .text(&self.model)
            .text(&self.temperature.to_string())
            .number(u64::from(self.max_output_tokens));
        if let Some(extra) = &self.extra_body {
            builder.json(extra);
        }
        if let Some(reasoning) = self.reasoning {
            builder.text("reasoning").text(reasoning.as_str());
        }
    }
}

/// The part of the key that all questions of one execution share.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyContext {
    /// What the questions are asked with.
    pub parameters: Parameters,
    /// Raised when an answer was at fault and must be asked anew.
    pub generation: u32,
}

impl KeyContext {
    /// The key of a [`question`] that is the `ordinal`-th of its kind in this execution, from 0.
    pub fn key(&self, question: Digest, ordinal: u32) -> Digest {
        let mut builder = DigestBuilder::new("batchgen completion 2");
        self.parameters.add_to(&mut builder);
        builder
            .number(u64::from(self.generation))
            .number(u64::from(ordinal))
            .bytes(question.as_bytes());
        builder.finish()
    }
}

/// The hash of a question alone: messages, facts, rules and format, which `add` adds as JSON.
pub fn question(add: impl FnOnce(&mut DigestBuilder)) -> Digest {
    let mut builder = DigestBuilder::new("batchgen question 1");
    add(&mut builder);
    builder.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use serde_json::json;

    fn question(request: &Value) -> Digest {
        super::question(|builder| {
            builder.json(request);
        })
    }

    #[test]
    fn every_part_of_the_question_counts() {
        let context = KeyContext {
            parameters: Parameters {
                model: "openai/gpt-4o-mini".to_owned(),
                temperature: 0.6,
                max_output_tokens: 500,
                extra_body: None,
                reasoning: None,
            },
            generation: 0,
        };
        let why = question(&json!({"messages": [{"role": "user", "content": "Why?"}]}));
        let key = context.key(why, 0);
        assert_eq!(key, context.key(why, 0));
        assert_ne!(key, context.key(why, 1));
        let none = question(&json!({"messages": []}));
        assert_ne!(key, context.key(none, 0));
        let mut changed = context.clone();
        changed.generation = 1;
        assert_ne!(key, changed.key(why, 0));
        let mut changed = context.clone();
        changed.parameters.temperature = 0.7;
        assert_ne!(key, changed.key(why, 0));
        let mut changed = context.clone();
        changed.parameters.extra_body = Some(json!({"seed": 7, "top_p": 1}));
        let extra = changed.key(why, 0);
        assert_ne!(key, extra);
        changed.parameters.extra_body = Some(json!({"top_p": 1, "seed": 7}));
        assert_eq!(extra, changed.key(why, 0), "the order is no change");
        changed.parameters.extra_body = Some(json!({"top_p": 1, "seed": 8}));
        assert_ne!(extra, changed.key(why, 0));
        let mut levels = BTreeSet::from([key.to_string()]);
        for level in [
            Reasoning::None,
            Reasoning::Low,
            Reasoning::Medium,
            Reasoning::High,
        ] {
            let mut changed = context.clone();
            changed.parameters.reasoning = Some(level);
            assert!(levels.insert(changed.key(why, 0).to_string()), "{level:?}");
        }
        let mut changed = context;
        changed.parameters.model = "openai/gpt-4o".to_owned();
        assert_ne!(key, changed.key(why, 0));
    }

    /// Keys of answers that are in journals: none may ever change.
    #[test]
    fn known_keys_stay() {
        let mut context = KeyContext {
            parameters: Parameters {
                model: "openai/gpt-4o-mini".to_owned(),
                temperature: 0.6,
                max_output_tokens: 500,
                extra_body: None,
                reasoning: None,
            },
            generation: 0,
        };
        let why = Digest::of(b"why");
        assert_eq!(
            context.key(why, 0).to_string(),
            "c1bf0fc81a3ec46db45106eb851cc841b71d03d595e5199345a2c260fd7f74f8"
        );
        context.parameters.reasoning = Some(Reasoning::Low);
        assert_eq!(
            context.key(why, 0).to_string(),
            "239c2796180767b03a48c18bfeee20f07dfc844e4cf13e92784d3da8d1c9d3d1"
        );
    }
}
