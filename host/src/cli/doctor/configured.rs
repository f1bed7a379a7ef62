//! Configuration, dataset, plugins and the components that come of them.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

use super::super::args::ProjectArgs;
use super::super::config_file;
use super::super::display::Display;
use super::super::fetched;
use super::super::settings::{self, Settings};
use super::super::trust;
use super::Check;
use config::component::{self, Component};
use config::component_file::FOLDER;
use dataset::{Dataset, DatasetError, Place, Repetition};
use plugin::load;
use plugin::lock::Lock;

/// Faults that are told one by one.
const TOLD: usize = 10;
/// Records that are read to see whether they can be.
const SOME: usize = 10_000;

/// Which configuration counts.
pub(super) fn configuration(args: &ProjectArgs, settings: &Settings) -> Check {
    let file = config_file::find(args.place.config.as_deref());
    match file {
        Some(file) => {
            let components = settings.config.component.values();
            let all = components.len();
            let of_files = components
                .filter(|component| component.origin.is_some())
                .count();
            let mut found = format!(
                "{}, with {} [component.NAME]",
                file.display(),
                all - of_files
            );
            if of_files > 0 {
                let folder = settings.config.folder.join(FOLDER);
                found.push_str(&format!(" and {of_files} in {}", folder.display()));
            }
            Check::good("config", found)
        }
        None => Check::warning(
            "config",
            "there is no batchgen.toml here or above",
            "`batchgen init DATASET` writes one",
        ),
    }
}

/// Whether the command after a run may be started, where there is one.
pub(super) fn hooks(settings: &Settings, show: &mut impl FnMut(Check)) {
    let Some(command) = &settings.config.hooks.after_run else {
        return;
    };
    show(match trust::refused_command(settings) {
        Some(error) => Check::error("trust", error),
        None => Check::good("hooks", format!("`{command}` after a run")),
    });
}

/// Whether what the project chooses outside of its folder may be used: the server of a cluster, folders of prompts, output and state.
pub(super) fn elsewhere(settings: &Settings, show: &mut impl FnMut(Check)) {
    if let Some(error) = trust::refused_elsewhere(settings) {
        show(Check::error("trust", error));
    }
}

/// Whether the dataset can be read; gives id and category of the records that were.
pub(super) fn dataset(settings: &Settings, show: &mut impl FnMut(Check)) -> Vec<(String, String)> {
    if let Some(error) = trust::refused_sources(
        &settings.dataset,
        settings.dataset_is_named,
        settings.file.as_deref(),
    ) {
        show(Check::error("dataset", error));
        return Vec::new();
    }
    let copies = settings::asking(settings.copies());
    let dataset = match Dataset::open_with(settings.dataset.clone(), &copies) {
        Ok(dataset) => dataset,
        Err(error) => {
            show(Check::error("dataset", error));
            return Vec::new();
        }
    };
    let mut read = Vec::new();
    let mut ids: HashMap<String, Place> = HashMap::new();
    let mut bad: Vec<String> = Vec::new();
    let mut joined: Vec<String> = Vec::new();
    let mut categories: HashMap<String, String> = HashMap::new();
    let first_counts = settings.dataset.repeated == Repetition::First;
    let mut entries = dataset.entries();
    let mut looked_at = 0;
    while let Some(entry) = entries.next().filter(|_| looked_at < SOME) {
        looked_at += 1;
        let (place, record) = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let named = entries.id_of_fault().filter(|_| first_counts);
                if named.is_none_or(|named| !ids.contains_key(&named)) {
                    bad.push(error.to_string());
                }
                continue;
            }
        };
        let written = record.written_category().to_owned();
        let first = categories
            .entry(record.category.clone())
            .or_insert_with(|| written.clone());
        if *first != written && joined.len() < TOLD {
            joined.push(format!(
                "{first:?} and {written:?} become one, {}",
                record.category
            ));
        }
        match ids.get(&record.id) {
            None => {
                ids.insert(record.id.clone(), place);
                read.push((record.id, record.category));
            }
            Some(first) if !first_counts => {
                let (file, other) = (dataset.file_of(place), dataset.file_of(*first));
                let other = Some(other).filter(|other| *other != file);
                bad.push(format!(
                    "{}:{}: the id `{}` is taken by {}",
                    file.display(),
                    place.line,
                    record.id,
                    DatasetError::earlier(first.line, other)
                ));
            }
            Some(_) => {}
        }
    }
    show(verdict(settings, read.len(), &bad, &joined));
    read
}

/// What is said of a dataset of which so many records could be read.
fn verdict(settings: &Settings, read: usize, bad: &[String], joined: &[String]) -> Check {
    let path = &settings.dataset;
    let noun = &settings.dataset.records;
    let found = if read + bad.len() < SOME {
        format!("{path}: {read} {noun}")
    } else {
        format!("{path}: {read} of the first {SOME} {noun} can be read")
    };
    let mut told = bad.iter().take(TOLD).cloned().collect::<Vec<_>>();
    if bad.len() > told.len() {
        told.push(format!("and {} more", bad.len() - told.len()));
    }
    if read == 0 {
        return Check::problem("dataset", told.join("\n"), "fix the dataset or [dataset]");
    }
    if !bad.is_empty() {
        let found = format!(
            "{found}; {} cannot be read:\n{}",
            bad.len(),
            told.join("\n")
        );
        return Check::warning("dataset", found, "fix them; the others run");
    }
    if !joined.is_empty() {
        let found = format!("{found}; categories are joined: {}", joined.join("; "));
        return Check::warning(
            "dataset",
            found,
            "rename one of each two, if they are not the same",
        );
    }
    Check::good("dataset", found)
}

/// Loads the plugins; gives the components.
pub(super) fn components(
    settings: &Settings,
    args: &ProjectArgs,
    display: &Display,
    show: &mut impl FnMut(Check),
) -> Vec<Component> {
    let directory = settings.plugins.directory.display();
    let loaded = super::super::settings::engine(&settings.cache)
        .map_err(|failure| Check::error("plugins", failure.error))
        .and_then(|engine| {
            let mut places = settings.plugins.clone();
            places.fetched = fetched(settings, args, display)?;
            load::load_all(&engine, &places).map_err(|error| Check::error("plugins", error))
        });
    let (plugins, broken) = match loaded {
        Ok(loaded) => loaded,
        Err(check) => {
            show(check);
            return Vec::new();
        }
    };
    let names: Vec<String> = plugins
        .iter()
        .map(|plugin| {
            let name = &plugin.package.manifest.plugin.name;
            match plugin.origin.file() {
                Some(_) => name.clone(),
                None => format!("{name} {}", plugin.origin),
            }
        })
        .collect();
    show(Check::good(
        "plugins",
        format!("{directory}: {}", names.join(", ")),
    ));
    for error in broken {
        show(Check::error("plugins", error));
    }
    match component::resolve(&plugins, &settings.config, args.model.name()) {
        Err(error) => {
            show(Check::error("components", error));
            Vec::new()
        }
        Ok(components) => {
            show(enabled(&components));
            components
        }
    }
}

/// The plugins from elsewhere.
fn fetched(
    settings: &Settings,
    args: &ProjectArgs,
    display: &Display,
) -> Result<Vec<PathBuf>, Check> {
    let lock = Lock::read(&settings.lock).map_err(|error| Check::error("plugins", error))?;
    fetched::files(settings.fetching(), lock.as_ref(), args.no_fetch, display)
        .map_err(|failure| Check::error("plugins", failure.error))
}

/// Which components a run makes, and which only when they are asked for.
fn enabled(components: &[Component]) -> Check {
    let names = |enabled: bool| {
        let named = components
            .iter()
            .filter(|component| component.enabled == enabled)
            .map(|component| component.name.as_str());
        named.collect::<Vec<_>>().join(", ")
    };
    let (on, off) = (names(true), names(false));
    let only_with = if off.is_empty() {
        String::new()
    } else {
        format!("; only with --all or --component: {off}")
    };
    if on.is_empty() {
        Check::warning(
            "components",
            format!("none is enabled{only_with}"),
            "run with --all, or name one with --component NAME",
        )
    } else {
        Check::good("components", format!("{on}{only_with}"))
    }
}

/// The models that enabled components use, and those that these fall back to.
pub(super) fn models(settings: &Settings, components: &[Component]) -> Vec<String> {
    let mut models = BTreeSet::new();
    for component in components.iter().filter(|component| component.enabled) {
        let Some(parameters) = &component.parameters else {
            continue;
        };
        models.insert(parameters.model.clone());
        if let Some(model) = settings.config.models.get(&parameters.model) {
            models.extend(model.fallback.iter().cloned());
        }
    }
    models.into_iter().collect()
}
