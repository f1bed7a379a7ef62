//! Leases of a few records each. The bus gives each to one worker, and to another one when that is lost. Where the bus itself has lost
//! a lease, it is offered again. The first end of a record counts; another one is dropped.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::Inner;
use crate::wire::{Lease, decode, encode};
use engine::{LeasedRecord, Performed};

/// Most records of a lease.
const RECORDS: usize = 16;
/// Most bytes of a lease with more than one record.
const BYTES: usize = 64 << 10;
/// How long a record waits for others that can be in the same lease.
const GATHER: Duration = Duration::from_millis(10);
/// When a lease that could not be offered is offered again.
const AGAIN: Duration = Duration::from_millis(500);
/// How often a lease is performed again because its outcome is in doubt. Then the outcome counts.
const DOUBTS: u32 = 20;
/// When the run stops: how long a lease that no worker names is waited for.
const UNHEARD: Duration = Duration::from_secs(3);

/// Resolves to what came of a record.
pub(super) type Outcome = oneshot::Receiver<Performed>;

/// All leases, and the records that wait for one.
#[derive(Default)]
pub(super) struct Leases {
    next: u64,
    queue: VecDeque<LeasedRecord>,
    /// By id of the record: who waits for it.
    waiting: HashMap<String, oneshot::Sender<Performed>>,
    out: HashMap<u64, Out>,
}

/// A lease that some worker has, or can take.
struct Out {
    payload: Bytes,
    /// Ids of its records that have not ended.
    records: Vec<String>,
    /// Its number on the bus, once it is offered.
    offered: Option<u64>,
    /// When it was offered, or a worker named it last.
    seen: Instant,
    /// The worker that has it.
    worker: Option<String>,
    /// No worker has it any more, and some of its records have not ended.
    is_doubted: bool,
    /// How often it was in doubt.
    doubts: u32,
}

impl Leases {
    /// Queues a record; none once the run stops.
    pub fn queue(&mut self, record: LeasedRecord, stops: bool) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        if !stops {
            self.waiting.insert(record.id().to_owned(), sender);
            self.queue.push_back(record);
        }
        outcome
    }

    /// Makes the next lease, of so many records at most.
    fn next(&mut self, epoch: u64, most: usize, now: Instant) -> Option<(u64, Bytes)> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while records.len() < most
            && let Some(next) = self.queue.front()
        {
            if !records.is_empty() && bytes + next.bytes() > BYTES {
                break;
            }
            bytes += next.bytes();
            records.extend(self.queue.pop_front());
        }
        (!records.is_empty()).then(|| self.make(epoch, records, now))
    }

    /// Makes a lease of these records.
    fn make(&mut self, epoch: u64, records: Vec<LeasedRecord>, now: Instant) -> (u64, Bytes) {
        self.next += 1;
        let number = self.next;
        let ids = records.iter().map(|record| record.id().to_owned());
        let ids = ids.collect();
        let payload = Bytes::from(encode(&Lease {
            number,
            epoch,
            records,
        }));
        self.out.insert(
            number,
            Out {
                payload: payload.clone(),
                records: ids,
                offered: None,
                seen: now,
                worker: None,
                is_doubted: false,
                doubts: 0,
            },
        );
        (number, payload)
    }

    /// Makes a lease of each record of another one that has not ended.
    fn split(&mut self, lease: u64, now: Instant) -> Vec<(u64, Bytes)> {
        let Some(out) = self.out.remove(&lease) else {
            return Vec::new();
        };
        let Ok(Lease { epoch, records, .. }) = decode(&out.payload) else {
            return Vec::new();
        };
        let left = records.into_iter().filter(|record| {
            let mut left = out.records.iter();
            left.any(|id| id == record.id())
        });
        left.map(|record| self.make(epoch, vec![record], now))
            .collect()
    }

    fn offered(&mut self, number: u64, at: u64, now: Instant) {
        if let Some(out) = self.out.get_mut(&number) {
            out.offered = Some(at);
            out.seen = now;
            out.worker = None;
        }
    }

    /// A worker says that it has these in work.
    pub fn seen(&mut self, worker: &str, leases: &[u64], now: Instant) {
        for number in leases {
            if let Some(out) = self.out.get_mut(number) {
                out.seen = now;
                if out.worker.as_deref() != Some(worker) {
                    out.worker = Some(worker.to_owned());
                }
            }
        }
    }

    /// A worker was lost.
    pub fn lost(&mut self, worker: &str) {
        for out in self.out.values_mut() {
            if out.worker.as_deref() == Some(worker) {
                out.worker = None;
            }
        }
    }

    /// Notes that a record of a lease has ended. Gives the sender for its outcome, unless the record had ended before.
    pub fn ended(&mut self, lease: u64, record: &str) -> Option<oneshot::Sender<Performed>> {
        let out = self.out.get_mut(&lease)?;
        // A later lease may have the same record, for another pass: an end counts for its own lease only.
        let at = out.records.iter().position(|id| id == record)?;
        out.records.swap_remove(at);
        if out.records.is_empty() {
            self.out.remove(&lease);
        }
        self.waiting.remove(record)
    }

    /// Marks a lease to be offered again, because an outcome of it does not count. False if that happened too often.
    pub fn doubt(&mut self, lease: u64) -> bool {
        let Some(out) = self.out.get_mut(&lease) else {
            return true;
        };
        out.doubts += 1;
        out.is_doubted = out.doubts < DOUBTS;
        out.is_doubted
    }

    /// Gives up what is not leased yet.
    pub fn give_up_queued(&mut self) -> Vec<oneshot::Sender<Performed>> {
        let queued: Vec<LeasedRecord> = self.queue.drain(..).collect();
        let ids = queued.iter().map(LeasedRecord::id);
        ids.filter_map(|id| self.waiting.remove(id)).collect()
    }

    /// Gives up what no worker has named for a while, once the run stops.
    pub fn give_up_unheard(&mut self, now: Instant) -> Vec<oneshot::Sender<Performed>> {
        let unheard = |out: &Out| now.duration_since(out.seen) > UNHEARD;
        let numbers: Vec<u64> = self
            .out
            .iter()
            .filter(|(_, out)| unheard(out))
            .map(|(number, _)| *number)
            .collect();
        let outs = numbers.iter().filter_map(|number| self.out.remove(number));
        let ids: Vec<String> = outs.flat_map(|out| out.records).collect();
        ids.iter()
            .filter_map(|id| self.waiting.remove(id))
            .collect()
    }
}

/// Leases what is queued.
pub(super) async fn lease(inner: Arc<Inner>) {
    loop {
        inner.queued.notified().await;
        sleep(GATHER).await;
        loop {
            let now = Instant::now();
            let next = {
                let mut state = inner.state();
                // A worker begins all records of a lease at once, so these are at most half of what it has slots for.
                let slots = state.slots() / state.workers.len().max(1);
                let most = (slots / 2).clamp(1, RECORDS);
                state.leases.next(inner.conditions.epoch, most, now)
            };
            let Some((number, payload)) = next else {
                break;
            };
            let inner = Arc::clone(&inner);
            tokio::spawn(async move { offer(&inner, number, payload).await });
        }
    }
}

impl Inner {
    /// Leases the records of a lease one by one after many workers were lost with it: one record may crash its worker.
    pub(super) fn split(self: &Arc<Self>, lease: u64) {
        let alone = self.state().leases.split(lease, Instant::now());
        if !alone.is_empty() {
            tracing::warn!("workers do not come back from a lease; its records are leased alone");
        }
        for (number, payload) in alone {
            let inner = Arc::clone(self);
            tokio::spawn(async move { offer(&inner, number, payload).await });
        }
    }
}

/// Offers a lease again and again until the bus confirms it.
async fn offer(inner: &Inner, number: u64, payload: Bytes) {
    loop {
        match inner.bus.offer(payload.clone()).await {
            Ok(at) => {
                let now = Instant::now();
                return inner.state().leases.offered(number, at, now);
            }
            Err(error) => {
                tracing::debug!("a lease could not be offered: {error}");
                // The bus may have lost the stream.
                if let Err(error) = inner.bus.prepare().await {
                    tracing::debug!("the bus is not ready: {error}");
                }
            }
        }
        sleep(AGAIN).await;
        if !inner.state().leases.out.contains_key(&number) {
            return;
        }
    }
}

/// Offers leases again that neither a worker nor the bus has.
pub(super) async fn watch(inner: Arc<Inner>) {
    loop {
        sleep(AGAIN).await;
        for (number, at, payload) in suspects(&inner) {
            match at {
                None => {}
                // The bus still has it, and gives it to another worker after the deadline.
                Some(at) => match inner.bus.has(at).await {
                    Ok(true) => {
                        let mut state = inner.state();
                        if let Some(out) = state.leases.out.get_mut(&number) {
                            out.seen = Instant::now();
                        }
                        continue;
                    }
                    Ok(false) => {}
                    Err(error) => {
                        tracing::debug!("nobody knows where the lease {number} is: {error}");
                        break;
                    }
                },
            }
            let mut state = inner.state();
            let Some(out) = state.leases.out.get_mut(&number) else {
                continue;
            };
            tracing::warn!("the lease {number} was lost on its way and is offered again");
            (out.offered, out.seen, out.is_doubted) = (None, Instant::now(), false);
            drop(state);
            let inner = Arc::clone(&inner);
            tokio::spawn(async move { offer(&inner, number, payload).await });
        }
    }
}

/// Leases that were silent for long or are in doubt, each with its bytes. Those that the bus may still have come with their number there.
fn suspects(inner: &Inner) -> Vec<(u64, Option<u64>, Bytes)> {
    let (now, patience) = (Instant::now(), inner.conditions.ack_wait);
    let state = inner.state();
    let out = state.leases.out.iter();
    let suspects = out.filter_map(|(number, out)| {
        let at = out.offered?;
        let is_late = now.duration_since(out.seen) > patience;
        let at = (!out.is_doubted).then_some(at);
        (out.is_doubted || is_late).then(|| (*number, at, out.payload.clone()))
    });
    suspects.collect()
}
