//! A worker: it joins the run that it hears of, takes leases, performs their records, and hands in what comes of them. What it was
//! answered lies on its own disk until the coordinator has it on its own.

mod hub;
mod leases;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::bundle::{self, Bundle, BundleError};
use crate::bus::{Heard, WorkerBus};
use crate::wire::{Beat, Down, Up, Welcome, decode};
use engine::{Interrupt, Seat, SeatParts};
use gateway::lane::Observer;
use gateway::remote::Coordinator;
use gateway::{Chain, Gateway};
use plugin::engine::Engine;
use plugin::pool::Pool;
use store::Store;

use hub::{Hub, News};

/// A coordinator that was asked to let a worker in has so long to answer.
const WELCOME: Duration = Duration::from_secs(10);
/// A refusal that may pass, and a bundle that is not there yet, are tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// Tries to get a bundle.
const TRIES: u32 = 10;
/// A coordinator that is silent for so long is gone, as far as anybody knows.
const SILENCE: Duration = Duration::from_secs(5);
/// A goodbye takes no longer.
const GOODBYE: Duration = Duration::from_secs(2);

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

/// What a worker is started with.
pub struct Settings {
    /// Its name, which no other worker of a run has.
    pub name: String,
    /// Records in work at once.
    pub slots: usize,
    /// Where answers lie until the coordinator has them.
    pub spool: PathBuf,
    /// Version and digest of the program.
    pub build: String,
    /// Compiles and runs plugins.
    pub engine: Engine,
    /// Its threads.
    pub pool: Pool,
    /// Makes lanes.
    pub chains: Box<MakeChains>,
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

/// How a part of a run ended for a worker.
enum End {
    /// The run has ended, or goes on with another bundle.
    Run,
    /// The worker leaves.
    Left,
}

/// Works for one run after the other, until `drain` is true and what is in work has ended.
///
/// # Errors
/// When it is refused, or cannot work on this machine.
pub async fn work(
    bus: Arc<dyn WorkerBus>,
    settings: &Settings,
    mut drain: watch::Receiver<bool>,
    tell: &(dyn Fn(Event) + Send + Sync),
) -> Result<(), WorkerError> {
    let (beat, mut beats) = watch::channel(None);
    let (message, mut messages) = mpsc::unbounded_channel();
    let mut hearing = JoinSet::new();
    hearing.spawn(hear(Arc::clone(&bus), beat, message));
    let mut over: Option<(String, u64)> = None;
    loop {
        tell(Event::Waits);
        let next = async {
            loop {
                let heard: Option<(Beat, Instant)> = beats.borrow_and_update().clone();
                if let Some((beat, at)) = heard
                    && at.elapsed() < SILENCE
                    && over.as_ref() != Some(&(beat.run.clone(), beat.epoch))
                {
                    return Ok::<Beat, WorkerError>(beat);
                }
                beats.changed().await.map_err(|_| WorkerError::Closed)?;
            }
        };
        let beat = tokio::select! {
            beat = next => beat?,
            _ = drain.wait_for(|drain| *drain) => return Ok(()),
        };
        let part = Part {
            bus: &bus,
            settings,
            tell,
        };
        let end = part
            .of(&beat, &mut beats, &mut messages, &mut drain)
            .await?;
        match end {
            (End::Left, _) => return Ok(()),
            (End::Run, epoch) => over = Some((beat.run, epoch)),
        }
    }
}

async fn hear(
    bus: Arc<dyn WorkerBus>,
    beats: watch::Sender<Option<(Beat, Instant)>>,
    messages: mpsc::UnboundedSender<bytes::Bytes>,
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

/// One run, as a worker has part in it.
struct Part<'a> {
    bus: &'a Arc<dyn WorkerBus>,
    settings: &'a Settings,
    tell: &'a (dyn Fn(Event) + Send + Sync),
}

impl Part<'_> {
    /// Works for a run until it has ended; gives the epoch that it ended in.
    async fn of(
        &self,
        beat: &Beat,
        beats: &mut watch::Receiver<Option<(Beat, Instant)>>,
        messages: &mut mpsc::UnboundedReceiver<bytes::Bytes>,
        drain: &mut watch::Receiver<bool>,
    ) -> Result<(End, u64), WorkerError> {
        let Settings { name, .. } = self.settings;
        if beat.build != self.settings.build {
            return Err(WorkerError::Refused {
                why: format!(
                    "this worker is batchgen {}, and the run {} is coordinated by batchgen {}: run the same program on both",
                    self.settings.build, beat.run, beat.build
                ),
            });
        }
        if let Err(error) = self.bus.listen(&beat.run, name).await {
            tracing::warn!("cannot listen to the run {}: {error}", beat.run);
            sleep(AGAIN).await;
            return Ok((End::Run, 0));
        }
        while messages.try_recv().is_ok() {}
        let (news, mut heard) = mpsc::unbounded_channel();
        let hub = Hub::start(
            Arc::clone(self.bus),
            beat.clone(),
            name,
            &self.settings.build,
            self.settings.slots,
            news,
        );
        let welcome = loop {
            let hears = async {
                loop {
                    tokio::select! {
                        bytes = messages.recv() => match bytes {
                            Some(bytes) => hub.take(&bytes),
                            None => return Err(WorkerError::Closed),
                        },
                        news = heard.recv() => match news {
                            Some(News::Welcome(welcome)) => return Ok(Some(welcome)),
                            Some(News::Refused(why)) => return Err(WorkerError::Refused { why }),
                            Some(_) => {}
                            None => return Err(WorkerError::Closed),
                        },
                    }
                }
            };
            match timeout(WELCOME, hears).await {
                Ok(Ok(Some(welcome))) => break welcome,
                Ok(Ok(None)) => {}
                Ok(Err(error)) => return Err(error),
                // It has gone meanwhile.
                Err(_) => return Ok((End::Run, 0)),
            }
        };
        let bundle = self.bundle(&beat.run, &welcome).await?;
        let spool = self.open_spool(&beat.run)?;
        let interrupt = Interrupt::default();
        let observer = Arc::clone(&hub) as Arc<dyn Observer>;
        let coordinator = Arc::clone(&hub) as Arc<dyn Coordinator>;
        let chains = (self.settings.chains)(
            &bundle,
            &spool,
            Arc::clone(&observer),
            Arc::clone(&coordinator),
            &interrupt,
        );
        let chains = chains.map_err(|cause| WorkerError::Models { cause })?;
        let gateway = Gateway::new(spool.clone(), chains, observer).with_coordinator(coordinator);
        let seat = Arc::new(Seat::new(SeatParts {
            components: bundle.components.into(),
            site: bundle.site,
            spool: spool.clone(),
            gateway: Arc::new(gateway),
            pool: self.settings.pool.clone(),
            interrupt: interrupt.clone(),
            terms: welcome.terms,
            slots: self.settings.slots,
        }));
        for held in &welcome.held {
            seat.hold(&held.component, held.class, &held.cause);
        }
        (self.tell)(Event::Joined {
            run: beat.run.clone(),
        });
        let kept = hub
            .hand_in_from(&spool)
            .map_err(|error| self.spool_error(&error))?;
        if kept > 0 {
            (self.tell)(Event::Spooled { answers: kept });
        }
        let work = leases::Work::new(
            Arc::clone(self.bus),
            beat.run.clone(),
            Arc::clone(&hub),
            seat,
            self.settings.slots,
        );
        let ack_wait = Duration::from_millis(welcome.ack_wait_millis);
        let mut tasks = JoinSet::new();
        tasks.spawn(leases::take(Arc::clone(&work)));
        tasks.spawn(leases::keep(Arc::clone(&work), ack_wait));
        tasks.spawn(hub::hand_in(Arc::clone(&hub), spool.clone(), ack_wait));
        let end = loop {
            let is_over = work.is_over();
            tokio::select! {
                bytes = messages.recv() => match bytes {
                    Some(bytes) => hub.take(&bytes),
                    None => return Err(WorkerError::Closed),
                },
                news = heard.recv() => match news {
                    Some(News::Ended) | None => break End::Run,
                    Some(News::Stop) => {
                        interrupt.throw();
                        work.stop();
                    }
                    Some(News::Hold(held)) => work.hold(&held),
                    // It has started again, or had lost this worker.
                    Some(News::Welcome(again)) if again.bundle == welcome.bundle => {
                        hub.hand_in_from(&spool).map_err(|error| self.spool_error(&error))?;
                    }
                    Some(News::Welcome(_)) => break End::Run,
                    Some(News::Refused(why)) => return Err(WorkerError::Refused { why }),
                    Some(News::There(is_there)) => {
                        (self.tell)(Event::Coordinator { is_there });
                        // Nobody gives what it waits for; what it was answered stays in the spool.
                        if !is_there && work.drains() {
                            break End::Left;
                        }
                    }
                    Some(News::Failed(cause)) => {
                        return Err(WorkerError::Spool {
                            spool: self.settings.spool.clone(),
                            cause,
                        });
                    }
                },
                changed = beats.changed() => {
                    changed.map_err(|_| WorkerError::Closed)?;
                    let heard = beats.borrow_and_update().clone();
                    if let Some((beat, _)) = heard {
                        hub.beat(&beat);
                    }
                }
                _ = drain.wait_for(|drain| *drain), if !work.drains() => {
                    (self.tell)(Event::Drains { records: work.records() });
                    work.drain();
                    if !hub.is_there() {
                        break End::Left;
                    }
                }
                () = is_over => break End::Left,
            }
        };
        interrupt.throw();
        hub.push(&Up::Leave);
        let _ = timeout(GOODBYE, hub.is_flushed()).await;
        drop(tasks);
        hub.close();
        (self.tell)(Event::Ended {
            run: beat.run.clone(),
            records: work.performed(),
        });
        Ok((end, hub.epoch()))
    }

    async fn bundle(&self, run: &str, welcome: &Welcome) -> Result<Bundle, WorkerError> {
        let name = welcome.bundle.to_string();
        let mut tries = 0;
        let bytes = loop {
            tries += 1;
            match self.bus.bundle(run, &name).await {
                Ok(bytes) => break bytes,
                Err(error) if tries < TRIES => {
                    tracing::debug!("the bundle is not there yet: {error}");
                    sleep(AGAIN).await;
                }
                Err(error) => {
                    return Err(BundleError::Damaged {
                        cause: error.to_string(),
                    }
                    .into());
                }
            }
        };
        if types::digest::Digest::of(&bytes) != welcome.bundle {
            let cause = "its hash is another one than the coordinator's".to_owned();
            return Err(BundleError::Damaged { cause }.into());
        }
        let (engine, folder) = (
            self.settings.engine.clone(),
            self.settings.spool.join("plugins"),
        );
        let unpacked =
            tokio::task::spawn_blocking(move || bundle::unpack(&bytes, &engine, &folder)).await;
        let unpacked = unpacked.map_err(|error| BundleError::Damaged {
            cause: error.to_string(),
        })?;
        Ok(unpacked?)
    }

    fn folder(&self, run: &str) -> PathBuf {
        // A name comes from the bus, so it must not lead elsewhere.
        let safe = run
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-');
        self.settings.spool.join(safe.collect::<String>())
    }

    fn open_spool(&self, run: &str) -> Result<Store, WorkerError> {
        let folder = self.folder(run);
        let failed = |cause: String| WorkerError::Spool {
            spool: folder.clone(),
            cause,
        };
        fs::create_dir_all(&folder).map_err(|error| failed(error.to_string()))?;
        Store::open(Path::new(&folder.join("spool.db"))).map_err(|error| failed(error.to_string()))
    }

    fn spool_error(&self, error: &store::StoreError) -> WorkerError {
        WorkerError::Spool {
            spool: self.settings.spool.clone(),
            cause: error.to_string(),
        }
    }
}

impl News {
    /// What a message of the coordinator means for the worker as a whole.
    fn of(message: Down) -> Option<News> {
        match message {
            Down::Welcome(welcome) => Some(News::Welcome(welcome)),
            Down::Refused(why) => Some(News::Refused(why)),
            Down::Hold(held) => Some(News::Hold(held)),
            Down::Stop => Some(News::Stop),
            Down::Ended => Some(News::Ended),
            Down::Have { .. }
            | Down::Go { .. }
            | Down::Granted { .. }
            | Down::Denied { .. }
            | Down::Settled { .. }
            | Down::Committed { .. } => None,
        }
    }
}
