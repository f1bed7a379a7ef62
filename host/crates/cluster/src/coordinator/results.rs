//! What workers hand in: answers, which are written to the journal before they are accepted, and the ends of records.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::Inner;
use crate::bus::{Delivery, Receipt};
use crate::wire::{Down, HandIn, Outcome, decode};
use gateway::journal::{Begin, Journal, Provenance};
use store::StoreError;
use types::digest::Digest;
use types::request::Answer;

/// What could not be fetched is fetched again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// Takes what is handed in, and accepts it when all of it is durable.
pub(super) async fn collect(inner: Arc<Inner>) {
    loop {
        let Delivery { payload, receipt } = match inner.bus.handed_in().await {
            Ok(delivery) => delivery,
            Err(error) => {
                tracing::debug!("what was handed in cannot be fetched: {error}");
                if let Err(error) = inner.prepare().await {
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

fn take(inner: &Arc<Inner>, handed: HandIn, receipt: Box<dyn Receipt>) {
    let HandIn {
        worker,
        session,
        number,
        results,
    } = handed;
    let mut answers = Vec::new();
    for outcome in results {
        match outcome {
            Outcome::Answer {
                key,
                answer,
                provenance,
            } => {
                let inner = Arc::clone(inner);
                // All at once, so that they are written together.
                answers.push(tokio::spawn(async move {
                    inner.answered(key, answer, *provenance).await
                }));
            }
            Outcome::Done {
                lease,
                record,
                performed,
            } => {
                let waits = {
                    let mut state = inner.state();
                    if let Some(of) = state.of_session(&worker, session) {
                        of.made += performed.made();
                        of.failed += performed.failed();
                    }
                    state.leases.ended(lease, &record)
                };
                match waits {
                    Some(waits) => {
                        let _ = waits.send(*performed);
                    }
                    None => tracing::debug!("{record} had ended before"),
                }
            }
        }
    }
    let inner = Arc::clone(inner);
    tokio::spawn(async move {
        let mut is_durable = true;
        for answer in answers {
            is_durable &= matches!(answer.await, Ok(Ok(())));
        }
        // What is not durable is handed in again, by the bus or by the worker.
        if is_durable {
            receipt.done().await;
            inner.committed(&worker, session, number);
        }
    });
}

impl Inner {
    /// Writes an answer to the journal.
    async fn answered(
        &self,
        key: Digest,
        answer: Answer,
        provenance: Provenance,
    ) -> Result<(), StoreError> {
        // Whoever asks it now: a worker that has joined again has the claim under its new session, and of two workers that ask
        // the first answer counts.
        let claim = {
            let mut state = self.state();
            let mut workers = state.workers.values_mut();
            workers.find_map(|worker| worker.claims.remove(&key))
        };
        let claim = match claim {
            Some(claim) => claim,
            None => loop {
                match self.store.begin(key)? {
                    Begin::Have(..) => {
                        tracing::debug!("a question was answered before: {key}");
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
        Ok(())
    }

    /// What a worker handed in with this number is durable.
    fn committed(&self, name: &str, session: u64, number: u64) {
        let mut state = self.state();
        let Some(worker) = state.of_session(name, session) else {
            return;
        };
        let (last, beyond) = &mut worker.committed;
        beyond.insert(number);
        let before = *last;
        while beyond.remove(&(*last + 1)) {
            *last += 1;
        }
        let last = *last;
        if last > before {
            worker.link.push(&Down::Committed { number: last });
            drop(state);
            self.flush.notify_one();
        }
    }
}
