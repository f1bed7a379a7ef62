//! The spans of the steps of a batch, for those who trace a run.

use tracing::Span;
use tracing::field::Empty;

use store::Batch;

/// The span of a step that a batch goes through, within that of the run.
pub(super) fn of_batch(step: &str, batch: &Batch) -> Span {
    tracing::debug_span!(
        "batch",
        otel.name = format_args!("batch {step}"),
        otel.kind = "client",
        batch = batch.name,
        id = batch.remote.as_deref(),
        model = batch.lane,
        questions = i64::try_from(batch.lines).unwrap_or(i64::MAX),
        word = Empty,
        note = Empty,
    )
}

/// Adds to the span of the step that is under way what came of it.
pub(super) fn note_of_batch(what: &str, said: &str) {
    Span::current().record(what, said);
}
