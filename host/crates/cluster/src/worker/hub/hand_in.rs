//! What a worker hands in: answers, which lie in its spool until the coordinator has them, and the ends of records.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};

use super::super::leases::InWork;
use super::{Hub, LOOK, guard};
use crate::wire::{HandIn, Outcome, encode};
use store::{Spooled, Store, StoreError};
use types::digest::Digest;
use types::request::Answer;

/// Most bytes that are handed in together.
const TOGETHER: usize = 512 << 10;
/// When something that could not be handed in is tried again.
const AGAIN: Duration = Duration::from_millis(500);
/// What is handed in waits so long for other that it can go with: nobody waits for it but the end of the run. Each message of a stream
/// costs the server as much as some plain ones, and in this time most records end whose answers are handed in.
const GATHER: Duration = Duration::from_millis(40);

/// Answers that the coordinator has are removed from the spool when there are so many, or so often.
const MANY: usize = 1024;
const DISCARD: Duration = Duration::from_secs(1);

/// An outcome to hand in, with its lease, which is dropped once that is done.
pub(super) struct Handed {
    outcome: Outcome,
    _lease: Option<Arc<InWork>>,
}

/// Hands in what there is, and removes from the spool what the coordinator has.
pub(in crate::worker) async fn hand_in(hub: Arc<Hub>, spool: Store, ack_wait: Duration) {
    let Some(mut handed) = guard(&hub.handed).take() else {
        return;
    };
    let mut discarded = Instant::now();
    loop {
        let next = tokio::select! {
            next = handed.recv() => next,
            () = sleep(LOOK) => None,
        };
        if hub.has_many_committed(&mut discarded)
            && let Err(error) = hub.discards(&spool).await
        {
            // Answers that stay in the spool are handed in again by the next worker that opens it.
            hub.failed(&error.to_string());
        }
        hub.hand_in_late(ack_wait);
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
            Outcome::Done { .. } | Outcome::Split { .. } => None,
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
        hub.state().queued -= leases.len();
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
            Outcome::Split { .. } => 0,
        }
    }
}

impl Hub {
    /// Joins again, and so hands answers in again, where nothing was heard for long of what was handed in: the bus may have lost
    /// it, and its number would leave a gap.
    fn hand_in_late(&self, ack_wait: Duration) {
        let now = Instant::now();
        let is_late = {
            let state = self.state();
            let mut waiting = state.uncommitted.values();
            waiting.any(|(_, since)| now.duration_since(*since) > 2 * ack_wait)
        };
        if is_late {
            self.join_again();
        }
    }

    /// Whether it is time to remove answers from the spool: many at once cost as much as one.
    fn has_many_committed(&self, discarded: &mut Instant) -> bool {
        let committed = self.state().committed.len();
        let is_time = committed >= MANY || discarded.elapsed() >= DISCARD && committed > 0;
        if is_time {
            *discarded = Instant::now();
        }
        is_time
    }

    /// Removes from the spool what the coordinator has.
    pub async fn discards(&self, spool: &Store) -> Result<(), StoreError> {
        let committed = std::mem::take(&mut self.state().committed);
        match committed.is_empty() {
            true => Ok(()),
            false => spool.discard(committed).await,
        }
    }

    /// Whether all that was handed in is durable at the coordinator. While this worker joins again, nobody knows: what lies in the
    /// spool is handed in once it is let in.
    pub fn is_committed(&self) -> bool {
        if !*self.is_in.borrow() {
            return false;
        }
        let state = self.state();
        state.queued == 0 && state.uncommitted.is_empty()
    }

    /// Hands in what came of a lease, which is over when that is done.
    pub fn done(&self, outcome: Outcome, lease: Arc<InWork>) {
        self.queue(outcome, Some(lease));
    }

    pub(super) fn queue(&self, outcome: Outcome, lease: Option<Arc<InWork>>) {
        self.state().queued += 1;
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
}
