//! Anthropic's Message Batches: all questions come with the batch, and all results are in one file. A batch has no name, no
//! metadata and no key that makes creating it safe to repeat. <https://docs.claude.com/en/docs/build-with-claude/batch-processing>

use std::io;

use bytes::Bytes;
use futures_util::StreamExt;
use reqwest::header::CONTENT_LENGTH;
use reqwest::{Body, Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::listed::Listed;
use super::{EXCHANGE, SLACK, answer_lost, no_question, read, seconds, within};
use crate::batch::protocol::{
    BatchError, BatchLimits, BatchProtocol, BatchStatus, Input, LineResult, Lines, RemoteBatch,
    ResultLine, Source, Working,
};
use crate::error::{CallError, Unusable};
use crate::provider::{Call, RawAnswer};
use crate::providers::anthropic::{Anthropic, Partial, VERSION};
use crate::providers::endpoint::{Endpoint, ModelOptions};
use crate::providers::errors::from_response;
use crate::providers::gathered::malformed;
use crate::providers::http::Http;
use crate::providers::lenient::{Count, Object, Text};
use crate::providers::presets::BatchPreset;
use crate::providers::response::Reader;
use crate::settings::CacheTime;
use types::class::FailureClass;

/// Where batches are, below the address.
const PATH: &str = "messages/batches";
/// What stands before the questions of a batch, and behind them.
const AROUND: (&str, &str) = ("{\"requests\":[", "]}");
/// Batches in a page of the list.
const PAGE: usize = 1000;
/// Pages of the list that are read at most.
const PAGES: usize = 100;

/// One model's batches.
pub(super) struct AnthropicBatches {
    model: String,
    preset: BatchPreset,
    provider: Anthropic,
    http: Http,
    /// Whether what questions begin with is kept for an hour. In minutes a batch is not even begun.
    marks: bool,
}

impl AnthropicBatches {
    pub fn new(
        model: &str,
        preset: BatchPreset,
        endpoint: Endpoint,
        options: ModelOptions,
    ) -> Result<AnthropicBatches, CallError> {
        let marks = options.cache.is_some() && options.cache_time != Some(CacheTime::Minutes);
        let options = ModelOptions {
            cache_time: Some(CacheTime::Hour),
            ..options
        };
        Ok(AnthropicBatches {
            marks,
            model: model.to_owned(),
            preset,
            http: Http::new(&endpoint, PATH, &[VERSION])?,
            provider: Anthropic::new(endpoint, options)?,
        })
    }

    async fn make(&self, source: Source<'_>) -> Result<RemoteBatch, BatchError> {
        let Source::Inline(input) = source else {
            let message = "its batches are made of questions and not of a file";
            return Err(CallError::new(FailureClass::Defect, message).into());
        };
        let bytes = length(input.bytes);
        let request = self
            .http
            .request(Method::POST, PATH, within(bytes))
            .header(CONTENT_LENGTH, bytes)
            .body(Body::wrap_stream(
                requests(input).map(|piece| piece.map_err(io::Error::other)),
            ));
        let body = self.http.exchange_text(request).await?;
        shown(&body).map_err(answer_lost)
    }

    /// The batches that were created since then, the newest first.
    async fn list(&self, since: u64) -> Result<Vec<Batch>, BatchError> {
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES {
            let page = self.page(after).await?;
            let count = page.data.len();
            let last = page.data.last().and_then(|batch| batch.id.0.clone());
            let recent = page.data.into_iter().filter(|batch| {
                // One whose time cannot be read may be any.
                let created = batch.created_at.0.as_deref().and_then(seconds);
                created.is_none_or(|created| created + SLACK >= since)
            });
            let before = found.len();
            found.extend(recent);
            if !page.has_more || count == 0 || found.len() - before < count {
                return Ok(found);
            }
            after = last;
        }
        let message = "the list of batches does not end";
        Err(CallError::unusable(message, Unusable::MALFORMED).into())
    }

    /// A page of the list, behind the batch with this name.
    async fn page(&self, after: Option<String>) -> Result<Page, BatchError> {
        let after = after.map(|after| ("after_id", after));
        let query: Vec<_> = [("limit", PAGE.to_string())]
            .into_iter()
            .chain(after)
            .collect();
        let request = self.http.request(Method::GET, PATH, EXCHANGE).query(&query);
        let body = self.http.exchange_text(request).await?;
        Ok(read(&body)?)
    }

    /// Those of the newest batches that are looked for: one page has them in all likelihood.
    async fn listed(&self, ids: &[String]) -> Result<Vec<RemoteBatch>, BatchError> {
        let page = self.page(None).await?;
        let mut listed = Listed::new(ids);
        listed.extend(page.data.iter().map(Batch::shown));
        Ok(listed.found)
    }

    async fn candidates(&self, since: u64) -> Result<Vec<RemoteBatch>, BatchError> {
        let batches = self.list(since).await?;
        let shown: Result<Vec<RemoteBatch>, CallError> = batches.iter().map(Batch::shown).collect();
        Ok(shown?)
    }

    async fn look(&self, method: Method, path: String) -> Result<RemoteBatch, BatchError> {
        let request = self.http.request(method, &path, EXCHANGE);
        let body = self.http.exchange_text(request).await?;
        Ok(shown(&body)?)
    }
}

/// Bytes of a batch: its last newline is left out.
fn length(lines: u64) -> u64 {
    let (before, behind) = AROUND;
    lines.saturating_sub(1) + (before.len() + behind.len()) as u64
}

/// The lines as parts of one list. A newline stands only at the end of a line, so a comma can take its place.
fn requests(
    input: Input<'_>,
) -> impl futures_util::Stream<Item = Result<Bytes, CallError>> + use<> {
    let (before, behind) = AROUND;
    let mut left = input.bytes;
    let lines = (input.open)().map(move |piece| {
        piece.map(|piece| {
            left = left.saturating_sub(piece.len() as u64);
            let mut piece = Vec::from(piece);
            for byte in &mut piece {
                if *byte == b'\n' {
                    *byte = b',';
                }
            }
            if left == 0 {
                piece.pop();
            }
            Bytes::from(piece)
        })
    });
    let part =
        |text: &'static str| futures_util::stream::iter([Ok(Bytes::from_static(text.as_bytes()))]);
    part(before).chain(lines).chain(part(behind))
}

impl BatchProtocol for AnthropicBatches {
    fn limits(&self) -> BatchLimits {
        self.preset.limits
    }

    fn uploads(&self) -> bool {
        false
    }

    fn marks_beginnings(&self) -> bool {
        self.marks
    }

    fn line(&self, custom_id: &str, call: Call<'_>) -> String {
        let prefix = call.prefix.filter(|_| self.marks);
        let call = Call { prefix, ..call };
        let mut body = self.provider.body(call);
        if let Some(fields) = body.as_object_mut() {
            fields.shift_remove("stream");
        }
        json!({"custom_id": custom_id, "params": body}).to_string()
    }

    fn upload<'a>(&'a self, _name: &'a str, _input: Input<'a>) -> Working<'a, String> {
        let message = "its batches are not made of files";
        Box::pin(async move { Err(CallError::new(FailureClass::Defect, message).into()) })
    }

    fn create<'a>(&'a self, _name: &'a str, source: Source<'a>) -> Working<'a, RemoteBatch> {
        Box::pin(self.make(source))
    }

    fn find<'a>(
        &'a self,
        _name: &'a str,
        _file: Option<&'a str>,
        _since: u64,
    ) -> Working<'a, Option<RemoteBatch>> {
        // Nothing in a list says which batch is which.
        Box::pin(async { Ok(None) })
    }

    fn nameless(&self, since: u64) -> Working<'_, Vec<RemoteBatch>> {
        Box::pin(self.candidates(since))
    }

    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(Method::GET, format!("{PATH}/{id}")))
    }

    fn list<'a>(&'a self, ids: &'a [String], _since: u64) -> Working<'a, Vec<RemoteBatch>> {
        Box::pin(self.listed(ids))
    }

    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(Method::POST, format!("{PATH}/{id}/cancel")))
    }

    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        Box::pin(async move { self.http.download(&format!("{PATH}/{file}/results")).await })
    }

    fn read(&self, line: &str) -> Result<ResultLine, CallError> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        let custom_id =
            line.custom_id.0.clone().ok_or_else(|| {
                CallError::unusable("a line names no question", Unusable::MALFORMED)
            })?;
        let result = line.result.unwrap_or_default().result(&self.model);
        Ok(ResultLine { custom_id, result })
    }
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    read::<Batch>(body)?.shown()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
    data: Vec<Batch>,
    has_more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Batch {
    id: Text,
    processing_status: Text,
    request_counts: Object<Counts>,
    created_at: Text,
    expires_at: Text,
    results_url: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    processing: Count,
    succeeded: Count,
    errored: Count,
    canceled: Count,
    expired: Count,
}

impl Batch {
    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id = self
            .id
            .0
            .clone()
            .ok_or_else(|| CallError::unusable("the batch has no id", Unusable::MALFORMED))?;
        let word = self.processing_status.0.clone().unwrap_or_default();
        let counts = self.request_counts.0.as_ref();
        let total = counts.map(|counts| {
            let all = [
                counts.processing.0,
                counts.succeeded.0,
                counts.errored.0,
                counts.canceled.0,
                counts.expired.0,
            ];
            all.into_iter().flatten().fold(0, u64::saturating_add)
        });
        // The results lie at an address that follows from the id. A key goes to no address that an answer names.
        let files: Vec<String> = self.results_url.0.iter().map(|_| id.clone()).collect();
        Ok(RemoteBatch {
            is_settled: !files.is_empty(),
            status: status(&word),
            word,
            total,
            answered: counts.and_then(|counts| counts.succeeded.0),
            failed: counts.and_then(|counts| counts.errored.0),
            files,
            expires_at: self.expires_at.0.as_deref().and_then(seconds),
            problems: Vec::new(),
            id,
        })
    }
}

fn status(word: &str) -> BatchStatus {
    match word {
        "in_progress" | "canceling" => BatchStatus::Working,
        "ended" => BatchStatus::Ended,
        _ => BatchStatus::Unknown,
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    custom_id: Text,
    #[serde(borrow)]
    result: Option<Outcome<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome<'a> {
    #[serde(rename = "type")]
    kind: Text,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    error: Value,
}

impl Outcome<'_> {
    fn result(&self, model: &str) -> LineResult {
        match (self.kind.0.as_deref(), self.message) {
            (Some(left @ ("expired" | "canceled")), None) => {
                let words = format!("the batch ended before this question was reached: {left}");
                LineResult::NotReached(words)
            }
            _ => self.answer(model).into(),
        }
    }

    fn answer(&self, model: &str) -> Result<RawAnswer, CallError> {
        match self.message {
            Some(message) => {
                let mut reader = Partial::default();
                reader
                    .whole(message.get())
                    .and_then(|()| reader.finish(no_question(model)))
            }
            _ if self.error.is_null() => {
                let message = "the line has neither an answer nor an error";
                Err(CallError::unusable(message, Unusable::NOTHING))
            }
            _ => Err(refused(&self.error)),
        }
    }
}

/// An error in a line has the shape of an error's body, but no status. Its type stands for one.
fn refused(error: &Value) -> CallError {
    let inner = error.get("error").unwrap_or(error);
    let kind = inner.get("type").and_then(Value::as_str);
    let status = match kind.unwrap_or_default() {
        "invalid_request_error" => StatusCode::BAD_REQUEST,
        "authentication_error" => StatusCode::UNAUTHORIZED,
        "billing_error" => StatusCode::PAYMENT_REQUIRED,
        "permission_error" => StatusCode::FORBIDDEN,
        "not_found_error" => StatusCode::NOT_FOUND,
        "request_too_large" => StatusCode::PAYLOAD_TOO_LARGE,
        "rate_limit_error" => StatusCode::TOO_MANY_REQUESTS,
        "overloaded_error" => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let body = json!({ "error": inner }).to_string();
    let headers = reqwest::header::HeaderMap::new();
    from_response(status, &headers, &body, std::time::Duration::ZERO, 0)
}

#[cfg(test)]
mod tests;
