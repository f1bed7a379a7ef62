//! Requests for completions.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use types::request::{Message, ResponseFormat, Role};

use crate::chat::{Chat, Tier, Told, hash, prompt_hash, short};
use crate::pictures;
use crate::problem::Problem;

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
    service_tier: Option<String>,
    reasoning_effort: Option<String>,
    temperature: Option<f64>,
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

/// Reads the body of a call of `/v1/chat/completions`; a deployment in the address is the model.
///
/// # Errors
/// Status 400: it is no JSON, or lacks what the API requires.
pub fn read(body: &[u8], deployment: Option<&str>) -> Result<Chat, Problem> {
    let parsed: Body<'_> = serde_json::from_slice(body).map_err(|error| {
        invalid(format!(
            "We could not parse the JSON body of your request: {error}"
        ))
    })?;
    let model = deployment
        .map(str::to_owned)
        .or(parsed.model)
        .ok_or_else(|| invalid("you must provide a model parameter"))?;
    let raw = parsed
        .messages
        .ok_or_else(|| invalid("Missing required parameter: 'messages'."))?
        .get();
    let wire: Vec<WireMessage> = serde_json::from_str(raw)
        .map_err(|error| invalid(format!("Invalid type for 'messages': {error}")))?;
    if wire.is_empty() {
        return Err(invalid(
            "Invalid 'messages': empty array. Expected an array with minimum length 1.",
        ));
    }
    let tier = parsed.service_tier.as_deref().map(tier).transpose()?;
    let mut pictures = Vec::new();
    for content in wire.iter().filter_map(|message| message.content.as_ref()) {
        pictures.extend(pictures::of_chat(&model, content).map_err(invalid)?);
    }
    let messages = wire.into_iter().map(message).collect::<Result<_, _>>()?;
    let format = parsed.response_format.map(RawValue::get);
    let prompt = prompt_hash(&[raw, format.unwrap_or_default()]);
    let body = short(hash(body));
    Ok(Chat {
        model,
        messages,
        pictures,
        format: format
            .map(read_format)
            .transpose()?
            .unwrap_or(ResponseFormat::Text),
        tool: None,
        stream: parsed.stream.unwrap_or(false),
        include_usage: parsed
            .stream_options
            .and_then(|options| options.include_usage)
            .unwrap_or(false),
        max_tokens: parsed.max_completion_tokens.or(parsed.max_tokens),
        marked: Vec::new(),
        tier,
        told: Told {
            effort: parsed.reasoning_effort,
            temperature: parsed.temperature,
            ..Told::default()
        },
        prompt,
        body,
    })
}

fn tier(name: &str) -> Result<Tier, Problem> {
    match name {
        "flex" => Ok(Tier::Flex),
        "auto" | "default" => Ok(Tier::Default),
        other => Err(invalid(format!(
            "Invalid value: '{other}'. Supported values are: 'auto', 'default', and 'flex'."
        ))),
    }
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::Invalid(message.into())
}

fn message(wire: WireMessage) -> Result<Message, Problem> {
    let role = match wire.role.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        role => {
            return Err(invalid(format!(
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
            return Err(invalid(
                "Invalid value for 'content': expected a string, got null.",
            ));
        }
    };
    Ok(Message { role, content })
}

fn read_format(raw: &str) -> Result<ResponseFormat, Problem> {
    let mut format: Value = serde_json::from_str(raw)
        .map_err(|error| invalid(format!("Invalid 'response_format': {error}")))?;
    match format.get("type").and_then(Value::as_str) {
        Some("text") => Ok(ResponseFormat::Text),
        Some("json_object") => Ok(ResponseFormat::JsonObject),
        Some("json_schema") => {
            let named = format
                .pointer("/json_schema/name")
                .is_some_and(Value::is_string);
            let schema = format.pointer_mut("/json_schema/schema").map(Value::take);
            match schema {
                Some(schema) if named => Ok(ResponseFormat::JsonSchema(schema.into())),
                Some(_) => Err(invalid(
                    "Missing required parameter: 'response_format.json_schema.name'.",
                )),
                None => Err(invalid(
                    "Missing required parameter: 'response_format.json_schema.schema'.",
                )),
            }
        }
        _ => Err(invalid("Invalid value for 'response_format.type'.")),
    }
}
