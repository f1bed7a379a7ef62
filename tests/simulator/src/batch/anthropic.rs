//! Anthropic's Message Batches. All questions come with the batch, and all results are in one file.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::ask::Ask;
use super::fault::{BatchFaultKind, Request};
use super::files::Stored;
use super::job::{BatchError, Job, NewJob, Stage, now};
use super::openai::download;
use super::protocol::{Outcome, Protocol, Read, Rendered};
use super::reply::Reply;
use super::route::{Call, Page};
use crate::anthropic;
use crate::chat::Chat;
use crate::dialect::{Dialect, rfc3339};
use crate::problem::Problem;

/// Most requests of a batch, where the script does not say it.
const REQUESTS: u64 = 100_000;
/// Most bytes of one, where the script does not say it.
const BYTES: u64 = 256_000_000;
/// Longest name of a request.
const NAME: usize = 64;
/// Seconds that a batch may take.
const WINDOW: u64 = 86_400;
/// Most entries of a list.
const PAGE: usize = 1000;

/// What a question may ask for.
const PARAMETERS: [&str; 18] = [
    "cache_control",
    "container",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "service_tier",
    "speed",
    "stop_sequences",
    "system",
    "temperature",
    "thinking",
    "tool_choice",
    "tools",
    "top_k",
    "top_p",
];

/// The sort of request that a call is, for faults.
pub fn request(call: &Call) -> Option<Request> {
    Some(match call {
        Call::Create => Request::Create,
        Call::List(_) => Request::List,
        Call::Batch(_) => Request::Poll,
        Call::Cancel(_) => Request::Cancel,
        Call::Results(_) => Request::Download,
        _ => return None,
    })
}

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
                job.cancel(now())
                    .then(|| object(job, ask.head.host.as_deref(), None))
            })?;
            cancelled.map(|object| Reply::ok(&object)).ok_or_else(|| {
                Problem::Conflict(format!("Batch {id} cannot be canceled: it has ended."))
            })
        }
        Call::Results(id) => {
            let file = find(ask, id, |job| job.results().0.cloned())?;
            let file = file.ok_or_else(|| {
                Problem::NotFound(format!("Batch {id} has no available results."))
            })?;
            Ok(download(ask, &file))
        }
        _ => Err(Problem::NoRoute(ask.head.path.clone())),
    }
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::Anthropic.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound(format!("No such message batch: {id}")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create<'b> {
    #[serde(borrow)]
    requests: Vec<Line<'b>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'b> {
    #[serde(borrow)]
    custom_id: Cow<'b, str>,
    #[serde(borrow)]
    params: &'b RawValue,
}

fn create(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let limits = desk.script().limits;
    let invalid = |message: String| Problem::Invalid(message);
    if ask.body.len() as u64 > limits.bytes.unwrap_or(BYTES) {
        return Err(Problem::TooLarge);
    }
    let create: Create<'_> =
        serde_json::from_slice(ask.body).map_err(|error| invalid(error.to_string()))?;
    let most = limits.lines.unwrap_or(REQUESTS);
    let count = create.requests.len() as u64;
    if count == 0 || count > most {
        return Err(invalid(format!(
            "requests: List should have between 1 and {most} items after validation, not {count}"
        )));
    }
    let mut names = std::collections::HashSet::new();
    for (at, line) in create.requests.iter().enumerate() {
        let id = line.custom_id.as_ref();
        let fits = id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
        if !fits || id.is_empty() || id.len() > NAME {
            return Err(invalid(format!(
                "requests.{at}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            )));
        }
        if !names.insert(id) {
            return Err(invalid(format!(
                "requests.{at}.custom_id: Duplicate custom_id '{id}'"
            )));
        }
    }
    let input = stored(ask.owner, &create.requests).map_err(|_| Problem::Server(500))?;
    let new = NewJob {
        owner: ask.owner.to_owned(),
        input,
        endpoint: String::new(),
        model: None,
        metadata: Value::Null,
        keep_results: None,
    };
    let host = ask.head.host.as_deref();
    // It is known from the start how many there are.
    let show = |job: &Job| {
        let mut object = object(job, host, None);
        if let Some(processing) = object.pointer_mut("/request_counts/processing") {
            *processing = json!(count);
        }
        object
    };
    Ok(Reply::ok(&desk.create(new, show)))
}

/// The requests as lines of a file that has no name.
fn stored(owner: &str, requests: &[Line<'_>]) -> std::io::Result<Stored> {
    let mut writer = std::io::BufWriter::new(tempfile::tempfile()?);
    let mut bytes = 0;
    for line in requests {
        // A line break of JSON stands between its parts, never in a text.
        let params = line.params.get().replace(['\n', '\r'], " ");
        let line = format!(
            "{{\"custom_id\":{},\"params\":{params}}}\n",
            Value::from(line.custom_id.as_ref())
        );
        bytes += line.len() as u64;
        writer.write_all(line.as_bytes())?;
    }
    let content = writer.into_inner().map_err(std::io::Error::from)?;
    Ok(Stored {
        id: String::new(),
        owner: owner.to_owned(),
        purpose: String::new(),
        name: String::new(),
        bytes,
        created: now().1,
        expires_after: None,
        content: Arc::new(content),
    })
}

/// A batch as a poll shows it, with what befalls the poll.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    let before = find(ask, id, Job::show)?;
    let fault = ask.desk.befall_shown(before);
    let host = ask.head.host.as_deref();
    find(ask, id, |job| object(job, host, fault))
}

fn list(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let show = |job: &Job| Protocol::Anthropic.id(job);
    let mut all = desk.list(ask.owner, show);
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let limit = page.limit.unwrap_or(20);
    if !(1..=PAGE).contains(&limit) {
        let message = format!("limit: Input should be between 1 and {PAGE}");
        return Err(Problem::Invalid(message));
    }
    let place = |id: &String| {
        let found = all.iter().position(|found| found == id);
        found.ok_or_else(|| Problem::Invalid(format!("There is no batch {id}")))
    };
    let (start, end) = match (&page.after, &page.before) {
        (Some(after), _) => (place(after)? + 1, all.len()),
        (_, Some(before)) => {
            let end = place(before)?;
            (end.saturating_sub(limit), end)
        }
        _ => (0, all.len()),
    };
    let ids: Vec<String> = all
        .iter()
        .take(end)
        .skip(start)
        .take(limit)
        .cloned()
        .collect();
    let has_more = match page.before {
        Some(_) if page.after.is_none() => start > 0,
        _ => start + ids.len() < all.len(),
    };
    let data = ids
        .iter()
        .map(|id| shown(ask, id))
        .collect::<Result<Vec<Value>, Problem>>()?;
    Ok(Reply::ok(
        &json!({"data": data, "has_more": has_more, "first_id": ids.first(), "last_id": ids.last()}),
    ))
}

fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Validating | Stage::Running | Stage::Finalizing => "in_progress",
        Stage::Cancelling => "canceling",
        _ => "ended",
    }
}

fn object(job: &Job, host: Option<&str>, fault: Option<BatchFaultKind>) -> Value {
    let id = Protocol::Anthropic.id(job);
    let status = match fault {
        Some(BatchFaultKind::UnknownStatus) => "paused",
        _ => status(job.stage),
    };
    let results = match fault {
        Some(BatchFaultKind::FilesLate) => None,
        _ => job.results().0,
    };
    let url = results.map(|_| {
        let host = host.unwrap_or("localhost");
        format!("http://{host}/v1/messages/batches/{id}/results")
    });
    let url = match (url, fault) {
        (None, Some(BatchFaultKind::IdsEmpty)) => Some(String::new()),
        (url, _) => url,
    };
    let ended = job.stage.is_end();
    let counts = job.counts(std::time::Instant::now());
    // Until it has ended all are being processed.
    let of = |count: u64| if ended { count } else { 0 };
    let done = counts.succeeded + counts.errored + counts.expired + counts.cancelled;
    let time = |seconds: u64| rfc3339(seconds);
    let ends = [
        Stage::Completed,
        Stage::Failed,
        Stage::Expired,
        Stage::Cancelled,
    ];
    json!({
        "id": id,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": if ended { counts.total.saturating_sub(done) } else { counts.total },
            "succeeded": of(counts.succeeded),
            "errored": of(counts.errored),
            "canceled": of(counts.cancelled),
            "expired": of(counts.expired),
        },
        "created_at": time(job.created()),
        "expires_at": time(job.created() + WINDOW),
        "ended_at": ends.iter().find_map(|end| job.time(*end)).map(time),
        "archived_at": null,
        "cancel_initiated_at": job.time(Stage::Cancelling).map(time),
        "results_url": url,
    })
}

/// Reads a line as it is kept.
///
/// # Errors
/// It is none.
pub fn read_line(bytes: &[u8]) -> Result<Read<'_>, BatchError> {
    let line: Line<'_> = serde_json::from_slice(bytes).map_err(|error| BatchError {
        code: "invalid_request_error",
        message: error.to_string(),
        line: None,
        param: None,
    })?;
    Ok(Read {
        custom_id: line.custom_id,
        body: line.params,
    })
}

/// Reads the question in a line.
///
/// # Errors
/// The line is answered with this problem.
pub fn read_question(body: &RawValue) -> Result<Chat, Problem> {
    let parameters: serde_json::Map<String, Value> =
        serde_json::from_str(body.get()).map_err(|error| Problem::Invalid(error.to_string()))?;
    let mut names = parameters.keys().map(String::as_str);
    if let Some(unknown) = names.find(|name| !PARAMETERS.contains(name)) {
        let message = format!("{unknown}: Extra inputs are not permitted");
        return Err(Problem::Invalid(message));
    }
    anthropic::read(body.get().as_bytes())
}

/// What the results say of a line.
pub fn result_line(custom_id: &str, id: &str, outcome: &Outcome<'_>) -> Rendered {
    let name = Value::from(custom_id);
    let result = match outcome {
        Outcome::Answered(chat, answer) => {
            let message = anthropic::whole(chat, answer, id);
            format!("{{\"type\":\"succeeded\",\"message\":{message}}}")
        }
        Outcome::Refused(problem) => {
            let error = Dialect::Anthropic.error(problem, id).body;
            json!({"type": "errored", "error": error}).to_string()
        }
        Outcome::Expired => json!({"type": "expired"}).to_string(),
        Outcome::Cancelled => json!({"type": "canceled"}).to_string(),
    };
    Rendered {
        text: format!("{{\"custom_id\":{name},\"result\":{result}}}"),
        is_error: false,
    }
}
