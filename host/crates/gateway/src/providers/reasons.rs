//! The words by which servers tell why an answer ended, in all dialects. A word that is not known here means nothing:
//! the answer may be whole or half.

/// What a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing: some servers write such a word into every event.
    None,
    /// All was said.
    Said,
    /// The output cap was reached.
    CutOff,
    /// The end of the model's context was reached, which no larger cap moves.
    ContextFull,
    /// A filter withheld it.
    Withheld,
    /// The model wants a tool to be called.
    Tool,
    /// The server gave up.
    Failed,
    /// The server had no room for it.
    Overloaded,
    /// It is not known.
    Unknown,
}

const MEANINGS: [(Meaning, &[&str]); 8] = [
    (
        Meaning::None,
        &[
            "",
            "null",
            "none",
            "undefined",
            "unspecified",
            "not_finished",
        ],
    ),
    (
        Meaning::Said,
        &[
            "stop",
            "stopped",
            "stop_sequence",
            "stop_token",
            "stop_criteria_met",
            "end_turn",
            "eos",
            "eos_token",
            "end_of_text",
            "end_of_turn",
            "endoftext",
            "end",
            "complete",
            "completed",
            "finish",
            "finished",
            "done",
            "normal",
            "success",
            "succeeded",
            "word",
            "stop_word",
            "stop_str",
            // LM Studio's own.
            "eosfound",
            "stopstringfound",
        ],
    ),
    (
        Meaning::CutOff,
        &[
            "length",
            "max_length",
            "max_tokens",
            "max_token",
            "max_tokens_reached",
            "max_new_tokens",
            "max_output_tokens",
            "max_completion_tokens",
            "max_output_reached",
            "max_len",
            "token_limit",
            "token_limit_reached",
            "error_limit",
            "truncated",
            "limit",
            "maximum_tokens",
            "maxpredictedtokensreached",
            "incomplete",
        ],
    ),
    (
        Meaning::ContextFull,
        &[
            // Mistral's word.
            "model_length",
            "context_length",
            // Anthropic's word.
            "model_context_window_exceeded",
            "context_window_exceeded",
            "max_context",
            // LM Studio's own.
            "contextlengthreached",
        ],
    ),
    (
        Meaning::Withheld,
        &[
            "content_filter",
            "content_filtered",
            "content_policy",
            "content_policy_violation",
            "filtered",
            "refusal",
            "refused",
            "safety",
            "image_safety",
            "recitation",
            "blocklist",
            "blocked",
            "prohibited_content",
            "spii",
            "sensitive",
            "output_sensitive",
            "guardrail_intervened",
            "guardrails",
            "model_armor",
            "language",
            "moderation",
            "error_toxic",
            "data_inspection_failed",
        ],
    ),
    (
        Meaning::Tool,
        &["tool_calls", "tool_call", "tool_use", "function_call"],
    ),
    (
        Meaning::Failed,
        &[
            "error",
            "failed",
            "network_error",
            "server_error",
            "internal_error",
            "abort",
            "aborted",
            "cancel",
            "cancelled",
            "canceled",
            "user_cancelled",
            "interrupted",
            "preempted",
            "timeout",
            "timed_out",
            "deadline_exceeded",
            "malformed_function_call",
            "malformed_model_output",
            "malformed_tool_use",
            "unexpected_tool_call",
            "user_cancel",
            "userstopped",
            "modelunloaded",
            "time_limit",
            // Ollama, when it did nothing but load or unload the model.
            "load",
            "unload",
        ],
    ),
    (
        Meaning::Overloaded,
        &["insufficient_system_resource", "overloaded", "capacity"],
    ),
];

/// What a word means, in whatever case and however its parts are joined. Gemini adds details behind a colon.
pub(super) fn meaning(reason: &str) -> Meaning {
    let word = reason.split(':').next().unwrap_or_default().trim();
    // Some servers print the name of a constant: `FinishReason.STOP`.
    let word = word.rsplit('.').next().unwrap_or(word);
    let word = word.to_ascii_lowercase().replace([' ', '-'], "_");
    let word = ["finish_reason_", "stop_reason_", "reason_"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .unwrap_or(&word);
    MEANINGS
        .iter()
        .find(|(_, words)| words.contains(&word))
        .map_or(Meaning::Unknown, |(meaning, _)| *meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_every_dialect_and_case() {
        for (reason, expected) in [
            ("", Meaning::None),
            (" ", Meaning::None),
            ("null", Meaning::None),
            ("FINISH_REASON_UNSPECIFIED", Meaning::None),
            ("stop", Meaning::Said),
            ("STOP", Meaning::Said),
            ("end_turn", Meaning::Said),
            ("eos", Meaning::Said),
            ("COMPLETE", Meaning::Said),
            ("FINISH_REASON_STOP", Meaning::Said),
            ("FinishReason.STOP", Meaning::Said),
            ("StopReason.MAX_TOKENS", Meaning::CutOff),
            ("eosFound", Meaning::Said),
            ("maxPredictedTokensReached", Meaning::CutOff),
            ("MAX_TOKENS", Meaning::CutOff),
            ("Max Tokens", Meaning::CutOff),
            ("max-tokens", Meaning::CutOff),
            ("length", Meaning::CutOff),
            ("model_length", Meaning::ContextFull),
            ("SAFETY", Meaning::Withheld),
            ("content_filter: PROHIBITED_CONTENT", Meaning::Withheld),
            ("guardrail_intervened", Meaning::Withheld),
            ("tool_use", Meaning::Tool),
            ("abort", Meaning::Failed),
            ("network_error", Meaning::Failed),
            ("insufficient_system_resource", Meaning::Overloaded),
            ("pause_turn", Meaning::Unknown),
            ("OTHER", Meaning::Unknown),
            ("stop maybe", Meaning::Unknown),
        ] {
            assert_eq!(meaning(reason), expected, "{reason}");
        }
    }

    #[test]
    fn no_word_means_two_things() {
        let words = || MEANINGS.iter().flat_map(|(_, words)| words.iter());
        for word in words() {
            assert_eq!(words().filter(|other| *other == word).count(), 1, "{word}");
            assert_ne!(meaning(word), Meaning::Unknown, "{word}");
        }
    }
}
