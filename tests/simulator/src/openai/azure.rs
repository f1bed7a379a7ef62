//! Errors as Azure reports them, where they differ from OpenAI's.

use serde_json::json;

use super::error::{ApiError, shared};
use crate::dialect::Dialect;
use crate::problem::Problem;

pub(super) fn error(problem: &Problem) -> ApiError {
    let say = |status: u16, code: &str, message: &str| ApiError {
        status,
        body: json!({"error": {"code": code, "message": message}}),
    };
    match problem {
        Problem::NoRoute(_) => say(404, "404", "Resource not found"),
        Problem::Unauthorized => say(
            401,
            "401",
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a \
             valid key for an active subscription and use a correct regional API endpoint for your resource.",
        ),
        Problem::ModelNotFound => say(
            404,
            "DeploymentNotFound",
            "The API deployment for this resource does not exist.",
        ),
        Problem::RateLimited(exceeded) => {
            let retry = exceeded.retry_after_ms.map_or_else(
                || "later".to_owned(),
                |wait| format!("after {} seconds", wait.div_ceil(1000)),
            );
            let rate = if exceeded.tokens { "token" } else { "call" };
            let message = format!(
                "Requests to the ChatCompletions_Create Operation have exceeded {rate} rate limit of your \
                 current OpenAI S0 pricing tier ({}). Please retry {retry}.",
                exceeded.what
            );
            say(429, "429", &message)
        }
        Problem::ContentFilter => {
            let filtered = |filtered: bool, severity: &str| json!({"filtered": filtered, "severity": severity});
            let result =
                json!({"hate": filtered(false, "safe"), "violence": filtered(true, "medium")});
            let error = json!({
                "message": "The response was filtered due to the prompt triggering Azure OpenAI's content \
                            management policy. Please modify your prompt and retry.",
                "type": null,
                "param": "prompt",
                "code": "content_filter",
                "status": 400,
                "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": result},
            });
            ApiError {
                status: 400,
                body: json!({ "error": error }),
            }
        }
        other => shared(Dialect::OpenAi, other),
    }
}
