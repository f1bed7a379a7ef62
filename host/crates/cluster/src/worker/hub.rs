//! The worker's side of its link to the coordinator: it asks for questions and calls, and remembers what it asked, so that a coordinator
//! that starts again can be told.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

use super::leases::InWork;
use crate::bus::WorkerBus;
use crate::link::{Link, Piece};
use crate::wire::{
    Beat, Down, Frame, HandIn, Held, Outcome, ToWorker, Up, Welcome, decode, encode,
};
use gateway::error::CallError;
use gateway::journal::Provenance;
use gateway::lane::{Observer, Spent};
use gateway::remote::{Admission, CallEnd, Coordinator, Entered, Entry, Later};
use store::{Spooled, Store, StoreError};
use types::class::FailureClass;
use types::digest::Digest;
use types::limit::Observed;
use types::request::Answer;

/// Messages wait so long for others that they can go with.
const GATHER: Duration = Duration::from_millis(1);
/// It looks at least so often whether something has to be sent again.
const LOOK: Duration = Duration::from_millis(250);
/// A coordinator that is silent for so long is gone, as far as anybody knows.
const SILENCE: Duration = Duration::from_secs(3);
/// Most bytes that are handed in together.
const TOGETHER: usize = 512 << 10;
/// What could not be handed in is handed in again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// What concerns the worker as a whole.
#[derive(Debug)]
pub(super) enum News {
    Welcome(Box<Welcome>),
    Refused(String),
    Hold(Held),
    Stop,
    Ended,
    /// Whether the coordinator is heard of.
    There(bool),
    /// Answers cannot be kept on this machine.
    Failed(String),
}

type ClaimReply = oneshot::Sender<Result<Option<Answer>, CallError>>;
type EnterReply = oneshot::Sender<Entered>;

/// The worker's side of its link.
pub(super) struct Hub {
    bus: Arc<dyn WorkerBus>,
    run: String,
    name: String,
    build: String,
    slots: usize,
    state: Mutex<State>,
    next_ask: AtomicU64,
    flush: Notify,
    outcomes: Mutex<mpsc::UnboundedSender<Handed>>,
    handed: Mutex<Option<mpsc::UnboundedReceiver<Handed>>>,
    news: mpsc::UnboundedSender<News>,
    sending: Mutex<Option<AbortHandle>>,
    me: Weak<Hub>,
}

/// What is handed in, with the lease that is over when it is.
pub(super) struct Handed {
    outcome: Outcome,
    _lease: Option<Arc<InWork>>,
}

struct State {
    epoch: u64,
    session: u64,
    link: Link,
    is_closed: bool,
    heard: Instant,
    is_there: bool,
    claims: HashMap<u64, (Digest, ClaimReply)>,
    /// Questions that this worker asks.
    asking: HashSet<Digest>,
    entries: HashMap<u64, (Entry, EnterReply)>,
    settles: HashMap<u64, oneshot::Sender<bool>>,
    /// What was handed in and is not durable at the coordinator, by number: answers, and since when.
    uncommitted: BTreeMap<u64, (Vec<Digest>, Instant)>,
    next_hand_in: u64,
    /// Answers to remove from the spool.
    committed: Vec<Digest>,
    calls: u64,
}

impl Hub {
    /// Joins a run.
    pub fn start(
        bus: Arc<dyn WorkerBus>,
        beat: Beat,
        name: &str,
        build: &str,
        slots: usize,
        news: mpsc::UnboundedSender<News>,
    ) -> Arc<Hub> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let session = since.map_or(1, |since| u64::try_from(since.as_micros()).unwrap_or(1));
        let (outcomes, handed) = mpsc::unbounded_channel();
        let now = Instant::now();
        let hub = Arc::new_cyclic(|me| Hub {
            me: Weak::clone(me),
            bus,
            run: beat.run,
            name: name.to_owned(),
            build: build.to_owned(),
            slots,
            state: Mutex::new(State {
                epoch: beat.epoch,
                session,
                link: Link::new(),
                is_closed: false,
                heard: now,
                is_there: true,
                claims: HashMap::new(),
                asking: HashSet::new(),
                entries: HashMap::new(),
                settles: HashMap::new(),
                uncommitted: BTreeMap::new(),
                next_hand_in: 1,
                committed: Vec::new(),
                calls: 0,
            }),
            // No earlier life of a worker of this name had such numbers.
            next_ask: AtomicU64::new(session),
            flush: Notify::new(),
            outcomes: Mutex::new(outcomes),
            handed: Mutex::new(Some(handed)),
            news,
            sending: Mutex::new(None),
        });
        hub.push(&Up::Join {
            build: hub.build.clone(),
            slots,
            asking: Vec::new(),
        });
        let sending = tokio::spawn(send(Arc::clone(&hub)));
        *guard(&hub.sending) = Some(sending.abort_handle());
        hub
    }

    fn state(&self) -> MutexGuard<'_, State> {
        guard(&self.state)
    }

    /// Sends a message.
    pub fn push(&self, message: &Up) {
        self.state().link.push(message);
        self.flush.notify_one();
    }

    /// The coordinator that it belongs to.
    pub fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Whether the coordinator is heard of.
    pub fn is_there(&self) -> bool {
        self.state().is_there
    }

    /// The run has ended, and nobody says so.
    pub fn ended(&self) {
        let _ = self.news.send(News::Ended);
    }

    /// Calls under way.
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// The run says that it is there.
    pub fn beat(&self, beat: &Beat) {
        if beat.run != self.run {
            return;
        }
        let is_new = {
            let mut state = self.state();
            state.heard = Instant::now();
            let is_new = beat.epoch > state.epoch;
            state.epoch = state.epoch.max(beat.epoch);
            is_new
        };
        if is_new {
            self.join_again();
        }
    }

    /// Begins another session, and asks everything again that has no answer.
    fn join_again(&self) {
        let mut state = self.state();
        state.session += 1;
        state.link = Link::new();
        let join = Up::Join {
            build: self.build.clone(),
            slots: self.slots,
            asking: state.asking.iter().copied().collect(),
        };
        state.link.push(&join);
        let claims: Vec<Up> = state
            .claims
            .iter()
            .map(|(ask, (key, _))| Up::Claim {
                ask: *ask,
                key: *key,
            })
            .collect();
        let entries: Vec<Up> = state
            .entries
            .iter()
            .map(|(ask, (entry, _))| Up::Enter {
                ask: *ask,
                entry: entry.clone(),
            })
            .collect();
        for message in claims.iter().chain(&entries) {
            state.link.push(message);
        }
        // What was settled is settled: whether it pauses others is not known any more.
        let settles = std::mem::take(&mut state.settles);
        // Handed in again under the new session.
        state.uncommitted.clear();
        state.next_hand_in = 1;
        drop(state);
        for reply in settles.into_values() {
            let _ = reply.send(false);
        }
        self.flush.notify_one();
    }

    /// Takes what the coordinator sent.
    pub fn take(&self, bytes: &Bytes) {
        let frame = match decode::<ToWorker>(bytes) {
            Ok(ToWorker::Frame(frame)) => frame,
            Ok(ToWorker::Unknown { session }) => {
                let is_this = {
                    let mut state = self.state();
                    state.heard = Instant::now();
                    state.session == session
                };
                if is_this {
                    self.join_again();
                }
                return;
            }
            Err(error) => return tracing::warn!("{error}"),
        };
        let now = Instant::now();
        let new = {
            let mut state = self.state();
            if frame.session != state.session || frame.epoch < state.epoch {
                return;
            }
            state.heard = now;
            state.link.take(
                now,
                Piece {
                    first: frame.first,
                    received: frame.received,
                    messages: frame.messages,
                },
            )
        };
        for message in new {
            match decode::<Down>(&message) {
                Ok(message) => self.hear(message),
                Err(error) => tracing::warn!("{error}"),
            }
        }
        self.flush.notify_one();
    }

    fn hear(&self, message: Down) {
        let mut state = self.state();
        match message {
            Down::Have { ask, answer } => {
                let claim = state.claims.remove(&ask);
                drop(state);
                if let Some((_, reply)) = claim {
                    let _ = reply.send(Ok(Some(answer)));
                }
            }
            Down::Go { ask } => {
                let Some((key, reply)) = state.claims.remove(&ask) else {
                    return;
                };
                state.asking.insert(key);
                drop(state);
                // Nobody waits for it any more.
                if reply.send(Ok(None)).is_err() {
                    self.given_up(key);
                }
            }
            Down::Granted { ask, lane } => {
                let Some((_, reply)) = state.entries.remove(&ask) else {
                    return;
                };
                state.calls += 1;
                drop(state);
                // Where nobody waits for it any more it is dropped, and so given back.
                let Some(hub) = self.me.upgrade() else {
                    return;
                };
                let permit: Box<dyn Admission> = Box::new(Permit {
                    hub,
                    ask,
                    is_settled: false,
                });
                let _ = reply.send(Ok((lane, permit)));
            }
            Down::Denied { ask, failure } => {
                let claim = state.claims.remove(&ask);
                let entry = state.entries.remove(&ask);
                drop(state);
                if let Some((_, reply)) = claim {
                    let _ = reply.send(Err(failure.error()));
                } else if let Some((_, reply)) = entry {
                    let _ = reply.send(Err(failure.error()));
                }
            }
            Down::Settled { ask, pauses } => {
                let reply = state.settles.remove(&ask);
                drop(state);
                if let Some(reply) = reply {
                    let _ = reply.send(pauses);
                }
            }
            Down::Committed { number } => {
                let rest = state.uncommitted.split_off(&(number + 1));
                let done = std::mem::replace(&mut state.uncommitted, rest);
                let keys = done.into_values().flat_map(|(keys, _)| keys);
                state.committed.extend(keys);
            }
            other => {
                drop(state);
                if let Some(news) = News::of(other) {
                    let _ = self.news.send(news);
                }
            }
        }
    }

    /// Answers cannot be kept on this machine.
    pub fn failed(&self, cause: &str) {
        let _ = self.news.send(News::Failed(cause.to_owned()));
    }

    /// Hands a record in; its lease is over when that is done.
    pub fn done(&self, outcome: Outcome, lease: Arc<InWork>) {
        self.queue(outcome, Some(lease));
    }

    fn queue(&self, outcome: Outcome, lease: Option<Arc<InWork>>) {
        let _ = guard(&self.outcomes).send(Handed {
            outcome,
            _lease: lease,
        });
    }

    /// Hands all answers in that lie in the spool; how many these are.
    pub fn hand_in_from(&self, spool: &Store) -> Result<usize, StoreError> {
        let mut count = 0;
        spool.spooled(
            |Spooled {
                 key,
                 answer,
                 provenance,
             }| {
                count += 1;
                self.queue(
                    Outcome::Answer {
                        key,
                        answer,
                        provenance: Box::new(provenance),
                    },
                    None,
                );
            },
        )?;
        Ok(count)
    }

    /// Waits until everything was received.
    pub async fn is_flushed(&self) {
        while !self.state().link.is_confirmed() {
            sleep(GATHER).await;
        }
    }

    /// Nothing can be asked any more.
    pub fn close(&self) {
        let (claims, entries, settles) = {
            let mut state = self.state();
            state.is_closed = true;
            (
                std::mem::take(&mut state.claims),
                std::mem::take(&mut state.entries),
                std::mem::take(&mut state.settles),
            )
        };
        drop((claims, entries, settles));
        if let Some(sending) = guard(&self.sending).take() {
            sending.abort();
        }
    }

    fn gone() -> CallError {
        CallError::new(FailureClass::Transient, "the run is being stopped")
    }
}

/// Sends what is to be sent.
async fn send(hub: Arc<Hub>) {
    loop {
        let now = Instant::now();
        let mut frames = Vec::new();
        let (wakes, change) = {
            let mut state = hub.state();
            let (epoch, session) = (state.epoch, state.session);
            while let Some(piece) = state.link.next(now) {
                let is_last = piece.messages.is_empty();
                frames.push(Frame {
                    epoch,
                    worker: hub.name.clone(),
                    session,
                    first: piece.first,
                    received: piece.received,
                    messages: piece.messages,
                });
                if is_last {
                    break;
                }
            }
            let is_there = now.duration_since(state.heard) < SILENCE;
            let change = (state.is_there != is_there).then_some(is_there);
            state.is_there = is_there;
            (state.link.wakes(), change)
        };
        if let Some(is_there) = change {
            let _ = hub.news.send(News::There(is_there));
        }
        for frame in frames {
            hub.bus.send(&hub.run, encode(&frame).into()).await;
        }
        let wakes = wakes.unwrap_or(now + LOOK).min(now + LOOK);
        tokio::select! {
            () = hub.flush.notified() => sleep(GATHER).await,
            () = sleep_until(wakes) => {}
        }
    }
}

/// Hands in what there is, and removes from the spool what the coordinator has.
pub(super) async fn hand_in(hub: Arc<Hub>, spool: Store, ack_wait: Duration) {
    let Some(mut handed) = guard(&hub.handed).take() else {
        return;
    };
    loop {
        let next = tokio::select! {
            next = handed.recv() => next,
            () = sleep(LOOK) => None,
        };
        let committed = std::mem::take(&mut hub.state().committed);
        if !committed.is_empty()
            && let Err(error) = spool.discard(committed).await
        {
            let _ = hub.news.send(News::Failed(error.to_string()));
            return;
        }
        hub.hand_in_late(&spool, ack_wait);
        let Some(first) = next else { continue };
        let mut together = vec![first];
        sleep(GATHER).await;
        let mut bytes = 0;
        while bytes < TOGETHER
            && let Ok(next) = handed.try_recv()
        {
            bytes += next.bytes();
            together.push(next);
        }
        let (results, leases): (Vec<_>, Vec<_>) = together
            .into_iter()
            .map(|handed| (handed.outcome, handed._lease))
            .unzip();
        let keys = results.iter().filter_map(|outcome| match outcome {
            Outcome::Answer { key, .. } => Some(*key),
            Outcome::Done { .. } => None,
        });
        let keys: Vec<Digest> = keys.collect();
        let message = {
            let mut state = hub.state();
            let number = state.next_hand_in;
            state.next_hand_in += 1;
            state.uncommitted.insert(number, (keys, Instant::now()));
            encode(&HandIn {
                worker: hub.name.clone(),
                session: state.session,
                number,
                results,
            })
        };
        let message = Bytes::from(message);
        while let Err(error) = hub.bus.hand_in(&hub.run, message.clone()).await {
            tracing::debug!("nothing can be handed in now: {error}");
            sleep(AGAIN).await;
        }
        drop(leases);
    }
}

impl Handed {
    fn bytes(&self) -> usize {
        match &self.outcome {
            Outcome::Answer { answer, .. } => match answer {
                Answer::Completion(completion) => completion.text.len(),
                Answer::ContentFiltered(words) | Answer::ContextTooLong(words) => words.len(),
            },
            Outcome::Done { performed, .. } => performed.bytes(),
        }
    }
}

impl Hub {
    /// Hands answers in again of which nothing was heard for long: the bus may have lost them.
    fn hand_in_late(&self, spool: &Store, ack_wait: Duration) {
        let now = Instant::now();
        let is_late = {
            let state = self.state();
            let mut waiting = state.uncommitted.values();
            waiting
                .any(|(keys, since)| !keys.is_empty() && now.duration_since(*since) > 2 * ack_wait)
        };
        if !is_late {
            return;
        }
        // The numbers of before would leave a gap.
        self.join_again();
        if let Err(error) = self.hand_in_from(spool) {
            let _ = self.news.send(News::Failed(error.to_string()));
        }
    }
}

impl Coordinator for Hub {
    fn claim(&self, key: Digest) -> Later<'_, Result<Option<Answer>, CallError>> {
        Box::pin(async move {
            let ask = self.next_ask.fetch_add(1, Ordering::Relaxed);
            let (reply, answer) = oneshot::channel();
            {
                let mut state = self.state();
                if state.is_closed {
                    return Err(Hub::gone());
                }
                state.claims.insert(ask, (key, reply));
                state.link.push(&Up::Claim { ask, key });
            }
            self.flush.notify_one();
            answer.await.unwrap_or_else(|_| Err(Hub::gone()))
        })
    }

    fn answered(&self, key: Digest, answer: &Answer, provenance: &Provenance) {
        self.state().asking.remove(&key);
        self.queue(
            Outcome::Answer {
                key,
                answer: answer.clone(),
                provenance: Box::new(provenance.clone()),
            },
            None,
        );
    }

    fn given_up(&self, key: Digest) {
        let mut state = self.state();
        state.asking.remove(&key);
        state.link.push(&Up::GiveUp { key });
        drop(state);
        self.flush.notify_one();
    }

    fn enter(&self, entry: Entry) -> Later<'_, Entered> {
        Box::pin(async move {
            let ask = self.next_ask.fetch_add(1, Ordering::Relaxed);
            let (reply, granted) = oneshot::channel();
            {
                let mut state = self.state();
                if state.is_closed {
                    return Err(Hub::gone());
                }
                let message = Up::Enter {
                    ask,
                    entry: entry.clone(),
                };
                state.entries.insert(ask, (entry, reply));
                state.link.push(&message);
            }
            self.flush.notify_one();
            granted.await.unwrap_or_else(|_| Err(Hub::gone()))
        })
    }
}

/// The right to make a call, as the coordinator gave it.
struct Permit {
    hub: Arc<Hub>,
    ask: u64,
    is_settled: bool,
}

impl Admission for Permit {
    fn accepted(&self, observed: &[Observed]) {
        self.hub.push(&Up::Accepted {
            ask: self.ask,
            observed: observed.to_vec(),
        });
    }

    fn settle(mut self: Box<Self>, end: CallEnd) -> Later<'static, bool> {
        self.is_settled = true;
        let ask = self.ask;
        let failed = end.failure.is_some();
        let end = Box::new(end);
        let settled = {
            let mut state = self.hub.state();
            state.link.push(&Up::Settle { ask, end });
            failed.then(|| {
                let (reply, settled) = oneshot::channel();
                if !state.is_closed {
                    state.settles.insert(ask, reply);
                }
                settled
            })
        };
        self.hub.flush.notify_one();
        Box::pin(async move {
            match settled {
                None => false,
                Some(settled) => settled.await.unwrap_or(false),
            }
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.hub.state();
        state.calls = state.calls.saturating_sub(1);
        if !self.is_settled {
            state.link.push(&Up::Unused { ask: self.ask });
            drop(state);
            self.hub.flush.notify_one();
        }
    }
}

impl Observer for Hub {
    fn call_ended(&self, component: &str, spent: Spent) {
        self.push(&Up::Called {
            component: component.to_owned(),
            spent,
        });
    }

    fn try_failed(&self, model: &str, error: &CallError) {
        self.push(&Up::TryFailed {
            model: model.to_owned(),
            class: error.class,
            message: error.message.clone(),
        });
    }

    fn journaled(&self) {
        self.push(&Up::Journaled);
    }

    fn learned(&self, model: &str, what: &str) {
        self.push(&Up::Note(format!("{model}: {what} from now on")));
    }

    fn endpoint_changed(&self, lane: &str, what: &str) {
        self.push(&Up::Note(format!("{lane}: {what}")));
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
