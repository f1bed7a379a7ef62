//! The state of a project with its dataset in the index, and the records that a subcommand wants of it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;

use super::Project;
use crate::cli::args::{FailureArgs, SelectionArgs};
use crate::cli::exit::Failure;
use crate::cli::real_paths::real_path;
use crate::cli::selector;
use config::component::Component;
use dataset::{DatasetConfig, safe_id};
use engine::{Overwriting, Previewer, sample_bounds};
use store::{FailureFilter, IndexError, IndexedDataset, Lease, Selection, Store};
use types::suggest::closest;

/// Records that are read at once.
const IDS: u64 = 1000;

/// Records that are wanted.
#[derive(Default)]
pub(in crate::cli) struct Chosen {
    /// Only these categories, unless there is none.
    categories: Vec<String>,
    /// Only these; `None` for all.
    records: Option<BTreeSet<String>>,
}

impl Chosen {
    /// Whether all records are.
    pub fn is_whole(&self) -> bool {
        self.categories.is_empty() && self.records.is_none()
    }

    /// Whether none is named, and none looked up.
    pub fn names_none(&self) -> bool {
        self.records.is_none()
    }

    /// Whether this one is.
    pub fn has(&self, id: &str, category: &str) -> bool {
        let is_named = self.records.as_ref().is_none_or(|ids| ids.contains(id));
        let mut categories = self.categories.iter();
        is_named && (self.categories.is_empty() || categories.any(|one| one == category))
    }
}

/// The project's state, with its dataset in the index.
pub(in crate::cli) struct State {
    pub store: Store,
    pub indexed: IndexedDataset,
}

impl State {
    /// Opens the state, takes its lock and brings the index up to date.
    pub async fn open(project: &Project) -> Result<State, Failure> {
        let file = &project.settings.config.state.file;
        let store = Store::open(file).map_err(Failure::internal)?;
        let source = source_name(file, project.dataset.config());
        let indexed = store
            .index(&source, Arc::clone(&project.dataset))
            .await
            .map_err(|error| match error {
                IndexError::Dataset(error) => Failure::usage(error),
                IndexError::Store(error) => Failure::internal(error),
            })?;
        Ok(State { store, indexed })
    }

    /// The same with these records in the index of comparisons, so that what is done has nothing to do with the project's tasks but the
    /// answers.
    pub async fn open_to_compare(project: &Project, records: &Selection) -> Result<State, Failure> {
        let mut state = State::open(project).await?;
        let lease = state.select(records)?;
        let totals = state.store.totals(&lease).map_err(Failure::internal)?;
        if records.with.is_some() && totals.is_empty() {
            return Err(Failure::usage(anyhow!(
                "no record has a task in such a state\nhint: `batchgen status` shows how tasks stand"
            )));
        }
        let compared = state.store.index_compared(&state.indexed, &lease).await;
        state.indexed = compared.map_err(Failure::internal)?;
        Ok(state)
    }

    /// Opens the state to read it, without its lock: the index is as the last run left it.
    pub fn read(project: &Project) -> Result<State, Failure> {
        let file = &project.settings.config.state.file;
        let store = Store::open_reading(file).map_err(Failure::internal)?;
        let source = source_name(file, project.dataset.config());
        let indexed = store.indexed(&source).map_err(Failure::internal)?;
        let indexed = indexed.ok_or_else(|| {
            Failure::usage(anyhow!(
                "the state {} knows nothing of this dataset yet\nhint: `batchgen run` makes its first artifacts",
                file.display()
            ))
        })?;
        Ok(State { store, indexed })
    }

    /// The records of a selection, for what reads the dataset itself.
    pub fn chosen(&self, selection: Selection) -> Result<Chosen, Failure> {
        let lease = self.select(&selection)?;
        let records = match (&selection.with, selection.records.as_slice()) {
            (None, []) => None,
            (None, records) => Some(records.iter().cloned().collect()),
            (Some(_), _) => Some(self.ids(lease)?),
        };
        Ok(Chosen {
            categories: selection.categories,
            records,
        })
    }

    fn ids(&self, mut lease: Lease) -> Result<BTreeSet<String>, Failure> {
        let mut ids = BTreeSet::new();
        loop {
            let records = self.store.lease(&mut lease, IDS);
            let records = records.map_err(Failure::internal)?;
            if records.is_empty() {
                return Ok(ids);
            }
            ids.extend(records.into_iter().map(|record| record.id));
        }
    }

    /// Whether nothing limits the selection to fewer records than there are: then those that cannot be read are wanted, too.
    pub fn reaches_all(&self, args: &SelectionArgs, lease: &Lease) -> Result<bool, Failure> {
        if !args.record.is_empty() || !selector::states(&args.component).is_empty() {
            return Ok(false);
        }
        let Some(most) = args.limit.into_iter().chain(args.sample).min() else {
            return Ok(true);
        };
        let totals = self.store.totals(lease).map_err(Failure::internal)?;
        let found: u64 = totals.iter().map(|(_, count)| count).sum();
        Ok(found < most)
    }

    /// The failed tasks that are chosen. One whose record is not in the sample of its component is none.
    pub fn filter(
        &self,
        chosen: &FailureArgs,
        project: &Project,
        components: Vec<String>,
    ) -> Result<FailureFilter, Failure> {
        let samples = sample_bounds(&project.components, &self.store, self.indexed.id);
        Ok(FailureFilter {
            samples: samples.map_err(Failure::internal)?,
            ..chosen.filter(components)
        })
    }

    /// Looks at what a run would do with these components.
    pub fn previewer(
        &self,
        project: &Project,
        components: &[Component],
        overwriting: Overwriting,
    ) -> Result<Previewer, Failure> {
        let config = &project.settings.config;
        Previewer::new(
            &self.store,
            Arc::clone(&project.dataset),
            &self.indexed,
            components,
            config.site.clone(),
            config.output.directory.clone(),
            overwriting,
        )
        .map_err(Failure::internal)
    }

    /// The records that are wanted. Names that are not in the dataset are errors, with what was probably meant.
    pub fn select(&self, selection: &Selection) -> Result<Lease, Failure> {
        let State { store, indexed } = self;
        let (categories, records) = store
            .unknown(indexed, selection)
            .map_err(Failure::internal)?;
        for (what, unknown, of_categories) in [
            ("category", categories.first(), true),
            ("record", records.first(), false),
        ] {
            let Some(name) = unknown else { continue };
            if !of_categories
                && let Some(bad) = store.bad_record(indexed, name).map_err(Failure::internal)?
            {
                return Err(Failure::usage(anyhow!(
                    "the record `{name}` cannot be read: {}",
                    bad.cause
                )));
            }
            let names = store
                .names(indexed, of_categories, 10_000)
                .map_err(Failure::internal)?;
            // An id as the dataset has it, where it is used as a file name.
            let safe = names.iter().find(|known| **known == safe_id(name));
            let near = || closest(name, names.iter().map(String::as_str));
            let hint = match safe.map(String::as_str).or_else(near) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if of_categories => format!("the categories are: {}", names.join(", ")),
                None => match names.first() {
                    Some(first) => format!("ids are those of the dataset, as `{first}`"),
                    None => "the dataset has no record".to_owned(),
                },
            };
            return Err(Failure::usage(anyhow!(
                "there is no {what} `{name}` in the dataset\nhint: {hint}"
            )));
        }
        store.select(indexed, selection).map_err(Failure::internal)
    }
}

/// Name that the state knows the dataset by: its paths from the state's directory, so that a project can
/// be moved as a whole and entered from anywhere.
fn source_name(state: &Path, config: &DatasetConfig) -> String {
    if let Some(url) = &config.url {
        return match url.file() {
            Some(file) => path_from(state, file),
            None => url.to_string(),
        };
    }
    let paths = config.path.iter().map(|path| {
        if path == Path::new("-") {
            "-".to_owned()
        } else if dataset::is_remote(path) {
            dataset::shown(path).display().to_string()
        } else {
            path_from(state, path)
        }
    });
    paths.collect::<Vec<_>>().join(", ")
}

fn path_from(state: &Path, dataset: &Path) -> String {
    let (state, dataset) = (real_path(state), real_path(dataset));
    let base: Vec<_> = state
        .parent()
        .map(|parent| parent.components().collect())
        .unwrap_or_default();
    let path: Vec<_> = dataset.components().collect();
    let shared = base.iter().zip(&path).take_while(|(a, b)| a == b).count();
    let up = base.iter().skip(shared).map(|_| "..".to_owned());
    let down = path
        .iter()
        .skip(shared)
        .map(|part| part.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}
