//! OpenAI's files and batches, which Azure and Groq have too.

mod lines;
mod object;

use std::fs::File;
use std::io::{BufRead, BufReader, Seek};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::ask::Ask;
use super::desk::Desk;
use super::fault::{BatchFaultKind, Request};
use super::files::{NewFile, Stored, write};
use super::job::{Job, NewJob, now};
use super::multipart;
use super::protocol::Protocol;
use super::reply::{Reply, Sent};
use super::route::{Call, Page};
use crate::dialect::Dialect;
use crate::problem::Problem;

pub use lines::{read_line, read_question, result_line};

/// Most bytes of an input, where the script does not say it.
const BYTES: u64 = 200_000_000;
/// Most entries of a list.
const PAGE: usize = 100;
/// Most files of a list.
const FILES: usize = 10_000;
/// Seconds that a file of results may be kept.
const KEPT: std::ops::RangeInclusive<u64> = 3600..=2_592_000;

/// Answers a request.
///
/// # Errors
/// What the API says is wrong with it.
pub fn answer(ask: &Ask<'_>, call: &Call) -> Result<Reply, Problem> {
    let (desk, owner) = (ask.desk, ask.owner);
    match call {
        Call::Upload => upload(ask),
        Call::Files(page) => Ok(Reply::ok(&listed(files(ask), page)?)),
        Call::File(id) => Ok(Reply::ok(&object::file(
            desk.dialect(),
            &stored(desk, owner, id)?,
        ))),
        Call::DeleteFile(id) => {
            if desk.with_files(|files| files.delete(owner, id)) {
                Ok(Reply::ok(
                    &json!({"id": id, "object": "file", "deleted": true}),
                ))
            } else {
                Err(no_file(id))
            }
        }
        Call::Content(id) => {
            let file = stored(desk, owner, id)?;
            Ok(download(ask, &file))
        }
        Call::Create => create(ask),
        Call::List(page) => list(ask, page),
        Call::Batch(id) => Ok(Reply::ok(&shown(ask, id)?)),
        Call::Cancel(id) => {
            let cancelled = find(ask, id, |job| {
                job.cancel(now())
                    .then(|| object::batch(job, None))
                    .ok_or_else(|| {
                        let status = object::status(job.stage);
                        Problem::Conflict(format!("Cannot cancel a batch with status '{status}'."))
                    })
            })?;
            Ok(Reply::ok(&cancelled?))
        }
        Call::Results(_) | Call::Append(_) | Call::CreateFor(_) => {
            Err(Problem::NoRoute(ask.head.path.clone()))
        }
    }
}

/// The files of a key, the newest first.
pub fn files(ask: &Ask<'_>) -> Vec<Value> {
    ask.desk.with_files(|files| {
        let all = files.of(ask.owner).rev();
        all.map(|file| object::file(ask.desk.dialect(), file))
            .collect()
    })
}

fn find<R>(ask: &Ask<'_>, id: &str, act: impl FnOnce(&mut Job) -> R) -> Result<R, Problem> {
    let is_it = |job: &Job| Protocol::OpenAi.id(job) == id;
    let desk = ask.desk;
    desk.find(ask.owner, is_it, act)
        .ok_or_else(|| Problem::NotFound(format!("No batch found with id '{id}'.")))
}

fn no_file(id: &str) -> Problem {
    Problem::NotFound(format!("No such File object: {id}"))
}

/// A file that a key made.
///
/// # Errors
/// There is none with this id.
pub fn stored(desk: &Desk, owner: &str, id: &str) -> Result<Stored, Problem> {
    let found = desk.with_files(|files| files.get(owner, id).cloned());
    found.ok_or_else(|| no_file(id))
}

/// The content of a file, or a part of it.
pub fn download(ask: &Ask<'_>, file: &Stored) -> Reply {
    let stop = ask.desk.script().downloads_stop_at;
    let sent = match stop.and_then(|lines| behind(&file.content, lines)) {
        _ if ask.fault == Some(BatchFaultKind::DownloadBroken) => Sent::BreaksAt(file.bytes / 2),
        Some(bytes) if bytes < file.bytes => Sent::StopsAt(bytes),
        _ => Sent::All,
    };
    Reply::File {
        content: Arc::clone(&file.content),
        bytes: file.bytes,
        sent,
    }
}

/// How many bytes the first lines of a file have, if it has so many lines.
fn behind(mut file: &File, lines: usize) -> Option<u64> {
    file.rewind().ok()?;
    let mut bytes = 0;
    for line in BufReader::new(file).split(b'\n').take(lines) {
        bytes += line.ok()?.len() as u64 + 1;
    }
    Some(bytes)
}

fn invalid(message: impl Into<String>) -> Problem {
    Problem::Invalid(message.into())
}

fn upload(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let desk = ask.desk;
    let content_type = ask.head.content_type.as_deref().unwrap_or_default();
    let fields = multipart::fields(content_type, ask.body)
        .ok_or_else(|| invalid("The request body is no multipart form."))?;
    let field = |name: &str| fields.iter().find(|field| field.name == name);
    let text = |name: &str| field(name).and_then(|field| std::str::from_utf8(field.content).ok());
    let required = |name: &str| invalid(format!("Missing required parameter: '{name}'."));
    let purpose = text("purpose").ok_or_else(|| required("purpose"))?;
    let known = match desk.dialect() {
        Dialect::Together => "batch-api",
        _ => "batch",
    };
    if purpose != known {
        return Err(invalid(format!(
            "'{purpose}' is not one of the purposes that this server knows: '{known}'"
        )));
    }
    if desk.dialect() == Dialect::Together {
        text("file_name").ok_or_else(|| required("file_name"))?;
    }
    let file = field("file").ok_or_else(|| required("file"))?;
    let name = file.file_name.ok_or_else(|| required("file"))?;
    if !name.ends_with(".jsonl") {
        return Err(invalid("Invalid file format for Batch API. Must be .jsonl"));
    }
    let bytes = file.content.len() as u64;
    if bytes > desk.script().limits.bytes.unwrap_or(BYTES) {
        return Err(Problem::TooLarge);
    }
    if bytes == 0 {
        return Err(invalid("File is empty."));
    }
    let expires_after = text("expires_after[seconds]")
        .map(|seconds| {
            seconds
                .parse()
                .ok()
                .filter(|seconds| KEPT.contains(seconds))
        })
        .map(|seconds| {
            seconds.ok_or_else(|| {
                invalid("Invalid 'expires_after[seconds]': must be between 3600 and 2592000.")
            })
        })
        .transpose()?;
    let new = NewFile {
        owner: ask.owner.to_owned(),
        purpose: purpose.to_owned(),
        name: name.to_owned(),
        expires_after,
    };
    let content = write(file.content).map_err(|_| Problem::Server(500))?;
    let stored = desk.keep(new, content, bytes);
    Ok(Reply::ok(&object::file(desk.dialect(), &stored)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    input_file_id: String,
    endpoint: String,
    completion_window: String,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    output_expires_after: Option<ExpiresAfter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpiresAfter {
    anchor: String,
    seconds: u64,
}

fn create(ask: &Ask<'_>) -> Result<Reply, Problem> {
    let (desk, owner) = (ask.desk, ask.owner);
    let create: Create =
        serde_json::from_slice(ask.body).map_err(|error| invalid(error.to_string()))?;
    let dialect = desk.dialect();
    let known = match dialect {
        // Microsoft writes it without the version, and takes it with it.
        Dialect::Azure => ["/chat/completions", "/v1/chat/completions"].as_slice(),
        _ => &["/v1/chat/completions"],
    };
    if !known.contains(&create.endpoint.as_str()) {
        return Err(invalid(format!(
            "Invalid value: '{}'. Supported values are: '/v1/chat/completions'.",
            create.endpoint
        )));
    }
    if !is_window(dialect, &create.completion_window) {
        return Err(invalid(format!(
            "Invalid value: '{}'. Supported values are: '24h'.",
            create.completion_window
        )));
    }
    let metadata = create.metadata.unwrap_or(Value::Null);
    check_metadata(&metadata)?;
    let keep_results = match create.output_expires_after {
        Some(after) if after.anchor != "created_at" || !KEPT.contains(&after.seconds) => {
            return Err(invalid(
                "Invalid 'output_expires_after': the anchor must be 'created_at', and the seconds between 3600 and \
                 2592000.",
            ));
        }
        after => after.map(|after| after.seconds),
    };
    let input = stored(desk, owner, &create.input_file_id)
        .map_err(|_| invalid(format!("No such File object: {}", create.input_file_id)))?;
    let new = NewJob {
        owner: owner.to_owned(),
        input,
        endpoint: create.endpoint,
        model: None,
        metadata,
        keep_results,
    };
    let show = |job: &Job| object::batch(job, None);
    Ok(Reply::ok(&desk.create(new, show)))
}

/// Groq takes up to seven days, others one.
fn is_window(dialect: Dialect, window: &str) -> bool {
    let hours = match (window.strip_suffix('h'), window.strip_suffix('d')) {
        (Some(hours), _) => hours.parse().ok(),
        (_, Some(days)) => days.parse().ok().map(|days: u32| days.saturating_mul(24)),
        _ => None,
    };
    match dialect {
        Dialect::Groq => hours.is_some_and(|hours| (24..=168).contains(&hours)),
        _ => window == "24h",
    }
}

fn check_metadata(metadata: &Value) -> Result<(), Problem> {
    let pairs = match metadata {
        Value::Null => return Ok(()),
        Value::Object(pairs) => pairs,
        _ => return Err(invalid("Invalid type for 'metadata': expected an object.")),
    };
    let fits = pairs.iter().all(|(name, value)| {
        let value = value.as_str().map(|value| value.chars().count());
        name.chars().count() <= 64 && value.is_some_and(|length| length <= 512)
    });
    if pairs.len() > 16 || !fits {
        return Err(invalid(
            "Invalid 'metadata': at most 16 pairs of strings, of 64 and 512 characters.",
        ));
    }
    Ok(())
}

fn list(ask: &Ask<'_>, page: &Page) -> Result<Reply, Problem> {
    let (desk, owner) = (ask.desk, ask.owner);
    let show = |job: &Job| Protocol::OpenAi.id(job);
    let mut all = desk.list(owner, show);
    if ask.fault == Some(BatchFaultKind::ListTruncated) {
        all.truncate(all.len().div_ceil(2));
    }
    let (some, more) = cut(all, page, PAGE, |id| id)?;
    let mut objects = Vec::new();
    for id in some {
        let object = shown(ask, &id)?;
        objects.push((id, object));
    }
    Ok(Reply::ok(&list_of(objects, more)))
}

fn listed(files: Vec<Value>, page: &Page) -> Result<Value, Problem> {
    let id = |file: &Value| file["id"].as_str().unwrap_or_default().to_owned();
    let all = files.into_iter().map(|file| (id(&file), file)).collect();
    let (some, more) = cut(all, page, FILES, |(id, _)| id)?;
    Ok(list_of(some, more))
}

/// The part of a list that a page asks for, and whether there is more.
fn cut<T>(
    all: Vec<T>,
    page: &Page,
    most: usize,
    id: impl Fn(&T) -> &str,
) -> Result<(Vec<T>, bool), Problem> {
    let limit = page.limit.unwrap_or(20);
    if !(1..=most).contains(&limit) {
        return Err(invalid(format!(
            "Invalid 'limit': must be between 1 and {most}."
        )));
    }
    let skip = match &page.after {
        Some(after) => {
            let found = all.iter().position(|entry| id(entry) == after);
            found.ok_or_else(|| invalid(format!("Invalid 'after': there is no '{after}'.")))? + 1
        }
        None => 0,
    };
    let more = all.len() > skip + limit;
    Ok((all.into_iter().skip(skip).take(limit).collect(), more))
}

fn list_of(objects: Vec<(String, Value)>, more: bool) -> Value {
    let first = objects.first().map(|(id, _)| id.clone());
    let last = objects.last().map(|(id, _)| id.clone());
    let data: Vec<Value> = objects.into_iter().map(|(_, object)| object).collect();
    json!({"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more})
}

/// A batch as a poll shows it, with what befalls the poll.
fn shown(ask: &Ask<'_>, id: &str) -> Result<Value, Problem> {
    let before = find(ask, id, Job::show)?;
    let fault = ask.desk.befall_shown(before);
    find(ask, id, |job| object::batch(job, fault))
}

/// The sort of request that a call is, for faults.
pub fn request(call: &Call) -> Option<Request> {
    Some(match call {
        Call::Upload => Request::Upload,
        Call::Content(_) | Call::Results(_) => Request::Download,
        Call::Create => Request::Create,
        Call::List(_) => Request::List,
        Call::Batch(_) => Request::Poll,
        Call::Cancel(_) => Request::Cancel,
        _ => return None,
    })
}
