//! What workers hand in: answers, which are written to the journal before they are accepted, and the ends of records.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::sleep;

use super::Inner;
use crate::bus::{Delivery, Receipt};
use crate::wire::{Down, HandIn, Outcome, decode};
use engine::Performed;
use gateway::journal::{Begin, Journal, Provenance};
use store::StoreError;
use types::digest::Digest;
use types::request::Answer;

/// What could not be fetched is fetched again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// Takes what is handed in, and accepts it when all of it is durable.
pub(super) async fn collect(inner: Arc<Inner>) {
    loop {
        let Delivery {
            payload, receipt, ..
        } = match inner.bus.handed_in().await {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::debug!("what was handed in cannot be fetched: {error}");
                if let Err(error) = inner.bus.prepare().await {
                    tracing::debug!("the bus is not ready: {error}");
                }
                sleep(AGAIN).await;
                continue;
            }
        };
        match decode::<HandIn>(&payload) {
            Ok(handed) => take(&inner, handed, receipt),
            Err(error) => {
                tracing::warn!("{error}");
                receipt.done().await;
            }
        }
    }
}

/// How many questions one generation of `Written` holds.
const WRITTEN: usize = 1 << 13;

/// Questions whose answers were written lately: a record ends soon after the last of its answers.
#[derive(Default)]
pub(super) struct Written {
    lately: HashSet<Digest>,
    before: HashSet<Digest>,
}

impl Written {
    fn insert(&mut self, key: Digest) {
        if self.lately.len() >= WRITTEN {
            self.before = std::mem::take(&mut self.lately);
        }
        self.lately.insert(key);
    }

    fn contains(&self, key: Digest) -> bool {
        self.lately.contains(&key) || self.before.contains(&key)
    }
}

/// The end of a record, as a worker handed it in.
pub(super) struct Ended {
    epoch: u64,
    lease: u64,
    record: String,
    performed: Box<Performed>,
}

fn take(inner: &Arc<Inner>, handed: HandIn, receipt: Box<dyn Receipt>) {
    let HandIn {
        worker,
        session,
        number,
        results,
    } = handed;
    let mut answers = Vec::new();
    let mut ends = Vec::new();
    for outcome in results {
        match outcome {
            Outcome::Answer {
                key,
                answer,
                provenance,
            } => {
                answers.push((key, answer, provenance));
            }
            Outcome::Split { epoch, lease } => {
                if epoch == inner.conditions.epoch {
                    inner.split(lease);
                }
            }
            Outcome::Done {
                epoch,
                lease,
                record,
                performed,
            } => ends.push(Ended {
                epoch,
                lease,
                record,
                performed,
            }),
        }
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let answers = answers
            .into_iter()
            .map(|(key, answer, provenance)| inner.answered(&worker, key, answer, *provenance));
        // All at once, so that one transaction writes them.
        let written = join_all(answers).await;
        // What is not durable is handed in again, by the bus or by the worker.
        if written.iter().all(Result::is_ok) {
            receipt.done().await;
            inner.committed(&worker, session, number, ends);
        }
    });
}

impl Inner {
    /// Writes an answer to the journal.
    async fn answered(
        &self,
        worker: &str,
        key: Digest,
        answer: Answer,
        provenance: Provenance,
    ) -> Result<(), StoreError> {
        // The claim may be with another session of this worker, if it joined again, or with another worker. The first answer counts.
        let claim = {
            let mut state = self.state();
            let mut workers = state.workers.values_mut();
            workers.find_map(|worker| worker.claims.remove(&key.seed()))
        };
        let claim = match claim {
            Some(claim) => claim,
            None => loop {
                match self.store.begin(key)? {
                    Begin::Have(_, known) => {
                        tracing::debug!("a question was answered before: {key}");
                        if known != answer {
                            self.state().outdone.insert((worker.to_owned(), key));
                        }
                        self.state().written.insert(key);
                        return Ok(());
                    }
                    Begin::Go(claim) => break claim,
                    Begin::Wait(woken) => {
                        let _ = woken.await;
                    }
                }
            },
        };
        self.store.record(claim, &answer, &provenance).await?;
        self.state().written.insert(key);
        Ok(())
    }

    /// What a worker handed in with this number is durable. Ends of records count once all is durable that was handed in before them:
    /// the answers that they are made of.
    fn committed(&self, name: &str, session: u64, number: u64, ends: Vec<Ended>) {
        let mut state = self.state();
        let Some(worker) = state.of_session(name, session) else {
            drop(state);
            return self.count(name, ends);
        };
        let (last, beyond) = &mut worker.committed;
        if number <= *last || !beyond.insert(number) {
            // The bus delivered it twice.
            return;
        }
        worker.ends.insert(number, ends);
        let before = *last;
        while beyond.remove(&(*last + 1)) {
            *last += 1;
        }
        let last = *last;
        if last == before {
            return;
        }
        worker.link.push(&Down::Committed { number: last });
        let beyond = worker.ends.split_off(&(last + 1));
        let ends = std::mem::replace(&mut worker.ends, beyond);
        drop(state);
        self.post.flush();
        self.count(name, ends.into_values().flatten().collect());
    }

    /// Counts ends of records, as far as they are those of leases that are out, and made of what the journal has.
    fn count(&self, name: &str, ends: Vec<Ended>) {
        for ended in ends {
            let Ended {
                epoch,
                lease,
                record,
                performed,
            } = ended;
            if epoch != self.conditions.epoch {
                tracing::debug!("{record} was leased by an earlier coordinator");
                continue;
            }
            let counts = performed.told().all(|key| self.counts(name, key));
            let mut state = self.state();
            // The worker left, or an earlier coordinator had stopped it: the record is unfinished.
            let is_given_up = performed.is_interrupted() && !state.stops;
            if (!counts || is_given_up) && state.leases.doubt(lease) {
                tracing::debug!("{record} is performed again");
                continue;
            }
            let Some(waits) = state.leases.ended(lease, &record) else {
                tracing::debug!("{record} had ended before");
                continue;
            };
            if let Some(worker) = state.workers.get_mut(name) {
                worker.made += performed.made();
                worker.failed += performed.failed();
            }
            drop(state);
            let _ = waits.send(performed.by(name));
        }
    }

    /// Whether the journal has the answer that a worker has to this question.
    fn counts(&self, worker: &str, key: Digest) -> bool {
        let state = self.state();
        let outdone = &state.outdone;
        if !outdone.is_empty() && outdone.contains(&(worker.to_owned(), key)) {
            return false;
        }
        let is_written = state.written.contains(key);
        drop(state);
        is_written || matches!(self.store.answered(key), Ok(Some(_)))
    }
}
