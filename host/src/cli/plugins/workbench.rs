//! One plugin file with what it takes to try it: its components, what they depend on, and records.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::anyhow;
use clap::Args;
use serde_json::Value;

use super::super::config_file;
use super::super::display::Display;
use super::super::exit::Failure;
use super::super::settings;
use super::super::trust;
use super::{Folder, FolderArgs};
use config::component::{self, Component};
use config::{ComponentConfig, Config, InlinePrompt, PromptSource};
use conformance::{self, Recorded, Sample};
use dataset::{self, Dataset, DatasetConfig, Record, Written};
use plugin::load::Plugin;
use plugin::manifest::{Fields, Manifest};

/// Records that are tried where none is named: the first of so many categories.
const CATEGORIES: usize = 4;
/// How far these are looked for.
const ENTRIES: usize = 2_000;
/// The component that a plugin judges which judges others, where the project has none.
const JUDGED: &str = "judged";
/// The record of a project without a dataset.
const INVENTED: &str = "sample";

/// What a plugin is tried with.
#[derive(Debug, Args)]
pub(super) struct WorkbenchArgs {
    /// The plugin
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
    /// This record (repeatable); the first one of each of four categories otherwise, and an invented one where
    /// there is no dataset
    #[arg(long, value_name = "ID")]
    pub record: Vec<String>,
    /// Dataset: .yaml, .json, .jsonl or .csv
    #[arg(
        long,
        value_name = "FILE",
        env = "BATCHGEN_DATA",
        hide_env_values = true
    )]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub folder: FolderArgs,
}

/// A record with the fields of its category.
type Tried = (Record, dataset::Fields);

/// A plugin, ready to be tried.
pub(super) struct Workbench {
    pub config: Config,
    /// Its components, as the configuration has them.
    pub components: Vec<Component>,
    /// All that these may depend on, and themselves.
    pub others: Vec<Component>,
    /// What it is tried on.
    pub records: Vec<Tried>,
}

impl Workbench {
    /// Makes everything ready for a plugin. `model` is what its components ask.
    pub fn new(
        args: &WorkbenchArgs,
        plugin: Plugin,
        model: Option<&str>,
        display: &Display,
    ) -> Result<Workbench, Failure> {
        let mut config =
            config_file::read(args.folder.config.as_deref()).map_err(Failure::usage)?;
        if let Some(plugins) = &args.folder.plugins {
            config.plugins.directory = Some(plugins.clone());
        }
        let manifest = &plugin.package.manifest;
        let name = manifest.plugin.name.clone();
        let mut own = config.clone();
        own.component
            .retain(|component, settings| *settings.plugin.as_ref().unwrap_or(component) == name);
        if own.component.is_empty() && manifest.component.configured {
            let mut component = invented_component(manifest);
            if manifest.output.verdict {
                component.depends_on = Some(vec![JUDGED.to_owned()]);
                own.component.insert(JUDGED.to_owned(), invented_text());
            }
            own.component.insert(name.clone(), component);
        }
        let depends = manifest.component.depends_on.len();
        let more = own
            .component
            .values()
            .filter_map(|settings| settings.depends_on.as_ref());
        let depends = depends + more.map(Vec::len).sum::<usize>();
        let plugin = Arc::new(plugin);
        let others = if depends == 0 {
            component::resolve(&[Arc::clone(&plugin)], &own, model)
        } else {
            let plugins = beside(&plugin, &config, args, display)?;
            let mut all = config.clone();
            all.component.extend(own.component);
            component::resolve(&plugins, &all, model)
        }
        .map_err(Failure::usage)?;
        let components = others
            .iter()
            .filter(|component| component.plugin.digest == plugin.digest)
            .cloned()
            .collect();
        let records = records(args, &config, &plugin.package.manifest)?;
        Ok(Workbench {
            config,
            components,
            others,
            records,
        })
    }
}

impl Workbench {
    /// The inputs that a component is tried with. `recorded` answers what it depends on.
    pub fn samples(
        &self,
        component: &Component,
        recorded: &Recorded,
    ) -> Result<Vec<Sample>, Failure> {
        let samples = self.records.iter().map(|(record, category)| {
            let site = &self.config.site;
            conformance::sample(component, &self.others, site, record, category, recorded)
        });
        samples.collect::<Result<_, _>>().map_err(Failure::usage)
    }
}

/// The plugins of the folder, with this one in the place of the one of its name.
fn beside(
    plugin: &Arc<Plugin>,
    config: &Config,
    args: &WorkbenchArgs,
    display: &Display,
) -> Result<Vec<Arc<Plugin>>, Failure> {
    let folder = Folder::open(&args.folder, display)?;
    if let Some(lock) = &folder.lock {
        let concerned = settings::of_project(&folder.plugins, config);
        lock.enforce(&folder.lock_file, &folder.places.directory, &concerned)
            .map_err(Failure::usage)?;
    }
    let mut plugins = folder.plugins;
    let name = |plugin: &Plugin| plugin.package.manifest.plugin.name.clone();
    plugins.retain(|other| name(other) != name(plugin));
    plugins.push(Arc::clone(plugin));
    Ok(plugins)
}

/// A component of a plugin that makes none by itself.
fn invented_component(manifest: &Manifest) -> ComponentConfig {
    let prompt = || {
        PromptSource::Inline(InlinePrompt {
            text: "Write two sentences about the record.".to_owned(),
        })
    };
    ComponentConfig {
        prompts: manifest
            .prompts
            .keys()
            .map(|name| (name.clone(), prompt()))
            .collect(),
        ..ComponentConfig::default()
    }
}

/// A text for a plugin that judges others.
fn invented_text() -> ComponentConfig {
    let text = "Write two sentences about the record.".to_owned();
    let prompt = PromptSource::Inline(InlinePrompt { text });
    ComponentConfig {
        plugin: Some("prompt".to_owned()),
        prompts: [("write".to_owned(), prompt)].into_iter().collect(),
        ..ComponentConfig::default()
    }
}

fn records(
    args: &WorkbenchArgs,
    config: &Config,
    manifest: &Manifest,
) -> Result<Vec<Tried>, Failure> {
    let dataset = match (&config.dataset, &args.data) {
        (Some(dataset), Some(path)) => DatasetConfig {
            path: path.into(),
            format: None,
            url: None,
            sql: None,
            ..dataset.clone()
        },
        (None, Some(path)) => DatasetConfig::new(path),
        (Some(dataset), None) => dataset.clone(),
        (None, None) if args.record.is_empty() => return Ok(vec![invented_record(manifest)]),
        (None, None) => {
            return Err(Failure::usage(anyhow!(
                "there is no dataset to find a record in\nhint: name one with --data FILE"
            )));
        }
    };
    let file = config_file::find(args.folder.config.as_deref());
    if let Some(error) = trust::refused_sources(&dataset, args.data.is_some(), file.as_deref()) {
        return Err(Failure::usage(error));
    }
    let copies = settings::copies_beside(config);
    let dataset = Dataset::open_with(dataset, &copies).map_err(Failure::usage)?;
    let mut found = Vec::new();
    let mut categories = BTreeSet::new();
    let mut fault = None;
    for (place, entry) in dataset.entries().enumerate() {
        if args.record.is_empty() && (place >= ENTRIES || found.len() >= CATEGORIES) {
            break;
        }
        let record = match entry {
            Ok((_, record)) => record,
            Err(error) => {
                fault = fault.or(Some(error));
                continue;
            }
        };
        let wanted = if args.record.is_empty() {
            categories.insert(record.category.clone())
        } else {
            args.record.contains(&record.id)
        };
        if wanted {
            let category = dataset.category_fields(&record.category);
            let category = category.cloned().unwrap_or_default();
            found.push((record, category));
        }
    }
    if let Some(fault) = fault.filter(|_| found.is_empty() && args.record.is_empty()) {
        return Err(Failure::usage(fault));
    }
    let missing = args
        .record
        .iter()
        .find(|id| !found.iter().any(|(record, _)| record.id == **id));
    match missing {
        Some(id) => Err(no_record(id, &dataset.label())),
        None => Ok(found),
    }
}

fn no_record(id: &str, dataset: &Path) -> Failure {
    Failure::usage(anyhow!(
        "there is no record `{id}` in {}\nhint: ids are those of the dataset",
        dataset.display()
    ))
}

/// A record that has every field which the manifest names.
fn invented_record(manifest: &Manifest) -> Tried {
    let fields = |wanted: &Fields| match wanted {
        Fields::Named(names) => names
            .iter()
            .map(|name| (name.clone(), Value::from(format!("The {name} of a sample"))))
            .collect(),
        Fields::All(_) => [("description".to_owned(), Value::from("A sample"))]
            .into_iter()
            .collect(),
    };
    let record = Record {
        id: INVENTED.to_owned(),
        name: "Sample".to_owned(),
        category: "samples".to_owned(),
        fields: fields(&manifest.input.record),
        written: Written::default(),
    };
    (record, fields(&manifest.input.category))
}
