//! Lines of inputs and results as Gemini has them, with its own questions and answers in them.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use types::request::{Message, ResponseFormat, Role};

use crate::batch::job::BatchError;
use crate::batch::protocol::{Outcome, Read, Rendered};
use crate::chat::{Answer, Chat, Finish, Told, hash, prompt_hash, short};
use crate::dialect::Dialect;
use crate::pictures;
use crate::problem::Problem;

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    key: Option<Cow<'l, str>>,
    #[serde(borrow)]
    request: Option<&'l RawValue>,
}

/// Reads a line, but not the question in it.
///
/// # Errors
/// The line makes the whole batch fail.
pub fn read_line(bytes: &[u8]) -> Result<Read<'_>, BatchError> {
    let wrong = |message: String| BatchError {
        code: "invalid_request",
        message,
        line: None,
        param: None,
    };
    let line: Line<'_> = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    Ok(Read {
        // A line without a key is answered without one.
        custom_id: line.key.unwrap_or_default(),
        body: line
            .request
            .ok_or_else(|| wrong("A line has no request.".to_owned()))?,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Question<'q> {
    contents: Vec<Content>,
    #[serde(alias = "system_instruction")]
    system_instruction: Option<Content>,
    #[serde(default, alias = "generation_config")]
    generation_config: Config,
    #[serde(borrow, default, alias = "safety_settings", rename = "safetySettings")]
    _safety_settings: Option<&'q RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    role: Option<String>,
    parts: Vec<Part>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    text: String,
    #[serde(alias = "inline_data")]
    inline_data: Option<Blob>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Blob {
    #[serde(alias = "mime_type")]
    mime_type: String,
    data: String,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Config {
    #[serde(alias = "max_output_tokens")]
    max_output_tokens: Option<u64>,
    #[serde(alias = "response_mime_type")]
    response_mime_type: Option<String>,
    #[serde(alias = "response_json_schema")]
    response_json_schema: Option<Value>,
    temperature: Option<f64>,
    #[serde(rename = "topP")]
    _top_p: Option<f64>,
    #[serde(rename = "topK")]
    _top_k: Option<f64>,
    #[serde(rename = "seed")]
    _seed: Option<i64>,
    #[serde(rename = "stopSequences")]
    _stop_sequences: Option<Vec<String>>,
    #[serde(alias = "thinking_config")]
    thinking_config: Thinking,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct Thinking {
    thinking_level: Option<String>,
    thinking_budget: Option<u64>,
}

/// Reads the question in a line.
///
/// # Errors
/// The line is answered with this problem.
pub fn read_question(body: &RawValue, model: &str) -> Result<Chat, Problem> {
    let invalid = |message: String| Problem::Invalid(message);
    let question: Question<'_> = serde_json::from_str(body.get())
        .map_err(|error| invalid(format!("Invalid JSON payload received. {error}")))?;
    let text = |content: &Content| -> String {
        content
            .parts
            .iter()
            .map(|part| part.text.as_str())
            .collect()
    };
    let parts = question.contents.iter().flat_map(|turn| &turn.parts);
    let blobs = parts.filter_map(|part| part.inline_data.as_ref());
    let pictures = blobs
        .map(|blob| pictures::seen(model, &blob.mime_type, &blob.data))
        .collect::<Result<_, _>>()
        .map_err(invalid)?;
    let system = question.system_instruction.iter().map(|system| {
        Ok(Message {
            role: Role::System,
            content: text(system),
        })
    });
    let turns = question.contents.iter().map(|turn| {
        let role = match turn.role.as_deref() {
            None | Some("user") => Role::User,
            Some("model") => Role::Assistant,
            Some(_) => {
                let message = "Please use a valid role: user, model.";
                return Err(invalid(message.to_owned()));
            }
        };
        Ok(Message {
            role,
            content: text(turn),
        })
    });
    let messages = system.chain(turns).collect::<Result<Vec<_>, Problem>>()?;
    if question.contents.is_empty() {
        let message = "* GenerateContentRequest.contents: contents is not specified";
        return Err(invalid(message.to_owned()));
    }
    let config = question.generation_config;
    let is_json = config.response_mime_type.as_deref() == Some("application/json");
    let format = match config.response_json_schema {
        Some(_) if !is_json => {
            let message = "A response schema needs the response MIME type application/json.";
            return Err(invalid(message.to_owned()));
        }
        Some(schema) => ResponseFormat::JsonSchema(schema.into()),
        None if is_json => ResponseFormat::JsonObject,
        None => ResponseFormat::Text,
    };
    Ok(Chat {
        model: model.to_owned(),
        messages,
        pictures,
        format,
        tool: None,
        stream: false,
        include_usage: false,
        max_tokens: config.max_output_tokens,
        tier: None,
        told: Told {
            effort: config.thinking_config.thinking_level,
            budget: config.thinking_config.thinking_budget,
            temperature: config.temperature,
            ..Told::default()
        },
        marked: Vec::new(),
        prompt: prompt_hash(&[body.get()]),
        body: short(hash(body.get().as_bytes())),
    })
}

/// What the results say of a line: all in one file.
pub fn result_line(custom_id: &str, id: &str, outcome: &Outcome<'_>) -> Rendered {
    let error = |code: u16, message: &str| json!({"key": custom_id, "error": {"code": code, "message": message}});
    let line = match outcome {
        Outcome::Answered(chat, answer) => {
            json!({"key": custom_id, "response": response(chat, answer, id)})
        }
        Outcome::Refused(problem) => {
            let said = Dialect::Gemini.error(problem, id);
            let message = said.body.pointer("/error/message").and_then(Value::as_str);
            error(grpc(said.status), message.unwrap_or_default())
        }
        Outcome::Expired => error(4, "The batch expired."),
        Outcome::Cancelled => error(1, "The batch was cancelled."),
    };
    Rendered {
        text: line.to_string(),
        is_error: false,
    }
}

/// The code of gRPC for a status of HTTP.
fn grpc(status: u16) -> u16 {
    match status {
        400 | 413 | 422 => 3,
        401 => 16,
        402 => 9,
        403 => 7,
        404 => 5,
        429 => 8,
        503 | 529 => 14,
        504 => 4,
        _ => 13,
    }
}

fn response(chat: &Chat, answer: &Answer, id: &str) -> Value {
    let reason = match answer.finish {
        Finish::Stop => "STOP",
        Finish::Length => "MAX_TOKENS",
        Finish::ContentFilter | Finish::Refusal => "SAFETY",
        Finish::InsufficientResource => "OTHER",
    };
    let mut candidate = json!({"finishReason": reason, "index": 0});
    // Without a text there is not even a content.
    if let (Some(fields), false) = (candidate.as_object_mut(), answer.text.is_empty()) {
        let content = json!({"parts": [{"text": answer.text}], "role": "model"});
        fields.insert("content".to_owned(), content);
    }
    let said = answer.output_tokens - answer.reasoning_tokens.min(answer.output_tokens);
    json!({
        "candidates": [candidate],
        "usageMetadata": {
            "promptTokenCount": answer.input_tokens,
            "candidatesTokenCount": said,
            "thoughtsTokenCount": answer.reasoning_tokens,
            "cachedContentTokenCount": answer.cached_tokens,
            "totalTokenCount": answer.input_tokens + answer.output_tokens,
        },
        "modelVersion": chat.model,
        "responseId": id,
    })
}
