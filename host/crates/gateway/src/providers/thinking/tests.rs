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
