//! A batch as people are shown it.

use serde::{Deserialize, Serialize};

/// A batch at one moment. Moments are seconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchView {
    /// Our name for it.
    pub name: String,
    /// `provider/model`.
    pub model: String,
    /// How it stands here: formed, uploaded, creating, open or ended.
    pub state: String,
    /// The provider's name for it.
    pub id: Option<String>,
    /// The provider's word for how it stands.
    pub word: Option<String>,
    pub questions: u64,
    /// Questions that were answered, as far as the provider counts them.
    pub answered: Option<u64>,
    /// Questions that failed, as far as the provider counts them.
    pub failed: Option<u64>,
    /// When it was formed.
    pub formed_at: u64,
    /// When the provider was asked to create it.
    pub sent_at: Option<u64>,
    /// When it was seen to have ended.
    pub ended_at: Option<u64>,
    /// When the provider gives up.
    pub expires_at: Option<u64>,
    /// When this run looks at it next.
    pub next_look_at: Option<u64>,
    /// What holds it up, or needs a hand.
    pub note: Option<String>,
}
