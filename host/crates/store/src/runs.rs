//! Runs: when each began and how it ended. A run without an end was killed, and no run since then has looked at all that
//! it may have left behind.

use std::time::Duration;

use rusqlite::params;

use super::checksum::RUNS;
use super::sql::{NOW, number};
use super::{Store, StoreError};

/// Number of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunId(pub(super) i64);

number!(RunId);

impl RunId {
    /// Of what a person did, and no run.
    pub const NONE: RunId = RunId(0);

    /// The number that `task.run` refers to.
    pub fn number(self) -> i64 {
        self.0
    }
}

impl Store {
    /// Notes the beginning of a run.
    pub async fn begin_run(&self) -> Result<RunId, StoreError> {
        let result = self
            .inner
            .writer
            .exclusive(|connection| {
                let values = [
                    ("id", "(SELECT max(0, coalesce(max(id), 0)) + 1 FROM run)"),
                    ("started_at", NOW),
                    ("ended_at", "NULL"),
                ];
                connection.execute(&RUNS.insert("INSERT", &values, ""), [])?;
                Ok(RunId(connection.last_insert_rowid()))
            })
            .await?;
        self.set_in_order(false);
        result.map_err(|error: rusqlite::Error| self.inner.writer.error(&error))
    }

    /// Whether every run so far ended in order, or was settled by a later one.
    pub fn runs_are_settled(&self) -> Result<bool, StoreError> {
        self.read(|reader| {
            reader.query_row(
                &format!(
                    "SELECT count(*) FROM run WHERE ended_at IS NULL OR NOT {}",
                    RUNS.sound()
                ),
                [],
                |row| Ok(row.get::<_, i64>(0)? == 0 && self.is_in_order()),
            )
        })
    }

    /// Whether checkpoints were lost to damage, and no run has looked at all files since.
    pub fn has_lost_checkpoints(&self) -> Result<bool, StoreError> {
        self.read(|reader| {
            let sql = "SELECT EXISTS (SELECT 1 FROM run WHERE ended_at IS NULL AND id < 0)";
            reader.query_row(sql, [], |row| row.get(0))
        })
    }

    /// Whether every task that is known is of this dataset and one of these components.
    pub fn has_only(&self, dataset: i64, components: &[&str]) -> Result<bool, StoreError> {
        self.read(|reader| {
            reader.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM task WHERE dataset <> ?1
                     OR component NOT IN (SELECT value FROM json_each(?2)))",
                params![dataset, serde_json::json!(components).to_string()],
                |row| row.get(0),
            )
        })
    }

    /// How long ago a run that did not end in order was last heard of, if there is one.
    pub fn crashed_ago(&self) -> Result<Option<Duration>, StoreError> {
        let seconds = self.read(|reader| {
            reader.query_row(
                "SELECT unixepoch('now', 'subsec') - unixepoch(max(max(started_at),
                     coalesce((SELECT obtained_at FROM completion ORDER BY id DESC LIMIT 1), '')), 'subsec')
                 FROM run WHERE ended_at IS NULL AND id > 0",
                [],
                |row| row.get::<_, Option<f64>>(0),
            )
        })?;
        Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
    }

    /// Notes that a run ended in order: everything it wrote is accounted for. If it `settled` what runs before it left
    /// behind, they have ended as well.
    pub async fn end_run(&self, run: RunId, settled: bool) -> Result<(), StoreError> {
        self.inner
            .writer
            .write(move |connection| {
                connection.execute(
                    &format!(
                        "UPDATE run SET {} WHERE (ended_at IS NULL OR NOT {}) AND (id = ?1 OR ?2)",
                        RUNS.set(&[("ended_at", NOW)]),
                        RUNS.sound()
                    ),
                    params![run, settled],
                )?;
                Ok(())
            })
            .await?;
        self.set_in_order(true);
        Ok(())
    }
}
