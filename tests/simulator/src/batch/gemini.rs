//! Gemini's files and batches: a file is uploaded in two steps, and a batch is an operation of a model.

mod files;
mod lines;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::Ask;
use super::fault::{BatchFaultKind, Request};
use super::job::{Job, NewJob, Stage, now};
use super::openai::download;
use super::protocol::Protocol;
use super::reply::Reply;
use super::route::{Call, Page};
use crate::dialect::rfc3339;
use crate::problem::{Exceeded, Problem};

pub use lines::{read_line, read_question, result_line};

/// Most entries of a list.
const PAGE: usize = 100;
/// The codes of gRPC, in which an operation tells its error.
const INVALID_ARGUMENT: u16 = 3;
const RESOURCE_EXHAUSTED: u16 = 8;
const INTERNAL: u16 = 13;

/// The sort of request that a call is, for faults.
pub fn request(call: &Call) -> Option<Request> {
    Some(match call {
        // The first step makes no file.
        Call::Append(_) => Request::Upload,
        Call::Content(_) => Request::Download,
        Call::CreateFor(_) => Request::Create,
        Call::List(_) => Request::List,
        Call::Batch(_) => Request::Poll,
        Call::Cancel(_) => Request::Cancel,
        _ => return None,
    })
}

/// Answers a request.
///
/// # Errors
/// What the API says is wrong with it.
pub fn answer(ask: &Ask<'_>, call: &Call) -> Result<Reply, Problem> {
    match call {
        Call::Upload => files::start(ask),
        Call::Append(upload) => files::append(ask, *upload),
        Call::File(id) => Ok(Reply::ok(&files::object(&files::stored(ask, id)?))),
        Call::Content(id) => {
            let file = files::stored(ask, id)?;
            if file.purpose == "batch" {
                let message = "Only generated files can be downloaded.";
                return Err(Problem::Invalid(message.to_owned()));
            }
            Ok(download(ask, &file))
        }
        Call::DeleteFile(id) => {
            let owner = ask.owner;
            let desk = ask.desk;
            if desk.with_files(|files| files.delete(owner, id)) {
                Ok(Reply::ok(&json!({})))
            } else {
                Err(files::no_file(id))
            }
        }
        Call::CreateFor(model) => create(ask, model),
        Call::List(page) => list(ask, page),
        Call::Batch(id) => Ok(Reply::ok(&shown(ask, id)?)),
        Call::Cancel(id) => {
            // One that has ended is cancelled without an error and without effect.
            find(ask, id, |job| job.cancel(now()))?;
            Ok(Reply::ok(&json!({})))
        }
        _ => Err(Problem::NoRoute(ask.head.path.clone())),
    }
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::Gemini.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound("Requested entity was not found.".to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    batch: Batch,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Batch {
    #[serde(alias = "display_name")]
    display_name: String,
    #[serde(alias = "input_config")]
    input_config: InputConfig,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct InputConfig {
    #[serde(alias = "file_name")]
    file_name: Option<String>,
}

fn create(ask: &Ask<'_>, model: &str) -> Result<Reply, Problem> {
    let create: Create = serde_json::from_slice(ask.body)
        .map_err(|error| Problem::Invalid(format!("Invalid JSON payload received. {error}")))?;
    let name = create.batch.input_config.file_name;
    let name = name.ok_or_else(|| {
        Problem::Invalid("Only files are known to this server, and no inline requests.".to_owned())
    })?;
    let id = name.strip_prefix("files/").unwrap_or(&name);
    let input = files::stored(ask, id)?;
    let new = NewJob {
        owner: ask.owner.to_owned(),
        input,
        endpoint: String::new(),
        model: Some(model.to_owned()),
        metadata: Value::from(create.batch.display_name),
        keep_results: None,
    };
    let desk = ask.desk;
    if !desk.has_room(Protocol::Gemini, &new) {
        // It names neither the limit nor a time.
        return Err(Problem::RateLimited(Exceeded::pretended(None)));
    }
    let show = |job: &Job| operation(job, None);
    Ok(Reply::ok(&desk.create(new, show)))
}

/// A batch as a poll shows it, with what befalls the poll.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    let before = find(ask, id, Job::show)?;
    let fault = ask.desk.befall_shown(before);
    find(ask, id, |job| operation(job, fault))
}

fn list(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let show = |job: &Job| Protocol::Gemini.id(job);
    let mut all = desk.list(ask.owner, show);
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let start = match &page.after {
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Problem::Invalid("Invalid page token.".to_owned()))?,
        None => 0,
    };
    let size = page.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let next = start + size;
    let operations = all
        .iter()
        .skip(start)
        .take(size)
        .map(|id| shown(ask, id))
        .collect::<Result<Vec<Value>, Problem>>()?;
    let mut body = json!({});
    if let Some(body) = body.as_object_mut() {
        // What is empty is left out.
        if !operations.is_empty() {
            body.insert("operations".to_owned(), Value::Array(operations));
        }
        if next < all.len() {
            body.insert("nextPageToken".to_owned(), json!(next.to_string()));
        }
    }
    Ok(Reply::ok(&body))
}

fn state(stage: Stage) -> &'static str {
    match stage {
        Stage::Validating => "BATCH_STATE_PENDING",
        Stage::Running | Stage::Finalizing | Stage::Cancelling => "BATCH_STATE_RUNNING",
        Stage::Completed => "BATCH_STATE_SUCCEEDED",
        Stage::Failed => "BATCH_STATE_FAILED",
        Stage::Expired => "BATCH_STATE_EXPIRED",
        Stage::Cancelled => "BATCH_STATE_CANCELLED",
    }
}

fn operation(job: &Job, fault: Option<BatchFaultKind>) -> Value {
    let name = format!("batches/{}", Protocol::Gemini.id(job));
    let state = match fault {
        Some(BatchFaultKind::UnknownStatus) => "BATCH_STATE_PAUSED",
        _ => state(job.stage),
    };
    let file = match fault {
        Some(BatchFaultKind::FilesLate) => None,
        _ => job.results().0.map(|file| format!("files/{}", file.id)),
    };
    let file = match (file, fault) {
        (None, Some(BatchFaultKind::IdsEmpty)) => Some(String::new()),
        (file, _) => file,
    };
    let kind = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch";
    let updated = job.times.values().max().copied().unwrap_or_default();
    let mut metadata = json!({
        "@type": kind,
        "model": format!("models/{}", job.new.model.as_deref().unwrap_or_default()),
        "displayName": job.new.metadata,
        "inputConfig": {"fileName": format!("files/{}", job.new.input.id)},
        "createTime": rfc3339(job.created()),
        "updateTime": rfc3339(updated),
        "batchStats": stats(job),
        "state": state,
        "name": name,
    });
    let output = file.map(|file| json!({"responsesFile": file}));
    if let (Some(metadata), true) = (metadata.as_object_mut(), job.stage.is_end()) {
        metadata.insert("endTime".to_owned(), json!(rfc3339(updated)));
        metadata.extend(output.clone().map(|output| ("output".to_owned(), output)));
    }
    let mut operation = json!({"name": name, "metadata": metadata});
    if let (Some(operation), true) = (operation.as_object_mut(), job.stage.is_end()) {
        operation.insert("done".to_owned(), json!(true));
        if let Some(error) = error(job) {
            operation.insert("error".to_owned(), error);
        }
        operation.extend(output.map(|output| ("response".to_owned(), output)));
    }
    operation
}

/// Counts are texts, as all large numbers of Google are, and those that are 0 are left out.
fn stats(job: &Job) -> Value {
    let counts = job.counts(std::time::Instant::now());
    let failed = counts.errored + counts.expired + counts.cancelled;
    let pending = counts.total.saturating_sub(counts.succeeded + failed);
    let counts = [
        ("requestCount", counts.total),
        ("successfulRequestCount", counts.succeeded),
        ("failedRequestCount", failed),
        ("pendingRequestCount", pending),
    ];
    let shown = counts.into_iter().filter(|(_, count)| *count > 0);
    shown
        .map(|(name, count)| (name.to_owned(), json!(count.to_string())))
        .collect::<serde_json::Map<String, Value>>()
        .into()
}

fn error(job: &Job) -> Option<Value> {
    let error = job.errors.first()?;
    let code = match error.code {
        "token_limit_exceeded" => RESOURCE_EXHAUSTED,
        "server_error" => INTERNAL,
        _ => INVALID_ARGUMENT,
    };
    let message = match error.line {
        Some(line) => format!("{} (line {line})", error.message),
        None => error.message.clone(),
    };
    Some(json!({"code": code, "message": message}))
}
