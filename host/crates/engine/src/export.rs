//! The files of every record, read record by record in the order of the dataset. It changes nothing.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::artifact;
use super::sampled::Samples;
use super::staleness::StalenessCheck;
use config::component::Component;
use dataset::{Dataset, DatasetError, Record, Repetition};
use plan::verdict::{Giver, Verdict};
use store::{IndexedDataset, Store, StoreError};
use types::digest::Digest;

/// One record with what was made of it.
#[derive(Debug)]
pub struct ExportRow<'a> {
    pub record: &'a Record,
    /// The text of each component's file, in the order of the components; `None` where there is none, or only
    /// one from before the task failed, or from when the record was in the sample of the component.
    pub texts: Vec<Option<String>>,
    /// How many components are not made for the record, since it is not in their sample.
    pub not_sampled: u64,
    /// How many files are there and left out, since they are held, or nobody accepted them.
    pub held_back: u64,
}

impl ExportRow<'_> {
    /// Whether every file is there that is made for the record.
    pub fn is_complete(&self) -> bool {
        let missing = self.texts.iter().filter(|text| text.is_none());
        missing.count() as u64 == self.not_sampled
    }
}

/// The same as JSON, where the component's files can be read as such.
pub fn as_json(text: &str, component: &Component) -> Option<Value> {
    artifact::as_json(text, component.media_type)
}

/// The rows could not all be given.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// None of the records can be read.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The state cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A row could not be taken.
    #[error("{0}")]
    Row(E),
}

/// Which files are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichFiles {
    All,
    /// Those that no gate holds.
    NotHeld,
    /// Those that a person accepted, as they are now.
    Accepted,
}

/// Where the files are, and which are wanted.
pub struct ExportSource<'a> {
    pub dataset: &'a Arc<Dataset>,
    pub indexed: &'a IndexedDataset,
    pub store: Store,
    pub output_root: PathBuf,
    pub components: &'a [Component],
    pub which: WhichFiles,
}

/// Gives every record that `wanted` wants to `take`, with its files; tells how many cannot be read.
///
/// # Errors
/// A dataset without any record that can be read, a state that cannot be read, or an error of `take`.
pub fn export<E>(
    source: ExportSource<'_>,
    wanted: impl Fn(&Record) -> bool,
    mut take: impl FnMut(&ExportRow<'_>) -> Result<(), E>,
) -> Result<u64, ExportError<E>> {
    let ExportSource {
        dataset,
        indexed,
        store,
        output_root,
        components,
        which,
    } = source;
    let samples = Samples::of(components, &store, indexed.id)?;
    let staleness = StalenessCheck::of_reader(dataset, indexed, store, output_root);
    let is_judged = match which {
        WhichFiles::All => false,
        WhichFiles::NotHeld => components.iter().any(|component| component.gate.is_some()),
        WhichFiles::Accepted => true,
    };
    let is_as_indexed = staleness.store.is_as_indexed(indexed, dataset)?;
    let (mut found, mut unreadable) = (false, 0);
    let mut entries = dataset.entries();
    while let Some(entry) = entries.next() {
        let (place, record) = match entry {
            Ok(entry) => entry,
            Err(error @ DatasetError::Empty { .. }) => return Err(error.into()),
            Err(_) => {
                let first_counts = dataset.config().repeated == Repetition::First;
                let named = entries.id_of_fault().filter(|_| first_counts);
                let is_variant = match named {
                    Some(named) => staleness.store.place_of(indexed, &named)?.is_some(),
                    None => false,
                };
                unreadable += u64::from(!is_variant);
                continue;
            }
        };
        found = true;
        // One whose id an earlier record has is not in the index.
        let is_other = || -> Result<bool, StoreError> {
            let known = staleness.store.place_of(indexed, &record.id)?;
            Ok(known.is_some_and(|known| known != place))
        };
        if !wanted(&record) || is_as_indexed && is_other()? {
            continue;
        }
        let points = staleness.store.checkpoints(indexed.id, &record.id)?;
        let verdicts = if is_judged {
            staleness.store.verdicts(indexed.id, &record.id)?
        } else {
            Vec::new()
        };
        let (mut held_back, mut not_sampled) = (0, 0);
        let texts = components
            .iter()
            .map(|component| {
                if !samples.include(&component.name, &record.id) {
                    not_sampled += 1;
                    return None;
                }
                let points = points.iter();
                let point = points
                    .clone()
                    .find(|point| point.component == component.name);
                let path = component.output.path(&record.id, &record.category);
                let content = staleness.usable(&path, (&record.id, &component.name), point)?;
                // A verdict goes with the file that it is about.
                let decided = match &component.judges {
                    Some(judged) if which == WhichFiles::Accepted => {
                        let mut points = points.clone();
                        let point = points.find(|point| point.component == *judged);
                        (judged.as_str(), point.and_then(|point| point.content)?)
                    }
                    _ => (component.name.as_str(), content),
                };
                if is_kept_back(component, decided, &verdicts, which) {
                    held_back += 1;
                    return None;
                }
                store::read_output_text(&staleness.output_root.join(path)).ok()
            })
            .collect();
        take(&ExportRow {
            record: &record,
            texts,
            not_sampled,
            held_back,
        })
        .map_err(ExportError::Row)?;
    }
    match dataset.entries().next() {
        Some(Err(error)) if !found => Err(error.into()),
        _ => Ok(unreadable),
    }
}

/// Whether a file is kept back: by its gate, or since only what persons accepted is wanted.
fn is_kept_back(
    component: &Component,
    (decided, content): (&str, Digest),
    verdicts: &[Verdict],
    which: WhichFiles,
) -> bool {
    let last = verdicts.iter().rev().find(|verdict| {
        verdict.giver == Giver::Person && verdict.component == decided && verdict.content == content
    });
    match which {
        WhichFiles::All => false,
        WhichFiles::Accepted => !last.is_some_and(|verdict| verdict.passes),
        WhichFiles::NotHeld => {
            let gate = component.gate.as_ref();
            gate.is_some_and(|gate| gate.holds(verdicts, &component.name, content).is_some())
        }
    }
}
