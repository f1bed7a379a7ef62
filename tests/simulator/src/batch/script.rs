//! How batches are to behave: how long each stage lasts, what goes wrong, and what the limits are.

use serde::{Deserialize, Serialize};

use super::fault::BatchFault;

/// How long a stage lasts. In JSON: milliseconds, or `null` for [`Wait::Told`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Wait {
    Milliseconds(u64),
    /// Until a test says so.
    Told,
}

impl Default for Wait {
    fn default() -> Wait {
        Wait::Milliseconds(0)
    }
}

/// How long each stage of a batch lasts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// The input is checked.
    pub validating: Wait,
    /// The lines are answered.
    pub running: Wait,
    /// The results are written.
    pub finalizing: Wait,
    /// A cancelled batch winds up.
    pub cancelling: Wait,
}

impl Pace {
    /// Every stage lasts until a test says that it is over.
    pub const fn told() -> Pace {
        Pace {
            validating: Wait::Told,
            running: Wait::Told,
            finalizing: Wait::Told,
            cancelling: Wait::Told,
        }
    }
}

/// The most that a batch may hold. The defaults are those of the real providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchLimits {
    /// Most lines of a batch.
    pub lines: Option<u64>,
    /// Most bytes of an input.
    pub bytes: Option<u64>,
    /// Most tokens of the questions of one model in all batches that have not ended.
    pub enqueued_tokens: Option<u64>,
}

/// How batches are to behave. A batch keeps the script that it was created under; files, polls and
/// downloads follow the latest one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchScript {
    pub pace: Pace,
    /// What goes wrong. For each event the first that applies is done.
    pub faults: Vec<BatchFault>,
    pub limits: BatchLimits,
    /// The share of lines that a batch has answered when it expires or is cancelled: 0.5 if not set.
    pub answered: Option<f64>,
    /// Results come in the order of the questions. No provider promises it.
    pub in_order: bool,
    /// A download stops behind so many lines, and the rest never comes.
    pub downloads_stop_at: Option<usize>,
}

/// What is answered when a batch ends early, if nothing else is said.
const HALF: f64 = 0.5;

impl BatchScript {
    /// So many of these lines are answered when a batch ends early.
    pub fn answered_of(&self, lines: usize) -> usize {
        let share = self.answered.unwrap_or(HALF).clamp(0.0, 1.0);
        ((lines as f64 * share).round() as usize).min(lines)
    }
}
