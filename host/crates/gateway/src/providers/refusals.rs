//! Which part of a request a server refuses, by its words: so that the lane can ask without it, or in another way. What
//! is not recognized stays a refusal of the whole request.

use std::sync::LazyLock;

use regex_lite::Regex;

use super::said::Said;
use crate::adaptation::Refused;
use types::class::FailureClass;

/// Names of the output cap, in all dialects.
const CAPS: [&str; 9] = [
    "max_tokens",
    "max tokens",
    "max_completion_tokens",
    "max_output_tokens",
    "max_new_tokens",
    "maxoutputtokens",
    "completion tokens",
    "maximum tokens",
    "in the completion",
];

/// Words that say that a number is too large.
const TOO_LARGE: [&str; 12] = [
    "too large",
    "too high",
    "at most",
    "maximum",
    "less than",
    "<=",
    ">",
    "range",
    "exceed",
    "above",
    "limit",
    "between",
];

/// Those of them that say nothing else.
const SURELY_TOO_LARGE: [&str; 6] = [
    "too large",
    "too high",
    "too big",
    "exceed",
    "above",
    "at most",
];

/// Words with which a server refuses a name as well as a value.
const NAME_OR_VALUE: [&str; 3] = ["invalid", "not a valid", "must be"];

/// Words that say that something is not known or not taken.
const NOT_TAKEN: [&str; 27] = [
    "unsupported",
    "not support",
    "isn't support",
    "unrecognized",
    "unknown",
    "unexpected",
    "extra",
    "not permitted",
    "not allowed",
    "not available",
    "not enabled",
    "not a valid",
    "invalid",
    "forbidden",
    "deprecated",
    "no longer",
    "must be verified",
    "only the default",
    "may only be",
    "can only be",
    "only accept",
    "not accept",
    "cannot be set",
    "is allowed",
    "must be",
    "only support",
    "incompatible",
];

/// Words for a way of asking for JSON.
const JSON: [&str; 7] = [
    "response_format",
    "response format",
    "json_schema",
    "json_object",
    "structured output",
    "output_config",
    "guided_json",
];

/// Words for what says how much is to be thought.
const REASONING: [&str; 6] = [
    "reasoning_effort",
    "reasoning effort",
    "reasoning.effort",
    "budget_tokens",
    "thinking",
    "enable_thinking",
];

/// Sums of question and cap, and which numbers in them are the context's and the question's.
static SUMS: LazyLock<[(Option<Regex>, [usize; 2]); 4]> = LazyLock::new(|| {
    [
        (r"(\d+) \+ (\d+) > (\d+)", [3, 1]),
        (r"> (\d+) - (\d+)", [1, 2]),
        (r"length is (\d+).*\((\d+) in the messages", [1, 2]),
        (r"<= (\d+).*given: (\d+) .?inputs", [1, 2]),
    ]
    .map(|(sum, groups)| (Regex::new(sum).ok(), groups))
});

static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\d[\d,_]*").ok());

/// The part of a request that a server refuses, if its words name one. `cap` is the output cap that it had.
pub(super) fn refused(class: FailureClass, said: &Said, cap: u32) -> Option<Refused> {
    if !matches!(class, FailureClass::BadRequest | FailureClass::Context) {
        return None;
    }
    let parameter = said.parameter.as_deref().unwrap_or_default();
    let lower = format!("{parameter}: {}", said.message).to_lowercase();
    let has = |text: &str| lower.contains(text);
    let not_taken = NOT_TAKEN.into_iter().any(has);
    if CAPS.into_iter().any(has) {
        if let Some((most, for_this_question)) = most(class, &lower, cap) {
            return Some(Refused::Cap {
                most: Some(most),
                for_this_question,
            });
        }
        if class == FailureClass::Context {
            return None;
        }
        let is_name = NOT_TAKEN
            .into_iter()
            .any(|text| has(text) && !NAME_OR_VALUE.contains(&text));
        let is_value = !is_name && SURELY_TOO_LARGE.into_iter().any(has);
        if not_taken && !is_value {
            return Some(Refused::CapName);
        }
        if TOO_LARGE.into_iter().any(has) {
            return Some(Refused::Cap {
                most: None,
                for_this_question: false,
            });
        }
    }
    if class == FailureClass::Context || !not_taken {
        return None;
    }
    if has("prompt_cache_key") {
        Some(Refused::CacheKey)
    } else if has("temperature") {
        Some(Refused::Temperature)
    } else if REASONING.into_iter().any(has) {
        Some(Refused::Reasoning)
    } else if has("stream_options") || has("include_usage") {
        Some(Refused::StreamOptions)
    } else if JSON.into_iter().any(has) {
        Some(Refused::Json)
    } else if has("only support stream") || has("stream mode only") || has("only stream") {
        Some(Refused::NoStream)
    } else if parameter.eq_ignore_ascii_case("stream") || has("stream") {
        Some(Refused::Stream)
    } else if has("system role") || has("role system") || has("system message") || has("'system'") {
        Some(Refused::System)
    } else {
        None
    }
}

/// The largest cap that the words name, below the one that was asked for, and whether it depends on the question.
fn most(class: FailureClass, lower: &str, cap: u32) -> Option<(u32, bool)> {
    let narrow = |most: u64| {
        u32::try_from(most)
            .ok()
            .filter(|most| (1..cap).contains(most))
    };
    if let Some(room) = room(lower) {
        return narrow(room).map(|most| (most, true));
    }
    if class == FailureClass::Context || !TOO_LARGE.iter().any(|text| lower.contains(text)) {
        return None;
    }
    let below = |number: &u64| *number < u64::from(cap);
    let largest = numbers(lower).into_iter().filter(below).max()?;
    let is_beyond = ["(exclusive)", "lower than", "less than"]
        .iter()
        .any(|text| lower.contains(text))
        && !lower.contains("or equal");
    narrow(largest.saturating_sub(u64::from(is_beyond))).map(|most| (most, false))
}

/// What the context leaves to the answer, where the words do the sum: `20 + 9000 > 8192`.
fn room(lower: &str) -> Option<u64> {
    SUMS.iter().find_map(|(sum, [context, question])| {
        let found = sum.as_ref()?.captures(lower)?;
        let number = |group: usize| found.get(group)?.as_str().parse::<u64>().ok();
        Some(number(*context)?.saturating_sub(number(*question)?))
    })
}

/// The numbers in a text.
fn numbers(text: &str) -> Vec<u64> {
    let Some(number) = NUMBER.as_ref() else {
        return Vec::new();
    };
    number
        .find_iter(text)
        .filter_map(|found| found.as_str().replace([',', '_'], "").parse().ok())
        .collect()
}

/// Which key of the configuration helps, where asking in another way does not.
pub(super) fn hint(class: FailureClass, said: &Said, cap: u32) -> Option<&'static str> {
    let lower = said.message.to_lowercase();
    let parameter = said.parameter.as_deref().unwrap_or_default();
    // It is not left out: the ordinary tier costs twice as much.
    if class == FailureClass::BadRequest
        && (lower.contains("service_tier") || parameter.contains("service_tier"))
    {
        return Some("remove service-tier from the model's configuration: this model has none");
    }
    Some(match refused(class, said, cap)? {
        Refused::Temperature => "set send-temperature = false in the model's configuration",
        // The one that is refused comes first.
        Refused::CapName if is_new_name_refused(&lower, parameter) => {
            "set max-tokens-parameter = \"max_tokens\" in the model's configuration"
        }
        Refused::CapName => {
            "set max-tokens-parameter = \"max_completion_tokens\" in the model's configuration"
        }
        Refused::Cap { .. } => "lower max-output-tokens",
        Refused::StreamOptions => "set stream-usage = false in the provider's configuration",
        Refused::Stream => "set stream = false in the provider's configuration",
        Refused::NoStream => "set stream = true in the provider's configuration",
        Refused::Json => "set json = \"object\" or \"prompt\" in the model's configuration",
        Refused::Reasoning => "remove reasoning from the configuration",
        Refused::System => "use a model that takes system messages",
        Refused::CacheKey => {
            "name another preset in the provider's configuration: its server takes no prompt_cache_key"
        }
    })
}

fn is_new_name_refused(lower: &str, parameter: &str) -> bool {
    match (
        lower.find("max_completion_tokens"),
        lower.find("max_tokens"),
    ) {
        (Some(new), Some(old)) => new < old,
        (new, _) => new.is_some() || parameter == "max_completion_tokens",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(class: FailureClass, text: &str, cap: u32) -> Option<Refused> {
        let body = json!({"error": {"message": text}}).to_string();
        refused(class, &Said::read(&body), cap)
    }

    #[test]
    fn the_largest_cap_is_read_from_every_providers_words() {
        for (text, cap, most, for_this_question) in [
            (
                "max_tokens is too large: 6000. This model supports at most 4096 completion tokens, whereas you provided 6000.",
                6000,
                4096,
                false,
            ),
            (
                "max_tokens: 6000 > 4096, which is the maximum allowed number of output tokens for claude-3-haiku-20240307",
                6000,
                4096,
                false,
            ),
            (
                "`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens` is less than the `context_window` for this model",
                10_000,
                8192,
                false,
            ),
            (
                "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]",
                10_000,
                8192,
                false,
            ),
            (
                "Invalid 'max_tokens': integer above maximum value. Expected a value <= 4096, but got 6000 instead.",
                6000,
                4096,
                false,
            ),
            (
                "Unable to submit request because it has a maxOutputTokens value of 100000 but the supported range is from 1 (inclusive) to 65537 (exclusive).",
                100_000,
                65_536,
                false,
            ),
            (
                "too many tokens: max tokens must be less than or equal to 4000, the maximum output for this model - received 32000.",
                32_000,
                4000,
                false,
            ),
            (
                "The maximum tokens you requested exceeds the model limit of 4,096.",
                6000,
                4096,
                false,
            ),
            (
                "This model's maximum context length is 4096 tokens. However, you requested 9020 tokens (20 in the messages, 9000 in the completion).",
                9000,
                4076,
                true,
            ),
            (
                "'max_tokens' or 'max_completion_tokens' is too large: 9000. This model's maximum context length is 8192 tokens and your request has 20 input tokens (9000 > 8192 - 20).",
                9000,
                8172,
                true,
            ),
            (
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens`",
                21_333,
                11_760,
                true,
            ),
            (
                "`inputs` tokens + `max_new_tokens` must be <= 8193. Given: 20 `inputs` tokens and 9000 `max_new_tokens`",
                9000,
                8173,
                true,
            ),
        ] {
            let expected = Refused::Cap {
                most: Some(most),
                for_this_question,
            };
            assert_eq!(
                found(FailureClass::BadRequest, text, cap),
                Some(expected),
                "{text}"
            );
            if for_this_question {
                assert_eq!(
                    found(FailureClass::Context, text, cap),
                    Some(expected),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_cap_that_is_too_large_by_an_unknown_number_is_no_unknown_name() {
        let cap = |text| found(FailureClass::BadRequest, text, 9000);
        let large = Some(Refused::Cap {
            most: None,
            for_this_question: false,
        });
        assert_eq!(cap("Invalid request: max_tokens exceeds the limit"), large);
        assert_eq!(cap("max_completion_tokens is too large"), large);
        assert_eq!(cap("max_tokens is invalid"), Some(Refused::CapName));
        assert_eq!(cap("Unknown parameter: max_tokens"), Some(Refused::CapName));
    }

    #[test]
    fn what_is_too_long_with_any_cap_is_no_matter_of_the_cap() {
        for text in [
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.",
            "This model's maximum context length is 8192 tokens. However, you requested 10000 tokens (9000 in the messages, 1000 in the completion).",
            "prompt is too long: 210000 tokens > 200000 maximum",
        ] {
            assert_eq!(found(FailureClass::Context, text, 1000), None, "{text}");
        }
    }

    #[test]
    fn parameters_are_told_by_name() {
        for (text, expected) in [
            (
                "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
                Refused::CapName,
            ),
            (
                "Unrecognized request argument supplied: max_completion_tokens",
                Refused::CapName,
            ),
            (
                "max_completion_tokens: Extra inputs are not permitted",
                Refused::CapName,
            ),
            (
                "Unsupported value: 'temperature' does not support 0.6 with this model. Only the default (1) value is supported.",
                Refused::Temperature,
            ),
            (
                "invalid temperature: only 1 is allowed for this model",
                Refused::Temperature,
            ),
            (
                "`temperature` is deprecated for this model.",
                Refused::Temperature,
            ),
            (
                "`temperature` may only be set to 1 when thinking is enabled.",
                Refused::Temperature,
            ),
            (
                "stream_options: extra inputs are not permitted",
                Refused::StreamOptions,
            ),
            (
                "This model does not support response_format json_schema",
                Refused::Json,
            ),
            ("Invalid schema for response_format 'answer'", Refused::Json),
            (
                "Your organization must be verified to stream this model.",
                Refused::Stream,
            ),
            (
                "This model only support stream mode, please enable the stream parameter to access the model.",
                Refused::NoStream,
            ),
            ("System role not supported", Refused::System),
            (
                "Unrecognized request argument supplied: prompt_cache_key",
                Refused::CacheKey,
            ),
            (
                "[{'type': 'extra_forbidden', 'loc': ('body', 'prompt_cache_key'), 'msg': 'Extra inputs are not permitted'}]",
                Refused::CacheKey,
            ),
            (
                "Unsupported parameter: 'reasoning_effort' is not supported with this model.",
                Refused::Reasoning,
            ),
            (
                "Unsupported value: 'reasoning_effort' does not support 'none' with this model. Supported values are: 'low', 'medium', and 'high'.",
                Refused::Reasoning,
            ),
            (
                "\"thinking.type.enabled\" is not supported for this model. Use \"thinking.type.adaptive\" and \"output_config.effort\" to control thinking behavior.",
                Refused::Reasoning,
            ),
            (
                "adaptive thinking is not supported on this model",
                Refused::Reasoning,
            ),
        ] {
            assert_eq!(
                found(FailureClass::BadRequest, text, 1000),
                Some(expected),
                "{text}"
            );
            assert_eq!(found(FailureClass::Auth, text, 1000), None, "{text}");
        }
        for text in [
            "no",
            "The temperature of the laser is too long",
            "messages: required",
        ] {
            assert_eq!(found(FailureClass::BadRequest, text, 1000), None, "{text}");
        }
    }

    #[test]
    fn parameters_are_told_by_their_place() {
        for (body, expected) in [
            (
                json!({"error": {"message": "Unsupported value", "param": "temperature"}}),
                Refused::Temperature,
            ),
            (
                json!({"detail": [{"type": "extra_forbidden", "loc": ["body", "max_completion_tokens"], "msg": "Extra inputs are not permitted"}]}),
                Refused::CapName,
            ),
        ] {
            let said = Said::read(&body.to_string());
            assert_eq!(
                refused(FailureClass::BadRequest, &said, 1000),
                Some(expected),
                "{body}"
            );
        }
    }

    #[test]
    fn a_hint_names_the_other_name() {
        let hint = |text: &str| {
            let body = json!({"error": {"message": text}}).to_string();
            hint(FailureClass::BadRequest, &Said::read(&body), 1000).unwrap_or_default()
        };
        let old = hint(
            "'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
        );
        assert!(old.contains("\"max_completion_tokens\""), "{old}");
        let new = hint("Unrecognized request argument supplied: max_completion_tokens");
        assert!(new.contains("\"max_tokens\""), "{new}");
        assert!(hint("'temperature' does not support 0.6").contains("send-temperature"));
        assert!(hint("Invalid schema for response_format").contains("json"));
        assert!(hint("stream_options: extra inputs").contains("stream-usage"));
        assert!(hint("you must be verified to stream").contains("stream = false"));
        assert!(hint("Invalid service_tier argument").contains("remove service-tier"));
        assert_eq!(hint("The temperature of the laser is too long"), "");
        assert_eq!(hint("no"), "");
    }
}
