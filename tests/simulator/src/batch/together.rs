//! Together's batches: OpenAI's files and lines, with an upload of their own, words in capitals, no counts and no names.

use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::Ask;
use super::fault::BatchFaultKind;
use super::files::Stored;
use super::job::{Job, NewJob, Stage, now};
use super::openai;
use super::protocol::Protocol;
use super::reply::Reply;
use super::route::Call;
use crate::dialect::rfc3339;
use crate::problem::Problem;

/// Seconds that a batch may take.
const WINDOW: u64 = 86_400;

/// Answers a request.
///
/// # Errors
/// What the API says is wrong with it.
pub fn answer(ask: &Ask<'_>, call: &Call) -> Result<Reply, Problem> {
    match call {
        Call::Create => create(ask),
        Call::List(_) => list(ask),
        Call::Batch(id) => Ok(Reply::ok(&shown(ask, id)?)),
        Call::Cancel(id) => {
            let cancelled = find(ask, id, |job| {
                let is_open = job.cancel(now());
                is_open.then(|| object(job, None))
            })?;
            let ended = || Problem::Invalid("the batch has ended".to_owned());
            Ok(Reply::ok(&cancelled.ok_or_else(ended)?))
        }
        // All of them, in one list.
        Call::Files(_) => Ok(Reply::ok(&json!({"data": openai::files(ask)}))),
        files => openai::answer(ask, files),
    }
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::Together.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound("batch job not found".to_owned()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    endpoint: String,
    input_file_id: String,
    #[serde(default, rename = "completion_window")]
    _completion_window: Option<String>,
}

fn create(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let create: Create =
        serde_json::from_slice(ask.body).map_err(|error| Problem::Invalid(error.to_string()))?;
    if create.endpoint != "/v1/chat/completions" {
        return Err(Problem::Invalid("unsupported endpoint".to_owned()));
    }
    let new = NewJob {
        owner: ask.owner.to_owned(),
        input: openai::stored(ask.desk, ask.owner, &create.input_file_id)?,
        endpoint: create.endpoint,
        model: None,
        metadata: Value::Null,
        keep_results: None,
    };
    let show = |job: &Job| json!({"job": object(job, None), "warning": ""});
    let desk = ask.desk;
    Ok(Reply::ok(&desk.create(new, show)))
}

/// A batch as a poll shows it, with what befalls the poll.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    let before = find(ask, id, Job::show)?;
    let fault = ask.desk.befall_shown(before);
    find(ask, id, |job| object(job, fault))
}

fn list(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let mut all = desk.list(ask.owner, |job| Protocol::Together.id(job));
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let jobs = all.iter().map(|id| shown(ask, id));
    let jobs = jobs.collect::<Result<Vec<Value>, Problem>>()?;
    Ok(Reply::ok(&Value::Array(jobs)))
}

fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Validating => "VALIDATING",
        Stage::Running | Stage::Finalizing | Stage::Cancelling => "IN_PROGRESS",
        Stage::Completed => "COMPLETED",
        Stage::Failed => "FAILED",
        Stage::Expired => "EXPIRED",
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
    json!({
        "id": Protocol::Together.id(job),
        "user_id": "user-simulated",
        "input_file_id": job.new.input.id,
        "file_size_bytes": job.new.input.bytes,
        "status": status,
        "job_deadline": rfc3339(job.created() + WINDOW),
        "created_at": rfc3339(job.created()),
        "endpoint": job.new.endpoint,
        "progress": if job.stage.is_end() { 100.0 } else { 0.0 },
        "model_id": job.model,
        "output_file_id": id(output),
        "error_file_id": id(errors),
        "error": job.errors.first().map(|error| error.message.clone()),
    })
}
