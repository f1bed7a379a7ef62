//! Lines of inputs and results as OpenAI has them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::batch::job::BatchError;
use crate::batch::protocol::{Outcome, Read, Rendered};
use crate::chat::Chat;
use crate::dialect::Dialect;
use crate::openai;
use crate::problem::Problem;

/// Longest name of a line.
const NAME: usize = 512;

/// What a question may ask for.
const PARAMETERS: [&str; 34] = [
    "messages",
    "model",
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "metadata",
    "modalities",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
];

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    custom_id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    method: Option<Cow<'l, str>>,
    #[serde(borrow)]
    url: Option<Cow<'l, str>>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
}

/// Reads a line, but not the question in it.
///
/// # Errors
/// The line makes the whole batch fail.
pub fn read_line<'l>(bytes: &'l [u8], endpoint: &str) -> Result<Read<'l>, BatchError> {
    let wrong = |code, message: String, param| BatchError {
        code,
        message,
        line: None,
        param,
    };
    let required = |name: &'static str| {
        let message = format!("Missing required parameter: '{name}'.");
        wrong("missing_required_parameter", message, Some(name))
    };
    let line: Line<'_> = serde_json::from_slice(bytes).map_err(|_| {
        let message = "This line is not parseable as valid JSON.";
        wrong("invalid_json_line", message.to_owned(), None)
    })?;
    let custom_id = line.custom_id.filter(|id| !id.is_empty());
    let custom_id = custom_id.ok_or_else(|| required("custom_id"))?;
    if custom_id.len() > NAME {
        let message = format!("Invalid 'custom_id': longer than {NAME} characters.");
        return Err(wrong("invalid_request", message, Some("custom_id")));
    }
    if line.method.as_deref() != Some("POST") {
        let message = "Invalid value for 'method': only 'POST' is supported.";
        return Err(wrong("invalid_request", message.to_owned(), Some("method")));
    }
    if line.url.as_deref() != Some(endpoint) {
        let message = "The URL provided for this request does not match the batch endpoint.";
        return Err(wrong("url_mismatch", message.to_owned(), Some("url")));
    }
    Ok(Read {
        custom_id,
        body: line.body.ok_or_else(|| required("body"))?,
    })
}

/// Reads the question in a line.
///
/// # Errors
/// The line is answered with this problem.
pub fn read_question(body: &RawValue) -> Result<Chat, Problem> {
    let parameters: serde_json::Map<String, Value> = serde_json::from_str(body.get())
        .map_err(|error| Problem::Invalid(format!("Invalid body: {error}")))?;
    if let Some(unknown) = parameters
        .keys()
        .find(|name| !PARAMETERS.contains(&name.as_str()))
    {
        return Err(Problem::Invalid(format!(
            "Unrecognized request argument supplied: {unknown}"
        )));
    }
    let chat = openai::read(body.get().as_bytes(), None)?;
    if chat.stream {
        return Err(Problem::Invalid(
            "Streaming is not supported in a batch.".to_owned(),
        ));
    }
    Ok(chat)
}

/// What the results say of a line.
pub fn result_line(dialect: Dialect, custom_id: &str, id: &str, outcome: &Outcome<'_>) -> Rendered {
    let name = Value::from(custom_id);
    let left = |code: &str, message: &str| {
        json!({"id": format!("batch_req_{id}"), "custom_id": name, "response": null,
            "error": {"code": code, "message": message}})
        .to_string()
    };
    // The body is text already.
    let response = |status: u16, body: &str| {
        format!(
            "{{\"id\":\"batch_req_{id}\",\"custom_id\":{name},\"response\":{{\"status_code\":{status},\
             \"request_id\":\"req_{id}\",\"body\":{body}}},\"error\":null}}"
        )
    };
    match outcome {
        Outcome::Answered(chat, answer) => Rendered {
            text: response(200, &dialect.whole(chat, answer, id)),
            is_error: false,
        },
        Outcome::Refused(problem) => {
            let error = dialect.error(problem, id);
            Rendered {
                text: response(error.status, &error.body.to_string()),
                is_error: true,
            }
        }
        Outcome::Expired => Rendered {
            text: left(
                "batch_expired",
                "This request could not be executed before the completion window expired.",
            ),
            is_error: true,
        },
        Outcome::Cancelled => Rendered {
            text: left(
                "batch_cancelled",
                "This request was not executed: the batch was cancelled.",
            ),
            is_error: true,
        },
    }
}
