//! Errors as gRPC has them, which Google and xAI write into their batches.

use reqwest::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::CallError;
use crate::providers::errors::from_response;
use crate::providers::lenient::{Count, Text};
use types::class::FailureClass;

/// Why something failed, as gRPC has it.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub code: Count,
    pub message: Text,
    pub details: Value,
}

/// The same as an error of a call. The codes are those of gRPC, or of HTTP.
pub(super) fn error(status: &Status) -> CallError {
    let code = status.code.0.unwrap_or_default();
    let words = status.message.0.as_deref().unwrap_or_default();
    let http = match code {
        3 | 9 | 11 => StatusCode::BAD_REQUEST,
        4 => StatusCode::GATEWAY_TIMEOUT,
        5 => StatusCode::NOT_FOUND,
        7 => StatusCode::FORBIDDEN,
        8 => StatusCode::TOO_MANY_REQUESTS,
        14 => StatusCode::SERVICE_UNAVAILABLE,
        16 => StatusCode::UNAUTHORIZED,
        400..600 => u16::try_from(code)
            .ok()
            .and_then(|code| StatusCode::from_u16(code).ok())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({"error": {"message": words, "details": status.details}}).to_string();
    let headers = reqwest::header::HeaderMap::new();
    let mut error = from_response(http, &headers, &body, std::time::Duration::ZERO, 0);
    // It says of every limit that the quota is exceeded. A call is told by the details which one it is; a line mostly has none.
    if http == StatusCode::TOO_MANY_REQUESTS && status.details.is_null() {
        error.class = FailureClass::RateLimit;
    }
    error
}
