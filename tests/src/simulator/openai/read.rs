//! Requests for completions.

use host::llm::request::{Message, ResponseFormat, Role};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::error::ApiError;

/// A request for a chat completion.
#[derive(Clone, Debug)]
pub struct Chat {
    /// The model that was asked for.
    pub model: String,
    /// The conversation.
    pub messages: Vec<Message>,
    /// The shape of the answer.
    pub format: ResponseFormat,
    /// The answer is to be streamed.
    pub stream: bool,
    /// A stream is to end with its usage.
    pub include_usage: bool,
    /// Most tokens of the answer.
    pub max_tokens: Option<u64>,
    /// Hash of messages and format.
    pub prompt: u128,
    /// Hash of the whole body.
    pub body: u64,
}

#[derive(Deserialize)]
struct Body<'b> {
    model: Option<String>,
    #[serde(borrow)]
    messages: Option<&'b RawValue>,
    #[serde(borrow)]
    response_format: Option<&'b RawValue>,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    max_tokens: Option<u64>,
    max_completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

#[derive(Deserialize)]
struct WireMessage {
    role: String,
    content: Option<Value>,
}

/// Reads the body of a call of `/v1/chat/completions`.
///
/// # Errors
/// Status 400: it is no JSON, or lacks what the API requires.
pub fn read(body: &[u8]) -> Result<Chat, ApiError> {
    let parsed: Body<'_> = serde_json::from_slice(body).map_err(|error| {
        ApiError::invalid(format!(
            "We could not parse the JSON body of your request: {error}"
        ))
    })?;
    let model = parsed
        .model
        .ok_or_else(|| ApiError::invalid("you must provide a model parameter"))?;
    let raw = parsed
        .messages
        .ok_or_else(|| ApiError::invalid("Missing required parameter: 'messages'."))?
        .get();
    let wire: Vec<WireMessage> = serde_json::from_str(raw)
        .map_err(|error| ApiError::invalid(format!("Invalid type for 'messages': {error}")))?;
    if wire.is_empty() {
        return Err(ApiError::invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        ));
    }
    let messages = wire.into_iter().map(message).collect::<Result<_, _>>()?;
    let format = parsed.response_format.map(RawValue::get);
    let mut hash = Sha256::new();
    hash.update(raw);
    // A byte that no JSON has, so that the two parts cannot run into each other.
    hash.update([0xff]);
    hash.update(format.unwrap_or_default());
    let prompt = hash
        .finalize()
        .iter()
        .take(16)
        .fold(0, |hash, byte| hash << 8 | u128::from(*byte));
    let body = Sha256::digest(body)
        .iter()
        .take(8)
        .fold(0, |hash, byte| hash << 8 | u64::from(*byte));
    Ok(Chat {
        model,
        messages,
        format: format
            .map(read_format)
            .transpose()?
            .unwrap_or(ResponseFormat::Text),
        stream: parsed.stream.unwrap_or(false),
        include_usage: parsed
            .stream_options
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        max_tokens: parsed.max_completion_tokens.or(parsed.max_tokens),
        prompt,
        body,
    })
}

fn message(wire: WireMessage) -> Result<Message, ApiError> {
    let role = match wire.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        role => {
            return Err(ApiError::invalid(format!(
                "Invalid value: '{role}'. Supported values are: 'system', 'developer', 'user', 'assistant'."
            )));
        }
    };
    let content = match wire.content {
        Some(Value::String(text)) => text,
        Some(Value::Array(parts)) => parts
            .iter()
            .filter_map(|part| part.get("text")?.as_str())
            .collect(),
        _ => {
            return Err(ApiError::invalid(
                "Invalid value for 'content': expected a string, got null.",
            ));
        }
    };
    Ok(Message { role, content })
}

fn read_format(raw: &str) -> Result<ResponseFormat, ApiError> {
    let mut format: Value = serde_json::from_str(raw)
        .map_err(|error| ApiError::invalid(format!("Invalid 'response_format': {error}")))?;
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(ResponseFormat::Text),
        Some("json_object") => Ok(ResponseFormat::JsonObject),
        Some("json_schema") => {
            let named = format
                .pointer("/json_schema/name")
                .is_some_and(Value::is_string);
            let schema = format.pointer_mut("/json_schema/schema").map(Value::take);
            match schema {
                Some(schema) if named => Ok(ResponseFormat::JsonSchema(schema)),
                Some(_) => Err(ApiError::invalid(
                    "Missing required parameter: 'response_format.json_schema.name'.",
                )),
                None => Err(ApiError::invalid(
                    "Missing required parameter: 'response_format.json_schema.schema'.",
                )),
            }
        }
        _ => Err(ApiError::invalid(
            "Invalid value for 'response_format.type'.",
        )),
    }
}
