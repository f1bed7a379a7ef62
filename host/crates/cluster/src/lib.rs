//! One run on several machines: a coordinator, which has dataset, state, output and limits, and workers, which execute components and
//! call models.
//!
//! It owns the messages between them, the links that carry them over a bus that may lose, double and delay, the leases of records, and
//! the recovery from the loss of any part. NATS is one bus ([`nats`]); the tests have another.
//!
//! It does not know flags, the environment, screens, or how a record is performed: that is `engine`, on both sides.

pub mod bundle;
pub mod bus;
pub mod coordinator;
mod link;
pub mod nats;
mod post;
pub mod run_file;
#[cfg(test)]
mod simulation;
pub mod wire;
pub mod worker;
