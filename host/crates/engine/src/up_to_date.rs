//! Records of which nothing changed, told from the index and the checkpoints alone: they are not read, and no
//! task is started for them. Where this is not certain, the record goes the way of all others.

use std::fs;

use super::context::Context;
use super::output::stamp;
use crate::statistics::RecordEnd;
use config::component::Component;
use dataset::Fields;
use plan::decision::TaskEnd;
use plan::decision::{Author, Kept, LastOutcome};
use store::{Checkpoint, RecordRef};

/// Whether every task of the record is done, from what is still the same, with its file in place; then they are
/// counted as kept.
pub(super) fn keep(context: &Context, reference: &RecordRef) -> bool {
    // After an unclean end files are held against their hashes.
    if !context.staleness.rules.clean {
        return false;
    }
    let all = context
        .components
        .iter()
        .all(|component| is_kept(context, reference, component));
    if all {
        for component in context.components.iter() {
            let meter = &context.meter;
            meter.task_ended(&reference.category, &component.name, TaskEnd::Kept);
            let author = checkpoint(reference, &component.name).and_then(|point| point.author);
            meter.file_kept(Kept::UpToDate, author);
            context.repeated.succeeded(&component.name);
        }
        context
            .meter
            .record_ended(&reference.category, RecordEnd::Complete);
    }
    all
}

fn is_kept(context: &Context, reference: &RecordRef, component: &Component) -> bool {
    let Some(point) = checkpoint(reference, &component.name) else {
        return false;
    };
    // What a gate lets pass depends on more than the component.
    if component.gate.is_some() {
        return false;
    }
    let none = Fields::default();
    let category = context.staleness.facts.of_category(&reference.category);
    let upstreams = component
        .depends_on
        .iter()
        .filter_map(|name| checkpoint(reference, name)?.content);
    let overwritten =
        context.staleness.rules.overwrite_edited && point.author == Some(Author::Person);
    point.outcome == LastOutcome::Done
        && !overwritten
        && point.seen == reference.seen
        && point.recipe == context.recipe(component)
        && point
            .parts
            .surrounded_by(&component.recipe, category.unwrap_or(&none), upstreams)
        && in_place(context, point)
}

fn checkpoint<'a>(reference: &'a RecordRef, component: &str) -> Option<&'a Checkpoint> {
    reference
        .checkpoints
        .iter()
        .find(|point| point.component == component)
}

/// Whether the file is the one that was written, by size, time and inode.
fn in_place(context: &Context, point: &Checkpoint) -> bool {
    let file = context.staleness.output_root.join(&point.path);
    fs::metadata(file).is_ok_and(|metadata| point.file == Some(stamp(&metadata)))
}
