//! Configuration, dataset, plugins and the components that come of them.

use std::collections::BTreeSet;

use super::super::args::ProjectArgs;
use super::super::settings::{self, Settings};
use super::Check;
use crate::component::{self, Component};
use crate::dataset::Dataset;
use crate::plugin::{engine, load};

/// Records that are read to see whether they can be.
const SOME: usize = 10_000;

/// Which configuration counts.
pub(super) fn configuration(args: &ProjectArgs, settings: &Settings) -> Check {
    let file = settings::file(args.place.config.as_deref());
    match file {
        Some(file) => {
            let known = settings.config.component.len();
            Check::good(
                "config",
                format!("{}, with {known} [component.NAME]", file.display()),
            )
        }
        None => Check::warning(
            "config",
            "there is no batchgen.toml here or above",
            "`batchgen init DATASET` writes one",
        ),
    }
}

/// Whether the dataset can be read.
pub(super) fn dataset(settings: &Settings) -> Check {
    let path = settings.dataset.path.display();
    let dataset = match Dataset::open(settings.dataset.clone()) {
        Ok(dataset) => dataset,
        Err(error) => return Check::error("dataset", error),
    };
    let mut read = 0;
    for entry in dataset.entries().take(SOME) {
        match entry {
            Ok(_) => read += 1,
            Err(error) => return Check::error("dataset", error),
        }
    }
    let noun = &settings.dataset.records;
    Check::good(
        "dataset",
        if read < SOME {
            format!("{path}: {read} {noun}")
        } else {
            format!("{path}: the first {read} {noun} can be read")
        },
    )
}

/// Loads the plugins; gives the components.
pub(super) fn components(
    settings: &Settings,
    args: &ProjectArgs,
    show: &mut impl FnMut(Check),
) -> Vec<Component> {
    let directory = settings.plugins.display();
    let loaded = engine::engine(&settings.cache)
        .map_err(|error| Check::error("plugins", error))
        .and_then(|engine| {
            load::load_all(&engine, &settings.plugins)
                .map_err(|error| Check::error("plugins", error))
        });
    let (plugins, broken) = match loaded {
        Ok(loaded) => loaded,
        Err(check) => {
            show(check);
            return Vec::new();
        }
    };
    let names: Vec<&str> = plugins
        .iter()
        .map(|plugin| plugin.package.manifest.plugin.name.as_str())
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
            show(if on.is_empty() {
                Check::warning(
                    "components",
                    format!("none is enabled{only_with}"),
                    "run with --all, or name one with --component NAME",
                )
            } else {
                Check::good("components", format!("{on}{only_with}"))
            });
            components
        }
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
