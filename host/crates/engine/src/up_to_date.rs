//! Records of which nothing changed, told from the index, the checkpoints and the verdicts alone: they are not read, and no
//! task is started for them. Where this is not certain, the record goes the way of all others.

use std::fs;

use super::context::Context;
use super::output::stamp;
use crate::statistics::RecordEnd;
use config::component::{Component, GateRules};
use dataset::Fields;
use plan::decision::TaskEnd;
use plan::decision::{Author, Kept, LastOutcome};
use plan::verdict::{Giver, Verdict};
use store::{Checkpoint, RecordRef};

/// Whether every task that the record has is done, from what is still the same, with its file in place; then they are
/// counted as kept.
pub(super) fn keep(context: &Context, reference: &RecordRef) -> bool {
    // After an unclean end files are held against their hashes.
    if !context.staleness.rules.clean {
        return false;
    }
    let made = context.components.iter();
    let made = made.filter(|component| context.is_made_for(component, &reference.id));
    let all = made
        .clone()
        .all(|component| is_kept(context, reference, component))
        && gates_are_open(context, reference);
    if all {
        for component in made {
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

/// Whether every gate of the record lets its file pass by what was said of it before. The tasks of judges are among those that are
/// kept, so what a judge said counts if its own task said it last.
fn gates_are_open(context: &Context, reference: &RecordRef) -> bool {
    let mut gated = context
        .components
        .iter()
        .filter(|one| one.gate.is_some() && context.is_made_for(one, &reference.id));
    if gated.clone().next().is_none() {
        return true;
    }
    let Ok(verdicts) = context.verdicts(&reference.id) else {
        return false;
    };
    gated.all(|component| is_open(reference, component, &verdicts))
}

fn is_open(reference: &RecordRef, component: &Component, verdicts: &[Verdict]) -> bool {
    let content = checkpoint(reference, &component.name).and_then(|point| point.content);
    let (Some(gate), Some(content)) = (&component.gate, content) else {
        return false;
    };
    let looks_around = component.rules.as_ref().is_some_and(GateRules::look_around);
    if looks_around || gate.shut(verdicts, &component.name, content).is_some() {
        return false;
    }
    let of_this = || {
        let of_this = verdicts.iter().rev();
        of_this.filter(|one| one.component == component.name && one.content == content)
    };
    let by = |giver: Giver| of_this().filter(move |one| one.giver == giver);
    let ruled = gate.rules.is_none() || by(Giver::Rules).any(|one| one.basis == gate.rules);
    let judged = gate.judge.as_deref().is_none_or(|judge| {
        let said = by(Giver::Judge).find(|one| one.name == judge);
        let task = checkpoint(reference, judge).map(|point| point.fingerprint);
        said.is_some_and(|verdict| verdict.basis == task)
    });
    let is_decided = by(Giver::Person).next().is_some();
    is_decided || ruled && judged
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
