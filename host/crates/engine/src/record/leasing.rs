//! A record that is performed on another machine: it is leased with all that its tasks are made from, and what came of it is written
//! down as if it had been performed here. Where a record needs more than that, it is performed here.

use std::sync::Arc;

use super::{conclude, count, durable};
use crate::context::Context;
use crate::elsewhere::Elsewhere;
use crate::leased::{LeasedFile, LeasedRecord, WholeRecord};
use crate::pass::{End, Pass};
use config::component::Component;
use dataset::Record;
use plan::decision::{FileState, TaskEnd};
use plan::verdict::Verdict;
use store::{RecordRef, StoreError, TaskId};

/// A record that needs what only this machine has.
pub(super) enum Leasing {
    Leased(Box<LeasedRecord>),
    /// It has to be performed here.
    Here,
}

/// Makes the lease of a record.
pub(super) fn lease(
    context: &Context,
    reference: &RecordRef,
    record: &Record,
    (place, pass): (u64, Pass),
    verdicts: &[Verdict],
) -> Result<Leasing, StoreError> {
    let shows = |component: &Component| !component.input.images.is_empty();
    // Pictures lie on the machine of the dataset.
    if pass == Pass::Batch || context.components.iter().any(shows) || !context.is_writable() {
        return Ok(Leasing::Here);
    }
    let staleness = &context.staleness;
    let mut files = Vec::new();
    let mut transcripts = Vec::new();
    let made = context.components.iter();
    for component in made.filter(|component| context.is_made_for(component, &record.id)) {
        let checkpoint = reference
            .checkpoints
            .iter()
            .find(|point| point.component == component.name);
        let path = component.output.path(&record.id, &record.category);
        let found = staleness.on_disk(&path, (&record.id, &component.name), checkpoint);
        let is_moved = checkpoint
            .is_some_and(|point| found.state == FileState::Missing && point.path != path)
            && checkpoint.is_some_and(|point| staleness.elsewhere(point, &path).is_some());
        if is_moved || found.obstacle.is_some() {
            return Ok(Leasing::Here);
        }
        let mut others = context.components.iter();
        let is_read = others.any(|other| other.depends_on.contains(&component.name));
        let may_be_half_written = found.state == FileState::Edited && !staleness.rules.clean;
        let text = (found.content.is_some() && (is_read || may_be_half_written))
            .then(|| staleness.text(&path).ok())
            .flatten();
        let file = LeasedFile { path, found, text };
        if !file.is_missing() {
            files.push(file);
        }
        if let Some(point) = checkpoint.filter(|_| component.parameters.is_some()) {
            let task = TaskId {
                dataset: context.indexed.id,
                record: record.id.clone(),
                component: component.name.clone(),
            };
            let told = context
                .store
                .transcript(&task, point.fingerprint, point.generation)?;
            if !told.is_empty() {
                let made_from = (point.fingerprint, point.generation);
                transcripts.push((component.name.clone(), made_from, told));
            }
        }
    }
    let category = staleness.facts.of_category(&record.category);
    Ok(Leasing::Leased(Box::new(LeasedRecord {
        pass,
        place,
        seen: reference.seen,
        record: WholeRecord::of(record),
        category: category.map(dataset::Fields::to_json),
        checkpoints: reference.checkpoints.clone(),
        files,
        transcripts,
        verdicts: verdicts.to_vec(),
    })))
}

/// Has a record performed elsewhere, and writes down what came of it.
pub(super) async fn perform(
    context: &Arc<Context>,
    elsewhere: &dyn Elsewhere,
    leased: LeasedRecord,
    record: &Record,
    pass: Pass,
) -> Result<(), StoreError> {
    let Some(performed) = elsewhere.perform(leased).await else {
        return Ok(());
    };
    let read = |path: &str| context.staleness.read(path);
    let written =
        context
            .workplace
            .write_down(&record.id, (performed.worker, performed.notes), read);
    let (written, spent_all) = written.await?;
    for report in performed.reports {
        context.hear(record, report);
    }
    let mut lost = Vec::new();
    for (component, receiver) in written {
        if !durable(context, receiver.await) {
            lost.push(component);
        }
    }
    let mut ends = Vec::with_capacity(performed.ends.len());
    for (component, end) in context.components.iter().zip(performed.ends) {
        let end = match end {
            End::Made { .. } if lost.contains(&component.name) => End::Final(TaskEnd::Failed),
            end => end,
        };
        if matches!(
            end,
            End::Made { .. } | End::Final(TaskEnd::Kept | TaskEnd::Edited)
        ) {
            context.repeated.succeeded(&component.name);
        }
        count(context, record, &component.name, pass, end);
        ends.push(end);
    }
    conclude(context, &record.category, &ends);
    if spent_all {
        context.spent_all();
    }
    Ok(())
}
