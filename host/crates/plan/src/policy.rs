//! What the failure of one component means for the others of its record.

use serde::{Deserialize, Serialize};

/// What becomes of the rest of a record when a component fails for good. What may pass (rate limit, overload,
/// network) holds dependents in any case: it is tried again at the end of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What the failure of a component means for one behind it in running order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bearing {
    /// It is made as if nothing had happened.
    Nothing,
    /// It is made from the others that it depends on.
    LeftOut,
    /// There is nothing that it could be made from.
    Stops,
    /// It is not made any more; what is up to date stays.
    HoldsBack,
}

impl FailurePolicy {
    /// What the failure of a component with this policy means for one behind it, that depends on it or does not.
    /// A failure that may pass (`passes`) never leaves anything out for good.
    pub fn bearing(self, is_needed: bool, passes: bool) -> Bearing {
        match (self, is_needed) {
            (FailurePolicy::LeaveOut, true) if !passes => Bearing::LeftOut,
            (_, true) => Bearing::Stops,
            (FailurePolicy::FailRecord, false) => Bearing::HoldsBack,
            (FailurePolicy::HoldDependents | FailurePolicy::LeaveOut, false) => Bearing::Nothing,
        }
    }

    /// Whether components wait for the end of one with this policy: its dependents always do.
    pub fn is_waited_for(self, is_needed: bool) -> bool {
        self.bearing(is_needed, false) != Bearing::Nothing
    }

    /// Whether those behind it count as skipped with their record, and not as blocked.
    pub fn skips(self, passes: bool) -> bool {
        self == FailurePolicy::FailRecord && !passes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_of_bearings() {
        use Bearing::{HoldsBack, LeftOut, Nothing, Stops};
        let cases = [
            (
                FailurePolicy::HoldDependents,
                [Stops, Stops, Nothing, Nothing],
            ),
            (FailurePolicy::LeaveOut, [LeftOut, Stops, Nothing, Nothing]),
            (
                FailurePolicy::FailRecord,
                [Stops, Stops, HoldsBack, HoldsBack],
            ),
        ];
        for (policy, expected) in cases {
            let bearings = [(true, false), (true, true), (false, false), (false, true)]
                .map(|(is_needed, passes)| policy.bearing(is_needed, passes));
            assert_eq!(bearings, expected, "{policy:?}");
        }
    }
}
