//! Batches of providers that speak OpenAI's chat completions: a file of questions is uploaded, and a batch is made of it. What
//! they share stands here; how a batch is written is each one's own.

use std::io;

use futures_util::StreamExt;
use reqwest::multipart::{Form, Part};
use reqwest::{Body, Method};
use serde::Deserialize;
use serde_json::Value;

use super::listed::Listed;
use super::result_line::Line;
use super::{EXCHANGE, SLACK, answer_lost, read, within};
use crate::batch::PREFIX;
use crate::batch::protocol::{
    BatchError, BatchLimits, BatchProtocol, Held, HeldBatch, HeldFile, Input, Lines, RemoteBatch,
    ResultLine, Source, Working,
};
use crate::error::{CallError, Unusable};
use crate::provider::Call;
use crate::providers::endpoint::{Endpoint, ModelOptions};
use crate::providers::gathered::malformed;
use crate::providers::http::Http;
use crate::providers::lenient::{Count, Text};
use crate::providers::openai::OpenAi;
use crate::providers::presets::BatchPreset;
use crate::providers::schema;
use crate::settings::JsonSupport;
use types::class::FailureClass;

/// Pages of a list that are read at most.
const PAGES: usize = 1000;
/// Files in a page of their list.
const FILES: usize = 1000;
/// What the names of our files end with.
const END: &str = ".jsonl";

/// A model and its provider.
pub(super) struct Chats {
    pub model: String,
    pub http: Http,
    preset: BatchPreset,
    provider: OpenAi,
    holds_schema: bool,
}

impl Chats {
    /// `path` is where its batches are.
    pub fn new(
        model: &str,
        preset: BatchPreset,
        path: &'static str,
        endpoint: Endpoint,
        options: ModelOptions,
    ) -> Result<Chats, CallError> {
        Ok(Chats {
            model: model.to_owned(),
            preset,
            http: Http::new(&endpoint, path, &[])?,
            holds_schema: options.json == JsonSupport::Schema,
            provider: OpenAi::new(endpoint, options)?,
        })
    }

    /// A question, without what only single calls have. A batch has a price of its own, so it has no tier.
    pub fn body(&self, call: Call<'_>) -> Value {
        let mut body = self.provider.body(call);
        if let Some(fields) = body.as_object_mut() {
            for field in ["stream", "stream_options", "service_tier"] {
                fields.shift_remove(field);
            }
        }
        body
    }

    /// What lies there.
    pub async fn get(&self, path: &str, query: &[(&str, String)]) -> Result<String, BatchError> {
        let request = self.http.request(Method::GET, path, EXCHANGE).query(query);
        self.http.exchange_text(request).await
    }
}

/// What is looked for in a list.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub name: &'a str,
    pub file: Option<&'a str>,
}

impl Wanted<'_> {
    /// Whether a batch with this name, or of this file, is the one.
    pub fn is(&self, name: Option<&str>, file: Option<&str>) -> bool {
        name == Some(self.name) || file.is_some() && file == self.file
    }
}

/// A page of the list of batches.
pub(super) struct Page {
    pub entries: Vec<Entry>,
    /// How the next page is asked for, if there is one.
    pub next: Option<String>,
    /// When the last batch of this one was created, where that is said.
    pub created: Option<u64>,
}

impl Page {
    /// Whether no batch that was created since then (seconds since 1970) comes behind it.
    fn is_last(&self, since: u64) -> bool {
        let is_older = |created| created + SLACK < since;
        self.next.is_none() || self.created.is_some_and(is_older)
    }
}

/// A batch in a list.
pub(super) struct Entry {
    pub name: Option<String>,
    pub file: Option<String>,
    pub batch: Result<RemoteBatch, CallError>,
}

/// A page of the list of files.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Uploads {
    pub data: Vec<Upload>,
    pub has_more: bool,
    pub pagination_token: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Upload {
    pub id: Text,
    filename: Text,
    bytes: Count,
    created_at: Count,
}

/// How batches of one provider are written.
pub(super) trait FileBatches: Send + Sync {
    /// Where its batches are, below the address.
    const PATH: &'static str;

    fn chats(&self) -> &Chats;

    /// A question as a line.
    fn written(&self, custom_id: &str, call: Call<'_>) -> Value;

    /// Where a file is uploaded, and what is said of it.
    fn form(&self, name: &str) -> (&'static str, Vec<(&'static str, String)>) {
        let _ = name;
        ("files", vec![("purpose", "batch".to_owned())])
    }

    /// What creates a batch of a file.
    fn creation(&self, name: &str, file: &str) -> Value;

    /// A batch as an answer shows it.
    fn shown(&self, body: &str) -> Result<RemoteBatch, CallError>;

    /// What asks for a page of the list, behind the `number` pages before. `next` is what the page before said.
    fn query(&self, number: usize, next: Option<String>) -> Vec<(&'static str, String)>;

    /// A page of the list.
    fn page(&self, body: &str) -> Result<Page, CallError>;

    /// What asks for a page of the list of files, as with batches.
    fn files_query(&self, _number: usize, next: Option<String>) -> Vec<(&'static str, String)> {
        let after = next.map(|next| ("after", next));
        [
            ("purpose", "batch".to_owned()),
            ("limit", FILES.to_string()),
        ]
        .into_iter()
        .chain(after)
        .collect()
    }

    /// How the next page of the list of files is asked for, if there is one.
    fn files_next(&self, page: &Uploads) -> Option<String> {
        let last = page.data.last().filter(|_| page.has_more)?;
        last.id.0.clone()
    }

    /// Whether the list shows a batch as a look at it alone does.
    const LISTS_ALL: bool = true;

    /// What stands behind the place of a batch to cancel it.
    const CANCEL: &'static str = "/cancel";

    /// The lines of a result file.
    fn lines<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        let path = format!("files/{file}/content");
        Box::pin(async move { self.chats().http.download(&path).await })
    }

    /// Reads a line of a result file.
    fn result(&self, line: &str) -> Result<ResultLine, CallError> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        line.read(&self.chats().model)
    }
}

/// The batches of a provider that is asked like this.
pub(super) struct OfFiles<T>(pub T);

impl<T: FileBatches> OfFiles<T> {
    async fn send(&self, name: &str, input: Input<'_>) -> Result<String, BatchError> {
        let http = &self.0.chats().http;
        let lines = (input.open)().map(|piece| piece.map_err(io::Error::other));
        let part = Part::stream_with_length(Body::wrap_stream(lines), input.bytes)
            .file_name(file_name(name))
            .mime_str("application/jsonl")
            .map_err(|error| CallError::new(FailureClass::Defect, error.to_string()))?;
        let (path, fields) = self.0.form(name);
        let form = fields
            .into_iter()
            .fold(Form::new(), |form, (field, value)| form.text(field, value));
        let request = http
            .request(Method::POST, path, within(input.bytes))
            .multipart(form.part("file", part));
        let body = http.exchange_text(request).await?;
        let file: File = read(&body)?;
        file.id.0.ok_or_else(|| {
            answer_lost(CallError::unusable(
                "the uploaded file has no id",
                Unusable::MALFORMED,
            ))
        })
    }

    async fn make(&self, name: &str, source: Source<'_>) -> Result<RemoteBatch, BatchError> {
        let Source::File(file) = source else {
            let message = "its batches are made of files";
            return Err(CallError::new(FailureClass::Defect, message).into());
        };
        let http = &self.0.chats().http;
        let request = http
            .request(Method::POST, T::PATH, EXCHANGE)
            .body(self.0.creation(name, file).to_string());
        let body = http.exchange_text(request).await?;
        self.0.shown(&body).map_err(answer_lost)
    }

    async fn seek(
        &self,
        wanted: Wanted<'_>,
        since: u64,
    ) -> Result<Option<RemoteBatch>, BatchError> {
        let mut next = None;
        for number in 0..PAGES {
            let page = self.page(number, next).await?;
            let is_last = page.is_last(since);
            for entry in page.entries {
                if wanted.is(entry.name.as_deref(), entry.file.as_deref()) {
                    return Ok(Some(entry.batch?));
                }
            }
            if is_last {
                return Ok(None);
            }
            next = page.next;
        }
        Err(endless("batches"))
    }

    /// A page of the list of batches.
    async fn page(&self, number: usize, next: Option<String>) -> Result<Page, BatchError> {
        let query = self.0.query(number, next);
        let body = self.0.chats().get(T::PATH, &query).await?;
        Ok(self.0.page(&body)?)
    }

    async fn listed(&self, ids: &[String], since: u64) -> Result<Vec<RemoteBatch>, BatchError> {
        let mut listed = Listed::new(ids);
        let mut next = None;
        for number in 0..listed.pages() {
            let page = self.page(number, next).await?;
            let is_last = page.is_last(since);
            listed.extend(page.entries.into_iter().map(|entry| entry.batch));
            if is_last || listed.is_whole() {
                break;
            }
            next = page.next;
        }
        Ok(listed.found)
    }

    /// Our files, and the batches that bear our names or were made of these files.
    async fn ours(&self) -> Result<Held, BatchError> {
        let mut held = Held {
            files: self.our_files().await?,
            batches: Vec::new(),
        };
        let mut next = None;
        for number in 0..PAGES {
            let page = self.page(number, next).await?;
            for entry in page.entries {
                let own = entry.name.filter(|name| name.starts_with(PREFIX));
                let of_file = || {
                    let is_it = |file: &&HeldFile| Some(&file.id) == entry.file.as_ref();
                    held.files.iter().find(is_it).map(|file| file.name.clone())
                };
                if let Some((name, remote)) = own.or_else(of_file).zip(entry.batch.ok()) {
                    held.batches.push(HeldBatch { name, remote });
                }
            }
            match page.next {
                None => return Ok(held),
                next_page => next = next_page,
            }
        }
        Err(endless("batches"))
    }

    async fn our_files(&self) -> Result<Vec<HeldFile>, BatchError> {
        let (mut ours, mut next) = (Vec::new(), None);
        for number in 0..PAGES {
            let query = self.0.files_query(number, next);
            let body = self.0.chats().get("files", &query).await?;
            let page: Uploads = read(&body)?;
            next = self.0.files_next(&page);
            ours.extend(page.data.into_iter().filter_map(Upload::ours));
            if next.is_none() {
                return Ok(ours);
            }
        }
        Err(endless("files"))
    }

    async fn delete(&self, file: &str) -> Result<(), BatchError> {
        let http = &self.0.chats().http;
        let request = http.request(Method::DELETE, &format!("files/{file}"), EXCHANGE);
        http.exchange_text(request).await.map(drop)
    }

    async fn look(&self, method: Method, path: String) -> Result<RemoteBatch, BatchError> {
        let http = &self.0.chats().http;
        let request = http.request(method, &path, EXCHANGE);
        let body = http.exchange_text(request).await?;
        Ok(self.0.shown(&body)?)
    }
}

/// What the file of a batch is called.
pub(super) fn file_name(batch: &str) -> String {
    format!("{batch}{END}")
}

fn endless(what: &str) -> BatchError {
    let message = format!("the list of {what} does not end");
    CallError::unusable(message, Unusable::MALFORMED).into()
}

impl Upload {
    /// The file, if its name is one of ours.
    fn ours(self) -> Option<HeldFile> {
        let name = self.filename.0?;
        let name = name.strip_suffix(END)?;
        Some(HeldFile {
            id: self.id.0?,
            name: name.starts_with(PREFIX).then(|| name.to_owned())?,
            bytes: self.bytes.0,
            created_at: self.created_at.0,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    id: Text,
}

impl<T: FileBatches> BatchProtocol for OfFiles<T> {
    fn limits(&self) -> BatchLimits {
        self.0.chats().preset.limits
    }

    fn uploads(&self) -> bool {
        true
    }

    fn line(&self, custom_id: &str, call: Call<'_>) -> String {
        self.0.written(custom_id, call).to_string()
    }

    fn upload<'a>(&'a self, name: &'a str, input: Input<'a>) -> Working<'a, String> {
        Box::pin(self.send(name, input))
    }

    fn create<'a>(&'a self, name: &'a str, source: Source<'a>) -> Working<'a, RemoteBatch> {
        Box::pin(self.make(name, source))
    }

    fn find<'a>(
        &'a self,
        name: &'a str,
        file: Option<&'a str>,
        since: u64,
    ) -> Working<'a, Option<RemoteBatch>> {
        Box::pin(self.seek(Wanted { name, file }, since))
    }

    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(Method::GET, format!("{}/{id}", T::PATH)))
    }

    fn list<'a>(&'a self, ids: &'a [String], since: u64) -> Working<'a, Vec<RemoteBatch>> {
        Box::pin(async move {
            match T::LISTS_ALL {
                true => self.listed(ids, since).await,
                false => Ok(Vec::new()),
            }
        })
    }

    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        let path = format!("{}/{id}{}", T::PATH, T::CANCEL);
        Box::pin(self.look(Method::POST, path))
    }

    fn held(&self) -> Working<'_, Held> {
        Box::pin(self.ours())
    }

    fn remove<'a>(&'a self, file: &'a str) -> Working<'a, ()> {
        Box::pin(self.delete(file))
    }

    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        self.0.lines(file)
    }

    fn read(&self, line: &str) -> Result<ResultLine, CallError> {
        self.0.result(line)
    }

    fn unstrict(&self, schema: &Value, text: String) -> String {
        if self.0.chats().holds_schema
            && let Some(plain) = schema::without_nulls(schema, &text)
        {
            return plain;
        }
        text
    }
}
