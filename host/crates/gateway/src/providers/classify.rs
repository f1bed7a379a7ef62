//! The words by which servers tell why they refuse, and what each means. Codes are compared whole, without
//! regard to what joins their parts, and texts by a part; both without regard to case. What matches nothing is judged by its status.

use super::said::Said;
use types::class::FailureClass;

use FailureClass::{
    Auth, BadRequest, ContentFilter, Context, NoCapacity, NotFound, Overloaded, Quota, RateLimit,
    Transient,
};

/// Money is gone, whatever the status: Anthropic says it with 400, OpenAI with 429.
const QUOTA_CODES: [&str; 23] = [
    "insufficient_quota",
    "insufficient_user_quota",
    "insufficient_funds",
    "insufficient_credits",
    "exceeded_current_quota_error",
    "balance_not_enough",
    "no_balance",
    "account_overdue_error",
    "arrearage",
    "payment_required",
    "credits_exhausted",
    "out_of_credits",
    "credit_limit",
    "quota_exhausted",
    "1113", // Zhipu
    "1008", // MiniMax
    "credit_balance_exhausted",
    "enforced_spend_limit_reached",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "budget_exceeded",
    "insufficient_balance",
];
const QUOTA_TEXTS: [&str; 43] = [
    "credit balance is too low",
    "insufficient balance",
    "insufficient account balance",
    "balance is insufficient",
    "balance is not enough",
    "balance not enough",
    "insufficient funds",
    "out of credits",
    "run out of credits",
    "please recharge",
    "account is in arrears",
    "overdue balance",
    "overdue payment",
    "\u{4f59}\u{989d}\u{4e0d}\u{8db3}", // Zhipu: the balance is not enough
    "\u{6b20}\u{8d39}",                 // the account is in arrears
    "error code: 1113",
    "\"code\":\"1113\"",
    "insufficient credits",
    "enforced_spend_limit_reached",
    "specified api usage limits",
    "monthly spending limit",
    "used all available credits",
    "budget has been exceeded",
    "free-models-per-day",
    "insufficient quota",
    "requires more credits", // OpenRouter
    "insufficient credit",
    "insufficient user quota",
    "not enough credits",
    "not enough balance",
    "credits have been exhausted",
    "used up your credits",
    "no credits left",
    "exceeded your monthly",
    "monthly limit reached",
    "spend limit",
    "spending limit",
    "daily free allocation",            // Cloudflare
    "daily request limit reached",      // Baidu
    "api calls / month",                // Cohere's trial
    "\u{989d}\u{5ea6}\u{4e0d}\u{8db3}", // one-api: the quota is not enough
    "\u{989d}\u{5ea6}\u{5df2}\u{7528}", // and is used up
    "\u{8bf7}\u{5145}\u{503c}",         // pay in, please
];

/// There is no room for calls of a cheaper tier.
const NO_CAPACITY_CODES: [&str; 2] = ["resource_unavailable", "capacity_exceeded"];
const NO_CAPACITY_TEXTS: [&str; 1] = ["resource unavailable"];

const CONTEXT_CODES: [&str; 7] = [
    "context_length_exceeded",
    "exceed_context_size_error",
    "string_above_max_length",
    "context_window_exceeded",
    "tokens_limit_reached",
    "prompt_too_long",
    "request_too_large",
];
const CONTEXT_TEXTS: [&str; 28] = [
    "maximum context length",          // OpenAI, vLLM, DeepSeek, Mistral
    "context_length_exceeded",         // gateways that pass it on
    "contextwindowexceedederror",      // LiteLLM
    "maximum model length",            // vLLM
    "the model's context length",      // SGLang
    "maximum prompt length",           // xAI
    "exceeds maximum context",         // Ollama
    "greater than the context length", // LM Studio
    "reached context length",          // LM Studio
    "loaded with context length",      // LM Studio
    "exceeded model token limit",      // Moonshot
    "context window exceeds limit",    // MiniMax
    "exceeds the model's context",
    "longer than the context",
    "prompt tokens too long",             // Baidu
    "range of input length should be",    // DashScope
    "`inputs` must have less than",       // TGI
    "too many input tokens",              // Bedrock
    "tokens in the prompt cannot exceed", // Cohere
    "available context size",             // llama.cpp
    "exceeds the context window",         // OpenAI's newer models
    "exceed context limit",               // Anthropic: question and output cap together
    "exceeded context length",            // Ollama
    "exceeded max context length",        // Ollama
    "prompt is too long",                 // Anthropic, xAI
    "input is too long",                  // Bedrock behind a gateway
    "maximum number of tokens allowed",   // Gemini
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
/// Gemini and xAI refuse a key with 400, and gateways with 500 or within an answer.
const AUTH_TEXTS: [&str; 13] = [
    "api key not valid",
    "incorrect api key",
    "invalid api key",
    "invalid x-api-key",
    "api key is invalid",
    "api key is missing",
    "missing api key",
    "no api key",
    "not authenticated",
    "invalid authentication",
    "authentication failed",
    "authentication fails", // DeepSeek
    "authenticationerror",  // LiteLLM
];

/// Servers say it with 400, too.
const NOT_FOUND_TEXTS: [&str; 9] = [
    "invalid model id",
    "invalid model name",
    "not a valid model",
    "model not exist",
    "model not found",
    "model does not exist",
    "no such model",
    "unknown model",
    "model is not found",
];
/// OpenAI's words for money that is gone, and Gemini's for a limit of a minute: then they say when to come again.
const QUOTA_UNLESS_HINTED: &str = "check your plan and billing";
const NOT_FOUND_CODES: [&str; 5] = [
    "model_not_found",
    "not_found_error",
    "deploymentnotfound",
    "model_decommissioned",
    "model_not_available",
];

/// Codes that say in the midst of a stream what a status would have said.
const PASSING_CODES: [(&str, FailureClass); 16] = [
    ("overloaded_error", Overloaded),
    ("unavailable", Overloaded),
    ("engine_overloaded", Overloaded),
    ("engine_overloaded_error", Overloaded),
    ("server_overloaded", Overloaded),
    ("model_overloaded", Overloaded),
    ("server_busy", Overloaded),
    ("rate_limit", RateLimit),
    ("rate_limited", RateLimit),
    ("too_many_requests", RateLimit),
    ("throttling_exception", RateLimit),
    ("rate_limit_error", RateLimit),
    ("rate_limit_exceeded", RateLimit),
    ("resource_exhausted", RateLimit),
    ("api_error", Transient),
    ("timeout_error", Transient),
];

/// A code without what its parts are joined with: `InsufficientBalance`, `insufficient-balance`.
fn plain(code: &str) -> String {
    let letters = code.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|letter| letter.to_ascii_lowercase()).collect()
}

/// Whether these are the words that stand for money that is gone as well as for a limit that passes.
pub(super) fn says_no_more_than_quota(message: &str) -> bool {
    message.to_ascii_lowercase().contains(QUOTA_UNLESS_HINTED)
}

/// What an error means.
pub(super) fn classify(status: u16, said: &Said) -> FailureClass {
    let lower = said.message.to_ascii_lowercase();
    let spelt: Vec<String> = said.codes.iter().map(|code| plain(code)).collect();
    let coded = |codes: &[&str]| codes.iter().any(|known| spelt.contains(&plain(known)));
    let worded = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    // A gateway may pass on the provider's whole error as the words of its own.
    let passed_on = |codes: &[&str]| {
        codes
            .iter()
            .any(|code| code.contains('_') && lower.contains(code))
    };
    if said.daily || coded(&QUOTA_CODES) || worded(&QUOTA_TEXTS) || passed_on(&QUOTA_CODES) {
        return Quota;
    }
    if said.retry_after.is_none() && says_no_more_than_quota(&lower) {
        return Quota;
    }
    let is_busy = matches!(status, 429 | 498 | 500 | 503);
    if is_busy && (coded(&NO_CAPACITY_CODES) || worded(&NO_CAPACITY_TEXTS)) {
        return NoCapacity;
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
        let is_model_unknown = matches!(status, 400 | 404 | 422) && worded(&NOT_FOUND_TEXTS);
        if coded(&NOT_FOUND_CODES) || is_model_unknown {
            return NotFound;
        }
    }
    match status {
        401 | 403 => Auth,
        402 => Quota,
        404 => NotFound,
        408 | 409 | 425 => Transient,
        413 => Context,
        429 => RateLimit,
        498 => NoCapacity,
        503 | 529 => Overloaded,
        400 | 422 if coded(&AUTH_CODES) || worded(&AUTH_TEXTS) => Auth,
        500.. => {
            if coded(&AUTH_CODES) || worded(&AUTH_TEXTS) {
                return Auth;
            }
            if coded(&["invalid_request_error"]) {
                return BadRequest;
            }
            let passing = PASSING_CODES.iter().find(|(code, _)| coded(&[code]));
            match passing {
                Some((_, class)) => *class,
                None if worded(&["rate limit", "too many requests"]) => RateLimit,
                None if worded(&["overloaded", "at capacity"]) => Overloaded,
                None => Transient,
            }
        }
        _ => BadRequest,
    }
}

#[cfg(test)]
mod tests;
