//! What workers ask, and what they tell: claims of questions, permits for calls, and numbers for the statistics.

use std::sync::Arc;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Inner;
use super::sessions::Joining;
use crate::wire::{Down, Presence, Up};
use engine::Event;
use gateway::error::CallError;
use gateway::journal::{Begin, Journal};
use gateway::lane::Observer;
use gateway::remote::{CallEnd, CallFailure, Entry};
use store::Claim;
use types::class::FailureClass;
use types::digest::Digest;

impl Inner {
    /// Does what a worker's message asks for.
    pub(super) fn hear(self: &Arc<Self>, name: &str, session: u64, message: Up) {
        match message {
            Up::Join {
                build,
                slots,
                asking,
                calling,
                unheard,
            } => {
                self.take_unheard(name, session, unheard);
                let joining = Joining {
                    build,
                    slots,
                    asking,
                    calling,
                };
                self.join(name, session, joining);
            }
            Up::Ask { ask, key, first } => {
                let (inner, name) = (Arc::clone(self), name.to_owned());
                begin(async move { inner.ask(&name, session, ask, key, first).await });
            }
            Up::GiveUp { key } => {
                let claim = self
                    .state()
                    .of_session(name, session)
                    .and_then(|worker| worker.claims.remove(&key.seed()));
                // The lock is released by now: to drop a claim wakes those who wait for it, which takes the lock of the journal.
                drop(claim);
            }
            Up::Enter { ask, entry } => {
                let (inner, name) = (Arc::clone(self), name.to_owned());
                begin(async move { inner.enter(&name, session, ask, entry).await });
            }
            Up::Began { ask } => {
                let mut state = self.state();
                let worker = state.of_session(name, session);
                if let Some(admission) = worker.and_then(|worker| worker.permits.get(&ask)) {
                    admission.began();
                }
            }
            Up::Accepted { ask, observed } => {
                let mut state = self.state();
                let worker = state.of_session(name, session);
                if let Some(admission) = worker.and_then(|worker| worker.permits.get(&ask)) {
                    admission.accepted(&observed);
                }
            }
            Up::Unused { ask } => {
                let mut state = self.state();
                let worker = state.of_session(name, session);
                let own = worker.and_then(|worker| {
                    worker.unpermitted.remove(&ask);
                    worker.permits.remove(&ask)
                });
                let admission = own.or_else(|| state.orphan(name, ask));
                drop(state);
                if let Some(admission) = admission {
                    admission.unused();
                }
            }
            Up::Settle { ask, end } => self.settle(name, session, ask, &end),
            Up::Called { component, spent } => {
                for spent in spent {
                    self.meter.call_ended(&component, spent);
                }
            }
            Up::TryFailed {
                model,
                class,
                message,
            } => self
                .meter
                .try_failed(&model, &CallError::new(class, message)),
            Up::Journaled { times } => {
                for _ in 0..times {
                    self.meter.journaled();
                }
            }
            Up::Note(note) => self.meter.note(Event::Note(format!("{name}: {note}"))),
            Up::Presence(presence) => self.present(name, session, presence),
            Up::Leave => {
                let until = Instant::now() + self.conditions.call_timeout;
                let mut state = self.state();
                let is_it = state.of_session(name, session).is_some();
                let claims = is_it.then(|| state.lose(name, until));
                self.room.send_replace(state.slots());
                drop(state);
                drop(claims);
                self.does_not_know(name, session);
            }
        }
    }

    /// Gives a worker the answer to a question, or the right to ask it, with that to make its first call.
    async fn ask(&self, name: &str, session: u64, ask: u64, key: Digest, first: Option<Entry>) {
        self.has_heard().await;
        match (self.claim(name, session, ask, key).await, first) {
            (None, _) => {}
            (Some(Down::Go { .. }), Some(first)) => {
                // If the call is refused, the worker asks for it in a message of its own, and handles the refusal there.
                let refused = |_| Down::Go { ask };
                self.admit(name, session, ask, first, refused).await;
            }
            (Some(message), _) => self.tell(name, session, &message),
        }
    }

    /// Claims a question for a worker, if it has no answer; `None` where the worker has gone.
    async fn claim(&self, name: &str, session: u64, ask: u64, key: Digest) -> Option<Down> {
        loop {
            match self.store.begin(key) {
                Err(error) => {
                    let error = CallError::new(FailureClass::Machine, error.to_string());
                    let failure = CallFailure::of(&error);
                    return Some(Down::Denied { ask, failure });
                }
                Ok(Begin::Have(_, answer)) => {
                    self.state().outdone.remove(&(name.to_owned(), key));
                    return Some(Down::Have { ask, answer });
                }
                Ok(Begin::Wait(woken)) => {
                    let _ = woken.await;
                }
                Ok(Begin::Go(claim)) => {
                    let mut state = self.state();
                    let Some(worker) = state.of_session(name, session) else {
                        drop(state);
                        drop(claim);
                        return None;
                    };
                    worker.claims.insert(key.seed(), claim);
                    return Some(Down::Go { ask });
                }
            }
        }
    }

    /// Claims questions that a worker says it is asking.
    pub(super) fn claimed(&self, asking: Vec<Digest>) -> Vec<(u64, Claim)> {
        let claims = asking
            .into_iter()
            .filter_map(|key| match self.store.begin(key) {
                Ok(Begin::Go(claim)) => Some((key.seed(), claim)),
                // The question is answered, or another worker asks it too: the first answer counts.
                Ok(Begin::Have(..) | Begin::Wait(_)) | Err(_) => None,
            });
        claims.collect()
    }

    /// Lets another call of a worker for one question begin.
    async fn enter(&self, name: &str, session: u64, ask: u64, entry: Entry) {
        self.has_heard().await;
        let refused = |error| Down::Denied {
            ask,
            failure: CallFailure::of(&error),
        };
        self.admit(name, session, ask, entry, refused).await;
    }

    /// Waits until a call of a worker may begin, and says so, or that it is refused.
    async fn admit(
        &self,
        name: &str,
        session: u64,
        ask: u64,
        entry: Entry,
        refused: impl FnOnce(CallError) -> Down,
    ) {
        let mut hurries = false;
        let message = match self.gateway.admit(&entry).await {
            Err(error) => refused(error),
            Ok((lane, admission)) => {
                let mut state = self.state();
                let Some(worker) = state.of_session(name, session) else {
                    drop(state);
                    admission.unused();
                    return;
                };
                // While this worker counted as lost, another one may have taken the question, or answered it.
                if worker.claims.contains_key(&entry.question) {
                    let is_timed = admission.is_timed();
                    worker.permits.insert(ask, admission);
                    hurries = is_timed;
                    Down::Granted {
                        ask,
                        lane,
                        is_timed,
                    }
                } else {
                    drop(state);
                    admission.unused();
                    Down::Elsewhere { ask }
                }
            }
        };
        self.tell(name, session, &message);
        if hurries {
            self.post.hurry();
        }
    }

    /// A call has ended.
    fn settle(&self, name: &str, session: u64, ask: u64, end: &CallEnd) {
        let mut state = self.state();
        let own = match state.of_session(name, session) {
            None => None,
            Some(worker) => match worker.unpermitted.get_mut(&ask) {
                Some(ended) => {
                    *ended = Some(Box::new(end.clone()));
                    None
                }
                None => worker.permits.remove(&ask),
            },
        };
        let admission = own.or_else(|| state.orphan(name, ask));
        drop(state);
        let pauses = admission.is_some_and(|admission| admission.settle(end));
        if end.failure.is_some() {
            self.tell(name, session, &Down::Settled { ask, pauses });
        }
    }

    fn present(&self, name: &str, session: u64, presence: Presence) {
        let mut state = self.state();
        let now = Instant::now();
        let Some(worker) = state.of_session(name, session) else {
            return;
        };
        worker.slots = presence.slots;
        worker.records = presence.records;
        worker.calls = presence.calls;
        worker.memory = presence.memory;
        worker.drains = presence.drains;
        state.leases.seen(name, &presence.leases, now);
        self.room.send_replace(state.slots());
    }
}

/// Runs a future at once as far as it gets without waiting, and the rest of it in a task.
fn begin(doing: impl Future<Output = ()> + Send + 'static) {
    let mut doing = Box::pin(doing);
    if doing.as_mut().now_or_never().is_none() {
        tokio::spawn(doing);
    }
}
