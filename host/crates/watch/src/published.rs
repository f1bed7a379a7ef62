//! A snapshot as its viewers get it.

use axum::body::Bytes;

use super::snapshot::Snapshot;
use types::shown;

/// Stands before and behind the document in the stream of events.
const BEFORE: &[u8] = b"data: ";
const BEHIND: &[u8] = b"\n\n";

/// A snapshot, and the bytes of it that all viewers share.
pub(super) struct Published {
    pub snapshot: Snapshot,
    /// As an event of the stream.
    pub event: Bytes,
}

impl Published {
    /// Of a snapshot.
    pub fn new(snapshot: Snapshot) -> Published {
        let mut event = BEFORE.to_vec();
        // Numbers and texts always have a form in JSON; a failure leaves an event without a document.
        let json = shown::json(&snapshot).unwrap_or_default();
        event.extend_from_slice(json.as_bytes());
        event.extend_from_slice(BEHIND);
        Published {
            snapshot,
            event: Bytes::from(event),
        }
    }

    /// As a document.
    pub fn json(&self) -> Bytes {
        let end = self.event.len() - BEHIND.len();
        self.event.slice(BEFORE.len()..end)
    }
}
