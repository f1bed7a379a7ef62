//! Mistral's batch jobs: their files and lines are OpenAI's, the jobs are not. <https://docs.mistral.ai/capabilities/batch/>

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::openai::{Line, is_settled, problem, upload};
use super::{EXCHANGE, SLACK, answer_lost, read};
use crate::batch::protocol::{
    BatchError, BatchLimits, BatchProtocol, BatchStatus, Input, Lines, RemoteBatch, ResultLine,
    Source, Working,
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

/// Where jobs are, below the address.
const PATH: &str = "batch/jobs";
/// What each question is.
const ENDPOINT: &str = "/v1/chat/completions";
/// Hours that a job is given.
const HOURS: u64 = 24;
/// Jobs in a page of the list.
const PAGE: usize = 100;
/// Pages of the list that are read at most.
const PAGES: usize = 1000;

/// One model's batches.
pub(super) struct MistralBatches {
    model: String,
    preset: BatchPreset,
    provider: OpenAi,
    http: Http,
    holds_schema: bool,
}

impl MistralBatches {
    pub fn new(
        model: &str,
        preset: BatchPreset,
        endpoint: Endpoint,
        options: ModelOptions,
    ) -> Result<MistralBatches, CallError> {
        Ok(MistralBatches {
            model: model.to_owned(),
            preset,
            http: Http::new(&endpoint, PATH, &[])?,
            holds_schema: options.json == JsonSupport::Schema,
            provider: OpenAi::new(endpoint, options)?,
        })
    }

    async fn make(&self, name: &str, source: Source<'_>) -> Result<RemoteBatch, BatchError> {
        let Source::File(file) = source else {
            let message = "its batches are made of files";
            return Err(CallError::new(FailureClass::Defect, message).into());
        };
        let body = json!({
            "input_files": [file],
            "endpoint": ENDPOINT,
            "model": self.model,
            "timeout_hours": HOURS,
            "metadata": {"name": name},
        });
        let request = self
            .http
            .request(Method::POST, PATH, EXCHANGE)
            .body(body.to_string());
        let body = self.http.exchange_text(request).await?;
        shown(&body).map_err(answer_lost)
    }

    async fn seek(
        &self,
        name: &str,
        file: Option<&str>,
        since: u64,
    ) -> Result<Option<RemoteBatch>, BatchError> {
        for page in 0..PAGES {
            let query = [("page", page), ("page_size", PAGE)];
            let request = self
                .http
                .request(Method::GET, PATH, EXCHANGE)
                .query(&query)
                .query(&[("order_by", "-created")]);
            let body = self.http.exchange_text(request).await?;
            let page: Page = read(&body)?;
            for job in &page.data {
                let is_named = job.metadata.get("name").and_then(Value::as_str) == Some(name);
                let is_of_file = file.is_some_and(|file| {
                    job.input_files
                        .iter()
                        .any(|input| input.0.as_deref() == Some(file))
                });
                if is_named || is_of_file {
                    return Ok(Some(job.shown()?));
                }
            }
            let Some(last) = page.data.last() else {
                return Ok(None);
            };
            if last
                .created_at
                .0
                .is_some_and(|created| created + SLACK < since)
            {
                return Ok(None);
            }
        }
        let message = "the list of batch jobs does not end";
        Err(CallError::unusable(message, Unusable::MALFORMED).into())
    }

    async fn look(&self, method: Method, path: String) -> Result<RemoteBatch, BatchError> {
        let request = self.http.request(method, &path, EXCHANGE);
        let body = self.http.exchange_text(request).await?;
        Ok(shown(&body)?)
    }
}

impl BatchProtocol for MistralBatches {
    fn limits(&self) -> BatchLimits {
        self.preset.limits
    }

    fn uploads(&self) -> bool {
        true
    }

    fn line(&self, custom_id: &str, call: Call<'_>) -> String {
        let mut body = self.provider.body(call);
        if let Some(fields) = body.as_object_mut() {
            // The job names the model, and what is not known is refused.
            for field in ["model", "stream", "stream_options", "service_tier"] {
                fields.shift_remove(field);
            }
        }
        json!({"custom_id": custom_id, "body": body}).to_string()
    }

    fn upload<'a>(&'a self, name: &'a str, input: Input<'a>) -> Working<'a, String> {
        Box::pin(upload(&self.http, name, input, self.preset.files_expire))
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
        Box::pin(self.seek(name, file, since))
    }

    fn get<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(Method::GET, format!("{PATH}/{id}")))
    }

    fn cancel<'a>(&'a self, id: &'a str) -> Working<'a, RemoteBatch> {
        Box::pin(self.look(Method::POST, format!("{PATH}/{id}/cancel")))
    }

    fn results<'a>(&'a self, file: &'a str) -> Working<'a, Lines<'a>> {
        Box::pin(async move { self.http.download(&format!("files/{file}/content")).await })
    }

    fn read(&self, line: &str) -> Result<ResultLine, CallError> {
        let line: Line<'_> = serde_json::from_str(line).map_err(|error| malformed(&error))?;
        line.read(&self.model)
    }

    fn unstrict(&self, schema: &Value, text: String) -> String {
        if self.holds_schema
            && let Some(plain) = schema::without_nulls(schema, &text)
        {
            return plain;
        }
        text
    }
}

fn shown(body: &str) -> Result<RemoteBatch, CallError> {
    read::<Job>(body)?.shown()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Page {
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
