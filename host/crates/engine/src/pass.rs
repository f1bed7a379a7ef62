//! A pass over the records, and how a component of a record ends in it.

use serde::{Deserialize, Serialize};

use plan::decision::TaskEnd;

/// Which pass over the records this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Pass {
    /// Every task of every record.
    First,
    /// Only tasks that are parked.
    Sweep,
    /// Only tasks that wait for a batch.
    Batch,
}

/// How one component of the record ended in this pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum End {
    Final(TaskEnd),
    /// Made, by the offline stand-in or not.
    Made {
        by_stand_in: bool,
    },
    Parked,
    /// It comes with a batch.
    Waits,
    Interrupted,
    /// Decided in an earlier pass.
    Before(bool),
    /// There is no such task, since the record is not in the sample of the component.
    NotSampled,
}
