//! What carries messages between a coordinator and its workers. Plain messages may be lost, doubled and delayed. Leases are offered to
//! whoever takes them first, and offered again while nobody is done with them. What is handed in is kept until it is accepted, as far
//! as the bus can: it may lose everything, and the run still ends right.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;

/// What a method of a bus returns.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// The bus cannot do something now. A later try may succeed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct BusError {
    /// Why.
    pub cause: String,
}

/// How servers say that something is not there.
const NOT_THERE: &str = "not found";

impl BusError {
    /// Whether what was asked for is not there, by the server's own words.
    pub fn is_not_there(&self) -> bool {
        self.cause.contains(NOT_THERE)
    }

    /// An error with this cause.
    pub fn new(cause: impl ToString) -> BusError {
        BusError {
            cause: cause.to_string(),
        }
    }
}

/// What the receiver of a delivery tells the bus about it.
pub trait Receipt: Send + Sync {
    /// It is still in work.
    fn extend(&self) -> Later<'_, ()>;
    /// It is finished, and the bus can forget it.
    fn done(&self) -> Later<'_, ()>;
    /// It was not finished: another receiver may have it at once.
    fn back(&self) -> Later<'_, ()>;
}

/// A payload with its receipt.
pub struct Delivery {
    /// What was sent.
    pub payload: Bytes,
    /// How often it was delivered, this time included.
    pub times: u64,
    /// Tells the bus what became of it.
    pub receipt: Box<dyn Receipt>,
}

/// The bus as a coordinator sees it.
pub trait CoordinatorBus: Send + Sync {
    /// Tells everybody that the run is there.
    fn beat(&self, message: Bytes) -> Later<'_, ()>;
    /// Sends a message to a worker.
    fn send<'a>(&'a self, worker: &'a str, message: Bytes) -> Later<'a, ()>;
    /// The next message from any worker; `None` once the bus is closed.
    fn receive(&self) -> Later<'_, Option<Bytes>>;
    /// Offers a lease to all workers; gives its number on the bus.
    ///
    /// # Errors
    /// When the bus does not confirm it: the lease may be offered all the same.
    fn offer(&self, lease: Bytes) -> Later<'_, Result<u64, BusError>>;
    /// Whether the bus still has a lease that was offered, taken or not.
    ///
    /// # Errors
    /// When that cannot be told now.
    fn has(&self, number: u64) -> Later<'_, Result<bool, BusError>>;
    /// Removes all leases that no worker has taken.
    fn withdraw(&self) -> Later<'_, ()>;
    /// What is handed in next.
    fn handed_in(&self) -> Later<'_, Result<Delivery, BusError>>;
    /// Puts a bundle where workers find it.
    ///
    /// # Errors
    /// When it is not there.
    fn publish<'a>(&'a self, name: &'a str, bundle: Bytes) -> Later<'a, Result<(), BusError>>;
    /// Makes what is missing of the bus's own things.
    ///
    /// # Errors
    /// When they cannot be made.
    fn prepare(&self) -> Later<'_, Result<(), BusError>>;
    /// Removes all of the bus's own things.
    fn remove(&self) -> Later<'_, ()>;
}

/// What a worker hears.
#[derive(Debug)]
pub enum Heard {
    /// A run is there.
    Beat(Bytes),
    /// The coordinator says something to this worker.
    Message(Bytes),
}

/// The bus as a worker sees it.
pub trait WorkerBus: Send + Sync {
    /// What comes next; `None` once the bus is closed.
    fn hear(&self) -> Later<'_, Option<Heard>>;
    /// Listens to messages for a worker of this name in a run, from now on.
    ///
    /// # Errors
    /// When it cannot.
    fn listen<'a>(&'a self, run: &'a str, worker: &'a str) -> Later<'a, Result<(), BusError>>;
    /// Sends a message to the coordinator of a run.
    fn send<'a>(&'a self, run: &'a str, message: Bytes) -> Later<'a, ()>;
    /// Takes up to so many leases of a run; waits a while for the first.
    ///
    /// # Errors
    /// When none can be taken now.
    fn take<'a>(&'a self, run: &'a str, most: usize) -> Later<'a, Result<Vec<Delivery>, BusError>>;
    /// Hands something in.
    ///
    /// # Errors
    /// When the bus does not confirm it: it may be kept all the same.
    fn hand_in<'a>(&'a self, run: &'a str, payload: Bytes) -> Later<'a, Result<(), BusError>>;
    /// A bundle by its name.
    ///
    /// # Errors
    /// When it cannot be had now.
    fn bundle<'a>(&'a self, run: &'a str, name: &'a str) -> Later<'a, Result<Bytes, BusError>>;
}
