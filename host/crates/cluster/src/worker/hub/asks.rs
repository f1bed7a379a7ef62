//! What the gateway of a worker asks its coordinator: the right to ask a question, and the right to make a call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::gathered::Gathered;
use super::{Ask, Hub, TurnReply};
use crate::wire::{Outcome, Up};
use gateway::error::CallError;
use gateway::journal::Provenance;
use gateway::lane::{Observer, Spent};
use gateway::remote::{Admission, CallEnd, Coordinator, Entered, Entry, Later, Target, Turn};
use types::digest::Digest;
use types::limit::Observed;
use types::request::Answer;

impl Coordinator for Hub {
    fn ask(&self, key: Digest, first: Option<Entry>) -> Later<'_, Result<Turn, CallError>> {
        Box::pin(async move {
            let ask = self.next_ask.fetch_add(1, Ordering::Relaxed);
            let (reply, turn) = oneshot::channel();
            {
                let mut state = self.state();
                if state.is_closed {
                    return Err(Hub::gone());
                }
                let message = Up::Ask {
                    ask,
                    key,
                    first: first.clone(),
                };
                state.asks.insert(ask, Ask { key, first, reply });
                state.link.push(&message);
            }
            self.post.flush();
            turn.await.unwrap_or_else(|_| Err(Hub::gone()))
        })
    }

    fn answered(&self, key: Digest, answer: &Answer, provenance: &Provenance) {
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
        // If the coordinator has not answered yet, `is_ours` gives the question up when it does.
        if !state.asking.remove(&key) {
            return;
        }
        state.link.push(&Up::GiveUp { key });
        drop(state);
        self.post.flush();
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
            self.post.flush();
            granted.await.unwrap_or_else(|_| Err(Hub::gone()))
        })
    }
}

impl Hub {
    /// A call may begin.
    pub(super) fn granted(&self, ask: u64, lane: usize, is_timed: bool) {
        let Some(hub) = self.me.upgrade() else {
            return;
        };
        let permit: Box<dyn Admission> = Box::new(Permit {
            hub,
            ask,
            is_timed,
            is_settled: false,
        });
        let mut state = self.state();
        // If nobody waits for the permit any more, it is dropped, which gives it back.
        if let Some((entry, reply)) = state.entries.remove(&ask) {
            state.calling.insert(ask, at_lane(entry, lane));
            drop(state);
            let _ = reply.send(Ok((lane, permit)));
        } else if let Some(Ask {
            key,
            first: Some(entry),
            reply,
        }) = state.asks.remove(&ask)
        {
            state.calling.insert(ask, at_lane(entry, lane));
            state.asking.insert(key);
            drop(state);
            self.is_ours(key, reply, Turn::Granted(lane, permit));
        } else {
            drop(state);
        }
    }

    /// What was asked for cannot be had.
    pub(super) fn refused(&self, ask: u64, error: CallError) {
        let mut state = self.state();
        let asked = state.asks.remove(&ask);
        let entry = state.entries.remove(&ask);
        drop(state);
        if let Some(Ask { reply, .. }) = asked {
            let _ = reply.send(Err(error));
        } else if let Some((_, reply)) = entry {
            let _ = reply.send(Err(error));
        }
    }

    /// This worker asks a question, if anybody waits for that still.
    pub(super) fn is_ours(&self, key: Digest, reply: TurnReply, turn: Turn) {
        if reply.send(Ok(turn)).is_err() {
            self.given_up(key);
        }
    }
}

/// A call at the lane that it was given: a coordinator that starts again counts it there, too.
fn at_lane(entry: Entry, lane: usize) -> Entry {
    match entry.target {
        Target::Lane(_) => entry,
        Target::Pool(model, _) => {
            let lane = u32::try_from(lane).unwrap_or(u32::MAX);
            let others = !1_u64.unbounded_shl(lane);
            Entry {
                target: Target::Pool(model, others),
                ..entry
            }
        }
    }
}

/// The right to make a call, as the coordinator gave it.
struct Permit {
    hub: Arc<Hub>,
    ask: u64,
    /// Whether the coordinator wants to know when exactly the call begins.
    is_timed: bool,
    is_settled: bool,
}

impl Admission for Permit {
    fn began(&self) {
        if self.is_timed {
            self.hub.push(&Up::Began { ask: self.ask });
            self.hub.post.hurry();
        }
    }

    fn accepted(&self, observed: &[Observed]) {
        self.hub
            .gather(|gathered| gathered.accepted(self.ask, observed));
    }

    fn settle(mut self: Box<Self>, end: CallEnd) -> Later<'static, bool> {
        self.is_settled = true;
        let ask = self.ask;
        let failed = end.failure.is_some();
        let end = Box::new(end);
        let settled = {
            let mut state = self.hub.state();
            state.calling.remove(&ask);
            // The end of a call that was answered also says that it was accepted.
            if let Some(observed) = state.gathered.settled(ask)
                && failed
            {
                state.link.push(&Up::Accepted { ask, observed });
            }
            state.link.push(&Up::Settle { ask, end });
            failed.then(|| {
                let (reply, settled) = oneshot::channel();
                if !state.is_closed {
                    state.settles.insert(ask, reply);
                }
                settled
            })
        };
        self.hub.post.flush();
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
        state.calling.remove(&self.ask);
        if !self.is_settled {
            state.link.push(&Up::Unused { ask: self.ask });
            drop(state);
            self.hub.post.flush();
        }
    }
}

impl Observer for Hub {
    fn call_ended(&self, component: &str, spent: Spent) {
        self.gather(|gathered| gathered.called(component, spent));
    }

    fn try_failed(&self, model: &str, error: &CallError) {
        self.push(&Up::TryFailed {
            model: model.to_owned(),
            class: error.class,
            message: error.message.clone(),
        });
    }

    fn journaled(&self) {
        self.gather(Gathered::journaled);
    }

    fn learned(&self, model: &str, what: &str) {
        self.push(&Up::Note(format!("{model}: {what} from now on")));
    }

    fn endpoint_changed(&self, lane: &str, what: &str) {
        self.push(&Up::Note(format!("{lane}: {what}")));
    }
}
