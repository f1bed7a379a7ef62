//! What a project reads and writes on this machine outside of its own folder: files that did not come with it, and places where other
//! programs may take what it writes for their own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Asked, place};
use crate::cli::real_paths::{lies_in_project, real};
use crate::cli::settings::Settings;
use config::{Config, PromptSource};
use dataset::{DatasetConfig, Paths};

/// Folders outside of the project that the dataset is read from, where nobody has allowed it. `is_named` where the person named its files.
pub(super) fn of_dataset(
    dataset: &DatasetConfig,
    is_named: bool,
    file: Option<&Path>,
) -> Vec<Asked> {
    let main = (!is_named).then(|| files(&dataset.path));
    let looked_up = dataset.lookup.values().map(|lookup| files(&lookup.path));
    let read = main.into_iter().chain(looked_up).flatten();
    let categories = dataset.categories_file.iter().cloned();
    let database = dataset.url.iter().filter_map(|url| url.file());
    let read = read.chain(categories).chain(database.map(Path::to_owned));
    reads("[dataset]", read, file)
}

/// Folders outside of the project that prompts are taken from, where nobody has allowed it.
pub(super) fn of_prompts(config: &Config, file: Option<&Path>) -> Vec<Asked> {
    let mut asked = Vec::new();
    for (name, component) in &config.component {
        let prompts = component
            .prompts
            .values()
            .filter_map(|prompt| match prompt {
                PromptSource::File(file) => Some(file.clone()),
                PromptSource::Inline(_) => None,
            });
        asked.extend(reads(&format!("[component.{name}]"), prompts, file));
    }
    asked
}

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
    let asked = written.filter_map(|(what, folder)| {
        ask(file, "batchgen trusted folder to write 1", what, &folder)
    });
    asked.collect()
}

/// The files that paths name, those of patterns included; none at an address. What is wrong with a path is told by who reads it.
fn files(paths: &Paths) -> Vec<PathBuf> {
    let found = paths.files();
    let found = found.unwrap_or_else(|_| paths.iter().map(Path::to_owned).collect());
    let is_here = |path: &PathBuf| !dataset::is_remote(path) && path != Path::new("-");
    found.into_iter().filter(is_here).collect()
}

fn reads(who: &str, files: impl Iterator<Item = PathBuf>, file: Option<&Path>) -> Vec<Asked> {
    let folders = files.map(|file| {
        let file = real(&file);
        file.parent().unwrap_or(&file).to_owned()
    });
    let folders: BTreeSet<PathBuf> = folders.collect();
    let what = format!("{who} reads files in");
    let asked = folders
        .iter()
        .filter_map(|folder| ask(file, "batchgen trusted folder to read 1", &what, folder));
    asked.collect()
}

/// The question about a folder, where it is not the project's.
fn ask(file: Option<&Path>, kind: &str, what: &str, folder: &Path) -> Option<Asked> {
    let own = file?.parent().unwrap_or(Path::new(""));
    if lies_in_project(folder, own) {
        return None;
    }
    let folder = real(folder).display().to_string();
    Asked::unless_allowed(file, kind, &[&folder], || {
        let place = place(file);
        format!("{place}{what} {folder}, which lies outside of the project")
    })
}
