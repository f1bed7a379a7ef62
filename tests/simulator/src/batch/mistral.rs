//! Mistral's batch jobs. Its files are OpenAI's.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::ask::Ask;
use super::fault::BatchFaultKind;
use super::files::Stored;
use super::job::{BatchError, Job, NewJob, Stage, now};
use super::openai;
use super::protocol::{Outcome, Protocol, Read, Rendered};
use super::reply::Reply;
use super::route::{Call, Page};
use crate::chat::Chat;
use crate::dialect::Dialect;
use crate::problem::Problem;

/// Most entries of a list.
const PAGE: usize = 100;

/// What a question may ask for. What it does not know it refuses.
const PARAMETERS: [&str; 19] = [
    "frequency_penalty",
    "guardrails",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_mode",
    "random_seed",
    "reasoning_effort",
    "response_format",
    "safe_prompt",
    "stop",
    "temperature",
    "top_p",
];

/// Answers a request.
///
/// # Errors
/// What the API says is wrong with it.
pub fn answer(ask: &Ask<'_>, call: &Call) -> Result<Reply, Problem> {
    match call {
        Call::Create => create(ask),
        Call::List(page) => list(ask, page),
        Call::Batch(id) => Ok(Reply::ok(&shown(ask, id)?)),
        Call::Cancel(id) => {
            let cancelled = find(ask, id, |job| {
                job.cancel(now());
                object(job, None)
            })?;
            Ok(Reply::ok(&cancelled))
        }
        Call::Files(page) => files(ask, page),
        files => openai::answer(ask, files),
    }
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::Mistral.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound(format!("Batch job {id} not found")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    endpoint: String,
    input_files: Vec<String>,
    model: String,
    #[serde(default)]
    metadata: Option<Map<String, Value>>,
    #[serde(default)]
    timeout_hours: Option<u64>,
}

fn create(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let invalid = |message: String| Problem::Invalid(message);
    let create: Create =
        serde_json::from_slice(ask.body).map_err(|error| invalid(error.to_string()))?;
    if create.endpoint != "/v1/chat/completions" {
        return Err(invalid(format!("Invalid endpoint: {}", create.endpoint)));
    }
    if !(1..=168).contains(&create.timeout_hours.unwrap_or(24)) {
        return Err(invalid("timeout_hours must be 1 to 168".to_owned()));
    }
    let metadata = create.metadata.unwrap_or_default();
    if metadata.values().any(|value| !value.is_string()) {
        return Err(invalid("metadata: Input should be texts".to_owned()));
    }
    let [file] = create.input_files.as_slice() else {
        return Err(invalid("This server takes one input file".to_owned()));
    };
    let new = NewJob {
        owner: ask.owner.to_owned(),
        input: openai::stored(ask.desk, ask.owner, file)?,
        endpoint: create.endpoint,
        model: Some(create.model),
        metadata: Value::Object(metadata),
        keep_results: None,
    };
    let show = |job: &Job| object(job, None);
    let desk = ask.desk;
    Ok(Reply::ok(&desk.create(new, show)))
}

/// A batch as a poll shows it, with what befalls the poll.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    let before = find(ask, id, Job::show)?;
    let fault = ask.desk.befall_shown(before);
    find(ask, id, |job| object(job, fault))
}

fn list(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let show = |job: &Job| Protocol::Mistral.id(job);
    let mut all = desk.list(ask.owner, show);
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let data = part(&all, page)?
        .iter()
        .map(|id| shown(ask, id))
        .collect::<Result<Vec<Value>, Problem>>()?;
    Ok(Reply::ok(
        &json!({"object": "list", "data": data, "total": all.len()}),
    ))
}

/// Pages of both lists are counted from 0.
fn files(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let all = openai::files(ask);
    Ok(Reply::ok(
        &json!({"object": "list", "data": part(&all, page)?, "total": all.len()}),
    ))
}

fn part<'a, T>(all: &'a [T], page: &Page) -> Result<&'a [T], Problem> {
    let size = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let number: usize = page
        .after
        .as_deref()
        .map_or(Ok(0), str::parse)
        .map_err(|_| Problem::Invalid("page: Input should be a valid integer".to_owned()))?;
    let start = number.saturating_mul(size).min(all.len());
    let end = start.saturating_add(size).min(all.len());
    Ok(all.get(start..end).unwrap_or_default())
}

fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Validating => "QUEUED",
        Stage::Running | Stage::Finalizing => "RUNNING",
        Stage::Cancelling => "CANCELLATION_REQUESTED",
        Stage::Completed => "SUCCESS",
        Stage::Failed => "FAILED",
        Stage::Expired => "TIMEOUT_EXCEEDED",
        Stage::Cancelled => "CANCELLED",
    }
}

fn object(job: &Job, fault: Option<BatchFaultKind>) -> Value {
    let status = match fault {
        Some(BatchFaultKind::UnknownStatus) => "PAUSED",
        _ => status(job.stage),
    };
    let (output, errors) = match fault {
        Some(BatchFaultKind::FilesLate) => (None, None),
        _ => job.results(),
    };
    let id = |file: Option<&Stored>| match (file, fault) {
        (Some(file), _) => json!(file.id),
        (None, Some(BatchFaultKind::IdsEmpty)) => json!(""),
        (None, _) => Value::Null,
    };
    let counts = job.counts(std::time::Instant::now());
    let ends = [
        Stage::Completed,
        Stage::Failed,
        Stage::Expired,
        Stage::Cancelled,
    ];
    let message = |error: &BatchError| match error.line {
        Some(line) => format!("Line {line}: {}", error.message),
        None => error.message.clone(),
    };
    let errors_of_all: Vec<Value> = job
        .errors
        .iter()
        .map(|error| json!({"message": message(error), "count": 1}))
        .collect();
    json!({
        "id": Protocol::Mistral.id(job),
        "object": "batch",
        "input_files": [job.new.input.id],
        "metadata": job.new.metadata,
        "endpoint": job.new.endpoint,
        "model": job.new.model,
        "agent_id": null,
        "output_file": id(output),
        "error_file": id(errors),
        "errors": errors_of_all,
        "outputs": null,
        "status": status,
        "created_at": job.created(),
        "started_at": job.time(Stage::Running),
        "completed_at": ends.iter().find_map(|end| job.time(*end)),
        "total_requests": counts.total,
        "completed_requests": counts.succeeded + counts.errored,
        "succeeded_requests": counts.succeeded,
        "failed_requests": counts.errored,
    })
}

#[derive(Deserialize)]
struct Line<'l> {
    #[serde(borrow)]
    custom_id: Option<Cow<'l, str>>,
    #[serde(borrow)]
    body: Option<&'l RawValue>,
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
        custom_id: line.custom_id.unwrap_or_default(),
        body: line
            .body
            .ok_or_else(|| wrong("body: Field required".to_owned()))?,
    })
}

/// Reads the question in a line.
///
/// # Errors
/// The line is answered with this problem.
pub fn read_question(body: &RawValue, model: &str) -> Result<Chat, Problem> {
    let parameters: Map<String, Value> =
        serde_json::from_str(body.get()).map_err(|error| Problem::Invalid(error.to_string()))?;
    let mut names = parameters.keys().map(String::as_str);
    if names.any(|name| !PARAMETERS.contains(&name)) {
        return Err(Problem::Unprocessable);
    }
    crate::openai::read(body.get().as_bytes(), Some(model))
}

/// What the results say of a line. An error is told twice.
pub fn result_line(custom_id: &str, id: &str, outcome: &Outcome<'_>) -> Rendered {
    let name = Value::from(custom_id);
    let line = |response: &str, error: &Value| {
        format!(
            "{{\"id\":\"batch-{id}\",\"custom_id\":{name},\"response\":{response},\"error\":{error}}}"
        )
    };
    let left = |message: &str| Rendered {
        text: line("null", &json!({"message": message})),
        is_error: true,
    };
    match outcome {
        Outcome::Answered(chat, answer) => {
            let body = Dialect::Mistral.whole(chat, answer, id);
            Rendered {
                text: line(
                    &format!("{{\"status_code\":200,\"body\":{body}}}"),
                    &Value::Null,
                ),
                is_error: false,
            }
        }
        Outcome::Refused(problem) => {
            let error = Dialect::Mistral.error(problem, id);
            let inner = error.body.get("error").cloned().unwrap_or_default();
            let response = json!({"status_code": error.status, "body": inner}).to_string();
            Rendered {
                text: line(&response, &inner),
                is_error: true,
            }
        }
        Outcome::Expired => left("Request timed out"),
        Outcome::Cancelled => left("Request was cancelled"),
    }
}
