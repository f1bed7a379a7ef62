//! Errors as OpenAI, DeepSeek and Groq report them.

use serde_json::{Value, json};

use crate::dialect::Dialect;
use crate::problem::{Exceeded, Problem};

/// An error as an API reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    pub status: u16,
    pub body: Value,
}

/// What most of them say, as OpenAI does: status, `type`, `code` and `message`.
pub(super) fn shared(dialect: Dialect, problem: &Problem) -> ApiError {
    const INVALID: &str = "invalid_request_error";
    let deepseek = dialect == Dialect::DeepSeek;
    let say = |status: u16, kind: &str, code: Option<&str>, message: &str| ApiError {
        status,
        body: json!({"error": {"message": message, "type": kind, "param": null, "code": code}}),
    };
    match problem {
        Problem::Invalid(message) => say(400, INVALID, None, message),
        Problem::Unreadable(status, message) => say(*status, INVALID, None, message),
        Problem::NoRoute(what) => say(404, INVALID, None, &format!("Invalid URL ({what})")),
        Problem::NotFound(message) => say(404, INVALID, None, message),
        Problem::Conflict(message) => say(409, INVALID, None, message),
        Problem::Unauthorized if deepseek => say(
            401,
            "authentication_error",
            Some(INVALID),
            "Authentication Fails, Your api key is invalid",
        ),
        Problem::Unauthorized => {
            let message = "Incorrect API key provided.";
            say(401, INVALID, Some("invalid_api_key"), message)
        }
        Problem::Forbidden => say(
            403,
            INVALID,
            Some("unsupported_country_region_territory"),
            "Country, region, or territory not supported",
        ),
        Problem::ModelNotFound => say(
            404,
            INVALID,
            Some("model_not_found"),
            "The model does not exist or you do not have access to it.",
        ),
        Problem::RateLimited(exceeded) => {
            let kind = if exceeded.tokens {
                "tokens"
            } else {
                "requests"
            };
            let message = rate_message(exceeded);
            say(429, kind, Some("rate_limit_exceeded"), &message)
        }
        Problem::DailyQuota => say(
            429,
            "requests",
            Some("rate_limit_exceeded"),
            "Rate limit reached on requests per day (RPD): Limit 10000, Used 10000, Requested 1.",
        ),
        Problem::Quota if deepseek => shared(dialect, &Problem::Balance),
        Problem::Quota => say(
            429,
            "insufficient_quota",
            Some("insufficient_quota"),
            "You exceeded your current quota, please check your plan and billing details.",
        ),
        Problem::Balance => {
            let code = if deepseek {
                INVALID
            } else {
                "insufficient_balance"
            };
            say(402, "unknown_error", Some(code), "Insufficient Balance")
        }
        Problem::ContextLength => say(
            400,
            INVALID,
            Some("context_length_exceeded"),
            "This model's maximum context length is exceeded. Please reduce the length of the messages.",
        ),
        Problem::TooLarge => say(413, INVALID, None, "Request Entity Too Large"),
        Problem::Unprocessable => say(
            422,
            INVALID,
            None,
            "Invalid parameters in the request body.",
        ),
        Problem::ContentFilter => say(
            400,
            INVALID,
            Some("content_filter"),
            "The response was filtered due to the prompt triggering the content management policy.",
        ),
        Problem::Capacity if dialect != Dialect::Groq => say(
            429,
            "resource_unavailable",
            Some("resource_unavailable"),
            "Resource Unavailable: there is not enough capacity to serve this request at the flex tier.",
        ),
        Problem::Capacity => say(
            498,
            "capacity_exceeded",
            Some("capacity_exceeded"),
            "Flex tier capacity exceeded, please try again later.",
        ),
        Problem::Server(status) => {
            let message = match status {
                503 | 529 => "The engine is currently overloaded, please try again later.",
                _ => "The server had an error while processing your request. Sorry about that!",
            };
            say(*status, "server_error", None, message)
        }
    }
}

fn rate_message(exceeded: &Exceeded) -> String {
    let mut message = format!("Rate limit reached on {}", exceeded.what);
    if exceeded.limit > 0 {
        let Exceeded {
            limit,
            used,
            requested,
            ..
        } = exceeded;
        message.push_str(&format!(
            ": Limit {limit}, Used {used}, Requested {requested}"
        ));
    }
    message.push_str(". Please try again ");
    match exceeded.retry_after_ms {
        Some(wait) => message.push_str(&format!("in {}s.", wait as f64 / 1000.0)),
        None => message.push_str("later."),
    }
    message
}
