//! Errors as Gemini reports them: no code in words, but a `status`, and the time to wait in `details`.

use serde_json::{Value, json};

use super::error::{ApiError, shared};
use crate::dialect::Dialect;
use crate::problem::Problem;

/// Milliseconds that are told to whoever has used up a day.
const SOON: u64 = 52_000;

pub(super) fn error(problem: &Problem) -> ApiError {
    let say = |status: u16, word: &str, message: &str, details: Value| {
        let mut error = json!({"code": status, "message": message, "status": word});
        if let (Some(error), false) = (error.as_object_mut(), details.is_null()) {
            error.insert("details".to_owned(), details);
        }
        ApiError {
            status,
            body: json!({ "error": error }),
        }
    };
    const EXHAUSTED: &str =
        "You exceeded your current quota, please check your plan and billing details.";
    match problem {
        Problem::RateLimited(exceeded) => {
            let what = if exceeded.tokens {
                "InputTokens"
            } else {
                "Requests"
            };
            let span = if exceeded.daily {
                "PerDay"
            } else {
                "PerMinute"
            };
            let mut details = vec![violation(what, span, exceeded.limit)];
            if let Some(wait) = exceeded.retry_after_ms {
                // That of a day is told to come again soon, and is refused then as well.
                let told = if exceeded.daily { wait.min(SOON) } else { wait };
                details.push(retry(told));
            }
            say(429, "RESOURCE_EXHAUSTED", EXHAUSTED, Value::Array(details))
        }
        Problem::DailyQuota | Problem::Quota => say(
            429,
            "RESOURCE_EXHAUSTED",
            EXHAUSTED,
            json!([violation("Requests", "PerDay", 250), retry(SOON)]),
        ),
        Problem::Capacity => error(&Problem::Server(503)),
        Problem::Server(status) => {
            let (word, message) = match status {
                503 | 529 => (
                    "UNAVAILABLE",
                    "The model is overloaded. Please try again later.",
                ),
                504 => ("DEADLINE_EXCEEDED", "The service did not finish in time."),
                _ => ("INTERNAL", "An internal error has occurred."),
            };
            say(*status, word, message, Value::Null)
        }
        other => {
            let ApiError { status, body } = shared(Dialect::OpenAi, other);
            let message = body.pointer("/error/message").and_then(Value::as_str);
            let word = match status {
                401 => "UNAUTHENTICATED",
                402 => "FAILED_PRECONDITION",
                403 => "PERMISSION_DENIED",
                404 => "NOT_FOUND",
                _ => "INVALID_ARGUMENT",
            };
            let message = match problem {
                Problem::ContextLength => {
                    "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."
                }
                _ => message.unwrap_or_default(),
            };
            say(status, word, message, Value::Null)
        }
    }
}

fn violation(what: &str, span: &str, amount: u64) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.QuotaFailure",
        "violations": [{
            "quotaId": format!("Generate{what}{span}PerProjectPerModel-FreeTier"),
            "quotaValue": amount.to_string(),
        }],
    })
}

fn retry(milliseconds: u64) -> Value {
    let delay = if milliseconds.is_multiple_of(1000) {
        format!("{}s", milliseconds / 1000)
    } else {
        format!("{}s", milliseconds as f64 / 1000.0)
    };
    json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
}
