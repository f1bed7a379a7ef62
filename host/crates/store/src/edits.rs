//! Texts of edits that were replaced on purpose, so that nothing a person wrote is lost.

use rusqlite::{OptionalExtension, params};

use super::checksum::EDITS;
use super::sql::NOW;
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
    /// Whether it is as it was kept.
    pub is_sound: bool,
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
                let values = [
                    ("id", "(SELECT coalesce(max(id), 0) + 1 FROM edit)"),
                    ("dataset", "?1"),
                    ("record", "?2"),
                    ("component", "?3"),
                    ("path", "?4"),
                    ("text", "?5"),
                    ("replaced_at", NOW),
                ];
                connection.execute(
                    &EDITS.insert("INSERT", &values, ""),
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
                    &format!(
                        "SELECT path, text, replaced_at, {} AS is_sound FROM edit
                         WHERE dataset = ?1 AND record = ?2 AND component = ?3 ORDER BY id DESC LIMIT 1",
                        EDITS.sound()
                    ),
                )?
                .query_row(params![task.dataset, task.record, task.component], |row| {
                    Ok(KeptEdit {
                        path: row.get("path")?,
                        text: row.get("text")?,
                        replaced_at: row.get("replaced_at")?,
                        is_sound: row.get("is_sound")?,
                    })
                })
                .optional()
        })
    }
}
