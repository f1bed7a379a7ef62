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

#[cfg(test)]
mod tests {
    use super::*;

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
