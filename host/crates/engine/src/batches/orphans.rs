//! What lies at providers and no batch of the state needs: files of questions that were used, or were uploaded twice, and batches
//! of which the state knows nothing. Of these another project with the same key may know.

use std::collections::HashSet;
use std::sync::Arc;

use super::Batches;
use gateway::batch::protocol::{BatchProtocol, BatchStatus, Held};
use gateway::error::CallError;
use store::{Batch, BatchState, StoreError};

/// Something that lies at a provider and that no batch of the state needs.
#[derive(Clone)]
pub struct Orphan {
    /// The provider.
    pub provider: String,
    /// The provider's name for it.
    pub id: String,
    /// The batch that it is of, by our name.
    pub name: String,
    pub kind: OrphanKind,
    /// In seconds since 1970, where the provider says it.
    pub created_at: Option<u64>,
    /// Whether that batch is one of the state.
    pub is_known: bool,
    protocol: Arc<dyn BatchProtocol>,
}

/// What it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OrphanKind {
    /// A file of questions.
    File { bytes: Option<u64> },
    /// A batch that is still worked on, and the provider's word for that.
    Batch { word: String },
}

impl Batches {
    /// What lies at the providers of all lanes and no batch of the state needs. A provider that does not list it is told.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub async fn orphans(&self) -> Result<Vec<Orphan>, StoreError> {
        let known = self.store.batches()?;
        let (mut orphans, mut seen) = (Vec::new(), HashSet::new());
        for (lane, why) in &self.unreached {
            self.tell(format!("{lane}: {why}"));
        }
        for batched in self.lanes.values() {
            let first = (batched.account, &batched.lane.protocol);
            let others = batched.others.iter();
            let others = others.map(|(account, protocol)| (*account, protocol));
            for (account, protocol) in std::iter::once(first).chain(others) {
                if !batched.hands_in || !seen.insert(account) {
                    continue;
                }
                let provider = batched.lane.lane.provider();
                match protocol.held().await {
                    Ok(held) => orphans.extend(left(held, &known, provider, protocol)),
                    Err(error) => self.tell(format!(
                        "{provider}: what lies there cannot be listed: {error}"
                    )),
                }
            }
        }
        Ok(orphans)
    }

    /// Removes a file, or asks for the end of a batch. Says what was done.
    ///
    /// # Errors
    /// When the provider does not do it.
    pub async fn remove(&self, orphan: &Orphan) -> Result<&'static str, CallError> {
        match orphan.kind {
            OrphanKind::File { .. } => {
                let removed = orphan.protocol.remove(&orphan.id).await;
                removed.map(|()| "removed").map_err(|error| error.error)
            }
            OrphanKind::Batch { .. } => {
                let cancelled = orphan.protocol.cancel(&orphan.id).await;
                cancelled
                    .map(|_| "the provider ends it; what it has answered by then is paid for")
                    .map_err(|error| error.error)
            }
        }
    }
}

fn left(
    held: Held,
    known: &[Batch],
    provider: &str,
    protocol: &Arc<dyn BatchProtocol>,
) -> Vec<Orphan> {
    let is_needed = |id: &String| {
        let mut open = known
            .iter()
            .filter(|batch| batch.state != BatchState::Ended);
        open.any(|batch| batch.file.as_ref() == Some(id))
    };
    let is_known = |name: &String| known.iter().any(|batch| batch.name == *name);
    let orphan = |id, name: String, kind, created_at| Orphan {
        provider: provider.to_owned(),
        id,
        is_known: is_known(&name),
        name,
        kind,
        created_at,
        protocol: Arc::clone(protocol),
    };
    let files = held.files.into_iter().filter(|file| !is_needed(&file.id));
    let files = files.map(|file| {
        let kind = OrphanKind::File { bytes: file.bytes };
        orphan(file.id, file.name, kind, file.created_at)
    });
    let batches = held.batches.into_iter().filter(|batch| {
        // What has ended takes nothing any more.
        batch.remote.status == BatchStatus::Working && !is_known(&batch.name)
    });
    let batches = batches.map(|batch| {
        let word = batch.remote.word;
        let kind = OrphanKind::Batch { word };
        orphan(batch.remote.id, batch.name, kind, None)
    });
    files.chain(batches).collect()
}
