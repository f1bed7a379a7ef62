//! What is known of families of models by their names, at whatever provider they are. The configuration beats it, and
//! what is not known here is learned from the first refusal.

/// Whether a model takes a temperature: OpenAI's reasoning models refuse any but their own.
pub(super) fn takes_temperature(model: &str) -> bool {
    let name = model
        .rsplit('/')
        .next()
        .unwrap_or(model)
        .to_ascii_lowercase();
    let is_of = |family: &str| is_of(&name, family);
    let is_chat = name.contains("-chat");
    !(["o1", "o3", "o4"].into_iter().any(is_of) || (is_of("gpt-5") && !is_chat))
}

/// Whether a model's name begins with that of a family.
pub(super) fn is_of(name: &str, family: &str) -> bool {
    name.strip_prefix(family)
        .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
}

/// Fewest tokens of a beginning that Anthropic's prompt cache keeps. Shorter ones are no error: they are not kept.
pub(super) fn claude_caches_from(model: &str) -> u32 {
    let is_of = |families: &[&str]| families.iter().any(|family| model.contains(family));
    if is_of(&["opus-4-5", "opus-4-6", "haiku-4-5"]) {
        4096
    } else if is_of(&["haiku-3", "3-haiku", "3-5-haiku", "sonnet-4-6"]) {
        2048
    } else {
        1024
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_cache_keeps_is_known_by_the_family() {
        for (model, least) in [
            ("claude-haiku-4-5-20251001", 4096),
            ("claude-3-5-haiku-latest", 2048),
            ("claude-sonnet-4-5", 1024),
        ] {
            assert_eq!(claude_caches_from(model), least, "{model}");
        }
    }

    #[test]
    fn reasoning_models_are_known_by_their_names() {
        for name in [
            "gpt-5",
            "gpt-5-mini",
            "gpt-5.1",
            "gpt-5-2025-08-07",
            "openai/gpt-5-nano",
            "o1",
            "o3-mini",
            "o4-mini-2025-04-16",
            "GPT-5-mini",
        ] {
            assert!(!takes_temperature(name), "{name}");
        }
        for name in [
            "gpt-4o-mini",
            "gpt-5-chat-latest",
            "gpt-50",
            "o10",
            "omni",
            "claude-haiku-4-5",
            "meta-llama/llama-3.3-70b",
            "o1x",
        ] {
            assert!(takes_temperature(name), "{name}");
        }
    }
}
