//! How each API is told how much a model thinks. Which words a model knows follows from the table of models, else from the
//! name of its family.

use serde_json::{Map, Value, json};

use super::families::is_of;
use super::presets::{Manner, Preset};
use crate::adaptation::{Adaptation, Adaptations};
use crate::efforts::{Efforts, Thinking};
use crate::models::ModelFacts;
use crate::reasoning::Thoughts;
use crate::settings::Api;
use types::key::Reasoning;

/// Fewest tokens that Anthropic takes as a budget for thoughts.
const LEAST_BUDGET: u32 = 1_024;

/// How a model is told how much to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thinker {
    manner: Manner,
    efforts: Efforts,
    /// Whether the words are known, and not guessed.
    is_known: bool,
    thinking: Thinking,
    /// It is known not to think at all.
    never: bool,
    /// Qwen at Groq knows `default` in place of words for more.
    only_default: bool,
}

impl Thinker {
    /// The model `name` at a provider, of which this is known.
    pub(super) fn new(preset: &Preset, name: &str, facts: Option<&ModelFacts>) -> Thinker {
        let listed = facts.and_then(|facts| facts.efforts);
        let by_family = family(name);
        Thinker {
            manner: preset.reasoning,
            efforts: listed.or(by_family).unwrap_or(Efforts::of(&WORDS_OF_MOST)),
            is_known: listed.or(by_family).is_some(),
            thinking: facts
                .and_then(|facts| facts.thinking)
                .unwrap_or_else(|| thinking(name)),
            never: facts.is_some_and(|facts| !facts.reasons)
                || (preset.api == Api::Messages && facts.is_none() && is_thoughtless(name)),
            only_default: preset.name == "groq" && name.contains("qwen"),
        }
    }

    /// How much is thought at a level: some models think a little where they are told not to.
    pub(super) fn level(&self, level: Reasoning, api: Api, adaptations: &Adaptations) -> Reasoning {
        let obeys = match api {
            _ if self.never => true,
            Api::Messages => self.thinking != Thinking::Always,
            Api::Chat if adaptations.contains(&Adaptation::LowReasoning) => false,
            Api::Chat => self.only_default || self.efforts.has_none(),
        };
        match level {
            Reasoning::None if !obeys => Reasoning::Low,
            level => level,
        }
    }

    /// Adds to the body of a chat completion how much is to be thought.
    pub(super) fn ask_chat(
        &self,
        body: &mut Map<String, Value>,
        level: Option<Reasoning>,
        adaptations: &Adaptations,
    ) {
        let Some(level) = level.filter(|level| self.is_asked(*level, adaptations)) else {
            return;
        };
        let is_on = level != Reasoning::None;
        let word = match self.efforts.word(level) {
            _ if self.only_default => Some(if is_on { "default" } else { "none" }),
            _ if !is_on && adaptations.contains(&Adaptation::LowReasoning) => Some("low"),
            word => word,
        };
        let template = || match word {
            Some(word) if is_on => json!({"enable_thinking": true, "reasoning_effort": word}),
            _ => json!({"enable_thinking": is_on}),
        };
        let mut add = |name: &str, value: Value| body.insert(name.to_owned(), value);
        match self.manner {
            Manner::Enabled if !self.is_known => {
                add("reasoning", json!({"enabled": is_on}));
            }
            Manner::Effort | Manner::Enabled => {
                add("reasoning_effort", json!(word));
            }
            Manner::Object => {
                add("reasoning", json!({"effort": word}));
            }
            Manner::Switch => {
                let switch = if is_on { "enabled" } else { "disabled" };
                add("thinking", json!({"type": switch}));
                if is_on {
                    add("reasoning_effort", json!(word));
                }
            }
            Manner::EffortAndTemplate => {
                add("reasoning_effort", json!(word));
                add("chat_template_kwargs", json!({"enable_thinking": is_on}));
            }
            Manner::Template => {
                add("chat_template_kwargs", template());
            }
        }
    }

    /// Adds to the body of Anthropic's messages how much is to be thought; whether anything is.
    pub(super) fn ask_messages(
        &self,
        body: &mut Map<String, Value>,
        thoughts: Option<Thoughts>,
        adaptations: &Adaptations,
    ) -> bool {
        let asked = thoughts.filter(|thoughts| self.is_asked(thoughts.level, adaptations));
        let Some(Thoughts { level, most }) = asked else {
            return false;
        };
        let effort = match level {
            Reasoning::None | Reasoning::Low => "low",
            Reasoning::Medium => "medium",
            Reasoning::High => "high",
        };
        let (thinking, effort) = match (self.thinking_with(adaptations), level) {
            (Thinking::Budget, Reasoning::None) => return false,
            (Thinking::Budget, _) if most < LEAST_BUDGET => return false,
            (Thinking::Budget, _) => (json!({"type": "enabled", "budget_tokens": most}), None),
            (Thinking::Adaptive, Reasoning::None) => (json!({"type": "disabled"}), None),
            (Thinking::Adaptive | Thinking::Always, _) => {
                (json!({"type": "adaptive"}), Some(effort))
            }
        };
        let is_on = thinking.get("type") != Some(&json!("disabled"));
        body.insert("thinking".to_owned(), thinking);
        if let Some(effort) = effort {
            let config = body.entry("output_config").or_insert_with(|| json!({}));
            if let Some(config) = config.as_object_mut() {
                config.insert("effort".to_owned(), json!(effort));
            }
        }
        is_on
    }

    /// How to ask when the server refuses what says how much is to be thought.
    pub(super) fn adapt(&self, api: Api, so_far: &Adaptations) -> Option<Adaptation> {
        let next = match api {
            Api::Messages if self.thinking_with(so_far) == Thinking::Budget => {
                Adaptation::AdaptiveThinking
            }
            Api::Chat if !so_far.contains(&Adaptation::LowReasoning) => Adaptation::LowReasoning,
            _ => Adaptation::NoReasoning,
        };
        (!so_far.contains(&next)).then_some(next)
    }

    fn thinking_with(&self, adaptations: &Adaptations) -> Thinking {
        match self.thinking {
            Thinking::Budget if adaptations.contains(&Adaptation::AdaptiveThinking) => {
                Thinking::Adaptive
            }
            thinking => thinking,
        }
    }

    /// Who does not think needs not be told so.
    fn is_asked(&self, level: Reasoning, adaptations: &Adaptations) -> bool {
        let is_moot = self.never && level == Reasoning::None;
        !is_moot && !adaptations.contains(&Adaptation::NoReasoning)
    }
}

const WORDS_OF_MOST: [&str; 4] = ["none", "low", "medium", "high"];

/// The words that a family of models knows.
fn family(name: &str) -> Option<Efforts> {
    let name = name.to_ascii_lowercase();
    let own = name.rsplit('/').next().unwrap_or(&name);
    let words: &[&str] =
        if own.contains("gpt-oss") || ["o1", "o3", "o4"].iter().any(|family| is_of(own, family)) {
            &["low", "medium", "high"]
        } else if is_of(own, "gpt-5") && !own.starts_with("gpt-5.") {
            &["minimal", "low", "medium", "high"]
        } else if own.starts_with("gpt-") || own.starts_with("gemini-2.5-flash") {
            &WORDS_OF_MOST
        } else if own.starts_with("gemini-3") && own.contains("flash") {
            &["minimal", "low", "medium", "high"]
        } else if own.starts_with("gemini-") {
            &["low", "medium", "high"]
        } else {
            return None;
        };
    Some(Efforts::of(words))
}

/// How a model of Anthropic is told of which the table knows nothing: newer ones think adaptively.
fn thinking(name: &str) -> Thinking {
    let older = [
        "claude-3-7",
        "-4-0",
        "-4-1",
        "-4-5",
        "claude-opus-4-2025",
        "claude-sonnet-4-2025",
    ];
    match older.iter().any(|older| name.contains(older)) {
        true => Thinking::Budget,
        false => Thinking::Adaptive,
    }
}

/// The models of Anthropic from before it thought.
fn is_thoughtless(name: &str) -> bool {
    let before = [
        "claude-2",
        "claude-instant",
        "claude-3-haiku",
        "claude-3-opus",
        "claude-3-sonnet",
        "claude-3-5",
    ];
    before.iter().any(|before| name.starts_with(before))
}

#[cfg(test)]
mod tests;
