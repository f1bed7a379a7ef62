//! How each API is told how much a model thinks. Which words a model knows follows from the table of models, else from the
//! name of its family.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::families::is_of;
use super::presets::{Api, Preset};
use crate::adaptation::{Adaptation, Adaptations};
use crate::models::ModelFacts;
use crate::reasoning::Thoughts;
use types::key::Reasoning;

/// Fewest tokens that Anthropic takes as a budget for thoughts.
const LEAST_BUDGET: u32 = 1_024;

/// How servers that speak OpenAI's chat completions are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// By a word in `reasoning_effort`.
    Effort,
    /// By the same word in `reasoning`, as OpenRouter has it.
    Object,
    /// By a switch in `thinking`, and the word beside it, as DeepSeek has it.
    Switch,
    /// By a switch in `reasoning`, where no words are known of the model, as Together has it.
    Enabled,
    /// By the word, and by what the templates of many open models look for.
    EffortAndTemplate,
    /// By what the templates of open models look for.
    Template,
}

/// How a model of Anthropic is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Thinking {
    /// By a budget of tokens; it does not think unless told to.
    Budget,
    /// By an effort; how much it thinks is up to it.
    Adaptive,
    /// The same, and it cannot be told not to.
    Always,
}

/// The words that a model knows for how much it thinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct Efforts(u8);

/// All words, from the least on.
const WORDS: [&str; 5] = ["none", "minimal", "low", "medium", "high"];

impl From<Vec<String>> for Efforts {
    fn from(words: Vec<String>) -> Efforts {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        Efforts::of(&words)
    }
}

impl Efforts {
    fn of(words: &[&str]) -> Efforts {
        let bit = |place: usize| 1 << place;
        let known = WORDS.iter().enumerate();
        let bits = known.filter(|(_, word)| words.contains(word));
        Efforts(bits.fold(0, |all, (place, _)| all | bit(place)))
    }

    /// Whether the model can be told not to think.
    pub fn has_none(self) -> bool {
        self.word(Reasoning::None) == Some("none")
    }

    /// The word for a level: its own, else the next that is more, else the next that is less.
    fn word(self, level: Reasoning) -> Option<&'static str> {
        let own = match level {
            Reasoning::None => 0,
            Reasoning::Low => 2,
            Reasoning::Medium => 3,
            Reasoning::High => 4,
        };
        let knows = |place: &usize| self.0 & (1 << place) != 0;
        let more = (own..WORDS.len()).find(knows);
        let place = more.or_else(|| (0..own).rev().find(knows))?;
        WORDS.get(place).copied()
    }
}

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
        } else if own.starts_with("gpt-") {
            &WORDS_OF_MOST
        } else if own.starts_with("gemini-2.5-flash") {
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
mod tests {
    use super::*;
    use crate::models;
    use crate::providers::preset;

    fn thinker(model: &str) -> Thinker {
        let (provider, name) = model.split_once('/').unwrap();
        Thinker::new(preset(provider).unwrap(), name, models::facts(model))
    }

    /// What is said to `model` at each level.
    fn chat(model: &str) -> [Value; 4] {
        LEVELS.map(|level| {
            let mut body = Map::new();
            thinker(model).ask_chat(&mut body, Some(level), &Adaptations::new());
            Value::Object(body)
        })
    }

    const LEVELS: [Reasoning; 4] = [
        Reasoning::None,
        Reasoning::Low,
        Reasoning::Medium,
        Reasoning::High,
    ];

    fn words(model: &str) -> [String; 4] {
        chat(model).map(|body| match &body["reasoning_effort"] {
            Value::String(word) => word.clone(),
            other => other.to_string(),
        })
    }

    #[test]
    fn each_model_is_told_in_a_word_that_it_knows() {
        for (model, expected) in [
            ("openai/gpt-5-mini", ["minimal", "low", "medium", "high"]),
            ("openai/gpt-5.1", ["none", "low", "medium", "high"]),
            ("openai/gpt-6-astra", ["low", "low", "medium", "high"]),
            ("openai/o4-mini", ["low", "low", "medium", "high"]),
            ("openai/gpt-9", ["none", "low", "medium", "high"]),
            ("azure/my-deployment", ["none", "low", "medium", "high"]),
            ("gemini/gemini-2.5-flash", ["none", "low", "medium", "high"]),
            ("gemini/gemini-2.5-pro", ["low", "low", "medium", "high"]),
            (
                "gemini/gemini-3-flash-preview",
                ["minimal", "low", "medium", "high"],
            ),
            ("gemini/gemini-3.8-flash", ["low", "low", "medium", "high"]),
            ("groq/openai/gpt-oss-20b", ["low", "low", "medium", "high"]),
            (
                "groq/qwen/qwen3.8-27b",
                ["none", "default", "default", "default"],
            ),
            ("mistral/mistral-large-4", ["none", "high", "high", "high"]),
            (
                "together/moonshotai/Kimi-K3",
                ["low", "low", "high", "high"],
            ),
            ("xai/grok-4.5", ["none", "low", "medium", "high"]),
            ("ollama/qwen3:8b", ["none", "low", "medium", "high"]),
        ] {
            assert_eq!(words(model), expected, "{model}");
        }
        // Who is known not to think is not told so.
        assert_eq!(chat("openai/gpt-4o-mini")[0], json!({}));
        assert_eq!(words("openai/gpt-4o-mini")[1], "low");
    }

    #[test]
    fn each_api_is_told_in_its_fields() {
        let [none, low, ..] = chat("openrouter/anthropic/claude-sonnet-5");
        assert_eq!(none, json!({"reasoning": {"effort": "none"}}));
        assert_eq!(low, json!({"reasoning": {"effort": "low"}}));
        let [none, low, ..] = chat("deepseek/deepseek-v4-flash");
        assert_eq!(none, json!({"thinking": {"type": "disabled"}}));
        assert_eq!(
            low,
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "low"})
        );
        let [none, low, ..] = chat("together/zai-org/GLM-5.3");
        assert_eq!(none, json!({"reasoning": {"enabled": false}}));
        assert_eq!(low, json!({"reasoning": {"enabled": true}}));
        let [none, low, ..] = chat("vllm/Qwen/Qwen3-8B");
        assert_eq!(
            none,
            json!({"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": false}})
        );
        assert_eq!(
            low["chat_template_kwargs"],
            json!({"enable_thinking": true})
        );
        let [none, low, ..] = chat("llamacpp/any");
        assert_eq!(
            none,
            json!({"chat_template_kwargs": {"enable_thinking": false}})
        );
        assert_eq!(
            low,
            json!({"chat_template_kwargs": {"enable_thinking": true, "reasoning_effort": "low"}})
        );
    }

    #[test]
    fn claude_is_told_by_budget_or_effort() {
        let said = |model: &str, level, thoughts| {
            let mut body = Map::from_iter([(
                "output_config".to_owned(),
                json!({"format": {"type": "json_schema"}}),
            )]);
            let none = Adaptations::new();
            let is_on = thinker(model).ask_messages(
                &mut body,
                Some(Thoughts {
                    level,
                    most: thoughts,
                }),
                &none,
            );
            let effort = body["output_config"]["effort"].clone();
            assert!(body["output_config"]["format"].is_object());
            (body.remove("thinking").unwrap_or_default(), effort, is_on)
        };
        let adaptive = json!({"type": "adaptive"});
        let budget = json!({"type": "enabled", "budget_tokens": 2048});
        for (model, level, thoughts, thinking, effort, is_on) in [
            (
                "anthropic/claude-haiku-4-5",
                Reasoning::Low,
                2048,
                budget.clone(),
                json!(null),
                true,
            ),
            (
                "anthropic/claude-haiku-4-5",
                Reasoning::Low,
                1000,
                json!(null),
                json!(null),
                false,
            ),
            (
                "anthropic/claude-haiku-4-5",
                Reasoning::None,
                0,
                json!(null),
                json!(null),
                false,
            ),
            (
                "anthropic/claude-3-7-sonnet-latest",
                Reasoning::Low,
                2048,
                budget,
                json!(null),
                true,
            ),
            (
                "anthropic/claude-sonnet-5",
                Reasoning::High,
                9,
                adaptive.clone(),
                json!("high"),
                true,
            ),
            (
                "anthropic/claude-sonnet-5",
                Reasoning::None,
                0,
                json!({"type": "disabled"}),
                json!(null),
                false,
            ),
            (
                "anthropic/claude-opus-5-5",
                Reasoning::None,
                0,
                adaptive.clone(),
                json!("low"),
                true,
            ),
            (
                "anthropic/claude-next-9",
                Reasoning::Medium,
                0,
                adaptive,
                json!("medium"),
                true,
            ),
            (
                "anthropic/claude-3-5-haiku-latest",
                Reasoning::None,
                0,
                json!(null),
                json!(null),
                false,
            ),
        ] {
            assert_eq!(
                said(model, level, thoughts),
                (thinking, effort, is_on),
                "{model} {level:?}"
            );
        }
    }

    #[test]
    fn what_is_refused_is_said_otherwise_and_then_not_at_all() {
        let ways = |model: &str, api| {
            let mut so_far = Adaptations::new();
            while let Some(next) = thinker(model).adapt(api, &so_far) {
                assert!(so_far.insert(next), "{next:?} was tried before");
            }
            so_far
        };
        assert_eq!(
            ways("openai/gpt-5-mini", Api::Chat),
            Adaptations::from([Adaptation::LowReasoning, Adaptation::NoReasoning])
        );
        assert_eq!(
            ways("anthropic/claude-haiku-4-5", Api::Messages),
            Adaptations::from([Adaptation::AdaptiveThinking, Adaptation::NoReasoning])
        );
        let mut body = Map::new();
        let low = Adaptations::from([Adaptation::LowReasoning]);
        thinker("xai/grok-4.5").ask_chat(&mut body, Some(Reasoning::None), &low);
        assert_eq!(body["reasoning_effort"], "low");
        let mut body = Map::new();
        let none = Adaptations::from([Adaptation::NoReasoning]);
        thinker("xai/grok-4.5").ask_chat(&mut body, Some(Reasoning::High), &none);
        assert!(body.is_empty());
    }
}
