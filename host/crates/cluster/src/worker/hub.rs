//! The worker's side of its link to the coordinator: it asks for questions and calls, and remembers what it asked, so that a coordinator
//! that starts again can be told.

mod asks;
mod gathered;
mod hand_in;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::Settings;
use crate::bus::WorkerBus;
use crate::link::{Link, Piece};
use crate::post::Post;
use crate::wire::{Beat, Down, Frame, Held, ToWorker, Unheard, Up, Welcome, decode, encode};
use gateway::error::CallError;
use gateway::remote::{Entered, Entry, Turn};
use types::class::FailureClass;
use types::digest::Digest;

use gathered::Gathered;
use hand_in::Handed;
pub(super) use hand_in::hand_in;

/// How often, at least, the link is checked for messages to send again.
const LOOK: Duration = Duration::from_millis(250);
/// A coordinator that is silent for so long counts as gone.
const SILENCE: Duration = Duration::from_secs(3);

/// What concerns the worker as a whole.
#[derive(Debug)]
pub(super) enum News {
    Welcome(Box<Welcome>),
    Refused(String),
    Hold(Held),
    Stop,
    Ended,
    /// Nothing of the run is there any more.
    Gone,
    /// Whether the coordinator is heard of.
    There(bool),
    /// Answers cannot be kept on this machine.
    Failed(String),
}

type TurnReply = oneshot::Sender<Result<Turn, CallError>>;
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
    post: Post,
    outcomes: Mutex<mpsc::UnboundedSender<Handed>>,
    handed: Mutex<Option<mpsc::UnboundedReceiver<Handed>>>,
    news: mpsc::UnboundedSender<News>,
    /// Whether the coordinator has let this session in, and everything in the spool waits to be handed in.
    is_in: watch::Sender<bool>,
    sending: Mutex<Option<AbortHandle>>,
    me: Weak<Hub>,
}

struct State {
    epoch: u64,
    session: u64,
    link: Link,
    is_closed: bool,
    /// It has said that it leaves, and the coordinator has not confirmed that.
    leaves: bool,
    heard: Instant,
    is_there: bool,
    asks: HashMap<u64, Ask>,
    /// Questions that this worker asks, or has answers to that may not be in the coordinator's journal.
    asking: HashSet<Digest>,
    entries: HashMap<u64, (Entry, EnterReply)>,
    /// Calls that it may make, by the numbers of their permits.
    calling: HashMap<u64, Entry>,
    settles: HashMap<u64, oneshot::Sender<bool>>,
    /// What was said of calls that ended, in sessions before this one, and may not have been heard. Said again until this session is let in.
    unheard: Vec<Unheard>,
    /// What was handed in and is not durable at the coordinator, by number: answers, and since when.
    uncommitted: BTreeMap<u64, (Vec<Digest>, Instant)>,
    next_hand_in: u64,
    /// What waits to be handed in.
    queued: usize,
    /// Answers to remove from the spool.
    committed: Vec<Digest>,
    /// What goes with the next frame.
    gathered: Gathered,
}

impl State {
    /// What was said in this session of calls that ended, and may not have been heard.
    fn unheard(&self) -> Vec<Unheard> {
        let session = self.session;
        let messages = self.link.unconfirmed();
        let messages = messages.filter_map(|(number, bytes)| {
            let message: Up = decode(bytes).ok()?;
            message.is_account().then_some(Unheard {
                session,
                number,
                message,
            })
        });
        messages.collect()
    }
}

/// A question that the coordinator was asked for.
struct Ask {
    key: Digest,
    /// Its first call, where that is known.
    first: Option<Entry>,
    reply: TurnReply,
}

impl Hub {
    /// Joins a run. The spool has answers to these questions.
    pub fn start(
        bus: Arc<dyn WorkerBus>,
        beat: Beat,
        settings: &Settings,
        spooled: HashSet<Digest>,
        news: mpsc::UnboundedSender<News>,
    ) -> Arc<Hub> {
        let Settings {
            name, build, slots, ..
        } = settings;
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let session = since.map_or(1, |since| u64::try_from(since.as_micros()).unwrap_or(1));
        let (outcomes, handed) = mpsc::unbounded_channel();
        let now = Instant::now();
        let hub = Arc::new_cyclic(|me| Hub {
            me: Weak::clone(me),
            bus,
            run: beat.run,
            name: name.clone(),
            build: build.clone(),
            slots: *slots,
            state: Mutex::new(State {
                epoch: beat.epoch,
                session,
                link: Link::new(),
                is_closed: false,
                leaves: false,
                heard: now,
                is_there: true,
                asks: HashMap::new(),
                asking: spooled,
                entries: HashMap::new(),
                calling: HashMap::new(),
                settles: HashMap::new(),
                unheard: Vec::new(),
                uncommitted: BTreeMap::new(),
                next_hand_in: 1,
                queued: 0,
                committed: Vec::new(),
                gathered: Gathered::default(),
            }),
            // The session is a time, so no earlier process of this name has used these numbers.
            next_ask: AtomicU64::new(session),
            post: Post::default(),
            outcomes: Mutex::new(outcomes),
            handed: Mutex::new(Some(handed)),
            news,
            is_in: watch::Sender::new(false),
            sending: Mutex::new(None),
        });
        {
            let mut state = hub.state();
            let join = hub.join(&state);
            state.link.push(&join);
        }
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
        self.post.flush();
    }

    /// The coordinator that it belongs to.
    pub fn epoch(&self) -> u64 {
        self.state().epoch
    }

    /// Whether the coordinator is heard of.
    pub fn is_there(&self) -> bool {
        self.state().is_there
    }

    /// Reports that the run seems to have ended without a goodbye.
    pub fn is_gone_without_a_word(&self) {
        let _ = self.news.send(News::Gone);
    }

    /// Calls under way.
    pub fn calls(&self) -> u64 {
        self.state().calling.len() as u64
    }

    /// This session was let in, and what lies in the spool waits to be handed in.
    pub fn is_let_in(&self) {
        self.state().unheard.clear();
        self.is_in.send_replace(true);
    }

    /// Waits until this session is let in.
    pub async fn let_in(&self) {
        let mut is_in = self.is_in.subscribe();
        // The sender is a field of the hub, so the channel is not closed here.
        let _ = is_in.wait_for(|is_in| *is_in).await;
    }

    /// The first message of a session.
    fn join(&self, state: &State) -> Up {
        let calling = state.calling.iter();
        Up::Join {
            build: self.build.clone(),
            slots: self.slots,
            asking: state.asking.iter().copied().collect(),
            calling: calling.map(|(ask, entry)| (*ask, entry.clone())).collect(),
            unheard: state.unheard.clone(),
        }
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
        self.is_in.send_replace(false);
        let mut state = self.state();
        let unheard = state.unheard();
        state.unheard.extend(unheard);
        state.session += 1;
        state.link = Link::new();
        let join = self.join(&state);
        state.link.push(&join);
        let asks: Vec<Up> = state
            .asks
            .iter()
            .map(|(number, ask)| Up::Ask {
                ask: *number,
                key: ask.key,
                first: ask.first.clone(),
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
        for message in asks.iter().chain(&entries) {
            state.link.push(message);
        }
        // These calls are settled. Whether a failure pauses the lane cannot be told in the new session.
        let settles = std::mem::take(&mut state.settles);
        // What they stand for is handed in again in the new session.
        state.uncommitted.clear();
        state.next_hand_in = 1;
        drop(state);
        for reply in settles.into_values() {
            let _ = reply.send(false);
        }
        self.post.flush();
    }

    /// Takes what the coordinator sent.
    pub fn take(&self, bytes: &Bytes) {
        let frame = match decode::<ToWorker>(bytes) {
            Ok(ToWorker::Frame(frame)) => frame,
            Ok(ToWorker::Unknown { session }) => {
                let mut state = self.state();
                state.heard = Instant::now();
                if state.session != session {
                    return;
                }
                if state.leaves {
                    state.leaves = false;
                    return;
                }
                drop(state);
                self.join_again();
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
        self.post.flush();
    }

    fn hear(&self, message: Down) {
        let mut state = self.state();
        match message {
            Down::Have { ask, answer } => {
                let ask = state.asks.remove(&ask);
                drop(state);
                if let Some(Ask { reply, .. }) = ask {
                    let _ = reply.send(Ok(Turn::Answered(answer)));
                }
            }
            Down::Go { ask } => {
                let Some(Ask { key, reply, .. }) = state.asks.remove(&ask) else {
                    return;
                };
                state.asking.insert(key);
                drop(state);
                self.is_ours(key, reply, Turn::Ours);
            }
            Down::Granted {
                ask,
                lane,
                is_timed,
            } => {
                drop(state);
                self.granted(ask, lane, is_timed);
            }
            Down::Denied { ask, failure } => {
                drop(state);
                self.refused(ask, failure.error());
            }
            Down::Elsewhere { ask } => {
                drop(state);
                self.refused(ask, CallError::elsewhere());
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
                for key in done.into_values().flat_map(|(keys, _)| keys) {
                    state.asking.remove(&key);
                    state.committed.push(key);
                }
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

    /// Says that this worker leaves.
    pub fn leave(&self) {
        let mut state = self.state();
        state.leaves = true;
        state.push_gathered();
        state.link.push(&Up::Leave);
        drop(state);
        self.post.flush();
    }

    /// Waits until the coordinator does not know it any more.
    pub async fn is_gone(&self) {
        while self.state().leaves {
            sleep(LOOK).await;
        }
    }

    /// Nothing can be asked any more.
    pub fn close(&self) {
        let (asks, entries, settles) = {
            let mut state = self.state();
            state.is_closed = true;
            (
                std::mem::take(&mut state.asks),
                std::mem::take(&mut state.entries),
                std::mem::take(&mut state.settles),
            )
        };
        drop((asks, entries, settles));
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
    let mut last = Instant::now();
    loop {
        let now = Instant::now();
        let mut frames = Vec::new();
        let (wakes, change) = {
            let mut state = hub.state();
            let (epoch, session) = (state.epoch, state.session);
            state.push_gathered();
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
        if !frames.is_empty() {
            last = now;
        }
        for frame in frames {
            hub.bus.send(&hub.run, encode(&frame).into()).await;
        }
        let wakes = wakes.unwrap_or(now + LOOK).min(now + LOOK);
        hub.post.due(last, wakes).await;
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
