//! `[output] publish`: the files that a person accepted, in a folder of their own.

use super::display::Display;
use super::exit::Failure;
use super::numbers::counted;
use super::project::{Project, State};
use engine::{Published, Publisher};

/// What keeps the folder, if there is to be one.
pub(super) fn publisher(project: &Project, state: &State) -> Option<Publisher> {
    let output = &project.settings.config.output;
    let folder = output.publish.clone()?;
    Some(Publisher::new(
        &state.store,
        &project.dataset,
        &state.indexed,
        project.components.clone(),
        output.directory.clone(),
        folder,
    ))
}

/// Sees to the whole folder, if there is to be one; says whether all of it is as it has to be.
pub(super) fn settle_all(
    project: &Project,
    state: &State,
    display: &Display,
) -> Result<bool, Failure> {
    let Some(publisher) = publisher(project, state) else {
        return Ok(true);
    };
    let published = publisher.settle_all().map_err(Failure::internal)?;
    if published.put + published.withdrawn > 0 {
        let folder = project.settings.config.output.publish.as_ref();
        display.note(&format!(
            "{} put into {}, {} taken away",
            counted(published.put, "accepted file"),
            folder
                .map(|folder| folder.display().to_string())
                .unwrap_or_default(),
            published.withdrawn
        ));
    }
    tell(&published, display);
    Ok(published.failed.is_empty())
}

/// Says what a person should know.
pub(super) fn tell(published: &Published, display: &Display) {
    for problem in published.problems() {
        display.print(&format!("warning: {problem}"));
    }
}
