//! The coordinator of a run on several machines: it leases records, answers what workers ask, and keeps what they hand in. It is the
//! [`Elsewhere`] of the engine. What it decides by is in memory only: a coordinator that starts again hears from its workers what they
//! have in work, and everything else is in the state.

mod asks;
mod leases;
mod results;
mod sessions;
mod view;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::bus::{BusError, CoordinatorBus};
use crate::post::Post;
use crate::wire::{Beat, Down, Frame, Held, ToWorker, decode, encode};
use engine::{Elsewhere, LeasedRecord, Meter, Performing, Terms};
use gateway::Gateway;
use gateway::pool::OwnAdmission;
use store::Store;
use types::class::FailureClass;
use types::digest::Digest;

use leases::Leases;
use results::Written;
use sessions::Worker;

/// How often the coordinator announces the run.
const BEAT: Duration = Duration::from_millis(500);
/// How often `close` looks whether all workers have left.
const LOOK: Duration = Duration::from_millis(1);
/// How often the coordinator looks for workers that are silent.
const TICK: Duration = Duration::from_millis(250);
/// How long a coordinator that starts again grants no question and no call: in this time workers tell it what they have under way.
const HEARS_FIRST: Duration = Duration::from_secs(3);
/// How long `close` waits for the workers, and then for the bus.
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
    /// How long a call of a lost worker may be under way: its permit is kept until then.
    pub call_timeout: Duration,
    /// The span of the run, if it has one, as W3C's Trace Context writes it.
    pub trace: Option<String>,
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
    /// The terms of the run, and since when workers may join it.
    terms: OnceLock<(Terms, Instant)>,
    state: Mutex<State>,
    room: watch::Sender<usize>,
    /// Something is to be sent.
    post: Post,
    /// A record is to be leased.
    queued: Notify,
}

#[derive(Default)]
struct State {
    workers: BTreeMap<String, Worker>,
    leases: Leases,
    held: Vec<Held>,
    written: Written,
    /// Pairs of worker and question where the journal has another answer than the worker.
    outdone: HashSet<(String, Digest)>,
    /// Nothing new is begun.
    stops: bool,
    /// Of each worker that has come again or was lost, the session before and the number of its last message that was heard.
    heard_until: HashMap<String, (u64, u64)>,
    /// Permits of workers that were lost, until their calls are certainly over.
    orphans: Vec<Orphan>,
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
            terms: OnceLock::new(),
            state: Mutex::default(),
            room: watch::Sender::new(0),
            post: Post::default(),
            queued: Notify::new(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(receive(Arc::clone(&inner)));
        tasks.spawn(send(Arc::clone(&inner)));
        tasks.spawn(beat(Arc::clone(&inner)));
        tasks.spawn(tick(Arc::clone(&inner)));
        tasks.spawn(leases::lease(Arc::clone(&inner)));
        tasks.spawn(leases::watch(Arc::clone(&inner)));
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
        self.inner.post.flush();
        let inner = Arc::clone(&self.inner);
        tokio::spawn(async move { inner.bus.withdraw().await });
    }

    /// Says goodbye to the workers and removes the streams and objects of the run.
    pub async fn close(&self) {
        {
            let mut state = self.inner.state();
            for worker in state.workers.values_mut() {
                worker.link.push(&Down::Ended);
            }
        }
        self.inner.post.flush();
        let left = async {
            while !self.inner.state().workers.is_empty() {
                sleep(LOOK).await;
            }
        };
        // A worker that misses the goodbye sees that the run is no longer announced.
        let _ = timeout(GOODBYE, left).await;
        let tasks = std::mem::take(&mut *guard(&self.tasks));
        drop(tasks);
        let _ = timeout(GOODBYE, self.inner.bus.remove()).await;
    }
}

impl Elsewhere for Coordinator {
    fn begins(&self, terms: Terms) {
        let _ = self.inner.terms.set((terms, Instant::now()));
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
        self.inner.post.flush();
    }

    fn ends(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.close())
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }

    /// Waits until a coordinator that has started again has heard who is asking and calling what.
    async fn has_heard(&self) {
        if self.conditions.epoch > 1
            && let Some((_, since)) = self.terms.get()
        {
            let heard = *since + HEARS_FIRST;
            if Instant::now() < heard {
                sleep_until(heard).await;
            }
        }
    }

    /// Sees to it that the bus has the bundle, for a worker that joins: the bus may have lost everything.
    async fn publish(&self) {
        let name = self.conditions.bundle.to_string();
        let published = async {
            self.bus.prepare().await?;
            self.bus.publish(&name, self.bundle.clone()).await
        };
        let published: Result<(), BusError> = published.await;
        if let Err(error) = published {
            // The worker does not find the bundle, and joins again.
            tracing::debug!("the bundle cannot be published now: {error}");
        }
    }

    /// Sends a message to a worker, if it is still in this session.
    fn tell(&self, worker: &str, session: u64, message: &Down) {
        let mut state = self.state();
        if let Some(worker) = state.of_session(worker, session) {
            worker.link.push(message);
            drop(state);
            self.post.flush();
        }
    }
}

impl State {
    fn queue(&mut self, record: LeasedRecord) -> leases::Outcome {
        let stops = self.stops;
        self.leases.queue(record, stops)
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

/// Sends what is to be sent.
async fn send(inner: Arc<Inner>) {
    let mut last = Instant::now();
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
        if !frames.is_empty() {
            last = now;
        }
        for (name, frame) in frames {
            let message = encode(&ToWorker::Frame(frame));
            inner.bus.send(&name, message.into()).await;
        }
        inner.post.due(last, wakes.unwrap_or(now + TICK)).await;
    }
}

/// Announces the run again and again.
async fn beat(inner: Arc<Inner>) {
    let message = Bytes::from(encode(&Beat {
        run: inner.conditions.run.clone(),
        epoch: inner.conditions.epoch,
        build: inner.conditions.build.clone(),
    }));
    loop {
        // A worker that joins is told the terms, so the run is announced once they are known.
        if inner.terms.get().is_some() {
            inner.bus.beat(message.clone()).await;
        }
        sleep(BEAT).await;
    }
}

/// Gives up workers that were silent for too long.
async fn tick(inner: Arc<Inner>) {
    let mut last = Instant::now();
    loop {
        sleep(TICK).await;
        let now = Instant::now();
        // If this process itself was stopped, it heard of no worker in that time: none is lost for that.
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
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
