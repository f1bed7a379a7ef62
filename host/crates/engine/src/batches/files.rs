//! Batches that a person carries: their questions are written to a file, somebody else answers it, and the file of answers is
//! read back.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use super::collect::{Keeping, Odd};
use super::{Batches, Turn};
use store::{Batch, BatchState, Most, StoreError, Wanted, Which};

/// A file of answers cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("cannot read {}: {cause}", file.display())]
    Unreadable { file: PathBuf, cause: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was found in a file of answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Batches that were exported.
    pub batches: u64,
    /// Questions that do not wait any more.
    pub settled: u64,
    /// Lines that answer no question that waits in an exported batch.
    pub foreign: u64,
    /// Lines that cannot be read.
    pub unreadable: u64,
    /// Questions of exported batches that still have no answer.
    pub missing: u64,
}

impl Batches {
    /// The batch of a lane that is to be written to a file: one that was begun, or one of the questions that wait.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn to_export(&self, lane: &str) -> Result<Option<Batch>, StoreError> {
        let open = self.store.open_batches()?;
        let begun = |batch: &&Batch| {
            batch.lane == lane && batch.state == BatchState::Formed && batch.file.is_none()
        };
        if let Some(batch) = open.iter().find(begun) {
            return Ok(Some(batch.clone()));
        }
        let Some(batched) = self.lanes.get(lane) else {
            return Ok(None);
        };
        let wanted = Wanted {
            lane: lane.to_owned(),
            account: batched.account,
            most: Most {
                input_tokens: u64::MAX,
                ..batched.most
            },
            which: Which::First { kept: [].into() },
            now: self.unix(),
        };
        let formed = self.store.form_batch(wanted, |_, _| true).await?;
        Ok(formed.batch)
    }

    /// Notes that a batch lies in a file.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn exported(&self, mut batch: Batch, file: &Path) -> Result<(), StoreError> {
        batch.state = BatchState::Exported;
        batch.file = Some(file.display().to_string());
        batch.sent_at = Some(self.unix());
        self.store.note_batch(batch).await
    }

    /// Takes the answers of a file for the batches that were exported. What was taken before is not taken again.
    ///
    /// # Errors
    /// When the file cannot be read, or the state fails. What was taken until then stays.
    pub async fn import(&self, file: &Path) -> Result<Imported, FileError> {
        let mut imported = Imported::default();
        let mut turn = Turn::default();
        let exported = self.store.open_batches()?.into_iter();
        let mut least = None;
        for batch in exported.filter(|batch| batch.state == BatchState::Exported) {
            let Some(batched) = self.lanes.get(&batch.lane) else {
                continue;
            };
            imported.batches += 1;
            let unreadable = |error: std::io::Error| FileError::Unreadable {
                file: file.to_owned(),
                cause: error.to_string(),
            };
            let lines = BufReader::new(File::open(file).map_err(unreadable)?).split(b'\n');
            let mut odd = Odd::default();
            let mut keeping = Keeping::new(self, &batch, batched, &mut odd, &mut turn);
            for line in lines {
                keeping.line(&line.map_err(unreadable)?).await?;
            }
            keeping.end().await?;
            // A line that belongs to another exported batch is foreign to this one only.
            least = Some(least.map_or(odd.foreign, |foreign: u64| foreign.min(odd.foreign)));
            imported.unreadable = odd.unreadable;
            let missing = self.store.unsettled(batch.id)?;
            imported.missing += missing;
            if missing == 0 {
                self.end(batch, &mut Turn::default()).await?;
            }
        }
        imported.settled = turn.settled;
        imported.foreign = least.unwrap_or(0);
        Ok(imported)
    }

    /// Asks for the end of a batch. One that was not handed in is dissolved, and its questions are asked again. Says what was
    /// done.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn cancel(&self, mut batch: Batch) -> Result<String, StoreError> {
        let name = batch.name.clone();
        match batch.state {
            BatchState::Formed | BatchState::Uploaded | BatchState::Exported => {
                self.store.dissolve_batch(batch.id).await?;
                return Ok(format!("{name}: dissolved; its questions are asked again"));
            }
            BatchState::Creating => {
                return Ok(format!(
                    "{name}: nobody knows whether it was created, so it cannot be cancelled; `run --resubmit-doubtful` asks its questions again"
                ));
            }
            BatchState::Ended => return Ok(format!("{name}: it has ended")),
            BatchState::Open => {}
        }
        let batched = self.lanes.get(&batch.lane);
        let Some((batched, id)) = batched
            .and_then(|batched| batched.with_account(batch.account))
            .zip(batch.remote.clone())
        else {
            return Ok(format!(
                "{name}: it was handed in with another model, key or address, and only with those it can be cancelled"
            ));
        };
        match batched.lane.protocol.cancel(&id).await {
            Ok(remote) => {
                batch.word = Some(remote.word.clone());
                self.store.note_batch(batch).await?;
                Ok(format!(
                    "{name}: the provider ends it ({}); what it has answered by then is paid for, and collected",
                    remote.word
                ))
            }
            Err(error) => Ok(format!("{name}: the provider does not cancel it: {error}")),
        }
    }
}
