//! Texts of edits that were replaced on purpose, so that nothing a person wrote is lost.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, TaskId};

/// An edit that was replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptEdit {
    /// Path of the file below the output directory.
    pub path: String,
    /// Its bytes.
    pub text: Vec<u8>,
    /// When it was replaced, in ISO 8601.
    pub replaced_at: String,
}

impl Store {
    /// Keeps the text of a file that is about to be replaced; returns when it is on disk.
    pub async fn keep_edit(
        &self,
        task: &TaskId,
        path: &str,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        let (task, path) = (task.clone(), path.to_owned());
        self.inner
            .writer
            .write(move |connection| {
                connection.execute(
                    "INSERT INTO edit (dataset, record, component, path, text) VALUES (?1, ?2, ?3, ?4, ?5)",
                    params![task.dataset, task.record, task.component, path, text],
                )?;
                Ok(())
            })
            .await
    }

    /// The edit of a task that was replaced last.
    pub fn kept_edit(&self, task: &TaskId) -> Result<Option<KeptEdit>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT path, text, replaced_at FROM edit
                     WHERE dataset = ?1 AND record = ?2 AND component = ?3 ORDER BY id DESC LIMIT 1",
                )?
                .query_row(params![task.dataset, task.record, task.component], |row| {
                    Ok(KeptEdit {
                        path: row.get("path")?,
                        text: row.get("text")?,
                        replaced_at: row.get("replaced_at")?,
                    })
                })
                .optional()
        })
    }
}
