//! Gemini's batches, in its own protocol: its address that is compatible to OpenAI's takes no files and, as far as it is
//! documented, lists no batches. A file is uploaded in two steps, a batch is an operation of one model, and only the key that
//! made it sees it. <https://ai.google.dev/gemini-api/docs/batch-api>

mod lines;

use std::io;

use futures_util::StreamExt;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, RequestBuilder};
use serde::Deserialize;
use serde_json::json;

use super::grpc::{Status, error};
use super::listed::Listed;
use super::{EXCHANGE, answer_lost, read, seconds, within};
use crate::batch::protocol::{
    BatchError, BatchLimits, BatchProtocol, BatchStatus, Input, Lines, Problem, RemoteBatch,
    ResultLine, Source, Working,
};
use crate::error::{CallError, Unusable};
use crate::provider::Call;
use crate::providers::classify::says_no_more_than_quota;
use crate::providers::endpoint::{Endpoint, ModelOptions};
use crate::providers::http::Http;
use crate::providers::lenient::{Count, Object, Text};
use crate::providers::presets::BatchPreset;
use types::class::FailureClass;

/// The header of its own protocol that carries the key.
const KEY_HEADER: &str = "x-goog-api-key";
/// What the address of the compatible API adds to that of its own.
const COMPATIBLE: &str = "/openai";
/// Seconds after which it gives up.
const WINDOW: u64 = 172_800;
/// Batches in a page of the list.
const PAGE: usize = 100;
/// Pages of the list that are read at most.
const PAGES: usize = 1000;
/// The code of gRPC that says that there is no room.
const EXHAUSTED: u64 = 8;

/// One model's batches.
pub(super) struct GeminiBatches {
    model: String,
    preset: BatchPreset,
    options: ModelOptions,
    http: Http,
    /// The version of the API, as it stands in its address.
    version: String,
}

impl GeminiBatches {
    pub fn new(
        model: &str,
        preset: BatchPreset,
        endpoint: Endpoint,
        options: ModelOptions,
    ) -> Result<GeminiBatches, CallError> {
        let address = endpoint.base_url.trim_end_matches('/');
        let own = address.strip_suffix(COMPATIBLE).unwrap_or(address);
        let (root, version) = own.rsplit_once('/').unwrap_or((own, ""));
        let is_usual = endpoint.key_header.eq_ignore_ascii_case("authorization");
        let endpoint = Endpoint {
            base_url: root.to_owned(),
            key_header: if is_usual {
                KEY_HEADER.to_owned()
            } else {
                endpoint.key_header.clone()
            },
            ..endpoint.clone()
        };
        Ok(GeminiBatches {
            model: model.to_owned(),
            preset,
            options,
            http: Http::new(&endpoint, version, &[])?,
            version: version.to_owned(),
        })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let path = format!("{}/{path}", self.version);
        self.http.request(method, &path, EXCHANGE)
    }

    async fn put(&self, name: &str, input: Input<'_>) -> Result<String, BatchError> {
        let path = format!("upload/{}/files", self.version);
        let body = json!({"file": {"displayName": format!("{name}.jsonl"), "mimeType": "application/jsonl"}});
        let request = self
            .http
            .request(Method::POST, &path, EXCHANGE)
            .header("x-goog-upload-protocol", "resumable")
            .header("x-goog-upload-command", "start")
            .header("x-goog-upload-header-content-length", input.bytes)
            .header("x-goog-upload-header-content-type", "application/jsonl")
            .body(body.to_string());
        let address = self
            .http
            .exchange_header(request, "x-goog-upload-url")
            .await
            .map_err(passing)?;
        // The key goes to no host that an answer names.
        let query = address.split_once('?').map_or("", |(_, query)| query);
        let lines = (input.open)().map(|piece| piece.map_err(io::Error::other));
        let request = self
            .http
            .request(
                Method::POST,
                &format!("{path}?{query}"),
                within(input.bytes),
            )
            .header("x-goog-upload-command", "upload, finalize")
            .header("x-goog-upload-offset", 0)
            .header(CONTENT_LENGTH, input.bytes)
            .body(Body::wrap_stream(lines));
        let body = self.http.exchange_text(request).await.map_err(passing)?;
        let uploaded: Uploaded = read(&body)?;
        let file = uploaded.file.0.and_then(|file| file.name.0);
        file.ok_or_else(|| {
            answer_lost(CallError::unusable(
                "the uploaded file has no name",
                Unusable::MALFORMED,
            ))
        })
    }

    async fn make(&self, name: &str, source: Source<'_>) -> Result<RemoteBatch, BatchError> {
        let Source::File(file) = source else {
            let message = "its batches are made of files";
            return Err(CallError::new(FailureClass::Defect, message).into());
        };
        let body = json!({"batch": {"displayName": name, "inputConfig": {"fileName": file}}});
        let path = format!("models/{}:batchGenerateContent", self.model);
        let request = self.request(Method::POST, &path).body(body.to_string());
        let body = self.http.exchange_text(request).await.map_err(passing)?;
        shown(&body).map_err(answer_lost)
    }

    async fn seek(
        &self,
        name: &str,
        file: Option<&str>,
    ) -> Result<Option<RemoteBatch>, BatchError> {
        let mut token = None;
        for _ in 0..PAGES {
            let page = self.page(token).await?;
            for operation in &page.operations {
                if operation.is_it(name, file) {
                    return Ok(Some(operation.shown()?));
                }
            }
            // In which order they come is not documented.
            token = page.next_page_token.0;
            if token.is_none() {
                return Ok(None);
            }
        }
        let message = "the list of batches does not end";
        Err(CallError::unusable(message, Unusable::MALFORMED).into())
    }

    /// A page of the list, behind what this token stands for.
    async fn page(&self, token: Option<String>) -> Result<Page, BatchError> {
        let token = token.map(|token| ("pageToken", token));
        let query: Vec<_> = [("pageSize", PAGE.to_string())]
            .into_iter()
            .chain(token)
            .collect();
        let request = self.request(Method::GET, "batches").query(&query);
        let body = self.http.exchange_text(request).await?;
        Ok(read(&body)?)
    }

    async fn listed(&self, ids: &[String]) -> Result<Vec<RemoteBatch>, BatchError> {
        let mut listed = Listed::new(ids);
        let mut token = None;
        for _ in 0..listed.pages() {
            let page = self.page(token).await?;
            listed.extend(page.operations.iter().map(Operation::shown));
            token = page.next_page_token.0;
            if token.is_none() || listed.is_whole() {
                break;
            }
        }
        Ok(listed.found)
    }

    async fn look(&self, id: &str) -> Result<RemoteBatch, BatchError> {
        let request = self.request(Method::GET, id);
        let body = self.http.exchange_text(request).await?;
        Ok(shown(&body)?)
    }

    async fn end(&self, id: &str) -> Result<RemoteBatch, BatchError> {
        let request = self.request(Method::POST, &format!("{id}:cancel"));
        // It answers with nothing.
        self.http.exchange_text(request.body("{}")).await?;
        self.look(id).await
    }
}

impl BatchProtocol for GeminiBatches {
    fn limits(&self) -> BatchLimits {
        self.preset.limits
    }

    fn uploads(&self) -> bool {
        true
    }

    fn line(&self, custom_id: &str, call: Call<'_>) -> String {
        let request = lines::question(&self.options, call);
        json!({"key": custom_id, "request": request}).to_string()
    }

    fn upload<'a>(&'a self, name: &'a str, input: Input<'a>) -> Working<'a, String> {
        Box::pin(self.put(name, input))
    }

    fn create<'a>(&'a self, name: &'a str, source: Source<'a>) -> Working<'a, RemoteBatch> {
        Box::pin(self.make(name, source))
    }

    fn find<'a>(
        &'a self,
        name: &'a str,
        file: Option<&'a str>,
        _since: u64,
    ) -> Working<'a, Option<RemoteBatch>> {
        Box::pin(self.seek(name, file))
    }

    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(id))
    }

    fn list<'a>(&'a self, ids: &'a [String], _since: u64) -> Working<'a, Vec<RemoteBatch>> {
        Box::pin(self.listed(ids))
    }

    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.end(id))
    }

    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        let path = format!("download/{}/{file}:download?alt=media", self.version);
        Box::pin(async move { self.http.download(&path).await })
    }

    fn read(&self, line: &str) -> Result<ResultLine, CallError> {
        lines::read(line, &self.model)
    }
}

/// Of every limit it says that the quota is exceeded, also where too many tokens wait in batches. When they may come again it
/// does not say.
fn passing(mut error: BatchError) -> BatchError {
    if error.error.class == FailureClass::Quota && says_no_more_than_quota(&error.error.message) {
        error.error.class = FailureClass::RateLimit;
    }
    error
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    read::<Operation>(body)?.shown()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Uploaded {
    file: Object<File>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    name: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    operations: Vec<Operation>,
    #[serde(rename = "nextPageToken")]
    next_page_token: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Operation {
    name: Text,
    metadata: Object<Metadata>,
    error: Object<Status>,
    response: Object<Output>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    state: Text,
    display_name: Text,
    input_config: Object<InputConfig>,
    create_time: Text,
    batch_stats: Object<Stats>,
    output: Object<Output>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct InputConfig {
    file_name: Text,
}

/// What is 0 is left out.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Stats {
    request_count: Count,
    successful_request_count: Count,
    failed_request_count: Count,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Output {
    responses_file: Text,
}

impl Operation {
    fn is_it(&self, name: &str, file: Option<&str>) -> bool {
        let Some(metadata) = &self.metadata.0 else {
            return false;
        };
        let input = metadata.input_config.0.as_ref();
        let input = input.and_then(|input| input.file_name.0.as_deref());
        metadata.display_name.0.as_deref() == Some(name) || (file.is_some() && input == file)
    }

    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id = self
            .name
            .0
            .clone()
            .ok_or_else(|| CallError::unusable("the batch has no name", Unusable::MALFORMED))?;
        let metadata = self.metadata.0.as_ref();
        let state = metadata.and_then(|metadata| metadata.state.0.as_deref());
        let word = state.unwrap_or_default().to_owned();
        let outputs = [
            self.response.0.as_ref(),
            metadata.and_then(|metadata| metadata.output.0.as_ref()),
        ];
        let mut files = outputs
            .into_iter()
            .flatten()
            .filter_map(|output| output.responses_file.0.clone());
        let files: Vec<String> = files.next().into_iter().collect();
        let stats = metadata.and_then(|metadata| metadata.batch_stats.0.as_ref());
        let answered = stats.map(|stats| stats.successful_request_count.0.unwrap_or(0));
        let created = metadata.and_then(|metadata| seconds(metadata.create_time.0.as_deref()?));
        let kind = Kind::of(&word);
        Ok(RemoteBatch {
            id,
            status: kind.status(!files.is_empty()),
            is_settled: !files.is_empty() || kind.has_no_results(answered),
            word,
            total: stats.and_then(|stats| stats.request_count.0),
            answered,
            failed: stats.map(|stats| stats.failed_request_count.0.unwrap_or(0)),
            files,
            expires_at: created.map(|created| created + WINDOW),
            problems: self.error.0.iter().map(problem).collect(),
        })
    }
}

/// What a state means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Working,
    Succeeded,
    Cancelled,
    Expired,
    Failed,
    Unknown,
}

impl Kind {
    fn of(word: &str) -> Kind {
        // Other addresses of Google call them `JOB_STATE_...`.
        let state = word.split_once("STATE_").map_or(word, |(_, state)| state);
        match state {
            "PENDING" | "RUNNING" | "QUEUED" | "CANCELLING" => Kind::Working,
            "SUCCEEDED" | "PARTIALLY_SUCCEEDED" => Kind::Succeeded,
            "CANCELLED" => Kind::Cancelled,
            "EXPIRED" => Kind::Expired,
            "FAILED" => Kind::Failed,
            _ => Kind::Unknown,
        }
    }

    /// Whether there will never be results: what expires has none, whatever it did until then.
    fn has_no_results(self, answered: Option<u64>) -> bool {
        match self {
            Kind::Expired => true,
            Kind::Cancelled => answered.unwrap_or(0) == 0,
            _ => false,
        }
    }

    fn status(self, has_files: bool) -> BatchStatus {
        match self {
            Kind::Working => BatchStatus::Working,
            Kind::Succeeded | Kind::Cancelled | Kind::Expired => BatchStatus::Ended,
            // Whatever failed, what was answered is paid for.
            Kind::Failed if has_files => BatchStatus::Ended,
            Kind::Failed => BatchStatus::Refused,
            Kind::Unknown => BatchStatus::Unknown,
        }
    }
}

fn problem(status: &Status) -> Problem {
    Problem {
        line: None,
        class: error(status).class,
        message: status.message.0.clone().unwrap_or_default(),
        is_full: status.code.0 == Some(EXHAUSTED),
        most_tokens: None,
    }
}

#[cfg(test)]
mod tests;
