//! What the failure of one component means for the others of its record.

use serde::Deserialize;

/// What becomes of the rest of a record when a component fails for good. What may pass (rate limit, overload,
/// network) holds dependents in any case: it is tried again at the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// What depends on it is blocked; the rest of the record goes on.
    #[default]
    HoldDependents,
    /// What depends on it is made without it.
    LeaveOut,
    /// Components behind it in running order wait for it, and are skipped when it fails.
    FailRecord,
}
