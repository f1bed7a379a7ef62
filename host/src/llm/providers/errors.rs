//! Maps what a server or the network says to a failure class. The table is the one that the official
//! SDKs use, except that quota is told apart from rate, which they retry in vain.

use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::core::class::FailureClass;
use crate::llm::error::CallError;

/// Longest part of a server's words that is kept.
const MESSAGE: usize = 500;

/// An answer with an error status.
pub(super) fn from_response(status: StatusCode, headers: &HeaderMap, body: &str) -> CallError {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let error = json.get("error").unwrap_or(&json);
    let text = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default();
    let code = match (text("code"), text("type")) {
        ("", kind) => kind,
        (code, _) => code,
    };
    let message = match (text("message"), error.as_str()) {
        ("", Some(message)) => message,
        ("", None) => body.trim(),
        (message, _) => message,
    };
    let class = classify(status, code, text("type"), message);
    let shown: String = message.chars().take(MESSAGE).collect();
    let shown = if shown.is_empty() {
        "no further word from the server".to_owned()
    } else {
        shown
    };
    CallError {
        retry_after: if class.is_transient() {
            retry_after(headers, error)
        } else {
            None
        },
        ..CallError::new(class, format!("HTTP {}: {shown}", status.as_u16()))
    }
}

fn classify(status: StatusCode, code: &str, kind: &str, message: &str) -> FailureClass {
    const QUOTA: [&str; 4] = [
        "insufficient_quota",
        "credit_balance_exhausted",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
    ];
    let lower = message.to_ascii_lowercase();
    if QUOTA.contains(&code) || QUOTA.contains(&kind) || lower.contains("credit balance is too low")
    {
        return FailureClass::Quota;
    }
    match status.as_u16() {
        401 | 403 => FailureClass::Auth,
        402 => FailureClass::Quota,
        404 => FailureClass::NotFound,
        413 => FailureClass::Context,
        408 | 409 | 425 => FailureClass::Transient,
        429 | 498 => FailureClass::RateLimit,
        503 | 529 => FailureClass::Overloaded,
        500.. => FailureClass::Transient,
        _ if code == "context_length_exceeded" || lower.contains("maximum context length") => {
            FailureClass::Context
        }
        _ if code == "content_filter" || code == "content_policy_violation" => {
            FailureClass::ContentFilter
        }
        _ => FailureClass::BadRequest,
    }
}

/// `retry-after-ms`, then `retry-after` in seconds or as a date, then Gemini's `retryDelay`.
fn retry_after(headers: &HeaderMap, error: &Value) -> Option<Duration> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let seconds = |text: &str| text.trim().parse::<f64>().ok();
    let found = header("retry-after-ms")
        .and_then(seconds)
        .map(|milliseconds| milliseconds / 1000.0)
        .or_else(|| header("retry-after").and_then(seconds))
        .or_else(|| {
            error.get("details")?.as_array()?.iter().find_map(|detail| {
                detail
                    .get("retryDelay")?
                    .as_str()?
                    .strip_suffix('s')
                    .and_then(seconds)
            })
        })?;
    Duration::try_from_secs_f64(found).ok()
}

/// An error of the network, or of the body while it arrived.
pub(super) fn from_network(error: &reqwest::Error) -> CallError {
    // The cause says more than reqwest's own words, which repeat the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let what = if error.is_connect() {
        "cannot connect"
    } else if error.is_timeout() {
        "timed out"
    } else {
        "connection failed"
    };
    let class = if error.is_builder() {
        FailureClass::BadRequest
    } else {
        FailureClass::Transient
    };
    CallError::new(class, format!("{what}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(status: u16, body: &str) -> FailureClass {
        let status = StatusCode::from_u16(status).unwrap();
        from_response(status, &HeaderMap::new(), body).class
    }

    #[test]
    fn statuses_and_codes_become_classes() {
        let error = |code: &str| format!(r#"{{"error": {{"message": "m", "code": "{code}"}}}}"#);
        assert_eq!(
            class(429, &error("rate_limit_exceeded")),
            FailureClass::RateLimit
        );
        assert_eq!(
            class(429, &error("insufficient_quota")),
            FailureClass::Quota
        );
        assert_eq!(class(401, &error("invalid_api_key")), FailureClass::Auth);
        assert_eq!(
            class(404, &error("model_not_found")),
            FailureClass::NotFound
        );
        assert_eq!(
            class(400, &error("context_length_exceeded")),
            FailureClass::Context
        );
        assert_eq!(
            class(400, &error("content_filter")),
            FailureClass::ContentFilter
        );
        assert_eq!(class(400, &error("invalid_type")), FailureClass::BadRequest);
        assert_eq!(
            class(
                400,
                r#"{"error": {"type": "invalid_request_error", "message": "Your credit balance is too low"}}"#
            ),
            FailureClass::Quota
        );
        assert_eq!(class(500, "<html>"), FailureClass::Transient);
        assert_eq!(class(503, ""), FailureClass::Overloaded);
        assert_eq!(class(529, ""), FailureClass::Overloaded);
        assert_eq!(class(408, ""), FailureClass::Transient);
        assert_eq!(class(409, ""), FailureClass::Transient);
    }

    #[test]
    fn hints_are_read_in_their_order() {
        let hint = |headers: &[(&'static str, &'static str)], body: &str| {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(*name, value.parse().unwrap());
            }
            from_response(StatusCode::TOO_MANY_REQUESTS, &map, body).retry_after
        };
        assert_eq!(
            hint(&[("retry-after", "2")], ""),
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            hint(&[("retry-after", "2"), ("retry-after-ms", "150")], ""),
            Some(Duration::from_millis(150))
        );
        let body = r#"{"error": {"details": [{"@type": "x"}, {"retryDelay": "52s"}]}}"#;
        assert_eq!(hint(&[], body), Some(Duration::from_secs(52)));
        assert_eq!(hint(&[("retry-after", "-3")], ""), None);
        assert_eq!(hint(&[], ""), None);
    }
}
