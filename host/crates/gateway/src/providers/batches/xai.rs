//! xAI's batches: made of a file as OpenAI's are, but they have names, count their questions in place of a status, and give
//! their results page by page. <https://docs.x.ai/developers/advanced-api-usage/batch-api>

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::files::{Chats, Entry, FileBatches, Page, Uploads};
use super::grpc::{Status, error};
use super::openai::{URL, problem};
use super::{no_question, read, seconds};
use crate::batch::protocol::{
    BatchError, BatchStatus, LineResult, Lines, RemoteBatch, ResultLine, Working,
};
use crate::error::{CallError, Unusable};
use crate::provider::{Call, RawAnswer};
use crate::providers::gathered::malformed;
use crate::providers::lenient::{Count, Object, Text};
use crate::providers::openai::Partial;
use crate::providers::response::Reader;

/// Batches in a page of the list.
const PAGE: usize = 100;
/// Results in a page.
const RESULTS: usize = 500;
/// A question that was cancelled before it was asked has this code.
const CANCELLED: u64 = 1;

/// One model's batches.
pub(super) struct XaiBatches(pub Chats);

impl FileBatches for XaiBatches {
    const PATH: &'static str = "batches";
    const CANCEL: &'static str = ":cancel";
    /// Counts take the place of a status, and nobody says whether the list has the latest ones.
    const LISTS_ALL: bool = false;

    fn chats(&self) -> &Chats {
        &self.0
    }

    fn written(&self, custom_id: &str, call: Call<'_>) -> Value {
        json!({"custom_id": custom_id, "method": "POST", "url": URL, "body": self.0.body(call)})
    }

    fn creation(&self, name: &str, file: &str) -> Value {
        json!({"name": name, "input_file_id": file})
    }

    fn shown(&self, body: &str) -> Result<RemoteBatch, CallError> {
        read::<Batch>(body)?.shown()
    }

    fn query(&self, _number: usize, next: Option<String>) -> Vec<(&'static str, String)> {
        asked(PAGE, next)
    }

    fn page(&self, body: &str) -> Result<Page, CallError> {
        let listed: Listed = read(body)?;
        let last = listed.batches.last();
        let created = last.and_then(|last| last.create_time.0.as_deref());
        let next = listed.pagination_token.0;
        let entry = |batch: &Batch| Entry {
            name: batch.name.0.clone(),
            file: batch.input_file_id.0.clone(),
            batch: batch.shown(),
        };
        Ok(Page {
            next: next.filter(|_| last.is_some()),
            // It may be a day without a time, which says too little.
            created: created.filter(|time| time.contains('T')).and_then(seconds),
            entries: listed.batches.iter().map(entry).collect(),
        })
    }

    fn files_query(&self, _number: usize, next: Option<String>) -> Vec<(&'static str, String)> {
        asked(PAGE, next)
    }

    fn files_next(&self, page: &Uploads) -> Option<String> {
        let next = page.pagination_token.0.clone();
        next.filter(|_| !page.data.is_empty())
    }

    fn lines<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        Box::pin(async move {
            let first = self.results(file, None).await?;
            // One page is in memory, and the next is asked for when it was read.
            let pages = stream::unfold(Some(Ok(first)), move |page| async move {
                match page? {
                    Err(error) => Some((Err(error), None)),
                    Ok((lines, None)) => Some((Ok(lines), None)),
                    Ok((lines, Some(next))) => {
                        let next = self.results(file, Some(next)).await;
                        Some((Ok(lines), Some(next.map_err(|error| error.error))))
                    }
                }
            });
            let pages: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(pages);
            Ok(pages)
        })
    }

    fn result(&self, line: &str) -> Result<ResultLine, CallError> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        let custom_id = line.batch_request_id.0.ok_or_else(|| {
            CallError::unusable("a result names no question", Unusable::MALFORMED)
        })?;
        let result = line.batch_result.unwrap_or_default().read(&self.0.model);
        Ok(ResultLine { custom_id, result })
    }
}

impl XaiBatches {
    /// A page of results, a line each, and how the next one is asked for.
    async fn results(
        &self,
        batch: &str,
        next: Option<String>,
    ) -> Result<(Bytes, Option<String>), BatchError> {
        let path = format!("{}/{batch}/results", Self::PATH);
        let body = self.0.get(&path, &asked(RESULTS, next)).await?;
        let page: Results<'_> = serde_json::from_str(&body).map_err(|error| malformed(&error))?;
        let mut lines = String::with_capacity(body.len());
        for result in &page.results {
            // JSON has newlines between its parts only, where a space does as well.
            lines.push_str(&result.get().replace(['\n', '\r'], " "));
            lines.push('\n');
        }
        let next = page.pagination_token.0.filter(|_| !lines.is_empty());
        Ok((lines.into(), next))
    }
}

fn asked(limit: usize, next: Option<String>) -> Vec<(&'static str, String)> {
    let next = next.map(|next| ("pagination_token", next));
    [("limit", limit.to_string())]
        .into_iter()
        .chain(next)
        .collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    batches: Vec<Batch>,
    pagination_token: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
    pagination_token: Text,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Batch {
    batch_id: Text,
    name: Text,
    input_file_id: Text,
    create_time: Text,
    expire_time: Text,
    cancel_time: Text,
    /// Why it was ended by xAI.
    cancel_by_xai_message: Text,
    state: Object<Counts>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    num_requests: Count,
    num_pending: Count,
    num_success: Count,
    num_error: Count,
}

impl Batch {
    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id = self
            .batch_id
            .0
            .clone()
            .ok_or_else(|| CallError::unusable("the batch has no id", Unusable::MALFORMED))?;
        let counts = self.state.0.as_ref();
        let total = counts.and_then(|counts| counts.num_requests.0);
        let answered = counts.and_then(|counts| counts.num_success.0);
        let is_pending = counts
            .and_then(|counts| counts.num_pending.0)
            .is_some_and(|pending| pending > 0);
        let has_none = total.unwrap_or(0) == 0;
        let why = self.cancel_by_xai_message.0.as_deref();
        let (status, word) = match (&self.cancel_time.0, why) {
            // Nothing was answered, so nothing is billed.
            (Some(_), Some(_)) if answered.unwrap_or(0) == 0 => (BatchStatus::Refused, "refused"),
            (Some(_), _) if is_pending => (BatchStatus::Working, "cancelling"),
            (Some(_), _) => (BatchStatus::Ended, "cancelled"),
            (None, _) if has_none => (BatchStatus::Working, "validating"),
            (None, _) if is_pending => (BatchStatus::Working, "in progress"),
            (None, _) => (BatchStatus::Ended, "ended"),
        };
        Ok(RemoteBatch {
            status,
            word: word.to_owned(),
            total,
            answered,
            failed: counts.and_then(|counts| counts.num_error.0),
            // Its results lie at the batch.
            files: vec![id.clone()],
            is_settled: true,
            expires_at: self.expire_time.0.as_deref().and_then(seconds),
            problems: why
                .map(|words| problem("", words, None))
                .into_iter()
                .collect(),
            id,
        })
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line<'a> {
    batch_request_id: Text,
    #[serde(borrow)]
    batch_result: Option<Outcome<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Outcome<'a> {
    #[serde(borrow)]
    response: Option<Response<'a>>,
    error: Object<Status>,
}

/// The answer stands under the name of what was asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    #[serde(borrow)]
    chat_get_completion: Option<&'a RawValue>,
}

impl Outcome<'_> {
    fn read(&self, model: &str) -> LineResult {
        let answer = self
            .response
            .as_ref()
            .and_then(|response| response.chat_get_completion);
        match (answer, &self.error.0) {
            (Some(answer), _) => answered(answer.get(), model).into(),
            (None, Some(status)) if status.code.0 == Some(CANCELLED) => {
                LineResult::NotReached(status.message.0.clone().unwrap_or_default())
            }
            (None, Some(status)) => LineResult::Failed(error(status)),
            (None, None) => {
                let message = "the result has neither an answer nor an error";
                LineResult::Failed(CallError::unusable(message, Unusable::NOTHING))
            }
        }
    }
}

fn answered(body: &str, model: &str) -> Result<RawAnswer, CallError> {
    let mut reader = Partial::default();
    reader
        .whole(body)
        .and_then(|()| reader.finish(no_question(model)))
}

#[cfg(test)]
mod tests;
