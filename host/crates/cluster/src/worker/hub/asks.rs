//! What the gateway of a worker asks its coordinator: the right to ask a question, and the right to make a call.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::oneshot;

use super::Hub;
use crate::wire::{Outcome, Up};
use gateway::error::CallError;
use gateway::journal::Provenance;
use gateway::lane::{Observer, Spent};
use gateway::remote::{Admission, CallEnd, Coordinator, Entered, Entry, Later};
use types::digest::Digest;
use types::limit::Observed;
use types::request::Answer;

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
            self.post.flush();
            answer.await.unwrap_or_else(|_| Err(Hub::gone()))
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
        state.asking.remove(&key);
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

/// The right to make a call, as the coordinator gave it.
pub(super) struct Permit {
    pub hub: Arc<Hub>,
    pub ask: u64,
    /// Whether the coordinator wants to know when exactly the call begins.
    pub is_timed: bool,
    pub is_settled: bool,
}

impl Admission for Permit {
    fn began(&self) {
        if self.is_timed {
            self.hub.push(&Up::Began { ask: self.ask });
            self.hub.post.hurry();
        }
    }

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
            state.calling.remove(&ask);
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
