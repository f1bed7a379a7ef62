//! Another machine that has part in the run, as people are shown it.

use serde::{Deserialize, Serialize};

/// A worker at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerView {
    /// Its name.
    pub name: String,
    /// Records that it can have in work at once.
    pub slots: u64,
    /// Records that it has in work.
    pub records: u64,
    /// Calls under way.
    pub calls: u64,
    /// Files that it made.
    pub made: u64,
    /// Tasks that failed with it.
    pub failed: u64,
    /// Resident memory, bytes, where the system tells it.
    pub memory: Option<u64>,
    /// Seconds since it was heard of.
    pub unheard_seconds: u64,
    /// Whether it takes no more leases, and leaves.
    pub drains: bool,
}
