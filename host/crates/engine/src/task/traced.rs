//! The span of a task that runs, for those who trace a run.

use tracing::Span;
use tracing::field::Empty;

use super::{Ended, Task};
use plan::decision::Reason;
use store::StoreError;
use types::class::FailureClass;

/// The span of a task that begins. It is a trace of its own and linked to the run, which may have millions of tasks.
pub(super) fn begun(task: &Task<'_>, reason: Reason) -> Span {
    let span = tracing::debug_span!(
        parent: None,
        "task",
        otel.name = format_args!("task {}", task.component.name),
        record = task.record.id,
        component = task.component.name,
        ?reason,
        outcome = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    );
    span.follows_from(task.context.span.id());
    span
}

/// Adds how it ended.
pub(super) fn ended(span: &Span, ended: &Result<Ended, StoreError>) {
    let (outcome, class) = match ended {
        Ok(Ended::Ready { held: Some(_), .. }) => ("held", None),
        Ok(Ended::Ready { end, .. }) => (end.as_str(), None),
        Ok(Ended::Failed { class, .. }) => ("failed", Some(*class)),
        Ok(Ended::HeldBack) => ("held-back", None),
        Ok(Ended::Waits) => ("waits", None),
        Ok(Ended::Interrupted) => ("interrupted", None),
        Err(_) => ("failed", Some(FailureClass::Machine)),
    };
    span.record("outcome", outcome);
    if let Some(class) = class {
        span.record("error.type", class.as_str());
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", class.as_str());
    }
}
