//! Mistral's batch jobs: their files and lines are OpenAI's, the jobs are not. <https://docs.mistral.ai/capabilities/batch/>

use serde::Deserialize;
use serde_json::{Value, json};

use super::files::{Chats, Entry, FileBatches, Page, Uploads};
use super::openai::{URL, is_settled, problem};
use super::read;
use crate::batch::protocol::{BatchStatus, RemoteBatch};
use crate::error::{CallError, Unusable};
use crate::provider::Call;
use crate::providers::lenient::{Count, Text};

/// Hours that a job is given.
const HOURS: u64 = 24;
/// Jobs in a page of the list.
const PAGE: usize = 100;

/// One model's batches.
pub(super) struct MistralBatches(pub Chats);

impl FileBatches for MistralBatches {
    const PATH: &'static str = "batch/jobs";

    fn chats(&self) -> &Chats {
        &self.0
    }

    fn written(&self, custom_id: &str, call: Call<'_>) -> Value {
        let mut body = self.0.body(call);
        if let Some(fields) = body.as_object_mut() {
            // The job names the model.
            fields.shift_remove("model");
        }
        json!({"custom_id": custom_id, "body": body})
    }

    fn creation(&self, name: &str, file: &str) -> Value {
        json!({
            "input_files": [file],
            "endpoint": URL,
            "model": self.0.model,
            "timeout_hours": HOURS,
            "metadata": {"name": name},
        })
    }

    fn shown(&self, body: &str) -> Result<RemoteBatch, CallError> {
        shown(body)
    }

    fn query(&self, number: usize, _next: Option<String>) -> Vec<(&'static str, String)> {
        vec![
            ("page", number.to_string()),
            ("page_size", PAGE.to_string()),
            ("order_by", "-created".to_owned()),
        ]
    }

    fn page(&self, body: &str) -> Result<Page, CallError> {
        let listed: Listed = read(body)?;
        let last = listed.data.last();
        Ok(Page {
            // Pages are counted, and behind the last one is an empty one.
            next: last.map(|_| String::new()),
            created: last.and_then(|last| last.created_at.0),
            entries: listed.data.iter().map(Job::entry).collect(),
        })
    }

    fn files_query(&self, number: usize, _next: Option<String>) -> Vec<(&'static str, String)> {
        vec![
            ("page", number.to_string()),
            ("page_size", PAGE.to_string()),
            ("purpose", "batch".to_owned()),
        ]
    }

    fn files_next(&self, page: &Uploads) -> Option<String> {
        page.data.last().map(|_| String::new())
    }
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    read::<Job>(body)?.shown()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    data: Vec<Job>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    id: Text,
    status: Text,
    input_files: Vec<Text>,
    output_file: Text,
    error_file: Text,
    created_at: Count,
    total_requests: Count,
    succeeded_requests: Count,
    failed_requests: Count,
    errors: Vec<Fault>,
    metadata: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    message: Text,
}

impl Job {
    fn entry(&self) -> Entry {
        let name = self.metadata.get("name").and_then(Value::as_str);
        Entry {
            name: name.map(str::to_owned),
            file: self.input_files.first().and_then(|file| file.0.clone()),
            batch: self.shown(),
        }
    }

    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id =
            self.id.0.clone().ok_or_else(|| {
                CallError::unusable("the batch job has no id", Unusable::MALFORMED)
            })?;
        let word = self.status.0.clone().unwrap_or_default();
        let files = [&self.output_file, &self.error_file];
        let files: Vec<String> = files.iter().filter_map(|file| file.0.clone()).collect();
        let (answered, failed) = (self.succeeded_requests.0, self.failed_requests.0);
        let problems = self.errors.iter().filter_map(|fault| {
            let message = fault.message.0.as_deref()?;
            Some(problem("", message, None))
        });
        Ok(RemoteBatch {
            id,
            status: status(&word, !files.is_empty()),
            is_settled: is_settled(&word, files.len(), self.total_requests.0, answered, failed),
            word,
            total: self.total_requests.0,
            answered,
            failed,
            files,
            expires_at: self.created_at.0.map(|created| created + HOURS * 3600),
            problems: problems.collect(),
        })
    }
}

fn status(word: &str, has_files: bool) -> BatchStatus {
    match word {
        "QUEUED" | "RUNNING" | "CANCELLATION_REQUESTED" => BatchStatus::Working,
        "SUCCESS" | "TIMEOUT_EXCEEDED" | "CANCELLED" => BatchStatus::Ended,
        // Whatever failed, what was answered is paid for.
        "FAILED" if has_files => BatchStatus::Ended,
        "FAILED" => BatchStatus::Refused,
        _ => BatchStatus::Unknown,
    }
}

#[cfg(test)]
mod tests;
