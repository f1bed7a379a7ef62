//! What the addresses of files and batches mean.

use super::protocol::Protocol;
use crate::dialect::Dialect;
use crate::http::Head;

/// The part of a list that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub after: Option<String>,
    pub before: Option<String>,
    pub limit: Option<usize>,
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Upload,
    /// Bytes come for the upload with this number.
    Append(u64),
    Files(Page),
    File(String),
    Content(String),
    DeleteFile(String),
    Create,
    /// A batch of this model is to be created.
    CreateFor(String),
    List(Page),
    Batch(String),
    Cancel(String),
    /// The results of a batch, where they are no file of their own.
    Results(String),
}

/// What a request's address means, if it is one of files or batches.
pub fn call(dialect: Dialect, head: &Head) -> Option<Call> {
    let protocol = Protocol::of(dialect)?;
    if protocol == Protocol::Gemini {
        return gemini(head);
    }
    let path = head.path.strip_prefix(dialect.base_path())?;
    match protocol {
        Protocol::Gemini => None,
        Protocol::Mistral => match path.strip_prefix("/batch/jobs") {
            Some(path) => jobs(head, path),
            None => openai(head, path).filter(|call| !is_of_batches(call)),
        },
        Protocol::OpenAi => openai(head, path),
        Protocol::Together => match (head.method.as_str(), path) {
            ("POST", "/files/upload") => Some(Call::Upload),
            ("POST", "/files") => None,
            _ => openai(head, path),
        },
        Protocol::Xai => xai(head, path),
        Protocol::Anthropic => anthropic(head, path.strip_prefix("/messages/batches")?),
    }
}

fn is_of_batches(call: &Call) -> bool {
    matches!(
        call,
        Call::Create | Call::List(_) | Call::Batch(_) | Call::Cancel(_)
    )
}

fn jobs(head: &Head, path: &str) -> Option<Call> {
    let parts: Vec<&str> = path.split('/').collect();
    Some(match (head.method.as_str(), parts.as_slice()) {
        ("POST", [""]) => Call::Create,
        ("GET", [""]) => Call::List(page(&head.query)),
        ("GET", ["", id]) => Call::Batch((*id).to_owned()),
        ("POST", ["", id, "cancel"]) => Call::Cancel((*id).to_owned()),
        _ => return None,
    })
}

fn gemini(head: &Head) -> Option<Call> {
    let method = head.method.as_str();
    if let ("POST", "/upload/v1beta/files" | "/upload/v1/files") = (method, head.path.as_str()) {
        let upload = head
            .query
            .split('&')
            .find_map(|part| part.strip_prefix("upload_id="));
        return Some(match upload {
            Some(upload) => Call::Append(upload.parse().ok()?),
            None => Call::Upload,
        });
    }
    // Downloads have two addresses.
    let path = head.path.strip_prefix("/download").unwrap_or(&head.path);
    let path = path
        .strip_prefix("/v1beta/")
        .or_else(|| path.strip_prefix("/v1/"))?;
    let (name, verb) = match path.split_once(':') {
        Some((name, verb)) => (name, Some(verb)),
        None => (path, None),
    };
    let (kind, id) = match name.split_once('/') {
        Some((kind, id)) => (kind, Some(id.to_owned())),
        None => (name, None),
    };
    Some(match (method, kind, id, verb) {
        ("POST", "models", Some(model), Some("batchGenerateContent")) => Call::CreateFor(model),
        ("GET", "batches", None, None) => Call::List(page(&head.query)),
        ("GET", "batches", Some(id), None) => Call::Batch(id),
        ("POST", "batches", Some(id), Some("cancel")) => Call::Cancel(id),
        ("GET", "files", Some(id), None) => Call::File(id),
        ("DELETE", "files", Some(id), None) => Call::DeleteFile(id),
        ("GET", "files", Some(id), Some("download")) => Call::Content(id),
        _ => return None,
    })
}

fn anthropic(head: &Head, path: &str) -> Option<Call> {
    let parts: Vec<&str> = path.split('/').collect();
    Some(match (head.method.as_str(), parts.as_slice()) {
        ("POST", [""]) => Call::Create,
        ("GET", [""]) => Call::List(page(&head.query)),
        ("GET", ["", id]) => Call::Batch((*id).to_owned()),
        ("POST", ["", id, "cancel"]) => Call::Cancel((*id).to_owned()),
        ("GET", ["", id, "results"]) => Call::Results((*id).to_owned()),
        _ => return None,
    })
}

fn openai(head: &Head, path: &str) -> Option<Call> {
    let parts: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    Some(match (head.method.as_str(), parts.as_slice()) {
        ("POST", ["files"]) => Call::Upload,
        ("GET", ["files"]) => Call::Files(page(&head.query)),
        ("GET", ["files", id]) => Call::File((*id).to_owned()),
        ("GET", ["files", id, "content"]) => Call::Content((*id).to_owned()),
        ("DELETE", ["files", id]) => Call::DeleteFile((*id).to_owned()),
        ("POST", ["batches"]) => Call::Create,
        ("GET", ["batches"]) => Call::List(page(&head.query)),
        ("GET", ["batches", id]) => Call::Batch((*id).to_owned()),
        ("POST", ["batches", id, "cancel"]) => Call::Cancel((*id).to_owned()),
        _ => return None,
    })
}

fn xai(head: &Head, path: &str) -> Option<Call> {
    let Some(batch) = path.strip_prefix("/batches/") else {
        return openai(head, path);
    };
    Some(match head.method.as_str() {
        "GET" => match batch.strip_suffix("/results") {
            Some(id) => Call::Results(id.to_owned()),
            None => Call::Batch(batch.to_owned()),
        },
        "POST" => Call::Cancel(batch.strip_suffix(":cancel")?.to_owned()),
        _ => return None,
    })
}

/// The part of a list that a query asks for.
pub fn page(query: &str) -> Page {
    let mut page = Page::default();
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        match name {
            "before_id" => page.before = Some(value.to_owned()),
            "after" | "after_id" | "pageToken" | "page" | "pagination_token" => {
                page.after = Some(value.to_owned());
            }
            // What is no number is as wrong as one that is too large.
            "limit" | "pageSize" | "page_size" => {
                page.limit = Some(value.parse().unwrap_or(usize::MAX))
            }
            _ => {}
        }
    }
    page
}
