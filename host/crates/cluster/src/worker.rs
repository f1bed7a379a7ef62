//! A worker: it joins the run that it hears of, takes leases, performs their records, and hands in what comes of them. What it was
//! answered lies on its own disk until the coordinator has it on its own.

mod hub;
mod leases;
mod part;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::Span;

use crate::bundle::{Bundle, BundleError};
use crate::bus::{Heard, WorkerBus};
use crate::wire::{Beat, decode};
use engine::Interrupt;
use gateway::Chain;
use gateway::lane::Observer;
use gateway::remote::Coordinator;
use plugin::engine::Engine;
use plugin::pool::Pool;
use store::{Store, StoreError};

use part::{End, Part};

/// How long a worker waits before it tries again to join a run or to get its bundle.
const AGAIN: Duration = Duration::from_secs(1);
/// A run that was not announced for so long is not joined.
const SILENCE: Duration = Duration::from_secs(5);

/// Makes the lanes of a bundle's models, with the keys of this machine.
pub type MakeChains = dyn Fn(
        &Bundle,
        &Store,
        Arc<dyn Observer>,
        Arc<dyn Coordinator>,
        &Interrupt,
    ) -> Result<BTreeMap<String, Chain>, String>
    + Send
    + Sync;

/// Begins the span of a worker's part in a run, which has this name and, where it has one, this span.
pub type BeginSpan = dyn Fn(&str, Option<&str>) -> Span + Send + Sync;

/// What a worker is started with.
pub struct Settings {
    /// Its name, which no other worker of a run has.
    pub name: String,
    /// Records in work at once.
    pub slots: usize,
    /// Where answers lie until the coordinator has them.
    pub spool: PathBuf,
    /// Opens a spool.
    pub open: fn(&Path) -> Result<Store, StoreError>,
    /// Version and digest of the program.
    pub build: String,
    /// Compiles and runs plugins.
    pub engine: Engine,
    /// Its threads.
    pub pool: Pool,
    /// Makes lanes.
    pub chains: Box<MakeChains>,
    /// Makes spans.
    pub span: Box<BeginSpan>,
}

/// What a worker tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It looks for a run.
    Waits,
    /// It works for a run.
    Joined {
        /// Name of the run.
        run: String,
    },
    /// The coordinator is not heard of, or again.
    Coordinator {
        /// Whether it is heard of.
        is_there: bool,
    },
    /// So many answers of an earlier life are handed in.
    Spooled {
        /// Answers.
        answers: usize,
    },
    /// The run has ended.
    Ended {
        /// Name of the run.
        run: String,
        /// Records that this worker performed.
        records: u64,
    },
    /// It takes no more leases.
    Drains {
        /// Records in work.
        records: usize,
    },
}

/// A worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The coordinator does not take it.
    #[error("{why}")]
    Refused {
        /// Why.
        why: String,
    },
    /// The bundle cannot be used.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The models cannot be asked from here.
    #[error("{cause}")]
    Models {
        /// Why.
        cause: String,
    },
    /// Answers cannot be kept.
    #[error("the spool {spool}: {cause}")]
    Spool {
        /// Its folder.
        spool: PathBuf,
        /// Why.
        cause: String,
    },
    /// The bus is closed.
    #[error("the connection to the NATS server is closed")]
    Closed,
}

/// Works for one run after the other, until `drain` is true and what is in work has ended.
///
/// # Errors
/// When it is refused, or cannot work on this machine.
pub fn work<'a>(
    bus: Arc<dyn WorkerBus>,
    settings: &'a Settings,
    drain: watch::Receiver<bool>,
    tell: &'a (dyn Fn(Event) + Send + Sync),
) -> BoxFuture<'a, Result<(), WorkerError>> {
    // In a box, so that the compiler builds it here.
    Box::pin(runs(bus, settings, drain, tell))
}

async fn runs(
    bus: Arc<dyn WorkerBus>,
    settings: &Settings,
    drain: watch::Receiver<bool>,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), WorkerError> {
    let (beat, beats) = watch::channel(None);
    let (message, messages) = mpsc::unbounded_channel();
    let mut hearing = JoinSet::new();
    hearing.spawn(hear(Arc::clone(&bus), beat, message));
    let mut ears = Ears {
        beats,
        messages,
        drain,
    };
    let part = Part {
        bus: &bus,
        settings,
        tell,
    };
    let mut over: Option<(String, u64)> = None;
    loop {
        tell(Event::Waits);
        let Some(beat) = ears.next_run(over.as_ref()).await? else {
            return Ok(());
        };
        match part.of(&beat, &mut ears).await? {
            End::Left => return Ok(()),
            End::Lost => sleep(AGAIN).await,
            End::Run { epoch } => over = Some((beat.run, epoch)),
        }
    }
}

/// The channels on which a worker hears beats, messages and the order to leave.
struct Ears {
    /// The last beat of a run, and when it was heard.
    beats: watch::Receiver<Option<(Beat, Instant)>>,
    messages: mpsc::UnboundedReceiver<Bytes>,
    /// Whether it is to leave.
    drain: watch::Receiver<bool>,
}

impl Ears {
    /// Waits for a run that is there, other than one that is over; `None` if the worker is to leave.
    async fn next_run(
        &mut self,
        over: Option<&(String, u64)>,
    ) -> Result<Option<Beat>, WorkerError> {
        let beats = &mut self.beats;
        let next = async {
            loop {
                let heard: Option<(Beat, Instant)> = beats.borrow_and_update().clone();
                if let Some((beat, at)) = heard
                    && at.elapsed() < SILENCE
                    && over.is_none_or(|(run, epoch)| *run != beat.run || *epoch != beat.epoch)
                {
                    return Ok(Some(beat));
                }
                beats.changed().await.map_err(|_| WorkerError::Closed)?;
            }
        };
        tokio::select! {
            beat = next => beat,
            _ = self.drain.wait_for(|drain| *drain) => Ok(None),
        }
    }
}

async fn hear(
    bus: Arc<dyn WorkerBus>,
    beats: watch::Sender<Option<(Beat, Instant)>>,
    messages: mpsc::UnboundedSender<Bytes>,
) {
    while let Some(heard) = bus.hear().await {
        match heard {
            Heard::Beat(bytes) => match decode::<Beat>(&bytes) {
                Ok(beat) => {
                    beats.send_replace(Some((beat, Instant::now())));
                }
                Err(error) => tracing::debug!("{error}"),
            },
            Heard::Message(bytes) => {
                if messages.send(bytes).is_err() {
                    return;
                }
            }
        }
    }
}
