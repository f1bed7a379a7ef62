//! How a run ended: for whoever started the program, for those who watch, and for those who trace.

use anyhow::anyhow;
use tracing::Span;
use tracing::field::Empty;

use crate::cli::exit::{Exit, Failure};
use engine::{RunError, RunSummary};
use watch::{About, End, EndKind};

/// What a person does about a run that could not go on.
pub(super) fn cannot_go_on(error: RunError) -> Failure {
    match error {
        RunError::Unwritable { cause } => Failure::usage(anyhow!(
            "{cause}\nhint: nothing was asked; change its permissions or make room, or name another directory with --output \
             DIR or [output]"
        )),
        RunError::Output { .. } | RunError::Store(_) | RunError::Panic { .. } => {
            Failure::internal(error)
        }
    }
}

pub(super) fn exit(summary: &RunSummary) -> Exit {
    match &summary.stopped {
        Some(error) if error.class.stops_lane() => Exit::Provider,
        _ if summary.budget_reached => Exit::Budget,
        _ if summary.interrupted => Exit::Interrupted,
        _ if summary.waiting > 0 => Exit::Waiting,
        _ if summary.view.complete < summary.view.records => Exit::Partial,
        _ if summary.view.unreadable > 0 => Exit::Partial,
        _ => Exit::Done,
    }
}

/// Whether a run has done all that it could, so that nobody goes on with it.
pub(super) fn is_whole(result: &Result<RunSummary, RunError>) -> bool {
    let is_whole = |summary: &RunSummary| {
        !summary.interrupted && !summary.budget_reached && summary.stopped.is_none()
    };
    result.as_ref().is_ok_and(is_whole)
}

/// How a run ended, for those who watch it. One that is frozen was let ask nothing.
pub(super) fn end(result: &Result<RunSummary, RunError>, frozen: bool) -> End {
    let summary = match result {
        Ok(summary) => summary,
        Err(error) => {
            let exit = match error {
                RunError::Unwritable { .. } => Exit::Usage,
                _ => Exit::Internal,
            };
            return End {
                kind: EndKind::Failed,
                exit_code: exit as u8,
                // The hint behind it is for who started the run.
                cause: error.to_string().lines().next().map(str::to_owned),
            };
        }
    };
    let exit = exit(summary);
    End {
        kind: match exit {
            Exit::Done => EndKind::Done,
            Exit::Partial => EndKind::Partial,
            Exit::Budget if frozen => EndKind::Frozen,
            Exit::Budget => EndKind::Budget,
            Exit::Provider => EndKind::Provider,
            Exit::Interrupted => EndKind::Interrupted,
            Exit::Waiting => EndKind::Waiting,
            Exit::Internal | Exit::Usage | Exit::Hook | Exit::Stale => EndKind::Failed,
        },
        exit_code: exit as u8,
        cause: summary.stopped.as_ref().map(ToString::to_string),
    }
}

/// How a run ended whose files are not all where they belong.
pub(super) fn not_stored(failure: &Failure) -> End {
    End {
        kind: EndKind::Failed,
        exit_code: failure.exit as u8,
        // The hint behind it is for who started the run.
        cause: failure.error.to_string().lines().next().map(str::to_owned),
    }
}

/// The span of a run that begins.
pub(super) fn begun(about: &About) -> Span {
    tracing::debug_span!(
        "run",
        project = about.project,
        outcome = Empty,
        exit_code = Empty,
        error.r#type = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// Adds to the span of a run how it ended.
pub(super) fn trace_end(span: &Span, end: &End) {
    span.record("outcome", end.kind.as_str());
    span.record("exit_code", i64::from(end.exit_code));
    if end.kind != EndKind::Done {
        span.record("error.type", end.kind.as_str());
        span.record("otel.status_code", "ERROR");
        span.record("otel.status_description", end.kind.as_str());
    }
}
