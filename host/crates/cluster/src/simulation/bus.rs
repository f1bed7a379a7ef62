//! A bus in memory that goes wrong by a seed: it loses, doubles, delays and reorders messages, does not answer, and forgets all it has.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex as AsyncMutex;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep};

use super::plan::Plan;
use super::{COORDINATOR, Dice, TICK};
use crate::bus::{BusError, CoordinatorBus, Delivery, Heard, Later, Receipt, WorkerBus};

/// An exchange that has no answer is given up after so long.
const PATIENCE: Duration = Duration::from_secs(2);
/// A worker that finds no lease waits so long for one.
const FOR_A_LEASE: Duration = Duration::from_secs(2);
/// What is waited for is looked after so often.
const LOOK: Duration = Duration::from_millis(50);

/// What all processes of a history share.
pub(super) struct Server {
    plan: Plan,
    state: Mutex<State>,
}

struct State {
    dice: Dice,
    now: Duration,
    /// Whether the streams are there.
    is_made: bool,
    work: Stream,
    results: Stream,
    bundles: BTreeMap<String, Bytes>,
    /// Messages on their way, by when they arrive.
    posts: BTreeMap<(Duration, u64), Post>,
    sent: u64,
    coordinator: Option<UnboundedSender<Bytes>>,
    workers: BTreeMap<String, UnboundedSender<Heard>>,
    /// Who is cut off, and until when.
    cuts: BTreeMap<String, Duration>,
    /// Until when the server itself is not there.
    down: Duration,
}

#[derive(Default)]
struct Stream {
    last: u64,
    messages: BTreeMap<u64, Kept>,
}

struct Kept {
    payload: Bytes,
    /// Nobody else gets it before.
    free: Duration,
    /// How often somebody got it.
    times: u64,
}

#[derive(Clone)]
enum Post {
    Beat(Bytes),
    Up(Bytes),
    Down(String, Bytes),
}

/// How an exchange with the server goes.
enum Fate {
    Good,
    /// It did not arrive.
    Lost,
    /// It was done, and nobody knows.
    Unanswered,
}

impl Stream {
    fn push(&mut self, payload: Bytes) -> u64 {
        self.last += 1;
        let free = Duration::ZERO;
        let times = 0;
        self.messages.insert(
            self.last,
            Kept {
                payload,
                free,
                times,
            },
        );
        self.last
    }

    fn take(&mut self, most: usize, now: Duration, ack_wait: Duration) -> Vec<(u64, u64, Bytes)> {
        let free = self
            .messages
            .iter_mut()
            .filter(|(_, kept)| kept.free <= now);
        free.take(most)
            .map(|(number, kept)| {
                kept.free = now + ack_wait;
                kept.times += 1;
                (*number, kept.times, kept.payload.clone())
            })
            .collect()
    }
}

impl State {
    fn is_cut(&self, who: &str) -> bool {
        let is_cut_off = self.cuts.get(who).is_some_and(|until| *until > self.now);
        is_cut_off || self.down > self.now
    }

    /// Sends a plain message.
    fn post(&mut self, from: &str, post: &Post, plan: &Plan) {
        if self.is_cut(from) {
            return;
        }
        let wire = plan.wire(self.now);
        let copies = match self.dice.below(1000) {
            fate if fate < wire.lost => 0,
            fate if fate < wire.lost + wire.doubled => 2,
            _ => 1,
        };
        for _ in 0..copies {
            let late = match self.dice.below(1000) < wire.late {
                true => Duration::from_millis(self.dice.below(1_500)),
                false => Duration::from_millis(self.dice.below(20)),
            };
            self.sent += 1;
            let at = (self.now + TICK + late, self.sent);
            self.posts.insert(at, post.clone());
        }
    }

    fn deliver(&mut self, post: Post) {
        match post {
            Post::Beat(bytes) => {
                for (name, mailbox) in &self.workers {
                    if !self.is_cut(name) {
                        let _ = mailbox.send(Heard::Beat(bytes.clone()));
                    }
                }
            }
            Post::Up(bytes) => {
                if let Some(mailbox) = &self.coordinator
                    && !self.is_cut(COORDINATOR)
                {
                    let _ = mailbox.send(bytes);
                }
            }
            Post::Down(name, bytes) => {
                if let Some(mailbox) = self.workers.get(&name)
                    && !self.is_cut(&name)
                {
                    let _ = mailbox.send(Heard::Message(bytes));
                }
            }
        }
    }
}

impl Server {
    pub fn new(plan: &Plan) -> Arc<Server> {
        Arc::new(Server {
            plan: plan.clone(),
            state: Mutex::new(State {
                dice: Dice(plan.seed ^ 0xb05),
                now: Duration::ZERO,
                is_made: false,
                work: Stream::default(),
                results: Stream::default(),
                bundles: BTreeMap::new(),
                posts: BTreeMap::new(),
                sent: 0,
                coordinator: None,
                workers: BTreeMap::new(),
                cuts: BTreeMap::new(),
                down: Duration::ZERO,
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked with it")
    }

    /// The clock of all.
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// It is so late now: what was sent by then arrives.
    pub fn is_at(&self, now: Duration) {
        let mut state = self.state();
        state.now = now;
        while let Some(first) = state.posts.first_entry()
            && first.key().0 <= now
        {
            let post = first.remove();
            state.deliver(post);
        }
    }

    /// Loses all that it has, and begins anew.
    pub fn is_emptied(&self) {
        let mut state = self.state();
        state.is_made = false;
        (state.work, state.results) = Default::default();
        state.bundles.clear();
    }

    /// It is killed, and started again after so long, perhaps without what it had. What was on its way does not arrive.
    pub fn is_killed(&self, down: Duration, forgets: bool) {
        let mut state = self.state();
        state.down = state.now + down;
        state.posts.clear();
        drop(state);
        if forgets {
            self.is_emptied();
        }
    }

    /// Somebody is cut off for so long.
    pub fn cuts_off(&self, who: &str, span: Duration) {
        let mut state = self.state();
        let until = state.now + span;
        state.cuts.insert(who.to_owned(), until);
    }

    /// Asks the server for something, as this process.
    async fn exchange<T>(
        &self,
        who: &str,
        act: impl FnOnce(&mut State) -> Result<T, BusError>,
    ) -> Result<T, BusError> {
        let fate = {
            let mut state = self.state();
            let refused = self.plan.wire(state.now).unanswered;
            match state.dice.below(1000) {
                _ if state.is_cut(who) => Fate::Lost,
                dice if dice < refused / 2 => Fate::Lost,
                dice if dice < refused => Fate::Unanswered,
                _ => Fate::Good,
            }
        };
        let unanswered = || BusError::new("the server did not answer in time");
        if matches!(fate, Fate::Lost) {
            sleep(PATIENCE).await;
            return Err(unanswered());
        }
        sleep(TICK / 2).await;
        let done = act(&mut self.state());
        if matches!(fate, Fate::Unanswered) {
            sleep(PATIENCE).await;
            return Err(unanswered());
        }
        sleep(TICK / 2).await;
        done
    }

    /// Says something of a message of a stream: nobody knows whether that arrives.
    fn says(&self, who: &str, say: impl FnOnce(&mut State, Duration)) {
        let mut state = self.state();
        let is_lost = state.dice.below(1000) < self.plan.wire(state.now).unanswered;
        if !is_lost && !state.is_cut(who) {
            let free = state.now + self.plan.ack_wait;
            say(&mut state, free);
        }
    }
}

fn missing() -> BusError {
    BusError::new("stream not found")
}

/// A message of a stream, taken.
struct Taken {
    server: Arc<Server>,
    who: String,
    number: u64,
    /// Its stream.
    of: fn(&mut State) -> &mut Stream,
}

impl Receipt for Taken {
    fn extend(&self) -> Later<'_, ()> {
        Box::pin(async move {
            self.server.says(&self.who, |state, free| {
                if let Some(kept) = (self.of)(state).messages.get_mut(&self.number) {
                    kept.free = free;
                }
            });
        })
    }

    fn back(&self) -> Later<'_, ()> {
        Box::pin(async move {
            self.server.says(&self.who, |state, _| {
                let now = state.now;
                if let Some(kept) = (self.of)(state).messages.get_mut(&self.number) {
                    kept.free = now;
                }
            });
        })
    }

    fn done(&self) -> Later<'_, ()> {
        Box::pin(async move {
            // As with NATS, whose streams number their messages from one again when they were lost: it may be another one.
            self.server.says(&self.who, |state, _| {
                (self.of)(state).messages.remove(&self.number);
            });
        })
    }
}

/// The bus of a coordinator.
pub(super) struct OfCoordinator {
    server: Arc<Server>,
    mailbox: AsyncMutex<UnboundedReceiver<Bytes>>,
}

impl OfCoordinator {
    pub fn new(server: &Arc<Server>) -> OfCoordinator {
        let (sender, mailbox) = unbounded_channel();
        server.state().coordinator = Some(sender);
        OfCoordinator {
            server: Arc::clone(server),
            mailbox: AsyncMutex::new(mailbox),
        }
    }
}

impl CoordinatorBus for OfCoordinator {
    fn beat(&self, message: Bytes) -> Later<'_, ()> {
        Box::pin(async move {
            let server = &self.server;
            server
                .state()
                .post(COORDINATOR, &Post::Beat(message), &server.plan);
        })
    }

    fn send<'a>(&'a self, worker: &'a str, message: Bytes) -> Later<'a, ()> {
        Box::pin(async move {
            let (server, post) = (&self.server, Post::Down(worker.to_owned(), message));
            server.state().post(COORDINATOR, &post, &server.plan);
        })
    }

    fn receive(&self) -> Later<'_, Option<Bytes>> {
        Box::pin(async move { self.mailbox.lock().await.recv().await })
    }

    fn offer(&self, lease: Bytes) -> Later<'_, Result<u64, BusError>> {
        Box::pin(
            self.server
                .exchange(COORDINATOR, move |state| match state.is_made {
                    true => Ok(state.work.push(lease)),
                    false => Err(missing()),
                }),
        )
    }

    fn has(&self, number: u64) -> Later<'_, Result<bool, BusError>> {
        Box::pin(self.server.exchange(COORDINATOR, move |state| {
            Ok(state.work.messages.contains_key(&number))
        }))
    }

    fn withdraw(&self) -> Later<'_, ()> {
        Box::pin(async move {
            let purge = |state: &mut State| {
                state.work.messages.clear();
                Ok(())
            };
            let _ = self.server.exchange(COORDINATOR, purge).await;
        })
    }

    fn handed_in(&self) -> Later<'_, Result<Delivery, BusError>> {
        Box::pin(async move {
            let server = &self.server;
            loop {
                let taken = {
                    let mut state = server.state();
                    let (now, is_cut) = (state.now, state.is_cut(COORDINATOR));
                    match state.is_made {
                        _ if is_cut => Vec::new(),
                        true => state.results.take(1, now, server.plan.ack_wait),
                        false => return Err(missing()),
                    }
                };
                if let Some((number, times, payload)) = taken.into_iter().next() {
                    let receipt = Box::new(Taken {
                        server: Arc::clone(server),
                        who: COORDINATOR.to_owned(),
                        number,
                        of: |state| &mut state.results,
                    });
                    return Ok(Delivery {
                        payload,
                        times,
                        receipt,
                    });
                }
                sleep(TICK).await;
            }
        })
    }

    fn publish<'a>(&'a self, name: &'a str, bundle: Bytes) -> Later<'a, Result<(), BusError>> {
        Box::pin(self.server.exchange(COORDINATOR, move |state| {
            state.bundles.insert(name.to_owned(), bundle);
            Ok(())
        }))
    }

    fn prepare(&self) -> Later<'_, Result<(), BusError>> {
        Box::pin(self.server.exchange(COORDINATOR, |state| {
            state.is_made = true;
            Ok(())
        }))
    }

    fn remove(&self) -> Later<'_, ()> {
        Box::pin(async move { self.server.is_emptied() })
    }
}

/// The bus of a worker.
pub(super) struct OfWorker {
    server: Arc<Server>,
    name: String,
    mailbox: AsyncMutex<UnboundedReceiver<Heard>>,
}

impl OfWorker {
    pub fn new(server: &Arc<Server>, name: &str) -> OfWorker {
        let (sender, mailbox) = unbounded_channel();
        server.state().workers.insert(name.to_owned(), sender);
        OfWorker {
            server: Arc::clone(server),
            name: name.to_owned(),
            mailbox: AsyncMutex::new(mailbox),
        }
    }
}

impl WorkerBus for OfWorker {
    fn hear(&self) -> Later<'_, Option<Heard>> {
        Box::pin(async move { self.mailbox.lock().await.recv().await })
    }

    fn listen<'a>(&'a self, _run: &'a str, _worker: &'a str) -> Later<'a, Result<(), BusError>> {
        Box::pin(self.server.exchange(&self.name, |_| Ok(())))
    }

    fn send<'a>(&'a self, _run: &'a str, message: Bytes) -> Later<'a, ()> {
        Box::pin(async move {
            let server = &self.server;
            server
                .state()
                .post(&self.name, &Post::Up(message), &server.plan);
        })
    }

    fn take<'a>(
        &'a self,
        _run: &'a str,
        most: usize,
    ) -> Later<'a, Result<Vec<Delivery>, BusError>> {
        Box::pin(async move {
            let (server, until) = (&self.server, Instant::now() + FOR_A_LEASE);
            loop {
                let ack_wait = server.plan.ack_wait;
                let take = |state: &mut State| match state.is_made {
                    true => Ok(state.work.take(most, state.now, ack_wait)),
                    false => Err(missing()),
                };
                let taken = server.exchange(&self.name, take).await?;
                if taken.is_empty() && Instant::now() < until {
                    sleep(LOOK).await;
                    continue;
                }
                let deliveries = taken.into_iter().map(|(number, times, payload)| {
                    let receipt = Box::new(Taken {
                        server: Arc::clone(server),
                        who: self.name.clone(),
                        number,
                        of: |state| &mut state.work,
                    });
                    Delivery {
                        payload,
                        times,
                        receipt,
                    }
                });
                return Ok(deliveries.collect());
            }
        })
    }

    fn hand_in<'a>(&'a self, _run: &'a str, payload: Bytes) -> Later<'a, Result<(), BusError>> {
        Box::pin(
            self.server
                .exchange(&self.name, move |state| match state.is_made {
                    true => {
                        state.results.push(payload);
                        Ok(())
                    }
                    false => Err(missing()),
                }),
        )
    }

    fn bundle<'a>(&'a self, _run: &'a str, name: &'a str) -> Later<'a, Result<Bytes, BusError>> {
        Box::pin(self.server.exchange(&self.name, move |state| {
            state.bundles.get(name).cloned().ok_or_else(missing)
        }))
    }
}
