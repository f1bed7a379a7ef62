//! Tasks that end without having run: blocked, skipped, held, failed as a whole, or of a record that cannot be read.

use super::{conclude, count, durable};
use crate::context::Context;
use crate::meter::Again;
use crate::pass::{End, Pass};
use crate::task::Task;
use config::component::Component;
use dataset::{Fields, Record, Written};
use plan::decision::{LastOutcome, TaskEnd};
use plan::upstreams::Hold;
use store::{Checkpoint, RecipeId, RecordRef, StoreError};
use types::class::FailureClass;
use types::digest::Digest;

/// Ends a task that failed before and is not tried again, since its component is held: it stays failed, and is not blocked.
pub(super) async fn stays_failed(task: &Task<'_>, class: FailureClass) -> Result<End, StoreError> {
    let Task {
        context,
        component,
        record,
        ..
    } = *task;
    let Some(before) = task.checkpoint else {
        return Ok(End::Final(TaskEnd::Failed));
    };
    let cause = before.cause.as_deref().unwrap_or_default();
    let again = Again::Rerun;
    context
        .meter
        .task_failed(record, &component.name, class, cause, again);
    // A person may have chosen it, or it was begun, so that it is due in the state.
    let point = Checkpoint {
        outcome: LastOutcome::Failed(class),
        parked: false,
        ..before.clone()
    };
    let written = context.workplace.write(None, point, None).await;
    durable(context, written.await);
    Ok(End::Final(TaskEnd::Failed))
}

/// Ends a task within which the host itself failed, or a machine: that costs this task, and nothing else.
pub(super) async fn failed_whole(
    task: &Task<'_>,
    class: FailureClass,
    cause: &str,
) -> Result<End, StoreError> {
    let Task {
        context,
        component,
        record,
        ..
    } = *task;
    let point = lost(
        component,
        record,
        LastOutcome::Failed(class),
        cause.to_owned(),
        false,
        task.checkpoint,
    );
    let written = context.workplace.write(None, point, None).await;
    durable(context, written.await);
    let again = Again::Rerun;
    context
        .meter
        .task_failed(record, &component.name, class, cause, again);
    Ok(End::Final(TaskEnd::Failed))
}

/// Ends a task that cannot begin: blocked, or skipped with its record.
pub(super) async fn not_begun(task: &Task<'_>, hold: &Hold) -> Result<End, StoreError> {
    let (outcome, end, word) = if hold.is_skipped {
        (LastOutcome::Skipped, TaskEnd::Skipped, "skipped because of")
    } else {
        (LastOutcome::Blocked, TaskEnd::Blocked, "blocked by")
    };
    let loss = &hold.loss;
    let point = lost(
        task.component,
        task.record,
        outcome,
        format!("{word} {}", loss.by),
        loss.is_parked,
        task.checkpoint,
    );
    let written = task.context.workplace.write(None, point, None).await;
    durable(task.context, written.await);
    Ok(if loss.is_parked {
        End::Parked
    } else {
        End::Final(end)
    })
}

/// A checkpoint of a task that never ran. What the task was made from before is kept, so that nothing
/// is forgotten.
fn lost(
    component: &Component,
    record: &Record,
    outcome: LastOutcome,
    cause: String,
    parked: bool,
    checkpoint: Option<&Checkpoint>,
) -> Checkpoint {
    Checkpoint {
        record: record.id.clone(),
        component: component.name.clone(),
        outcome,
        cause: Some(cause),
        parked,
        attempts: match outcome {
            LastOutcome::Failed(_) => checkpoint
                .map_or(0, |point| point.attempts)
                .saturating_add(1),
            _ => 0,
        },
        generation: checkpoint.map_or(0, |point| point.generation),
        fingerprint: checkpoint.map_or_else(|| Digest::of(b""), |point| point.fingerprint),
        recipe: checkpoint.map_or(RecipeId::NONE, |point| point.recipe),
        seen: checkpoint.map(|point| point.seen).unwrap_or_default(),
        parts: checkpoint
            .map(|point| point.parts.clone())
            .unwrap_or_default(),
        path: component.output.path(&record.id, &record.category),
        file: None,
        content: None,
        author: None,
        left: None,
        model: None,
        executions: 0,
        calls: 0,
        usage: types::request::Usage::default(),
        worker: None,
    }
    .keep_file(checkpoint)
}

/// A record that cannot be read fails all its components, and no other record.
pub(super) async fn unreadable(
    context: &Context,
    reference: &RecordRef,
    cause: &str,
    pass: Pass,
) -> Result<(), StoreError> {
    let record = Record {
        id: reference.id.clone(),
        name: String::new(),
        category: reference.category.clone(),
        fields: Fields::default(),
        written: Written::default(),
    };
    let mut ends = Vec::new();
    let made = context.components.iter();
    for component in made.filter(|component| context.is_made_for(component, &record.id)) {
        let checkpoint = reference
            .checkpoints
            .iter()
            .find(|point| point.component == component.name);
        let class = FailureClass::Record;
        let outcome = LastOutcome::Failed(class);
        let point = lost(
            component,
            &record,
            outcome,
            cause.to_owned(),
            false,
            checkpoint,
        );
        let written = context.workplace.write(None, point, None).await;
        durable(context, written.await);
        let again = Again::Rerun;
        context
            .meter
            .task_failed(&record, &component.name, class, cause, again);
        let end = End::Final(TaskEnd::Failed);
        count(context, &record, &component.name, pass, end);
        ends.push(end);
    }
    conclude(context, &reference.category, &ends);
    Ok(())
}
