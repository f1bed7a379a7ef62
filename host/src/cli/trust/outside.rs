//! What a project writes on this machine outside of its own folder: at places where other programs may take it for their own. What it
//! reads there goes nowhere that nobody has allowed, so that nobody is asked about it.

use std::path::Path;

use super::{Asked, place};
use crate::cli::real_paths::{lies_in_project, real};
use crate::cli::settings::Settings;

/// Folders outside of the project that it writes to, where nobody has allowed it.
pub(super) fn written(settings: &Settings) -> Vec<Asked> {
    let output = &settings.config.output;
    let is_own = settings.output_is_named || settings.storage.is_some();
    let directory = (!is_own).then(|| ("[output] writes files to", output.directory.clone()));
    let publish = output.publish.clone();
    let publish = publish.map(|folder| ("[output] copies accepted files to", folder));
    let state = settings.config.state.file.parent().map(Path::to_owned);
    let state = state.filter(|_| !settings.state_is_named);
    let state = state.map(|folder| ("[state] writes its files to", folder));
    let written = directory.into_iter().chain(publish).chain(state);
    let file = settings.file.as_deref();
    let asked = written.filter_map(|(what, folder)| ask(file, what, &folder));
    asked.collect()
}

/// The question about a folder, where it is not the project's.
fn ask(file: Option<&Path>, what: &str, folder: &Path) -> Option<Asked> {
    let own = file?.parent().unwrap_or(Path::new(""));
    if lies_in_project(folder, own) {
        return None;
    }
    let folder = real(folder).display().to_string();
    Asked::unless_allowed(
        file,
        "batchgen trusted folder to write 1",
        &[&folder],
        || {
            let place = place(file);
            format!("{place}{what} {folder}, which lies outside of the project")
        },
    )
}
