//! The batches that are looked for in a provider's list, and those that were found.

use crate::batch::protocol::RemoteBatch;
use crate::error::CallError;

/// What a list says of some batches.
pub(super) struct Listed<'a> {
    ids: &'a [String],
    pub found: Vec<RemoteBatch>,
}

impl Listed<'_> {
    pub fn new(ids: &[String]) -> Listed<'_> {
        Listed {
            ids,
            found: Vec::new(),
        }
    }

    /// How many pages are read at most. Behind them it costs less to ask for each batch that is left.
    pub fn pages(&self) -> usize {
        self.ids.len().div_ceil(2)
    }

    /// Takes those of a page that are looked for. One that cannot be read is asked for by its name.
    pub fn extend(&mut self, page: impl Iterator<Item = Result<RemoteBatch, CallError>>) {
        let ours = page.flatten().filter(|batch| self.ids.contains(&batch.id));
        self.found.extend(ours);
    }

    /// Whether all were found.
    pub fn is_whole(&self) -> bool {
        self.found.len() >= self.ids.len()
    }
}
