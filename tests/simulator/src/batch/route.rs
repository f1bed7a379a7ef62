//! What the addresses of files and batches mean.

use std::sync::Arc;

use super::fault::BatchFaultKind;
use super::lines::Protocol;
use crate::dialect::Dialect;
use crate::http::Head;
use crate::provider::Provider;

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
    Files(Page),
    File(String),
    Content(String),
    DeleteFile(String),
    Create,
    List(Page),
    Batch(String),
    Cancel(String),
    /// The results of a batch, where they are no file of their own.
    Results(String),
}

/// Who asks, and with what.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub provider: &'a Arc<Provider>,
    /// The key.
    pub owner: &'a str,
    pub head: &'a Head,
    pub body: &'a [u8],
    /// What befalls the request.
    pub fault: Option<BatchFaultKind>,
}

/// What a request's address means, if it is one of files or batches.
pub fn call(dialect: Dialect, head: &Head) -> Option<Call> {
    let path = head.path.strip_prefix(dialect.base_path())?;
    match Protocol::of(dialect)? {
        Protocol::OpenAi => openai(head, path),
        Protocol::Anthropic => anthropic(head, path.strip_prefix("/messages/batches")?),
    }
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

fn page(query: &str) -> Page {
    let mut page = Page::default();
    for (name, value) in query.split('&').filter_map(|part| part.split_once('=')) {
        match name {
            "before_id" => page.before = Some(value.to_owned()),
            "after" | "after_id" => page.after = Some(value.to_owned()),
            // What is no number is as wrong as one that is too large.
            "limit" => page.limit = Some(value.parse().unwrap_or(usize::MAX)),
            _ => {}
        }
    }
    page
}
