//! One run, as a worker has part in it: it joins, gets what it needs of the project, works, and leaves.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::hub::{self, Hub, News};
use super::leases::{self, Work};
use super::{AGAIN, Ears, Event, Settings, WorkerError};
use crate::bundle::{self, Bundle, BundleError};
use crate::bus::WorkerBus;
use crate::wire::{Beat, Down, Welcome};
use engine::{Interrupt, Seat, SeatParts};
use gateway::Gateway;
use gateway::lane::Observer;
use gateway::remote::Coordinator;
use store::{Store, StoreError};
use types::digest::Digest;

/// How long a worker waits to be let in.
const WELCOME: Duration = Duration::from_secs(10);
/// Tries to get a bundle, before the coordinator is asked again which one it is.
const TRIES: u32 = 10;
/// How long a worker waits for the coordinator to confirm that it has left.
const GOODBYE: Duration = Duration::from_secs(2);

/// How a part of a run ended for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The run has ended.
    Run {
        /// Of its last coordinator.
        epoch: u64,
    },
    /// The run could not be joined, goes on with another bundle, or nothing is left of it: it is joined anew if it is heard of.
    Lost,
    /// The worker leaves.
    Left,
}

/// One run, as a worker has part in it.
pub(super) struct Part<'a> {
    pub bus: &'a Arc<dyn WorkerBus>,
    pub settings: &'a Settings,
    pub tell: &'a (dyn Fn(Event) + Send + Sync),
}

impl Part<'_> {
    /// Works for a run until it has ended.
    pub async fn of(&self, beat: &Beat, ears: &mut Ears) -> Result<End, WorkerError> {
        let Settings { name, build, .. } = self.settings;
        if beat.build != *build {
            return Err(WorkerError::Refused {
                why: format!(
                    "this worker is batchgen {build}, and the run {} is coordinated by batchgen {}: run the same program on both",
                    beat.run, beat.build
                ),
            });
        }
        if let Err(error) = self.bus.listen(&beat.run, name).await {
            tracing::warn!("cannot listen to the run {}: {error}", beat.run);
            return Ok(End::Lost);
        }
        while ears.messages.try_recv().is_ok() {}
        let folder = self.folder(&beat.run);
        let spool = self.open_spool(&folder)?;
        let mut spooled = HashSet::new();
        let kept = spool.spooled(|answer| {
            spooled.insert(answer.key);
        });
        kept.map_err(|error| self.spool_error(&error))?;
        let (news, mut heard) = unbounded_channel();
        let hub = Hub::start(
            Arc::clone(self.bus),
            beat.clone(),
            self.settings,
            spooled,
            news,
        );
        let mut drain = ears.drain.clone();
        let joined = tokio::select! {
            joined = self.joins(beat, &hub, ears, &mut heard) => Some(joined),
            // Nothing is in work yet.
            _ = drain.wait_for(|drain| *drain) => None,
        };
        let ended = match joined {
            None => Ok(End::Left),
            Some(Ok(Some((welcome, bundle)))) => {
                let spool = spool.clone();
                self.works(beat, welcome, bundle, spool, &hub, ears, &mut heard)
                    .await
            }
            Some(Ok(None)) => Ok(End::Lost),
            Some(Err(error)) => Err(error),
        };
        hub.close();
        if ended.is_ok() {
            close(spool, &folder);
        }
        ended
    }

    /// Waits until the coordinator lets this worker in, and gets the bundle of the run; `None` if it has gone meanwhile.
    async fn joins(
        &self,
        beat: &Beat,
        hub: &Hub,
        ears: &mut Ears,
        heard: &mut UnboundedReceiver<News>,
    ) -> Result<Option<(Welcome, Bundle)>, WorkerError> {
        let welcome = async {
            loop {
                tokio::select! {
                    bytes = ears.messages.recv() => match bytes {
                        Some(bytes) => hub.take(&bytes),
                        None => return Err(WorkerError::Closed),
                    },
                    news = heard.recv() => match news {
                        Some(News::Welcome(welcome)) => return Ok(*welcome),
                        Some(News::Refused(why)) => return Err(WorkerError::Refused { why }),
                        Some(_) => {}
                        None => return Err(WorkerError::Closed),
                    },
                }
            }
        };
        let Ok(welcome) = timeout(WELCOME, welcome).await else {
            return Ok(None);
        };
        let welcome = welcome?;
        let bundle = self.bundle(&beat.run, welcome.bundle).await?;
        Ok(bundle.map(|bundle| (welcome, bundle)))
    }

    /// The bundle of this hash; `None` if the bus does not have it.
    async fn bundle(&self, run: &str, digest: Digest) -> Result<Option<Bundle>, WorkerError> {
        let mut tries = 0;
        let bytes = loop {
            tries += 1;
            match self.bus.bundle(run, &digest.to_string()).await {
                Ok(bytes) => break bytes,
                Err(error) if tries < TRIES => {
                    tracing::debug!("the bundle is not there yet: {error}");
                    sleep(AGAIN).await;
                }
                Err(error) => {
                    tracing::warn!("the bundle of the run {run} cannot be had: {error}");
                    return Ok(None);
                }
            }
        };
        let damaged = |cause: String| WorkerError::Bundle(BundleError::Damaged { cause });
        if Digest::of(&bytes) != digest {
            let cause = "its hash is another one than the coordinator's";
            return Err(damaged(cause.to_owned()));
        }
        let engine = self.settings.engine.clone();
        let folder = self.settings.spool.join("plugins");
        let unpack = move || bundle::unpack(&bytes, &engine, &folder);
        let unpacked = tokio::task::spawn_blocking(unpack).await;
        Ok(Some(unpacked.map_err(|error| damaged(error.to_string()))??))
    }

    /// What the records of a run are performed with.
    fn seat(
        &self,
        run: &str,
        welcome: &Welcome,
        bundle: Bundle,
        spool: &Store,
        hub: &Arc<Hub>,
        interrupt: &Interrupt,
    ) -> Result<Seat, WorkerError> {
        let observer = Arc::clone(hub) as Arc<dyn Observer>;
        let coordinator = Arc::clone(hub) as Arc<dyn Coordinator>;
        let chains = (self.settings.chains)(
            &bundle,
            spool,
            Arc::clone(&observer),
            Arc::clone(&coordinator),
            interrupt,
        );
        let chains = chains.map_err(|cause| WorkerError::Models { cause })?;
        let gateway = Gateway::new(spool.clone(), chains, observer).with_coordinator(coordinator);
        let seat = Seat::new(SeatParts {
            components: bundle.components.into(),
            site: bundle.site,
            spool: spool.clone(),
            gateway: Arc::new(gateway),
            pool: self.settings.pool.clone(),
            interrupt: interrupt.clone(),
            span: (self.settings.span)(run, welcome.trace.as_deref()),
            terms: welcome.terms.clone(),
            slots: self.settings.slots,
        });
        for held in &welcome.held {
            seat.hold(&held.component, held.class, &held.cause);
        }
        Ok(seat)
    }

    /// Performs records until the run has ended, or the worker leaves.
    #[expect(clippy::too_many_arguments, reason = "what a run is joined with")]
    async fn works(
        &self,
        beat: &Beat,
        welcome: Welcome,
        bundle: Bundle,
        spool: Store,
        hub: &Arc<Hub>,
        ears: &mut Ears,
        heard: &mut UnboundedReceiver<News>,
    ) -> Result<End, WorkerError> {
        let interrupt = Interrupt::default();
        let seat = Arc::new(self.seat(&beat.run, &welcome, bundle, &spool, hub, &interrupt)?);
        (self.tell)(Event::Joined {
            run: beat.run.clone(),
        });
        let answers = hub.hand_in_from(&spool);
        let answers = answers.map_err(|error| self.spool_error(&error))?;
        if answers > 0 {
            (self.tell)(Event::Spooled { answers });
        }
        hub.is_let_in();
        let bus = Arc::clone(self.bus);
        let slots = self.settings.slots;
        let work = Work::new(bus, beat.run.clone(), Arc::clone(hub), seat, slots);
        let ack_wait = Duration::from_millis(welcome.ack_wait_millis);
        let mut tasks = JoinSet::new();
        tasks.spawn(leases::take(Arc::clone(&work)));
        tasks.spawn(leases::keep(Arc::clone(&work), ack_wait));
        tasks.spawn(hub::hand_in(Arc::clone(hub), spool.clone(), ack_wait));
        let joined = Joined {
            part: self,
            bundle: welcome.bundle,
            spool,
            hub,
            work,
            interrupt,
        };
        let ended = joined.until_end(ears, heard).await;
        joined.interrupt.throw();
        tasks.shutdown().await;
        // What was not performed goes back before the coordinator hears that the worker has gone.
        joined.work.shutdown().await;
        joined.says_goodbye(ears).await;
        if let Err(error) = hub.discards(&joined.spool).await {
            tracing::debug!("what the coordinator has stays in the spool: {error}");
        }
        (self.tell)(Event::Ended {
            run: beat.run.clone(),
            records: joined.work.performed(),
        });
        ended
    }

    /// Where the answers of a run lie.
    fn folder(&self, run: &str) -> PathBuf {
        // A name comes from the bus, so it must not lead elsewhere.
        let safe = run
            .chars()
            .filter(|letter| letter.is_ascii_alphanumeric() || *letter == '-');
        self.settings.spool.join(safe.collect::<String>())
    }

    fn open_spool(&self, folder: &Path) -> Result<Store, WorkerError> {
        let failed = |cause: String| WorkerError::Spool {
            spool: folder.to_owned(),
            cause,
        };
        fs::create_dir_all(folder).map_err(|error| failed(error.to_string()))?;
        (self.settings.open)(&folder.join("spool.db")).map_err(|error| {
            // What follows is for who names a state.
            let text = error.to_string();
            failed(text.lines().next().unwrap_or_default().to_owned())
        })
    }

    fn spool_error(&self, error: &StoreError) -> WorkerError {
        WorkerError::Spool {
            spool: self.settings.spool.clone(),
            cause: error.to_string(),
        }
    }
}

/// Closes a spool, and removes its folder where nothing lies in it any more.
fn close(spool: Store, folder: &Path) {
    let mut left = 0;
    let is_empty = spool.spooled(|_| left += 1).is_ok() && left == 0;
    drop(spool);
    if is_empty && let Err(error) = fs::remove_dir_all(folder) {
        tracing::debug!("{} stays: {error}", folder.display());
    }
}

/// A run that a worker works for.
struct Joined<'a> {
    part: &'a Part<'a>,
    /// Hash of the bundle.
    bundle: Digest,
    spool: Store,
    hub: &'a Arc<Hub>,
    work: Arc<Work>,
    interrupt: Interrupt,
}

impl Joined<'_> {
    async fn until_end(
        &self,
        ears: &mut Ears,
        heard: &mut UnboundedReceiver<News>,
    ) -> Result<End, WorkerError> {
        // How the part ends once nothing is in work any more.
        let mut end = Ok(End::Left);
        loop {
            tokio::select! {
                bytes = ears.messages.recv() => match bytes {
                    Some(bytes) => self.hub.take(&bytes),
                    None => return Err(WorkerError::Closed),
                },
                news = heard.recv() => {
                    let Some(news) = news else {
                        return Err(WorkerError::Closed);
                    };
                    if self.hears(news, &mut end)? {
                        return end;
                    }
                }
                changed = ears.beats.changed() => {
                    changed.map_err(|_| WorkerError::Closed)?;
                    let heard = ears.beats.borrow_and_update().clone();
                    if let Some((beat, _)) = heard {
                        self.hub.beat(&beat);
                    }
                }
                _ = ears.drain.wait_for(|drain| *drain), if !self.work.drains() => {
                    let records = self.work.records();
                    (self.part.tell)(Event::Drains { records });
                    self.work.drain();
                    if !self.hub.is_there() {
                        return Ok(End::Left);
                    }
                }
                () = self.work.is_over() => return end,
            }
        }
    }

    /// Does what news ask for; whether the part has ended by that.
    fn hears(&self, news: News, end: &mut Result<End, WorkerError>) -> Result<bool, WorkerError> {
        match news {
            News::Ended => {
                let epoch = self.hub.epoch();
                if end.is_ok() {
                    *end = Ok(End::Run { epoch });
                }
                return Ok(true);
            }
            // The run may be announced again, with the same name and epoch.
            News::Gone => {
                if end.is_ok() {
                    *end = Ok(End::Lost);
                }
                self.interrupt.throw();
                self.work.drain();
            }
            News::Stop => {
                self.interrupt.throw();
                self.work.stop();
            }
            News::Hold(held) => self.work.hold(&held),
            // The coordinator has started again, or had given this worker up.
            News::Welcome(again) => {
                // The records in work were begun with another bundle, or are being stopped: they are given up. Answers under way go to the
                // spool.
                if again.bundle != self.bundle || self.interrupt.is_thrown() {
                    if end.is_ok() {
                        *end = Ok(End::Lost);
                    }
                    self.interrupt.throw();
                    self.work.drain();
                }
                let handed = self.hub.hand_in_from(&self.spool);
                handed.map_err(|error| self.part.spool_error(&error))?;
                self.hub.is_let_in();
            }
            News::Refused(why) => return Err(WorkerError::Refused { why }),
            News::There(is_there) => {
                (self.part.tell)(Event::Coordinator { is_there });
                // Without a coordinator nothing can be confirmed. The spool keeps the answers.
                return Ok(!is_there && self.work.drains());
            }
            // Calls under way are paid for: their answers are handed in, and nothing new begins.
            News::Failed(cause) => {
                if end.is_ok() {
                    *end = Err(WorkerError::Spool {
                        spool: self.part.settings.spool.clone(),
                        cause,
                    });
                    let records = self.work.records();
                    (self.part.tell)(Event::Drains { records });
                    self.interrupt.throw();
                    self.work.drain();
                }
            }
        }
        Ok(false)
    }

    /// Tells the coordinator that it leaves.
    async fn says_goodbye(&self, ears: &mut Ears) {
        self.hub.leave();
        let gone = async {
            loop {
                tokio::select! {
                    bytes = ears.messages.recv() => match bytes {
                        Some(bytes) => self.hub.take(&bytes),
                        None => return,
                    },
                    () = self.hub.is_gone() => return,
                }
            }
        };
        let _ = timeout(GOODBYE, gone).await;
    }
}

impl News {
    /// What a message of the coordinator means for the worker as a whole.
    pub fn of(message: Down) -> Option<News> {
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
            | Down::Elsewhere { .. }
            | Down::Settled { .. }
            | Down::Committed { .. } => None,
        }
    }
}
