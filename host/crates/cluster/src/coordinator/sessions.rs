//! The workers of a run, as they are known: who they are, what they have in work, and what becomes of that when they come again or are
//! lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokio::time::Instant;

use super::results::Ended;
use super::{Inner, Orphan, State};
use crate::link::{Link, Piece};
use crate::wire::{Down, Frame, ToWorker, Unheard, Up, Welcome, decode, encode};
use gateway::pool::OwnAdmission;
use gateway::remote::{CallEnd, Entry};
use store::Claim;
use types::digest::Digest;

/// What the coordinator knows of a worker.
pub(super) struct Worker {
    pub session: u64,
    pub link: Link,
    pub heard: Instant,
    /// Whether it was welcomed.
    pub is_in: bool,
    pub slots: usize,
    pub records: usize,
    pub calls: u64,
    pub memory: Option<u64>,
    pub drains: bool,
    /// Tasks that it made, and tasks that failed on it.
    pub made: u64,
    pub failed: u64,
    /// Questions that it asks, by the seeds of their keys.
    pub claims: HashMap<u64, Claim>,
    /// Calls that it may make.
    pub permits: HashMap<u64, OwnAdmission>,
    /// Calls under way since before this coordinator started. They wait for a permit here; those that have ended meanwhile have their end.
    pub unpermitted: HashMap<u64, Option<Box<CallEnd>>>,
    /// Numbers of the hand-ins that are durable: the last one before the first gap, and those after it.
    pub committed: (u64, BTreeSet<u64>),
    /// Ends of records from the hand-ins after that gap.
    pub ends: BTreeMap<u64, Vec<Ended>>,
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
            unpermitted: HashMap::new(),
            committed: (0, BTreeSet::new()),
            ends: BTreeMap::new(),
        }
    }

    /// The same worker in another session. Its join message says what it asks and calls.
    fn comes_again(self, session: u64, now: Instant) -> Worker {
        Worker {
            made: self.made,
            failed: self.failed,
            claims: self.claims,
            permits: self.permits,
            ..Worker::new(session, now)
        }
    }
}

impl State {
    /// The worker of this name, if it is in this session.
    pub fn of_session(&mut self, name: &str, session: u64) -> Option<&mut Worker> {
        let worker = self.workers.get_mut(name)?;
        (worker.session == session).then_some(worker)
    }

    /// Records that all workers together can have in work.
    pub fn slots(&self) -> usize {
        let in_work = self.workers.values().filter(|worker| worker.is_in);
        in_work
            .map(|worker| match worker.drains {
                true => worker.records.min(worker.slots),
                false => worker.slots,
            })
            .sum()
    }

    /// A worker is not heard of any more: others may have what it had.
    pub fn lose(&mut self, name: &str, until: Instant) -> Vec<Claim> {
        let Some(worker) = self.workers.remove(name) else {
            return Vec::new();
        };
        let heard = (worker.session, worker.link.received());
        self.heard_until.insert(name.to_owned(), heard);
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

    /// The permits of all calls of a worker that was lost.
    fn orphans_of(&mut self, worker: &str) -> Vec<Orphan> {
        let is_of = |orphan: &mut Orphan| orphan.worker == worker;
        self.orphans.extract_if(.., is_of).collect()
    }

    /// The permit of a call of a worker that was lost.
    pub fn orphan(&mut self, worker: &str, ask: u64) -> Option<OwnAdmission> {
        let mut orphans = self.orphans.iter();
        let at = orphans.position(|orphan| orphan.worker == worker && orphan.ask == ask)?;
        Some(self.orphans.swap_remove(at).admission)
    }
}

/// What a worker says of itself when it joins.
pub(super) struct Joining {
    pub build: String,
    pub slots: usize,
    pub asking: Vec<Digest>,
    pub calling: Vec<(u64, Entry)>,
}

impl Inner {
    /// Takes what a worker sent.
    pub(super) fn take(self: &Arc<Self>, frame: Frame) {
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
        if state.of_session(&name, session).is_none() {
            let known = state.workers.get(&name);
            if !joins(&piece) || known.is_some_and(|worker| worker.session > session) {
                drop(state);
                return self.does_not_know(&name, session);
            }
            let worker = match state.workers.remove(&name) {
                Some(before) => {
                    let heard = (before.session, before.link.received());
                    state.heard_until.insert(name.clone(), heard);
                    before.comes_again(session, now)
                }
                None => Worker::new(session, now),
            };
            state.workers.insert(name.clone(), worker);
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
        self.post.flush();
    }

    /// Tells a worker that its session is unknown. It joins again, unless it has just left.
    pub(super) fn does_not_know(self: &Arc<Self>, name: &str, session: u64) {
        let (inner, name) = (Arc::clone(self), name.to_owned());
        tokio::spawn(async move {
            let message = encode(&ToWorker::Unknown { session });
            inner.bus.send(&name, message.into()).await;
        });
    }

    /// Takes what a worker said in earlier sessions and was not heard: calls that ended while nobody carried its messages count.
    pub(super) fn take_unheard(self: &Arc<Self>, name: &str, session: u64, unheard: Vec<Unheard>) {
        let known = self.state().heard_until.get(name).copied();
        let is_new = |of: &Unheard| known.is_none_or(|heard| (of.session, of.number) > heard);
        for of in unheard {
            if is_new(&of) && of.message.is_account() {
                self.hear(name, session, of.message);
            }
        }
    }

    /// Lets a worker in, or says why not.
    pub(super) fn join(self: &Arc<Self>, name: &str, session: u64, joining: Joining) {
        let own = &self.conditions.build;
        let build = &joining.build;
        let message = if build != own {
            Down::Refused(format!(
                "this worker is batchgen {build}, and the coordinator is batchgen {own}; run the same program on both"
            ))
        } else if let Some((terms, _)) = self.terms.get() {
            let held = self.let_in(name, session, joining);
            let inner = Arc::clone(self);
            tokio::spawn(async move { inner.publish().await });
            Down::Welcome(Box::new(Welcome {
                bundle: self.conditions.bundle,
                terms: terms.clone(),
                held,
                ack_wait_millis: u64::try_from(self.conditions.ack_wait.as_millis())
                    .unwrap_or(u64::MAX),
                trace: self.conditions.trace.clone(),
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

    /// Gives a worker the claims and permits of what it has under way; gives the components that are held.
    fn let_in(
        self: &Arc<Self>,
        name: &str,
        session: u64,
        joining: Joining,
    ) -> Vec<crate::wire::Held> {
        let asking = joining.asking.iter().map(|key| (key.seed(), *key));
        let asking: HashMap<u64, Digest> = asking.collect();
        let mut state = self.state();
        let held = state.held.clone();
        let Some(worker) = state.of_session(name, session) else {
            return held;
        };
        (worker.is_in, worker.slots) = (true, joining.slots);
        let (kept, dropped): (HashMap<_, _>, HashMap<_, _>) = std::mem::take(&mut worker.claims)
            .into_iter()
            .partition(|(seed, _)| asking.contains_key(seed));
        let unclaimed = asking.iter().filter(|(seed, _)| !kept.contains_key(seed));
        let unclaimed: Vec<Digest> = unclaimed.map(|(_, key)| *key).collect();
        worker.claims = kept;
        // Calls that it does not name have ended, with an outcome that is unknown.
        let mut before = std::mem::take(&mut worker.permits);
        let mut permits = HashMap::new();
        let mut unpermitted = Vec::new();
        for (ask, entry) in joining.calling {
            match before.remove(&ask).or_else(|| state.orphan(name, ask)) {
                Some(admission) => drop(permits.insert(ask, admission)),
                None => unpermitted.push((ask, entry)),
            }
        }
        // The same holds for the calls that it made before it was lost.
        let orphans = state.orphans_of(name);
        if let Some(worker) = state.of_session(name, session) {
            worker.permits = permits;
            worker.unpermitted = unpermitted.iter().map(|(ask, _)| (*ask, None)).collect();
        }
        drop(state);
        // Others can ask these questions now. This wakes them, which takes the lock of the journal: so the state's is released first.
        drop((dropped, before, orphans));
        let claims = self.claimed(unclaimed);
        if let Some(worker) = self.state().of_session(name, session) {
            worker.claims.extend(claims);
        }
        for (ask, entry) in unpermitted {
            let (inner, name) = (Arc::clone(self), name.to_owned());
            tokio::spawn(async move { inner.permit(&name, session, ask, entry).await });
        }
        held
    }

    /// Gives a permit to a call that is under way: a coordinator that has started again counts it, too.
    async fn permit(&self, name: &str, session: u64, ask: u64, entry: Entry) {
        let Ok((_, admission)) = self.gateway.admit(&entry).await else {
            return;
        };
        let mut state = self.state();
        let worker = state.of_session(name, session);
        let known = worker.and_then(|worker| {
            let ended = worker.unpermitted.remove(&ask)?;
            Some((worker, ended))
        });
        match known {
            Some((worker, None)) => drop(worker.permits.insert(ask, admission)),
            Some((_, Some(end))) => {
                drop(state);
                admission.settle(&end);
            }
            None => {
                drop(state);
                admission.unused();
            }
        }
    }
}

/// Whether a session begins with these messages.
fn joins(piece: &Piece) -> bool {
    let first = piece.messages.first();
    piece.first == 1 && first.is_some_and(|first| matches!(decode(first), Ok(Up::Join { .. })))
}
