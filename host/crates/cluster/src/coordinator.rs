//! The coordinator of a run on several machines: it leases records, answers what workers ask, and keeps what they hand in. It is the
//! [`Elsewhere`] of the engine. What it decides by is in memory only: a coordinator that starts again hears from its workers what they
//! have in work, and everything else is in the state.

mod asks;
mod leases;
mod results;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::bus::{BusError, CoordinatorBus};
use crate::link::{Link, Piece};
use crate::wire::{Beat, Down, Frame, Held, ToWorker, Up, Welcome, decode, encode};
use engine::{Elsewhere, LeasedRecord, Meter, Performing, Terms};
use gateway::Gateway;
use gateway::remote::OwnAdmission;
use store::{Claim, Store};
use types::class::FailureClass;
use types::digest::Digest;

use leases::Leases;

/// A run says so often that it is there.
const BEAT: Duration = Duration::from_millis(500);
/// Messages wait so long for others that they can go with.
const GATHER: Duration = Duration::from_millis(1);
/// So often it is looked after those that were not heard of.
const TICK: Duration = Duration::from_millis(250);
/// A coordinator that starts again lets nobody ask a new question for so long: first it hears who is asking what.
const HEARS_FIRST: Duration = Duration::from_secs(3);
/// A goodbye takes no longer.
const GOODBYE: Duration = Duration::from_secs(3);

/// How a run deals with its workers.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// Name of the run.
    pub run: String,
    /// Raised each time that the coordinator starts.
    pub epoch: u64,
    /// Version and digest of the program.
    pub build: String,
    /// Hash of the bundle.
    pub bundle: Digest,
    /// A worker that was not heard of for so long is lost, with its leases and claims.
    pub ack_wait: Duration,
    /// A call of a lost worker may be under way for so long.
    pub call_timeout: Duration,
}

/// The coordinator of one run.
pub struct Coordinator {
    inner: Arc<Inner>,
    tasks: Mutex<JoinSet<()>>,
}

struct Inner {
    bus: Arc<dyn CoordinatorBus>,
    conditions: Conditions,
    store: Store,
    gateway: Arc<Gateway<Store>>,
    meter: Arc<Meter>,
    bundle: Bytes,
    began: Instant,
    terms: OnceLock<Terms>,
    state: Mutex<State>,
    room: watch::Sender<usize>,
    /// Something is to be sent.
    flush: Notify,
    /// A record is to be leased.
    queued: Notify,
}

#[derive(Default)]
struct State {
    workers: BTreeMap<String, Worker>,
    leases: Leases,
    held: Vec<Held>,
    /// Nothing new is begun.
    stops: bool,
    /// Permits of workers that were lost, until their calls are certainly over.
    orphans: Vec<Orphan>,
}

/// A worker, as it is known.
struct Worker {
    session: u64,
    link: Link,
    heard: Instant,
    /// Whether it was welcomed.
    is_in: bool,
    slots: usize,
    records: usize,
    calls: u64,
    memory: Option<u64>,
    drains: bool,
    /// Tasks that it made, and that failed with it.
    made: u64,
    failed: u64,
    /// Questions that it asks.
    claims: HashMap<Digest, Claim>,
    /// Calls that it may make.
    permits: HashMap<u64, OwnAdmission>,
    /// What it handed in and is durable: the last number before the first gap, and those beyond.
    committed: (u64, BTreeSet<u64>),
}

/// A permit whose worker was lost.
struct Orphan {
    worker: String,
    ask: u64,
    until: Instant,
    admission: OwnAdmission,
}

impl Coordinator {
    /// Starts to coordinate. The bus is ready, and has the bundle.
    pub fn start(
        bus: Arc<dyn CoordinatorBus>,
        conditions: Conditions,
        store: Store,
        gateway: Arc<Gateway<Store>>,
        meter: Arc<Meter>,
        bundle: Bytes,
    ) -> Arc<Coordinator> {
        let inner = Arc::new(Inner {
            bus,
            conditions,
            store,
            gateway,
            meter,
            bundle,
            began: Instant::now(),
            terms: OnceLock::new(),
            state: Mutex::default(),
            room: watch::Sender::new(0),
            flush: Notify::new(),
            queued: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(Arc::clone(&inner)));
        tasks.spawn(send(Arc::clone(&inner)));
        tasks.spawn(beat(Arc::clone(&inner)));
        tasks.spawn(tick(Arc::clone(&inner)));
        tasks.spawn(leases::lease(Arc::clone(&inner)));
        tasks.spawn(results::collect(Arc::clone(&inner)));
        Arc::new(Coordinator {
            inner,
            tasks: Mutex::new(tasks),
        })
    }

    /// Begins nothing new: what workers have in work they finish and hand in.
    pub fn stop(&self) {
        let mut state = self.inner.state();
        if state.stops {
            return;
        }
        state.stops = true;
        for worker in state.workers.values_mut() {
            worker.link.push(&Down::Stop);
        }
        let unasked = state.leases.give_up_queued();
        drop(state);
        drop(unasked);
        self.inner.flush.notify_one();
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.bus.withdraw().await });
    }

    /// Says goodbye to the workers and removes what is the run's on the bus.
    pub async fn close(&self) {
        {
            let mut state = self.inner.state();
            for worker in state.workers.values_mut() {
                worker.link.push(&Down::Ended);
            }
        }
        self.inner.flush.notify_one();
        let left = async {
            while !self.inner.state().workers.is_empty() {
                sleep(GATHER).await;
            }
        };
        // A worker that does not hear it hears that the run is not there any more.
        let _ = timeout(GOODBYE, left).await;
        let tasks = std::mem::take(&mut *guard(&self.tasks));
        drop(tasks);
        let _ = timeout(GOODBYE, self.inner.bus.remove()).await;
    }
}

impl Elsewhere for Coordinator {
    fn begins(&self, terms: Terms) {
        let _ = self.inner.terms.set(terms);
    }

    fn room(&self) -> watch::Receiver<usize> {
        self.inner.room.subscribe()
    }

    fn perform(&self, record: LeasedRecord) -> Performing<'_> {
        let performed = self.inner.state().queue(record);
        self.inner.queued.notify_one();
        Box::pin(async move { performed.await.ok() })
    }

    fn hold(&self, component: &str, class: FailureClass, cause: &str) {
        let held = Held {
            component: component.to_owned(),
            class,
            cause: cause.to_owned(),
        };
        let mut state = self.inner.state();
        for worker in state.workers.values_mut() {
            worker.link.push(&Down::Hold(held.clone()));
        }
        state.held.push(held);
        drop(state);
        self.inner.flush.notify_one();
    }

    fn ends(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.close())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }

    /// Makes what is missing of the bus's own things.
    async fn prepare(&self) -> Result<(), BusError> {
        self.bus.prepare().await?;
        let name = self.conditions.bundle.to_string();
        self.bus.publish(&name, self.bundle.clone()).await
    }

    /// Sends a message to a worker, if it is still in this session.
    fn tell(&self, worker: &str, session: u64, message: &Down) {
        let mut state = self.state();
        if let Some(worker) = state.of_session(worker, session) {
            worker.link.push(message);
            drop(state);
            self.flush.notify_one();
        }
    }
}

impl State {
    /// The worker of this name, if it is in this session.
    fn of_session(&mut self, name: &str, session: u64) -> Option<&mut Worker> {
        let worker = self.workers.get_mut(name)?;
        (worker.session == session).then_some(worker)
    }

    fn queue(&mut self, record: LeasedRecord) -> leases::Outcome {
        let stops = self.stops;
        self.leases.queue(record, stops)
    }

    /// Records that all workers together can have in work.
    fn slots(&self) -> usize {
        let in_work = self.workers.values().filter(|worker| worker.is_in);
        in_work
            .map(|worker| match worker.drains {
                true => worker.records.min(worker.slots),
                false => worker.slots,
            })
            .sum()
    }

    /// A worker is not heard of any more: others may have what it had.
    fn lose(&mut self, name: &str, until: Instant) -> Vec<Claim> {
        let Some(worker) = self.workers.remove(name) else {
            return Vec::new();
        };
        let orphans = worker.permits.into_iter().map(|(ask, admission)| Orphan {
            worker: name.to_owned(),
            ask,
            until,
            admission,
        });
        self.orphans.extend(orphans);
        self.leases.lost(name);
        worker.claims.into_values().collect()
    }
}

/// Takes what workers send.
async fn receive(inner: Arc<Inner>) {
    while let Some(bytes) = inner.bus.receive().await {
        // Workers of an earlier coordinator send before the run is ready; they join when it says that it is there.
        if inner.terms.get().is_none() {
            continue;
        }
        let frame: Frame = match decode(&bytes) {
            Ok(frame) => frame,
            Err(error) => {
                tracing::warn!("{error}");
                continue;
            }
        };
        inner.take(frame);
    }
}

impl Inner {
    fn take(self: &Arc<Self>, frame: Frame) {
        let now = Instant::now();
        let Frame {
            worker: name,
            session,
            first,
            received,
            messages,
            ..
        } = frame;
        let piece = Piece {
            first,
            received,
            messages,
        };
        let mut state = self.state();
        let is_known = state.of_session(&name, session).is_some();
        if !is_known {
            let joins = piece.first == 1
                && piece
                    .messages
                    .first()
                    .is_some_and(|first| matches!(decode(first), Ok(Up::Join { .. })));
            let is_newer = state
                .workers
                .get(&name)
                .is_none_or(|worker| worker.session < session);
            if !joins || !is_newer {
                drop(state);
                let inner = Arc::clone(self);
                tokio::spawn(async move {
                    let message = encode(&ToWorker::Unknown { session });
                    inner.bus.send(&name, message.into()).await;
                });
                return;
            }
            let until = now + self.conditions.call_timeout;
            let claims = state.lose(&name, until);
            state
                .workers
                .insert(name.clone(), Worker::new(session, now));
            drop(state);
            // Their questions can be asked by others now; that takes the lock of the journal.
            drop(claims);
            state = self.state();
        }
        let Some(worker) = state.of_session(&name, session) else {
            return;
        };
        worker.heard = now;
        let new = worker.link.take(now, piece);
        drop(state);
        for message in new {
            match decode::<Up>(&message) {
                Ok(message) => self.hear(&name, session, message),
                Err(error) => tracing::warn!("{name}: {error}"),
            }
        }
        self.flush.notify_one();
    }
}

impl Worker {
    fn new(session: u64, now: Instant) -> Worker {
        Worker {
            session,
            link: Link::new(),
            heard: now,
            is_in: false,
            slots: 0,
            records: 0,
            calls: 0,
            memory: None,
            drains: false,
            made: 0,
            failed: 0,
            claims: HashMap::new(),
            permits: HashMap::new(),
            committed: (0, BTreeSet::new()),
        }
    }
}

impl Inner {
    /// Lets a worker in, or says why not.
    fn join(&self, name: &str, session: u64, build: &str, slots: usize, asking: Vec<Digest>) {
        let own = &self.conditions.build;
        let message = if build != own {
            Down::Refused(format!(
                "this worker is batchgen {build}, and the coordinator is batchgen {own}; run the same program on both"
            ))
        } else if let Some(terms) = self.terms.get() {
            let claims = self.claimed(asking);
            let mut state = self.state();
            let held = state.held.clone();
            if let Some(worker) = state.of_session(name, session) {
                worker.is_in = true;
                worker.slots = slots;
                worker.claims.extend(claims);
            }
            Down::Welcome(Box::new(Welcome {
                bundle: self.conditions.bundle,
                terms: terms.clone(),
                held,
                ack_wait_millis: u64::try_from(self.conditions.ack_wait.as_millis())
                    .unwrap_or(u64::MAX),
            }))
        } else {
            Down::Refused("the run is not ready yet".to_owned())
        };
        let mut state = self.state();
        let stops = state.stops;
        if let Some(worker) = state.of_session(name, session) {
            worker.link.push(&message);
            if stops {
                worker.link.push(&Down::Stop);
            }
        }
        self.room.send_replace(state.slots());
    }
}

/// Sends what is to be sent.
async fn send(inner: Arc<Inner>) {
    loop {
        let now = Instant::now();
        let mut frames = Vec::new();
        let mut wakes: Option<Instant> = None;
        {
            let mut state = inner.state();
            for (name, worker) in &mut state.workers {
                while let Some(piece) = worker.link.next(now) {
                    let is_last = piece.messages.is_empty();
                    frames.push((
                        name.clone(),
                        Frame {
                            epoch: inner.conditions.epoch,
                            worker: name.clone(),
                            session: worker.session,
                            first: piece.first,
                            received: piece.received,
                            messages: piece.messages,
                        },
                    ));
                    if is_last {
                        break;
                    }
                }
                wakes = wakes.into_iter().chain(worker.link.wakes()).min();
            }
        }
        for (name, frame) in frames {
            let message = encode(&ToWorker::Frame(frame));
            inner.bus.send(&name, message.into()).await;
        }
        let wakes = wakes.unwrap_or_else(|| now + TICK);
        tokio::select! {
            () = inner.flush.notified() => sleep(GATHER).await,
            () = sleep_until(wakes) => {}
        }
    }
}

/// Says again and again that the run is there.
async fn beat(inner: Arc<Inner>) {
    let message = Bytes::from(encode(&Beat {
        run: inner.conditions.run.clone(),
        epoch: inner.conditions.epoch,
        build: inner.conditions.build.clone(),
    }));
    loop {
        // Whoever joins is told the terms, so there must be some.
        if inner.terms.get().is_some() {
            inner.bus.beat(message.clone()).await;
        }
        sleep(BEAT).await;
    }
}

/// Looks after what was not heard of.
async fn tick(inner: Arc<Inner>) {
    let mut last = Instant::now();
    loop {
        sleep(TICK).await;
        let now = Instant::now();
        // A process that stood still has heard of nobody, which is nobody's fault.
        let stood_still = now.duration_since(last) > 4 * TICK;
        last = now;
        let mut claims = Vec::new();
        let mut given_up = Vec::new();
        {
            let mut state = inner.state();
            if stood_still {
                for worker in state.workers.values_mut() {
                    worker.heard = now;
                }
            }
            let is_lost =
                |worker: &Worker| now.duration_since(worker.heard) > inner.conditions.ack_wait;
            let lost: Vec<String> = state
                .workers
                .iter()
                .filter(|(_, worker)| is_lost(worker))
                .map(|(name, _)| name.clone())
                .collect();
            for name in lost {
                tracing::warn!(
                    "the worker {name} was not heard of for {} s",
                    inner.conditions.ack_wait.as_secs()
                );
                claims.extend(state.lose(&name, now + inner.conditions.call_timeout));
            }
            state.orphans.retain(|orphan| orphan.until > now);
            if state.stops {
                given_up = state.leases.give_up_unheard(now);
            }
            inner.room.send_replace(state.slots());
        }
        drop(claims);
        drop(given_up);
        inner.view(now);
        leases::offer_again(&inner, now).await;
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
