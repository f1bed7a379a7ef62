//! Errors as the Messages API reports them.

use serde_json::json;

use crate::openai::ApiError;
use crate::problem::Problem;

/// The error that a problem is.
pub fn error(problem: &Problem, id: &str) -> ApiError {
    const INVALID: &str = "invalid_request_error";
    let say = |status: u16, kind: &str, message: &str| ApiError {
        status,
        body: json!({
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": id,
        }),
    };
    match problem {
        Problem::Invalid(message) => say(400, INVALID, message),
        Problem::Unreadable(status, message) => say(*status, INVALID, message),
        Problem::NoRoute(_) => say(404, "not_found_error", "Not Found"),
        Problem::NotFound(message) => say(404, "not_found_error", message),
        // Said of a batch that has ended, as of everything that is wrong with a request.
        Problem::Conflict(message) => say(400, INVALID, message),
        Problem::Unauthorized => say(401, "authentication_error", "invalid x-api-key"),
        Problem::Forbidden => say(
            403,
            "permission_error",
            "Your API key does not have permission to use the specified resource.",
        ),
        Problem::ModelNotFound => say(404, "not_found_error", "model: simulated"),
        Problem::RateLimited(exceeded) => {
            let message = format!(
                "This request would exceed your organization's rate limit of {} {}.",
                exceeded.limit, exceeded.what
            );
            say(429, "rate_limit_error", &message)
        }
        Problem::DailyQuota => say(
            429,
            "rate_limit_error",
            "This request would exceed your organization's limit of requests per day.",
        ),
        Problem::Quota => say(
            400,
            INVALID,
            "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to \
             upgrade or purchase credits.",
        ),
        Problem::Balance => say(
            402,
            "billing_error",
            "There is an issue with your billing or payment information.",
        ),
        Problem::ContextLength => say(
            400,
            INVALID,
            "prompt is too long: 210000 tokens > 200000 maximum",
        ),
        Problem::TooLarge => say(
            413,
            "request_too_large",
            "Request exceeds the maximum allowed number of bytes.",
        ),
        Problem::Unprocessable => say(422, INVALID, "Invalid parameters in the request body."),
        Problem::ContentFilter => say(400, INVALID, "Output blocked by content filtering policy"),
        // Only Groq has this; here it is an overload.
        Problem::Capacity => say(498, "overloaded_error", "Overloaded"),
        Problem::Server(status) => match status {
            503 | 529 => say(*status, "overloaded_error", "Overloaded"),
            504 | 408 => say(*status, "timeout_error", "Request timed out."),
            409 => say(*status, "conflict_error", "Conflict"),
            _ => say(*status, "api_error", "Internal server error"),
        },
    }
}
