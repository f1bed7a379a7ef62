//! Requests for messages.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use types::request::{Message, ResponseFormat, Role};

use crate::cache::Marks;
use crate::chat::{Chat, Told, hash, prompt_hash, short};
use crate::pictures;
use crate::problem::Problem;

#[derive(Deserialize)]
struct Body<'b> {
    model: Option<String>,
    #[serde(borrow)]
    system: Option<&'b RawValue>,
    #[serde(borrow)]
    messages: Option<&'b RawValue>,
    max_tokens: Option<u64>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(borrow)]
    output_config: Option<&'b RawValue>,
    #[serde(borrow)]
    tools: Option<&'b RawValue>,
    tool_choice: Option<ToolChoice>,
    thinking: Option<Thinking>,
    temperature: Option<f64>,
}

#[derive(Default, Deserialize)]
struct Thinking {
    #[serde(rename = "type")]
    kind: Option<String>,
    budget_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    input_schema: Value,
}

#[derive(Deserialize)]
struct ToolChoice {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
}

#[derive(Deserialize)]
struct OutputConfig {
    format: Option<Format>,
    effort: Option<String>,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "type")]
    kind: String,
    schema: Option<Value>,
}

#[derive(Deserialize)]
struct WireMessage {
    role: String,
    content: Value,
}

/// Reads the body of a call of `/v1/messages`.
///
/// # Errors
/// It is no JSON, or lacks what the API requires.
pub fn read(body: &[u8]) -> Result<Chat, Problem> {
    let invalid = |message: String| Problem::Invalid(message);
    let required = |name: &str| Problem::Invalid(format!("{name}: Field required"));
    let parsed: Body<'_> = serde_json::from_slice(body)
        .map_err(|error| invalid(format!("The request body is not valid JSON: {error}")))?;
    let model = parsed.model.ok_or_else(|| required("model"))?;
    let max_tokens = parsed.max_tokens.ok_or_else(|| required("max_tokens"))?;
    if max_tokens == 0 {
        let message = "max_tokens: Input should be greater than or equal to 1";
        return Err(invalid(message.to_owned()));
    }
    let raw = parsed.messages.ok_or_else(|| required("messages"))?.get();
    let wire: Vec<WireMessage> =
        serde_json::from_str(raw).map_err(|error| invalid(format!("messages: {error}")))?;
    let system = parsed.system.map(RawValue::get);
    let mut messages = Vec::new();
    let mut pictures = Vec::new();
    let mut marks = Marks::default();
    if let Some(system) = system {
        let value: Value =
            serde_json::from_str(system).map_err(|error| invalid(format!("system: {error}")))?;
        mark("system", &value, &mut marks)?;
        messages.push(Message {
            role: Role::System,
            content: text(&value)
                .ok_or_else(|| invalid("system: Input should be text".to_owned()))?,
        });
    }
    if wire.is_empty() {
        return Err(invalid(
            "messages: at least one message is required".to_owned(),
        ));
    }
    for (at, message) in wire.into_iter().enumerate() {
        let role = match message.role.as_str() {
            "user" => Role::User,
            "assistant" => Role::Assistant,
            "system" => {
                return Err(invalid(format!(
                    "messages.{at}.role: the Messages API accepts a top-level `system` parameter, not \
                     \"system\" as an input message role"
                )));
            }
            role => {
                return Err(invalid(format!(
                    "messages.{at}.role: Input should be 'user' or 'assistant', not '{role}'"
                )));
            }
        };
        let shown = pictures::of_messages(&model, &message.content).map_err(invalid)?;
        let is_shown = !shown.is_empty();
        pictures.extend(shown);
        let content = text(&message.content)
            .filter(|text| is_shown || !text.is_empty())
            .ok_or_else(|| {
                invalid(format!(
                    "messages.{at}: all messages must have non-empty content"
                ))
            })?;
        mark(&format!("messages.{at}"), &message.content, &mut marks)?;
        messages.push(Message { role, content });
    }
    let config = parsed.output_config.map(RawValue::get);
    let tools = parsed.tools.map(RawValue::get);
    let tool = chosen(tools, parsed.tool_choice)?;
    let (tool, format) = match tool {
        Some(Tool { name, input_schema }) => {
            (Some(name), ResponseFormat::JsonSchema(input_schema.into()))
        }
        None => (None, format(config)?),
    };
    let thinking = parsed.thinking.unwrap_or_default();
    // Marks make no other question of it.
    let said: Vec<&str> = messages
        .iter()
        .flat_map(|message| [message.role.as_str(), message.content.as_str()])
        .chain(config)
        .chain(pictures.iter().map(String::as_str))
        .collect();
    let prompt = prompt_hash(&said);
    Ok(Chat {
        model,
        messages,
        pictures,
        marked: marks.beginnings(),
        format,
        tool,
        stream: parsed.stream.unwrap_or(false),
        include_usage: true,
        max_tokens: Some(max_tokens),
        tier: None,
        told: Told {
            effort: effort(config)?,
            switch: thinking.kind,
            budget: thinking.budget_tokens,
            temperature: parsed.temperature,
        },
        prompt,
        body: short(hash(body)),
    })
}

/// The text of a message: as it is, or in blocks.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::String(text) => Some(text.clone()),
        Value::Array(blocks) => blocks
            .iter()
            .filter(|block| block.get("type").is_none_or(|kind| kind != "image"))
            .map(|block| block.get("text")?.as_str())
            .collect(),
        _ => None,
    }
}

/// Notes the blocks of a content, and which of them are marked for the cache.
fn mark(place: &str, content: &Value, marks: &mut Marks) -> Result<(), Problem> {
    let Value::Array(blocks) = content else {
        marks.part(content.as_str().unwrap_or_default(), None);
        return Ok(());
    };
    for (at, block) in blocks.iter().enumerate() {
        let text = block.get("text").and_then(Value::as_str);
        let lifetime = match block.get("cache_control") {
            None => None,
            Some(mark) if mark["type"] != "ephemeral" => {
                let message =
                    format!("{place}.{at}.cache_control.type: Input should be 'ephemeral'");
                return Err(Problem::Invalid(message));
            }
            Some(mark) => match mark.get("ttl").and_then(Value::as_str) {
                None | Some("5m") => Some(Duration::from_secs(300)),
                Some("1h") => Some(Duration::from_secs(3600)),
                Some(_) => {
                    let message =
                        format!("{place}.{at}.cache_control.ttl: Input should be '5m' or '1h'");
                    return Err(Problem::Invalid(message));
                }
            },
        };
        marks.part(text.unwrap_or_default(), lifetime);
    }
    Ok(())
}

/// The tool that must be called; without that, none is.
fn chosen(tools: Option<&str>, choice: Option<ToolChoice>) -> Result<Option<Tool>, Problem> {
    let Some(tools) = tools else { return Ok(None) };
    let mut tools: Vec<Tool> =
        serde_json::from_str(tools).map_err(|error| Problem::Invalid(format!("tools: {error}")))?;
    match choice {
        Some(ToolChoice { kind, name }) if kind == "tool" => {
            let found = tools
                .iter()
                .position(|tool| Some(&tool.name) == name.as_ref());
            let found = found.ok_or_else(|| {
                Problem::Invalid("tool_choice: Tool not found in provided tools".to_owned())
            })?;
            Ok(Some(tools.swap_remove(found)))
        }
        Some(ToolChoice { kind, .. }) if kind == "any" => Ok(tools.into_iter().next()),
        _ => Ok(None),
    }
}

fn effort(config: Option<&str>) -> Result<Option<String>, Problem> {
    let Some(config) = config else {
        return Ok(None);
    };
    let config: OutputConfig = serde_json::from_str(config)
        .map_err(|error| Problem::Invalid(format!("output_config: {error}")))?;
    Ok(config.effort)
}

fn format(config: Option<&str>) -> Result<ResponseFormat, Problem> {
    let Some(config) = config else {
        return Ok(ResponseFormat::Text);
    };
    let config: OutputConfig = serde_json::from_str(config)
        .map_err(|error| Problem::Invalid(format!("output_config: {error}")))?;
    match config.format {
        None => Ok(ResponseFormat::Text),
        Some(Format {
            kind,
            schema: Some(schema),
        }) if kind == "json_schema" && !is_closed(&schema) => Err(Problem::Invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"
                .to_owned(),
        )),
        Some(Format {
            kind,
            schema: Some(schema),
        }) if kind == "json_schema" => Ok(ResponseFormat::JsonSchema(schema.into())),
        Some(_) => Err(Problem::Invalid(
            "output_config.format: Input should be a 'json_schema' with a 'schema'".to_owned(),
        )),
    }
}

/// Whether every object of a schema is closed, which the API wants.
fn is_closed(schema: &Value) -> bool {
    match schema {
        Value::Object(rules) => {
            let is_object = rules.get("type").is_some_and(|kind| kind == "object");
            let is_open = rules.get("additionalProperties") != Some(&Value::Bool(false));
            !(is_object && is_open) && rules.values().all(is_closed)
        }
        Value::Array(values) => values.iter().all(is_closed),
        _ => true,
    }
}
