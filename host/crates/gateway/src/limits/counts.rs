//! How a provider counts a call against a limit on tokens.

use serde::{Deserialize, Serialize};

/// What a provider counts of the tokens of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Counts {
    /// What it took.
    #[default]
    Used,
    /// The cap while it is under way, and then what it took.
    Held,
    /// The cap, whatever it took.
    Kept,
}

impl Counts {
    /// All of them, as windows are kept for each.
    pub const ALL: [Counts; 3] = [Counts::Used, Counts::Held, Counts::Kept];
}
