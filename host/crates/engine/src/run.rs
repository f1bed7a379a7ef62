//! What a run is told before it begins, and what it tells when it has ended.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;

use super::elsewhere::Elsewhere;
use super::interrupt::Interrupt;
use super::meter::{Meter, Unreadable};
use crate::batches::Batches;
use crate::statistics::{FailureKind, View};
use config::SiteConfig;
use config::component::Component;
use dataset::Dataset;
use gateway::Gateway;
use gateway::error::CallError;
use plugin::pool::Pool;
use store::{IndexedDataset, Lease, Store, StoreError};

/// How many records are in work at once.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// So many, whatever their size: one for each request that may be under way.
    pub at_once: usize,
    /// More, up to so many, as long as they are not large.
    pub most: usize,
}

/// Once the records in work have so much text, bytes, only `at_once` of them are kept in work. In memory, a record takes
/// several times its text.
const TEXT: u64 = 4 << 20;

impl Window {
    /// Whether there is room beside so many records with so much text.
    pub(super) fn has_room(self, records: usize, text: u64) -> bool {
        records < self.at_once.max(1) || records < self.most && text < TEXT
    }
}

/// Everything that a run needs, resolved.
pub struct Run {
    pub dataset: Arc<Dataset>,
    pub indexed: IndexedDataset,
    /// The records that are wanted.
    pub lease: Lease,
    /// The components that are wanted, each behind what it depends on.
    pub components: Vec<Component>,
    /// Where artifacts will be published.
    pub site: SiteConfig,
    pub output_root: PathBuf,
    /// Is told the paths of files that are durable with their checkpoints, if anybody is. While it has no room, the run waits.
    pub written: Option<mpsc::Sender<Vec<String>>>,
    pub store: Store,
    pub gateway: Arc<Gateway<Store>>,
    /// The batches of the run, if any model is asked in batches.
    pub batches: Option<Arc<Batches>>,
    /// Whether it waits for batches; else it ends when everything else has ended.
    pub waits: bool,
    pub pool: Pool,
    /// Other machines that perform records.
    pub elsewhere: Option<Arc<dyn Elsewhere>>,
    pub meter: Arc<Meter>,
    /// Records that are wanted and cannot be read.
    pub unreadable: Unreadable,
    /// Stops the run in order.
    pub interrupt: Interrupt,
    /// Records in work at once.
    pub window: Window,
    /// Whether files that were edited by hand are replaced.
    pub overwrite_edited: bool,
    /// Whether a failed task runs only if a person chose it.
    pub only_chosen: bool,
    /// Whether the offline stand-in may replace what a real model wrote.
    pub stand_in_replaces: bool,
}

/// How a run ended.
#[derive(Debug)]
pub struct RunSummary {
    /// The numbers at its end.
    pub view: View,
    /// What has failed and stayed so, gathered by component and cause.
    pub failures: Vec<FailureKind>,
    /// Why a lane stopped for good, if one did.
    pub stopped: Option<CallError>,
    /// Whether it was interrupted.
    pub interrupted: bool,
    /// Whether it has spent what it may.
    pub budget_reached: bool,
    /// Tasks that wait for a batch.
    pub waiting: u64,
}

/// The run could not go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Files cannot be written any more.
    #[error("{cause}")]
    Output { cause: String },
    /// Files could not be written from the beginning, so nothing was asked.
    #[error("{cause}")]
    Unwritable { cause: String },
    /// A defect of the host.
    #[error(
        "a record's work ended in a panic: {cause}\nhint: this is a defect of batchgen, please report it"
    )]
    Panic { cause: String },
}
