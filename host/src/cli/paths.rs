//! Sees to it that no two tasks write one file, before anything is asked. Most output paths tell records apart whatever their
//! names are; for the others, the index is asked.

use std::collections::HashMap;

use anyhow::anyhow;

use super::exit::Failure;
use super::project::{Project, State};
use config::component::Component;
use store::Writer;

/// Refuses a project in which two of these tasks, or one of these and one that runs by default, would write one file.
pub(super) fn check(project: &Project, state: &State, wanted: &[Component]) -> Result<(), Failure> {
    let is_wanted = |name: &str| wanted.iter().any(|component| component.name == name);
    let all: Vec<&Component> = project
        .components
        .iter()
        .filter(|component| component.enabled || is_wanted(&component.name))
        .collect();
    let patterns: Vec<(String, String)> = doubtful(&all)
        .map(|component| (component.name.clone(), component.output.pattern()))
        .collect();
    let found = state
        .store
        .writers_of_one_path(&state.indexed, &patterns)
        .map_err(Failure::internal)?;
    let path = |writer: &Writer| {
        let mut components = all.iter();
        let component = components.find(|component| component.name == writer.component)?;
        Some(component.output.path(&writer.record, &writer.category))
    };
    for writers in found {
        let [first, others @ ..] = writers.as_slice() else {
            continue;
        };
        let other = others.iter().find(|other| path(other) == path(first));
        if let (Some(other), Some(path)) = (other, path(first))
            && (is_wanted(&first.component) || is_wanted(&other.component))
        {
            return Err(refusal(&path, first, other));
        }
    }
    Ok(())
}

/// Components whose pattern alone does not say that every file of theirs has one task.
fn doubtful<'a>(all: &'a [&'a Component]) -> impl Iterator<Item = &'a Component> {
    all.iter().copied().filter(|one| {
        let mut others = all.iter().filter(|other| other.name != one.name);
        one.output.may_meet_itself() || others.any(|other| one.output.may_meet(&other.output))
    })
}

/// The same of records that are in no index yet, each an id and a category: why the components that run by default cannot run.
pub(super) fn check_records(
    components: &[Component],
    records: &[(String, String)],
) -> Result<(), Failure> {
    let all: Vec<&Component> = components
        .iter()
        .filter(|component| component.enabled)
        .collect();
    let doubtful: Vec<&Component> = doubtful(&all).collect();
    let mut writers: HashMap<String, Writer> = HashMap::new();
    for (record, category) in records {
        for component in &doubtful {
            let path = component.output.path(record, category);
            let writer = Writer {
                component: component.name.clone(),
                record: record.clone(),
                category: category.clone(),
            };
            if let Some(first) = writers.insert(path.clone(), writer.clone()) {
                return Err(refusal(&path, &first, &writer));
            }
        }
    }
    Ok(())
}

fn refusal(path: &str, one: &Writer, other: &Writer) -> Failure {
    let named = |writer: &Writer| {
        format!(
            "`{}` of the record `{}` in the category `{}`",
            writer.component, writer.record, writer.category
        )
    };
    Failure::usage(anyhow!(
        "two tasks would write the file {path}: {} and {}\nhint: nothing was asked; change the output path in batchgen.toml so that \
         {{component}}, {{category}} and {{id}} stand between slashes, as in \"{{component}}/{{category}}/{{id}}.{{extension}}\"",
        named(one),
        named(other)
    ))
}
