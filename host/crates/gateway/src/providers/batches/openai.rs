//! OpenAI's batches: a file of questions is uploaded, a batch is created of it, and its answers and errors are two more files.
//! Azure, Groq and others speak the same. <https://platform.openai.com/docs/api-reference/batch>

use serde::Deserialize;
use serde_json::{Value, json};

use super::files::{Chats, Entry, FileBatches, Page};
use super::read;
use crate::batch::protocol::{BatchStatus, Problem, RemoteBatch};
use crate::error::{CallError, Unusable};
use crate::provider::Call;
use crate::providers::errors::from_event;
use crate::providers::lenient::{Count, Object, Text};

/// Where the questions go, as it stands in each line and in the batch.
pub(super) const URL: &str = "/v1/chat/completions";
/// An uploaded file is deleted after thirty days.
const KEPT_SECONDS: &str = "2592000";
/// Batches in a page of the list.
const PAGE: usize = 100;

/// One model's batches.
pub(super) struct OpenAiBatches {
    pub chats: Chats,
    /// Whether an uploaded file can be given a day on which it is deleted.
    pub files_expire: bool,
}

impl FileBatches for OpenAiBatches {
    const PATH: &'static str = "batches";

    fn chats(&self) -> &Chats {
        &self.chats
    }

    fn written(&self, custom_id: &str, call: Call<'_>) -> Value {
        json!({"custom_id": custom_id, "method": "POST", "url": URL, "body": self.chats.body(call)})
    }

    fn form(&self, _name: &str) -> (&'static str, Vec<(&'static str, String)>) {
        let mut fields = vec![("purpose", "batch")];
        if self.files_expire {
            fields.push(("expires_after[anchor]", "created_at"));
            fields.push(("expires_after[seconds]", KEPT_SECONDS));
        }
        let fields = fields
            .into_iter()
            .map(|(field, value)| (field, value.to_owned()));
        ("files", fields.collect())
    }

    fn creation(&self, name: &str, file: &str) -> Value {
        json!({
            "input_file_id": file,
            "endpoint": URL,
            "completion_window": "24h",
            "metadata": {"name": name},
        })
    }

    fn shown(&self, body: &str) -> Result<RemoteBatch, CallError> {
        shown(body)
    }

    fn query(&self, _number: usize, next: Option<String>) -> Vec<(&'static str, String)> {
        let after = next.map(|next| ("after", next));
        [("limit", PAGE.to_string())]
            .into_iter()
            .chain(after)
            .collect()
    }

    fn page(&self, body: &str) -> Result<Page, CallError> {
        let listed: Listed = read(body)?;
        let last = listed.data.last();
        let next = last.filter(|_| listed.has_more);
        Ok(Page {
            next: next.and_then(|last| last.id.0.clone()),
            created: last.and_then(|last| last.created_at.0),
            entries: listed.data.iter().map(Batch::entry).collect(),
        })
    }
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    read::<Batch>(body)?.shown()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Listed {
    data: Vec<Batch>,
    has_more: bool,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Batch {
    id: Text,
    status: Text,
    input_file_id: Text,
    output_file_id: Text,
    error_file_id: Text,
    created_at: Count,
    expires_at: Count,
    request_counts: Object<Counts>,
    errors: Object<Errors>,
    metadata: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Counts {
    total: Count,
    completed: Count,
    failed: Count,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Errors {
    data: Vec<Fault>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fault {
    code: Text,
    message: Text,
    line: Count,
}

impl Batch {
    fn entry(&self) -> Entry {
        let name = self.metadata.get("name").and_then(Value::as_str);
        Entry {
            name: name.map(str::to_owned),
            file: self.input_file_id.0.clone(),
            batch: self.shown(),
        }
    }

    fn shown(&self) -> Result<RemoteBatch, CallError> {
        let id = self
            .id
            .0
            .clone()
            .ok_or_else(|| CallError::unusable("the batch has no id", Unusable::MALFORMED))?;
        let word = self.status.0.clone().unwrap_or_default();
        let counts = self.request_counts.0.as_ref();
        let faults = self.errors.0.iter().flat_map(|errors| &errors.data);
        let files = [&self.output_file_id, &self.error_file_id];
        let files: Vec<String> = files.iter().filter_map(|file| file.0.clone()).collect();
        let answered = counts.and_then(|counts| counts.completed.0);
        let failed = counts.and_then(|counts| counts.failed.0);
        Ok(RemoteBatch {
            is_settled: is_settled(
                &word,
                files.len(),
                counts.and_then(|counts| counts.total.0),
                answered,
                failed,
            ),
            id,
            status: status(&word),
            word,
            total: counts.and_then(|counts| counts.total.0),
            answered,
            failed,
            files,
            expires_at: self.expires_at.0,
            problems: faults.map(Fault::problem).collect(),
        })
    }
}

/// Compatible servers write the words in capitals.
pub(super) fn status(word: &str) -> BatchStatus {
    match word.to_ascii_lowercase().as_str() {
        "validating" | "in_progress" | "finalizing" | "cancelling" => BatchStatus::Working,
        "completed" | "expired" | "cancelled" => BatchStatus::Ended,
        "failed" => BatchStatus::Refused,
        _ => BatchStatus::Unknown,
    }
}

/// Whether there is a file for each kind of line that is counted. A batch that was completed has one, or it had no lines; its
/// counts may come as late as its files.
pub(super) fn is_settled(
    word: &str,
    files: usize,
    total: Option<u64>,
    answered: Option<u64>,
    failed: Option<u64>,
) -> bool {
    let is_complete = ["completed", "success"].contains(&word.to_ascii_lowercase().as_str());
    if is_complete && files == 0 && total != Some(0) {
        return false;
    }
    match (answered, failed) {
        (None, None) => files > 0,
        counts => {
            let is_some = |count: Option<u64>| usize::from(count.is_some_and(|count| count > 0));
            files >= is_some(counts.0) + is_some(counts.1)
        }
    }
}

impl Fault {
    fn problem(&self) -> Problem {
        let code = self.code.0.as_deref().unwrap_or_default();
        let words = self.message.0.as_deref().unwrap_or_default();
        problem(code, words, self.line.0)
    }
}

/// Why a batch was refused, by the code and words of the provider.
pub(super) fn problem(code: &str, words: &str, line: Option<u64>) -> Problem {
    let is_full = code == "token_limit_exceeded" || words.contains("nqueued token limit");
    Problem {
        line,
        class: from_event(&json!({"code": code, "message": words})).class,
        message: match (code, words) {
            ("", words) => words.to_owned(),
            (code, "") => code.to_owned(),
            (code, words) => format!("{code}: {words}"),
        },
        is_full,
        most_tokens: is_full.then(|| most_tokens(words)).flatten(),
    }
}

/// The number behind "Limit:", as in "Enqueued token limit reached for gpt-4o in organization org-1. Limit: 90,000 enqueued
/// tokens."
fn most_tokens(words: &str) -> Option<u64> {
    let (_, behind) = words.split_once("imit: ")?;
    let digits: String = behind
        .chars()
        .take_while(|sign| sign.is_ascii_digit() || *sign == ',')
        .filter(char::is_ascii_digit)
        .collect();
    digits.parse().ok().filter(|most| *most > 0)
}

#[cfg(test)]
mod tests;
