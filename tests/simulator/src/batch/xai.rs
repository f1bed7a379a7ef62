//! xAI's batches: OpenAI's files and lines, but a batch has a name, counts its questions in place of a status, and gives its
//! results page by page.

use std::io::Read;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ask::Ask;
use super::fault::BatchFaultKind;
use super::files::Stored;
use super::job::{Job, NewJob, Stage, now};
use super::openai;
use super::protocol::{Outcome, Protocol, Rendered};
use super::reply::Reply;
use super::route::{Call, Page, page};
use crate::dialect::{Dialect, rfc3339};
use crate::problem::Problem;

/// Most entries of a page, and those of one that does not say how many.
const PAGE: usize = 1000;
/// Seconds that a batch may take.
const WINDOW: u64 = 86_400;

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
                object(job)
            })?;
            Ok(Reply::ok(&cancelled))
        }
        Call::Results(id) => results(ask, id),
        Call::Files(page) => files(ask, page),
        files => openai::answer(ask, files),
    }
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::Xai.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound("Batch not found.".to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    name: String,
    input_file_id: String,
}

fn create(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let create: Create =
        serde_json::from_slice(ask.body).map_err(|error| Problem::Invalid(error.to_string()))?;
    let new = NewJob {
        owner: ask.owner.to_owned(),
        input: openai::stored(ask.desk, ask.owner, &create.input_file_id)?,
        endpoint: "/v1/chat/completions".to_owned(),
        model: None,
        metadata: json!(create.name),
        keep_results: None,
    };
    let desk = ask.desk;
    Ok(Reply::ok(&desk.create(new, object)))
}

/// A batch as a poll shows it.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    find(ask, id, Job::show)?;
    find(ask, id, |job| object(job))
}

fn object(job: &Job) -> Value {
    let counts = job.counts(std::time::Instant::now());
    let cancelled = counts.cancelled + counts.expired;
    let left = counts.total - counts.succeeded - counts.errored - cancelled;
    let is_cancelled = matches!(
        job.stage,
        Stage::Cancelling | Stage::Cancelled | Stage::Failed
    );
    json!({
        "batch_id": Protocol::Xai.id(job),
        "name": job.new.metadata,
        // Its REST API tells the day and not the time.
        "create_time": rfc3339(job.created()).get(..10),
        "expire_time": rfc3339(job.created() + WINDOW),
        "cancel_time": is_cancelled.then(|| rfc3339(job.created())),
        "cancel_by_xai_message": job.errors.first().map(|error| error.message.clone()),
        "input_file_id": job.new.input.id,
        "state": {
            "num_requests": counts.total,
            "num_pending": if job.stage.is_end() { left } else { left.max(counts.total.min(1)) },
            "num_success": counts.succeeded,
            "num_error": counts.errored,
            "num_cancelled": cancelled,
        },
    })
}

/// The part of a list that a page asks for, and the token of the next one.
fn cut<T>(all: Vec<T>, page: &Page) -> Result<(Vec<T>, Option<String>), Problem> {
    let limit = page.limit.unwrap_or(PAGE);
    if !(1..=PAGE).contains(&limit) {
        return Err(Problem::Invalid("limit is out of range".to_owned()));
    }
    let start: usize = page
        .after
        .as_deref()
        .map_or(Ok(0), str::parse)
        .map_err(|_| Problem::Invalid("pagination_token is none of ours".to_owned()))?;
    let next = start.saturating_add(limit);
    let more = (all.len() > next).then(|| next.to_string());
    Ok((all.into_iter().skip(start).take(limit).collect(), more))
}

fn list(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let mut all = desk.list(ask.owner, |job| Protocol::Xai.id(job));
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let (some, next) = cut(all, page)?;
    let batches = some.iter().map(|id| shown(ask, id));
    let batches = batches.collect::<Result<Vec<Value>, Problem>>()?;
    Ok(Reply::ok(
        &json!({"batches": batches, "pagination_token": next}),
    ))
}

fn files(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let (data, next) = cut(openai::files(ask), page)?;
    Ok(Reply::ok(&json!({"data": data, "pagination_token": next})))
}

fn results(ask: &Ask<'_>, id: &str) -> Result<Reply, Problem> {
    if ask.fault == Some(BatchFaultKind::DownloadBroken) {
        return Ok(Reply::Reset);
    }
    let files: Vec<Stored> = find(ask, id, |job| {
        let (output, errors) = job.results();
        output.into_iter().chain(errors).cloned().collect()
    })?;
    let mut text = String::new();
    for file in files {
        read(&file, &mut text).map_err(|_| Problem::Server(500))?;
    }
    let all: Vec<&RawValue> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    let (some, next) = cut(all, &page(&ask.head.query))?;
    Ok(Reply::ok(
        &json!({"results": some, "pagination_token": next}),
    ))
}

fn read(file: &Stored, text: &mut String) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut bytes = vec![0; usize::try_from(file.bytes).unwrap_or(0)];
    Arc::clone(&file.content).read_exact_at(&mut bytes, 0)?;
    bytes.as_slice().read_to_string(text).map(drop)
}

/// What the results say of a line. The codes of errors are those of gRPC.
pub fn result_line(custom_id: &str, id: &str, outcome: &Outcome<'_>) -> Rendered {
    let name = Value::from(custom_id);
    let line = |response: &str, error: &Value| {
        format!(
            "{{\"batch_request_id\":{name},\"batch_result\":{{\"response\":{response},\"error\":{error}}}}}"
        )
    };
    let left = |code: u64, message: &str| {
        let error = json!({"code": code, "message": message, "details": []});
        line("null", &error)
    };
    let text = match outcome {
        Outcome::Answered(chat, answer) => {
            let body = Dialect::Xai.whole(chat, answer, id);
            line(&format!("{{\"chat_get_completion\":{body}}}"), &Value::Null)
        }
        Outcome::Refused(problem) => {
            let error = Dialect::Xai.error(problem, id);
            let message = error.body.pointer("/error/message");
            let message = message.and_then(Value::as_str).unwrap_or_default();
            left(code(error.status), message)
        }
        Outcome::Expired => left(4, "The batch expired before this request was processed."),
        Outcome::Cancelled => left(1, "The batch was cancelled."),
    };
    Rendered {
        text,
        is_error: false,
    }
}

fn code(status: u16) -> u64 {
    match status {
        401 => 16,
        403 => 7,
        404 => 5,
        402 | 429 => 8,
        400..500 => 3,
        503 | 529 => 14,
        _ => 13,
    }
}
