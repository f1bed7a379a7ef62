//! The words by which servers tell why they refuse, and what each means. Codes are compared whole and texts by
//! a part, both without regard to case. What matches nothing is judged by its status.

use super::errors::Said;
use crate::core::class::FailureClass;

use FailureClass::{
    Auth, BadRequest, ContentFilter, Context, NotFound, Overloaded, Quota, RateLimit, Transient,
};

/// Money is gone, whatever the status: Anthropic says it with 400, OpenAI with 429.
const QUOTA_CODES: [&str; 8] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "budget_exceeded",
    "insufficient_balance",
];
const QUOTA_TEXTS: [&str; 9] = [
    "credit balance is too low",
    "insufficient balance",
    "insufficient credits",
    "enforced_spend_limit_reached",
    "specified api usage limits",
    "monthly spending limit",
    "used all available credits",
    "budget has been exceeded",
    "free-models-per-day",
];

const CONTEXT_CODES: [&str; 4] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "string_above_max_length",
    "request_too_large",
];
const CONTEXT_TEXTS: [&str; 13] = [
    "maximum context length",           // OpenAI, vLLM, DeepSeek, Mistral
    "context_length_exceeded",          // gateways that pass it on
    "contextwindowexceedederror",       // LiteLLM
    "maximum model length",             // vLLM
    "available context size",           // llama.cpp
    "exceeds the context window",       // OpenAI's newer models
    "exceed context limit",             // Anthropic: question and output cap together
    "exceeded context length",          // Ollama
    "exceeded max context length",      // Ollama
    "prompt is too long",               // Anthropic, xAI
    "input is too long",                // Bedrock behind a gateway
    "maximum number of tokens allowed", // Gemini
    "request too large for", // OpenAI and Groq: larger than the limit of a minute, so it never fits
];

const FILTER_CODES: [&str; 6] = [
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "moderation_blocked",
    "invalid_prompt",
    "data_inspection_failed",
];
const FILTER_TEXTS: [&str; 7] = [
    "content management policy",                 // Azure
    "content filtering policy",                  // Anthropic
    "content exists risk",                       // DeepSeek
    "flagged as potentially violating",          // OpenAI
    "rejected as a result of our safety system", // OpenAI
    "violates usage guidelines",                 // xAI
    "requires moderation",                       // OpenRouter, with 403
];

const AUTH_CODES: [&str; 5] = [
    "invalid_api_key",
    "authentication_error",
    "permission_error",
    "unauthenticated",
    "permission_denied",
];
/// Gemini and xAI refuse a key with 400.
const AUTH_TEXTS: [&str; 2] = ["api key not valid", "incorrect api key"];

const NOT_FOUND_CODES: [&str; 5] = [
    "model_not_found",
    "not_found_error",
    "deploymentnotfound",
    "model_decommissioned",
    "model_not_available",
];

/// Codes that say in the midst of a stream what a status would have said.
const PASSING_CODES: [(&str, FailureClass); 9] = [
    ("overloaded_error", Overloaded),
    ("unavailable", Overloaded),
    ("engine_overloaded", Overloaded),
    ("rate_limit_error", RateLimit),
    ("rate_limit_exceeded", RateLimit),
    ("resource_exhausted", RateLimit),
    ("capacity_exceeded", RateLimit),
    ("api_error", Transient),
    ("timeout_error", Transient),
];

/// What an error means.
pub(super) fn classify(status: u16, said: &Said) -> FailureClass {
    let lower = said.message.to_ascii_lowercase();
    let coded = |codes: &[&str]| {
        said.codes
            .iter()
            .any(|code| codes.iter().any(|known| known.eq_ignore_ascii_case(code)))
    };
    let worded = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    if said.daily || coded(&QUOTA_CODES) || worded(&QUOTA_TEXTS) {
        return Quota;
    }
    // Statuses that servers use for too much else are judged by the words first.
    let vague = matches!(status, 400 | 403 | 404 | 413 | 422 | 429 | 500);
    if vague {
        if coded(&FILTER_CODES) || worded(&FILTER_TEXTS) {
            return ContentFilter;
        }
        if coded(&CONTEXT_CODES) || worded(&CONTEXT_TEXTS) {
            return Context;
        }
        if coded(&NOT_FOUND_CODES) {
            return NotFound;
        }
    }
    match status {
        401 | 403 => Auth,
        402 => Quota,
        404 => NotFound,
        408 | 409 | 425 => Transient,
        413 => Context,
        429 | 498 => RateLimit,
        503 | 529 => Overloaded,
        400 | 422 if coded(&AUTH_CODES) || worded(&AUTH_TEXTS) => Auth,
        500.. => {
            if coded(&AUTH_CODES) {
                return Auth;
            }
            if coded(&["invalid_request_error"]) {
                return BadRequest;
            }
            let passing = PASSING_CODES.iter().find(|(code, _)| coded(&[code]));
            passing.map_or(Transient, |(_, class)| *class)
        }
        _ => BadRequest,
    }
}

/// Which key of the configuration helps, when a server refuses a parameter that some models do not know.
pub(super) fn hint(class: FailureClass, said: &Said) -> Option<&'static str> {
    let lower = said.message.to_ascii_lowercase();
    let has = |text: &str| lower.contains(text);
    let refused = [
        "support",
        "permitted",
        "deprecated",
        "unknown",
        "unrecognized",
        "invalid",
        "extra",
    ];
    if class != BadRequest || !refused.into_iter().any(has) {
        return None;
    }
    if has("max_tokens") && has("max_completion_tokens") {
        Some("set max-tokens-parameter in the model's configuration")
    } else if has("temperature") {
        Some("set send-temperature = false in the model's configuration")
    } else if has("response_format") || has("json_schema") || has("output_config") {
        Some("set json = \"object\" or \"prompt\" in the model's configuration")
    } else if has("stream_options") {
        Some("set stream-usage = false in the provider's configuration")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
