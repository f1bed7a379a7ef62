//! Files and batches as OpenAI shows them.

use serde_json::{Value, json};

use crate::batch::fault::BatchFaultKind;
use crate::batch::files::Stored;
use crate::batch::job::{BatchError, Job, Stage};
use crate::batch::protocol::Protocol;
use crate::dialect::Dialect;

/// Seconds that a batch may take.
const WINDOW: u64 = 86_400;
/// Seconds that an input is kept for.
const KEPT: u64 = 2_592_000;

/// A file.
pub fn file(dialect: Dialect, file: &Stored) -> Value {
    let mut object = json!({
        "id": file.id,
        "object": "file",
        "bytes": file.bytes,
        "created_at": file.created,
        "expires_at": file.created + file.expires_after.unwrap_or(KEPT),
        "filename": file.name,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": null,
    });
    if let (Dialect::Mistral, Some(fields)) = (dialect, object.as_object_mut()) {
        let (source, sample) = match file.purpose.as_str() {
            "batch" => ("upload", "batch_request"),
            _ => ("mistral", "batch_result"),
        };
        fields.insert("source".to_owned(), json!(source));
        fields.insert("sample_type".to_owned(), json!(sample));
    }
    object
}

/// The word for where a batch is.
pub fn status(stage: Stage) -> &'static str {
    match stage {
        Stage::Validating => "validating",
        Stage::Running => "in_progress",
        Stage::Finalizing => "finalizing",
        Stage::Cancelling => "cancelling",
        Stage::Completed => "completed",
        Stage::Failed => "failed",
        Stage::Expired => "expired",
        Stage::Cancelled => "cancelled",
    }
}

/// A batch, with what befalls whoever looks at it.
pub fn batch(job: &Job, fault: Option<BatchFaultKind>) -> Value {
    let status = match fault {
        Some(BatchFaultKind::UnknownStatus) => "paused",
        _ => status(job.stage),
    };
    let (output, errors) = match fault {
        Some(BatchFaultKind::FilesLate) => (None, None),
        _ => job.results(),
    };
    let id = |file: Option<&Stored>| match (file, fault) {
        (Some(file), _) => json!(file.id),
        (None, Some(BatchFaultKind::IdsEmpty)) => json!(""),
        (None, _) => Value::Null,
    };
    let counts = job.counts(std::time::Instant::now());
    json!({
        "id": Protocol::OpenAi.id(job),
        "object": "batch",
        "endpoint": job.new.endpoint,
        "model": job.model,
        "errors": failure(&job.errors),
        "input_file_id": job.new.input.id,
        "completion_window": "24h",
        "status": status,
        "output_file_id": id(output),
        "error_file_id": id(errors),
        "created_at": job.created(),
        "in_progress_at": job.time(Stage::Running),
        "expires_at": job.created() + WINDOW,
        "finalizing_at": job.time(Stage::Finalizing),
        "completed_at": job.time(Stage::Completed),
        "failed_at": job.time(Stage::Failed),
        "expired_at": job.time(Stage::Expired),
        "cancelling_at": job.time(Stage::Cancelling),
        "cancelled_at": job.time(Stage::Cancelled),
        // What was not done is in neither of the two.
        "request_counts": {"total": counts.total, "completed": counts.succeeded, "failed": counts.errored},
        "usage": usage(job),
        "metadata": job.new.metadata,
    })
}

fn usage(job: &Job) -> Value {
    let tokens = job.answered.as_ref().map(|answered| answered.tokens);
    let tokens = tokens.unwrap_or_default();
    json!({
        "input_tokens": tokens.input,
        "input_tokens_details": {"cached_tokens": tokens.cached},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": tokens.input + tokens.output,
    })
}

fn failure(errors: &[BatchError]) -> Value {
    if errors.is_empty() {
        return Value::Null;
    }
    let data: Vec<Value> = errors
        .iter()
        .map(|error| {
            json!({"code": error.code, "line": error.line, "message": error.message, "param": error.param})
        })
        .collect();
    json!({"object": "list", "data": data})
}
