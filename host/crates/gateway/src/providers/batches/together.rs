//! Together's batches: OpenAI's, with an upload of their own, words in capitals, times in words, no names and no counts.
//! <https://docs.together.ai/docs/inference/batch/overview>

use serde::Deserialize;
use serde_json::{Value, json};

use super::files::{Chats, Entry, FileBatches, Page, file_name};
use super::openai::{URL, is_settled, problem, status};
use super::{read, seconds};
use crate::batch::protocol::{BatchStatus, RemoteBatch};
use crate::error::{CallError, Unusable};
use crate::provider::Call;
use crate::providers::lenient::{Object, Text};

/// One model's batches.
pub(super) struct TogetherBatches(pub Chats);

impl FileBatches for TogetherBatches {
    const PATH: &'static str = "batches";

    fn chats(&self) -> &Chats {
        &self.0
    }

    fn written(&self, custom_id: &str, call: Call<'_>) -> Value {
        json!({"custom_id": custom_id, "body": self.0.body(call)})
    }

    fn form(&self, name: &str) -> (&'static str, Vec<(&'static str, String)>) {
        let fields = vec![
            ("purpose", "batch-api".to_owned()),
            ("file_name", file_name(name)),
            ("file_type", "jsonl".to_owned()),
        ];
        ("files/upload", fields)
    }

    fn creation(&self, _name: &str, file: &str) -> Value {
        json!({"input_file_id": file, "endpoint": URL, "completion_window": "24h"})
    }

    fn shown(&self, body: &str) -> Result<RemoteBatch, CallError> {
        shown(body)
    }

    fn query(&self, _number: usize, _next: Option<String>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// All batches are in one list.
    fn page(&self, body: &str) -> Result<Page, CallError> {
        let jobs = read::<Vec<Job>>(body)?;
        let entry = |job: &Job| Entry {
            name: None,
            file: job.input_file_id.0.clone(),
            batch: job.shown(),
        };
        Ok(Page {
            entries: jobs.iter().map(entry).collect(),
            next: None,
            created: None,
        })
    }

    /// So are all files.
    fn files_query(&self, _number: usize, _next: Option<String>) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    let Made { job } = read(body)?;
    match job.0 {
        Some(job) => job.shown(),
        None => read::<Job>(body)?.shown(),
    }
}

/// A creation is answered with the batch inside.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Made {
    job: Object<Job>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Job {
    id: Text,
    status: Text,
    input_file_id: Text,
    output_file_id: Text,
    error_file_id: Text,
    job_deadline: Text,
    error: Text,
}

impl Job {
    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id = self
            .id
            .0
            .clone()
            .ok_or_else(|| CallError::unusable("the batch has no id", Unusable::MALFORMED))?;
        let word = self.status.0.clone().unwrap_or_default();
        let files = [&self.output_file_id, &self.error_file_id];
        let files: Vec<String> = files.iter().filter_map(|file| file.0.clone()).collect();
        let problems = self.error.0.as_deref();
        Ok(RemoteBatch {
            status: match status(&word) {
                // Whatever failed, what was answered is paid for.
                BatchStatus::Refused if !files.is_empty() => BatchStatus::Ended,
                status => status,
            },
            is_settled: is_settled(&word, files.len(), None, None, None),
            id,
            word,
            total: None,
            answered: None,
            failed: None,
            files,
            expires_at: self.job_deadline.0.as_deref().and_then(seconds),
            problems: problems
                .map(|words| problem("", words, None))
                .into_iter()
                .collect(),
        })
    }
}

#[cfg(test)]
mod tests;
