//! Questions and answers in Gemini's own shape, as they stand in the lines of a batch.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::batch::protocol::{LineResult, ResultLine};
use crate::error::{CallError, Unusable};
use crate::pictures::Picture;
use crate::provider::{Call, RawAnswer};
use crate::providers::batches::grpc::{Status, error};
use crate::providers::batches::no_question;
use crate::providers::endpoint::ModelOptions;
use crate::providers::gathered::{Gathered, Told, malformed};
use crate::providers::lenient::{self, Count, First, Object, Text, Words};
use crate::providers::schema;
use crate::settings::JsonSupport;
use types::render::render;
use types::request::{ResponseFormat, Role};

const JSON: &str = "application/json";

/// A question. Fields of `extra-body` are those of the compatible API and are left out.
pub(super) fn question(options: &ModelOptions, call: Call<'_>) -> Value {
    let adaptations = call.adaptations;
    let (mut system, mut contents) = (Vec::new(), Vec::new());
    let mut config = Map::new();
    config.insert("maxOutputTokens".to_owned(), json!(call.max_output_tokens));
    if options.sends_temperature(adaptations) {
        config.insert("temperature".to_owned(), json!(call.temperature));
    }
    if let Some(thinking) = thinking(options, call) {
        config.insert("thinkingConfig".to_owned(), thinking);
    }
    let support = options.json(adaptations);
    if call.request.format != ResponseFormat::Text && support != JsonSupport::Prompt {
        config.insert("responseMimeType".to_owned(), json!(JSON));
    }
    if let ResponseFormat::JsonSchema(schema) = &call.request.format {
        if support == JsonSupport::Schema {
            config.insert("responseJsonSchema".to_owned(), schema.value());
        } else {
            system.push(json!({"text": schema::in_words(schema)}));
        }
    }
    for message in render(call.request) {
        match message.role {
            Role::System => system.push(json!({"text": message.content})),
            Role::User => {
                let shown = match contents.is_empty() {
                    true => call.pictures,
                    false => &[],
                };
                contents.push(of_user(&message.content, shown));
            }
            Role::Assistant => contents.push(turn("model", &message.content)),
        }
    }
    let mut question = Map::new();
    question.insert("contents".to_owned(), Value::Array(contents));
    if !system.is_empty() {
        question.insert("systemInstruction".to_owned(), json!({"parts": system}));
    }
    question.insert("generationConfig".to_owned(), Value::Object(config));
    Value::Object(question)
}

/// How much is to be thought, if that is said. The words are those of the compatible API; older models take tokens in their
/// place. <https://ai.google.dev/gemini-api/docs/openai#thinking>
fn thinking(options: &ModelOptions, call: Call<'_>) -> Option<Value> {
    let level = call.thoughts.map(|thoughts| thoughts.level);
    let mut told = Map::new();
    let thinker = options.thinker;
    thinker.ask_chat(&mut told, level, call.adaptations);
    let word = told.get("reasoning_effort")?.as_str()?;
    if !call.model.starts_with("gemini-2") {
        return Some(json!({"thinkingLevel": word}));
    }
    let tokens = match word {
        "none" => 0,
        "minimal" | "low" => 1024,
        "medium" => 8192,
        _ => 24_576,
    };
    Some(json!({"thinkingBudget": tokens}))
}

/// What the user says, behind the pictures that it is about.
/// <https://ai.google.dev/gemini-api/docs/image-understanding>
fn of_user(content: &str, pictures: &[Picture]) -> Value {
    let shown = pictures.iter().map(|picture| {
        json!({"inlineData": {"mimeType": picture.media_type.as_str(), "data": picture.base64}})
    });
    let said = (!content.is_empty() || pictures.is_empty()).then(|| json!({"text": content}));
    let parts: Vec<Value> = shown.chain(said).collect();
    json!({"role": "user", "parts": parts})
}

fn turn(role: &str, content: &str) -> Value {
    json!({"role": role, "parts": [{"text": content}]})
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    key: Text,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    error: Object<Status>,
    /// Some lines call it so.
    status: Object<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Response {
    candidates: First<Candidate>,
    prompt_feedback: Object<Feedback>,
    usage_metadata: Object<Counts>,
    model_version: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Candidate {
    content: Object<Content>,
    finish_reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Content {
    parts: Vec<Part>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Part {
    text: Words,
    /// It is a thought.
    thought: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Feedback {
    block_reason: Text,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Counts {
    prompt_token_count: Count,
    candidates_token_count: Count,
    thoughts_token_count: Count,
    cached_content_token_count: Count,
    total_token_count: Count,
}

impl Counts {
    /// The answer's tokens are without the thoughts.
    fn told(&self) -> Told {
        let output = [self.candidates_token_count.0, self.thoughts_token_count.0];
        Told {
            input: self.prompt_token_count.0,
            output: output.into_iter().flatten().reduce(u64::saturating_add),
            total: self.total_token_count.0,
            cached: self.cached_content_token_count.0,
            reasoning: self.thoughts_token_count.0,
            ..Told::default()
        }
    }
}

/// Reads a line of the results.
///
/// # Errors
/// It is none, or names no question.
pub(super) fn read(line: &str, model: &str) -> Result<ResultLine, CallError> {
    let line: Line<'_> = serde_json::from_str(line).map_err(|error| malformed(&error))?;
    let custom_id = line
        .key
        .0
        .ok_or_else(|| CallError::unusable("a line names no question", Unusable::MALFORMED))?;
    let failed = line.error.0.or(line.status.0);
    let result = match (line.response, failed) {
        (Some(response), _) if response.get() != "null" => answer(response.get(), model).into(),
        (_, Some(status)) => refused(&status),
        _ => {
            let message = "the line has neither an answer nor an error";
            LineResult::Failed(CallError::unusable(message, Unusable::NOTHING))
        }
    };
    Ok(ResultLine { custom_id, result })
}

fn answer(response: &str, model: &str) -> Result<RawAnswer, CallError> {
    let response: Response = lenient::read(response).map_err(|error| malformed(&error))?;
    let mut gathered = Gathered::default();
    let candidate = response.candidates.0.unwrap_or_default();
    let reason = candidate.finish_reason.0;
    for part in candidate.content.0.unwrap_or_default().parts {
        if part.thought {
            gathered.think(part.text.said.len(), "thought");
        } else {
            gathered.say(&part.text, reason.as_deref());
        }
    }
    let blocked = response
        .prompt_feedback
        .0
        .and_then(|feedback| feedback.block_reason.0);
    gathered.by(response.model_version.0);
    // What was asked was withheld already, so there is not even a candidate.
    gathered.end(reason.or(blocked.map(|_| "safety".to_owned())));
    if let Some(counts) = response.usage_metadata.0 {
        gathered.count(counts.told(), true);
    }
    gathered.ended();
    gathered.finish(no_question(model), "candidates")
}

fn refused(status: &Status) -> LineResult {
    match status.code.0 {
        // It was cancelled before it was asked.
        Some(1) => LineResult::NotReached(status.message.0.clone().unwrap_or_default()),
        _ => LineResult::Failed(error(status)),
    }
}
