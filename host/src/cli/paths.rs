//! Sees to it that no two tasks write one file, before anything is asked. Most output paths tell records apart whatever their
//! names are; for the others, the index is asked.

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
    let patterns: Vec<(String, String)> = all
        .iter()
        .filter(|one| {
            let others = all.iter().filter(|other| other.name != one.name);
            one.output.may_meet_itself()
                || others
                    .into_iter()
                    .any(|other| one.output.may_meet(&other.output))
        })
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
