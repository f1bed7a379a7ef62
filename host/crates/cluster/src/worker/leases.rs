//! The leases that a worker has in work.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{Mutex as AsyncMutex, Notify};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::hub::Hub;
use crate::bus::{Delivery, Receipt, WorkerBus};
use crate::wire::{Held, Lease, Outcome, Presence, Up, decode};
use engine::{LeasedRecord, Seat, resident_memory};

/// How often a worker says what it is doing.
const PRESENCE: Duration = Duration::from_secs(1);
/// A lease that was delivered more often counts as deadly: it is what ends its workers.
const DEADLY: u64 = 10;
/// A lease that was delivered more often is suspect. The records of suspects are performed one after the other, so that the harmless ones
/// end before the deadly one begins.
const SUSPECT: u64 = 2;
/// Most records that a lease is expected to have before any is known.
const RECORDS: usize = 16;
/// Leases are taken no more often than once in so long.
const APART: Duration = Duration::from_millis(5);
/// Most leases that are taken at once.
const AT_ONCE: usize = 64;
/// How often a worker that leaves looks whether all that it handed in is durable.
const LOOK: Duration = Duration::from_millis(100);
/// Leases that cannot be taken are tried for again after so long.
const AGAIN: Duration = Duration::from_millis(500);

/// What a worker has in work.
pub(super) struct Work {
    bus: Arc<dyn WorkerBus>,
    run: String,
    hub: Arc<Hub>,
    seat: Arc<Seat>,
    slots: usize,
    records: AtomicUsize,
    performed: AtomicU64,
    leases: Mutex<BTreeMap<u64, Weak<InWork>>>,
    stops: AtomicBool,
    drains: AtomicBool,
    /// What performs records.
    tasks: Mutex<JoinSet<()>>,
    /// There is room for another record, or nothing in work any more.
    changed: Notify,
    /// Held while a record of a suspect lease is performed.
    turn: AsyncMutex<()>,
}

/// A lease in work. When the last reference is dropped, it is confirmed to the bus, or given back if a record was not performed.
pub(super) struct InWork {
    receipt: Arc<dyn Receipt>,
    /// Records whose outcome was not handed in.
    left: AtomicUsize,
}

impl InWork {
    /// What came of one of its records is handed in.
    fn performed(&self) {
        self.left.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for InWork {
    fn drop(&mut self) {
        let (receipt, left) = (Arc::clone(&self.receipt), *self.left.get_mut());
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                match left {
                    0 => receipt.done().await,
                    _ => receipt.back().await,
                }
            });
        }
    }
}

impl Work {
    /// Nothing is in work yet.
    pub fn new(
        bus: Arc<dyn WorkerBus>,
        run: String,
        hub: Arc<Hub>,
        seat: Arc<Seat>,
        slots: usize,
    ) -> Arc<Work> {
        Arc::new(Work {
            bus,
            run,
            hub,
            seat,
            slots,
            records: AtomicUsize::new(0),
            performed: AtomicU64::new(0),
            leases: Mutex::default(),
            stops: AtomicBool::new(false),
            drains: AtomicBool::new(false),
            tasks: Mutex::default(),
            changed: Notify::new(),
            turn: AsyncMutex::new(()),
        })
    }

    /// Takes no more leases: the run is being stopped.
    pub fn stop(&self) {
        self.stops.store(true, Ordering::Relaxed);
    }

    /// Takes no more leases: this worker leaves.
    pub fn drain(&self) {
        self.drains.store(true, Ordering::Relaxed);
        self.changed.notify_waiters();
    }

    /// Whether this worker leaves.
    pub fn drains(&self) -> bool {
        self.drains.load(Ordering::Relaxed)
    }

    /// Records in work.
    pub fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }

    /// Records that were performed.
    pub fn performed(&self) -> u64 {
        self.performed.load(Ordering::Relaxed)
    }

    /// No task of a component is run any more.
    pub fn hold(&self, held: &Held) {
        self.seat.hold(&held.component, held.class, &held.cause);
    }

    /// Waits until this worker leaves, has nothing in work, and has handed in all that came of it. Where nobody takes it, because the
    /// coordinator is gone, the spool keeps it for the next session.
    pub async fn is_over(&self) {
        loop {
            let changed = self.changed.notified();
            if !self.drains() || self.records() > 0 {
                changed.await;
            } else if self.hub.is_committed() || !self.hub.is_there() {
                return;
            } else {
                sleep(LOOK).await;
            }
        }
    }

    /// Gives up what is in work.
    pub async fn shutdown(&self) {
        let mut tasks = std::mem::take(&mut *guard(&self.tasks));
        tasks.shutdown().await;
    }

    /// What is in work; what is not any more is forgotten.
    fn in_work(&self) -> Vec<(u64, Arc<InWork>)> {
        let mut leases = guard(&self.leases);
        leases.retain(|_, lease| lease.strong_count() > 0);
        let in_work = leases.iter();
        in_work
            .filter_map(|(number, lease)| Some((*number, lease.upgrade()?)))
            .collect()
    }
}

/// Takes leases as long as there is room for their records.
pub(super) async fn take(work: Arc<Work>) {
    // How many records a lease is expected to have: as many as the last ones had.
    let mut size = RECORDS;
    loop {
        let changed = work.changed.notified();
        let free = work.slots.saturating_sub(work.records());
        let takes = !work.stops.load(Ordering::Relaxed) && !work.drains();
        if free == 0 || !takes {
            changed.await;
            continue;
        }
        let most = free.div_ceil(size).min(AT_ONCE);
        match work.bus.take(&work.run, most).await {
            Ok(mut deliveries) => {
                deliveries.sort_by_cached_key(turn);
                let (leases, mut records) = (deliveries.len(), 0);
                for delivery in deliveries {
                    records += begin(&work, delivery).await;
                }
                size = (records / leases.max(1)).max(1);
                // An empty fetch costs the server as much as a lease.
                sleep(APART).await;
            }
            Err(error) => {
                tracing::debug!("no lease can be taken now: {error}");
                // Nobody coordinates the run any more, and what it had on the server was removed. Or the server has lost that: then
                // the coordinator is heard of again. What is being answered is waited for in any case.
                if error.is_not_there() && !work.hub.is_there() && work.hub.calls() == 0 {
                    work.hub.is_gone_without_a_word();
                }
                sleep(AGAIN).await;
            }
        }
    }
}

/// The order in which deliveries begin. Suspects go in the order of their numbers and, at the next delivery, in reverse: so each comes
/// before the deadly one at some time.
fn turn(delivery: &Delivery) -> u64 {
    if delivery.times <= SUSPECT {
        return 0;
    }
    let number = decode::<Lease>(&delivery.payload).map_or(0, |lease| lease.number);
    match delivery.times.is_multiple_of(2) {
        true => number,
        false => u64::MAX - number,
    }
}

/// Begins to perform the records of a lease; how many these are.
async fn begin(work: &Arc<Work>, delivery: Delivery) -> usize {
    let Delivery {
        payload,
        times,
        receipt,
    } = delivery;
    let lease: Lease = match decode(&payload) {
        Ok(lease) => lease,
        Err(error) => {
            tracing::warn!("{error}");
            receipt.done().await;
            return 0;
        }
    };
    // It is of an earlier coordinator. The present one leases these records anew.
    if lease.epoch < work.hub.epoch() {
        receipt.done().await;
        return 0;
    }
    let Lease {
        number,
        epoch,
        records,
    } = lease;
    let is_deadly = times > DEADLY;
    if is_deadly && records.len() > 1 {
        let in_work = Arc::new(InWork {
            receipt: Arc::from(receipt),
            left: AtomicUsize::new(0),
        });
        let split = Outcome::Split {
            epoch,
            lease: number,
        };
        work.hub.done(split, in_work);
        return 0;
    }
    let in_work = Arc::new(InWork {
        receipt: Arc::from(receipt),
        left: AtomicUsize::new(records.len()),
    });
    guard(&work.leases).insert(number, Arc::downgrade(&in_work));
    let mut tasks = guard(&work.tasks);
    while tasks.try_join_next().is_some() {}
    let count = records.len();
    for record in records {
        work.records.fetch_add(1, Ordering::Relaxed);
        let (work, in_work) = (Arc::clone(work), Arc::clone(&in_work));
        let is_suspect = times > SUSPECT && !is_deadly;
        let lease = (epoch, number, is_deadly);
        tasks.spawn(in_turn(work, lease, is_suspect, record, in_work));
    }
    count
}

/// Performs a record; a suspect waits for the one before it. It is a function of its own with a named type, since rustc 1.95 crashes when
/// it builds the crate again and has to find out whether an async block at that place can be sent.
fn in_turn(
    work: Arc<Work>,
    lease: (u64, u64, bool),
    is_suspect: bool,
    record: LeasedRecord,
    in_work: Arc<InWork>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        // Answers in the spool are handed in before the records that are made of them.
        work.hub.let_in().await;
        let turn = match is_suspect {
            true => Some(work.turn.lock().await),
            false => None,
        };
        perform(&work, lease, record, in_work).await;
        drop(turn);
        work.records.fetch_sub(1, Ordering::Relaxed);
        work.changed.notify_waiters();
    })
}

/// Why a record is given up.
fn deadly() -> String {
    format!("{DEADLY} times a worker was given this record and did not come back from it")
}

async fn perform(
    work: &Work,
    (epoch, lease, is_deadly): (u64, u64, bool),
    record: LeasedRecord,
    in_work: Arc<InWork>,
) {
    let id = record.id().to_owned();
    let performed = match is_deadly {
        true => work.seat.give_up(record, deadly()).await,
        false => work.seat.perform(record).await,
    };
    match performed {
        Ok(performed) => {
            work.performed.fetch_add(1, Ordering::Relaxed);
            let outcome = Outcome::Done {
                epoch,
                lease,
                record: id,
                performed: Box::new(performed),
            };
            in_work.performed();
            work.hub.done(outcome, in_work);
        }
        Err(error) => work.hub.failed(&error.to_string()),
    }
}

/// Says what is in work: to the coordinator, and to the bus, which gives a lease to another worker otherwise.
pub(super) async fn keep(work: Arc<Work>, ack_wait: Duration) {
    let mut extended = Instant::now();
    loop {
        let in_work = work.in_work();
        work.hub.push(&Up::Presence(Presence {
            slots: work.slots,
            records: work.records(),
            calls: work.hub.calls(),
            memory: resident_memory(),
            leases: in_work.iter().map(|(number, _)| *number).collect(),
            drains: work.drains(),
        }));
        if extended.elapsed() >= ack_wait / 3 {
            extended = Instant::now();
            for (_, lease) in &in_work {
                lease.receipt.extend().await;
            }
        }
        drop(in_work);
        sleep(PRESENCE.min(ack_wait / 4)).await;
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
