//! An output file, as it is found on the disk and held against its checkpoint.

use serde::{Deserialize, Serialize};

use plan::decision::{Author, FileState};
use types::digest::Digest;

/// A file, as it is found.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Found {
    pub state: FileState,
    /// Hash of its bytes.
    pub content: Option<Digest>,
    /// Who wrote it, before it was edited if it was.
    pub author: Option<Author>,
    /// Why no file can take its place.
    pub obstacle: Option<String>,
}

impl Found {
    pub fn missing(obstacle: Option<String>) -> Found {
        Found {
            state: FileState::Missing,
            content: None,
            author: None,
            obstacle,
        }
    }
}
