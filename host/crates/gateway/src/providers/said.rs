//! What a server says in an error body, by the names that its kind of API gives to the parts. What it means, it does not
//! know.

use std::time::Duration;

use serde_json::Value;

use super::times;

/// What a server said, by the names that its kind of API gives to the parts.
pub(super) struct Said {
    /// `code`, `type`, `status` and the like, whichever are there.
    pub codes: Vec<String>,
    /// In words.
    pub message: String,
    /// The part of the request that they are about.
    pub parameter: Option<String>,
    /// The answer, where the server refuses what the model wrote.
    pub written: Option<String>,
    /// Its own proposal of when to try again.
    pub retry_after: Option<Duration>,
    /// A quota of the day is used up.
    pub daily: bool,
}

impl Said {
    /// Reads an error body: OpenAI's, Anthropic's, Gemini's (in a list), FastAPI's `detail`, or mere text.
    pub(super) fn read(body: &str) -> Said {
        let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
        let json = json.get(0).unwrap_or(&json);
        // Cloudflare has a list.
        let listed = || json.get("errors")?.get(0);
        let error = json.get("error").filter(|error| !error.is_null());
        let error = error.or_else(listed);
        let error = error.unwrap_or(json);
        let inner = error.get("innererror").unwrap_or(&Value::Null);
        let codes = [
            error.get("code"),
            // Baidu's.
            error.get("error_code"),
            error.get("type"),
            error.get("status"),
            inner.get("code"),
            // xAI's code stands beside its error.
            json.get("code"),
        ];
        let codes = codes
            .into_iter()
            .flatten()
            .filter_map(|code| match code {
                Value::String(code) => Some(code.clone()),
                Value::Number(code) => Some(code.to_string()),
                _ => None,
            })
            .collect();
        let text = |value: &Value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Null | Value::String(_) => None,
            other => Some(other.to_string()),
        };
        let places = [
            error.get("message"),
            json.get("detail"),
            error.get("msg"),
            error.get("error_msg"),
            Some(error),
        ];
        let mut message = places
            .into_iter()
            .flatten()
            .find_map(text)
            .unwrap_or_else(|| body.trim().to_owned());
        // OpenRouter only says that the provider failed; what the provider said stands aside.
        let raw = error
            .get("metadata")
            .and_then(|metadata| metadata.get("raw"));
        if let Some(raw) = raw.and_then(text) {
            message = format!("{message}: {raw}");
        }
        let details = || error.get("details").and_then(Value::as_array);
        let delay = details().and_then(|details| {
            let delay = details.iter().find_map(|detail| detail.get("retryDelay"))?;
            times::span(delay.as_str()?)
        });
        let daily = details().is_some_and(|details| {
            let violations = details.iter().filter_map(|detail| detail.get("violations"));
            violations
                .filter_map(Value::as_array)
                .flatten()
                .filter_map(|violation| violation.get("quotaId")?.as_str())
                .any(|quota| quota.contains("PerDay"))
        });
        // FastAPI tells the place as a list, the name last.
        let place = json
            .get("detail")
            .and_then(|detail| detail.get(0)?.get("loc"));
        let place = place.and_then(|place| place.as_array()?.last());
        let parameter = error.get("param").filter(|name| name.is_string()).or(place);
        Said {
            codes,
            parameter: parameter.and_then(Value::as_str).map(ToOwned::to_owned),
            written: error
                .get("failed_generation")
                .and_then(Value::as_str)
                .map(ToOwned::to_owned),
            retry_after: delay.or_else(|| times::in_words(&message)),
            message,
            daily,
        }
    }
}
