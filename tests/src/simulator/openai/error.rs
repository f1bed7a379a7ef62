//! Errors as the API reports them.

use serde_json::json;

use crate::simulator::faults::FaultKind;

/// An error as the API reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: u16,
    /// `error.type`
    pub kind: &'static str,
    /// `error.code`
    pub code: Option<&'static str>,
    /// `error.message`
    pub message: String,
}

impl ApiError {
    /// A request that breaks the API's rules.
    pub fn invalid(message: impl Into<String>) -> ApiError {
        ApiError {
            status: 400,
            kind: "invalid_request_error",
            code: None,
            message: message.into(),
        }
    }

    /// The body of the error.
    pub fn body(&self) -> String {
        let error =
            json!({"message": self.message, "type": self.kind, "param": null, "code": self.code});
        json!({ "error": error }).to_string()
    }
}

/// The key is missing or wrong.
pub fn unauthorized() -> ApiError {
    let message = "Incorrect API key provided.".to_owned();
    ApiError {
        status: 401,
        kind: "invalid_request_error",
        code: Some("invalid_api_key"),
        message,
    }
}

/// There were too many of something.
pub fn rate_limited(what: &str) -> ApiError {
    let message = format!("Rate limit reached on {what}. Please try again later.");
    ApiError {
        status: 429,
        kind: "requests",
        code: Some("rate_limit_exceeded"),
        message,
    }
}

/// The error that a fault is, if it is one.
pub fn of_fault(fault: FaultKind) -> Option<ApiError> {
    let invalid = |status, code, message: &str| {
        Some(ApiError {
            status,
            kind: "invalid_request_error",
            code: Some(code),
            message: message.to_owned(),
        })
    };
    match fault {
        FaultKind::Status(status) => {
            let message = match status {
                503 | 529 => "The engine is currently overloaded, please try again later.",
                _ => "The server had an error while processing your request. Sorry about that!",
            };
            Some(ApiError {
                status,
                kind: "server_error",
                code: None,
                message: message.to_owned(),
            })
        }
        FaultKind::RateLimited(_) => Some(rate_limited("requests per minute")),
        FaultKind::InsufficientQuota => {
            let message =
                "You exceeded your current quota, please check your plan and billing details."
                    .to_owned();
            Some(ApiError {
                status: 429,
                kind: "insufficient_quota",
                code: Some("insufficient_quota"),
                message,
            })
        }
        FaultKind::Unauthorized => Some(unauthorized()),
        FaultKind::ModelNotFound => invalid(
            404,
            "model_not_found",
            "The model does not exist or you do not have access to it.",
        ),
        FaultKind::ContextLengthExceeded => invalid(
            400,
            "context_length_exceeded",
            "This model's maximum context length is exceeded. Please reduce the length of the messages.",
        ),
        FaultKind::ContentFilterError => invalid(
            400,
            "content_filter",
            "The response was filtered due to the prompt triggering the content management policy.",
        ),
        FaultKind::ContentFilterFinish
        | FaultKind::ResetBeforeBody
        | FaultKind::ResetInBody
        | FaultKind::HangBeforeBody
        | FaultKind::HangInBody
        | FaultKind::TruncatedJson
        | FaultKind::WrongContentType
        | FaultKind::EmptyContent
        | FaultKind::Length => None,
    }
}
