//! What is known from tasks that ended: what they took, and when they ended.

use rusqlite::{OptionalExtension, params};

use super::{Store, StoreError, TaskId};
use plan::forecast::TaskUsage;

/// When a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedAt {
    /// Number of the run.
    pub run: i64,
    /// UTC, as `2026-01-31T12:00:00.000Z`.
    pub time: String,
}

impl Store {
    /// What tasks of a component took that asked this model, failed ones included; at most `most`, spread evenly.
    pub fn took(
        &self,
        dataset: i64,
        component: &str,
        model: &str,
        most: u64,
    ) -> Result<Vec<TaskUsage>, StoreError> {
        self.read(|reader| {
            // By fingerprint, since a hash has nothing to do with what a task took.
            let mut statement = reader.prepare(
                "SELECT calls, input_tokens, output_tokens FROM task
                 WHERE dataset = ?1 AND component = ?2 AND calls > 0 AND recipe IN
                    (SELECT id FROM recipe WHERE json_extract(text, '$.parameters.model') = ?3)
                 ORDER BY fingerprint LIMIT ?4",
            )?;
            statement
                .query_map(params![dataset, component, model, most], |row| {
                    Ok(TaskUsage {
                        calls: row.get("calls")?,
                        input: row.get("input_tokens")?,
                        output: row.get("output_tokens")?,
                    })
                })?
                .collect()
        })
    }

    /// When a task ended last.
    pub fn ended_at(&self, task: &TaskId) -> Result<Option<EndedAt>, StoreError> {
        self.read(|reader| {
            reader
                .query_row(
                    "SELECT run, ended_at FROM task WHERE dataset = ?1 AND record = ?2 AND component = ?3",
                    params![task.dataset, task.record, task.component],
                    |row| {
                        Ok(EndedAt {
                            run: row.get("run")?,
                            time: row.get("ended_at")?,
                        })
                    },
                )
                .optional()
        })
    }
}
