//! Files that no task of the project makes any more: their record left the dataset, their component the
//! configuration, or their path has changed. What becomes of the files is for `run` to say.

use rusqlite::{Row, params};

use super::sql::Column;
use super::{Store, StoreError};
use plan::decision::Author;
use types::digest::Digest;

/// Why a file is left over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrphanReason {
    /// Its record is no longer in the dataset.
    Deleted,
    /// Its component is no longer in the project.
    Dropped,
    /// Its component now writes to another path.
    Moved,
}

/// A file that is left over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    pub why: OrphanReason,
    /// Id of its record.
    pub record: String,
    /// Name of its component.
    pub component: String,
    /// Category of the record, if that is still in the dataset.
    pub category: Option<String>,
    /// Path below the output directory.
    pub path: String,
    /// Hash of what was written.
    pub content: Digest,
    pub author: Option<Author>,
}

/// How many files are left over for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrphanCount {
    pub why: OrphanReason,
    /// Files that were written.
    pub files: u64,
    /// Records that they are of.
    pub records: u64,
}

/// Of tasks: with the record where there is one. ?2 are the components of the project.
const TASKS: &str =
    "FROM task LEFT JOIN record ON record.dataset = task.dataset AND record.id = task.record
    WHERE task.dataset = ?1 AND task.content IS NOT NULL";
const DROPPED: &str =
    "record.id IS NOT NULL AND component NOT IN (SELECT value FROM json_each(?2))";
/// Of paths that were left: unless another task of the record writes there now.
const MOVED: &str =
    "FROM moved LEFT JOIN record ON record.dataset = moved.dataset AND record.id = moved.record
    WHERE moved.dataset = ?1 AND NOT EXISTS (SELECT 1 FROM task WHERE task.dataset = moved.dataset
        AND task.record = moved.record AND task.path = moved.path AND task.content IS NOT NULL)";

impl Store {
    /// Counts what is left over, by cause; a cause without files is left out. `components` are all of the
    /// project, or none where they are not known: then none counts as dropped.
    pub fn count_orphans(
        &self,
        dataset: i64,
        components: Option<&[String]>,
    ) -> Result<Vec<OrphanCount>, StoreError> {
        let mut counts = Vec::new();
        for why in [
            OrphanReason::Deleted,
            OrphanReason::Dropped,
            OrphanReason::Moved,
        ] {
            let Some((from, names)) = source(why, components) else {
                continue;
            };
            let named = if why == OrphanReason::Moved {
                "moved"
            } else {
                "task"
            };
            let sql = format!(
                "SELECT count(*), count(DISTINCT {named}.record) {from} AND ?2 IS NOT NULL"
            );
            let (files, records) = self.read(|reader| {
                reader.query_row(&sql, params![dataset, names], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })
            })?;
            if files > 0 {
                counts.push(OrphanCount {
                    why,
                    files,
                    records,
                });
            }
        }
        Ok(counts)
    }

    /// What is left over for one cause, by path, at most `limit` behind `after`.
    pub fn orphans(
        &self,
        dataset: i64,
        why: OrphanReason,
        components: Option<&[String]>,
        after: (&str, &str),
        limit: u64,
    ) -> Result<Vec<Orphan>, StoreError> {
        let Some((from, names)) = source(why, components) else {
            return Ok(Vec::new());
        };
        let table = if why == OrphanReason::Moved {
            "moved"
        } else {
            "task"
        };
        // A path that was left has a row of its own; of a task there is one file.
        let order = match why {
            OrphanReason::Moved => "moved.path, ''",
            OrphanReason::Deleted | OrphanReason::Dropped => "task.record, task.component",
        };
        let sql = format!(
            "SELECT {table}.record, {table}.component, record.category, path, content, {table}.author {from}
                AND ?2 IS NOT NULL AND ({order}) > (?3, ?4) ORDER BY {order} LIMIT ?5"
        );
        self.read(|reader| {
            let mut statement = reader.prepare_cached(&sql)?;
            statement
                .query_map(params![dataset, names, after.0, after.1, limit], |row| {
                    orphan(row, why)
                })?
                .collect()
        })
    }

    /// Forgets files that are gone: the tasks of deleted records and dropped components, and paths that were
    /// left. Answers that were paid for stay in the journal.
    pub async fn forget(&self, dataset: i64, gone: Vec<Orphan>) -> Result<(), StoreError> {
        self.inner
            .writer
            .write(move |connection| {
                for orphan in &gone {
                    if orphan.why == OrphanReason::Moved {
                        connection
                            .prepare_cached("DELETE FROM moved WHERE dataset = ?1 AND path = ?2")?
                            .execute(params![dataset, orphan.path])?;
                        continue;
                    }
                    for table in ["transcript", "task"] {
                        let sql = format!(
                            "DELETE FROM {table} WHERE dataset = ?1 AND record = ?2 AND component = ?3"
                        );
                        connection.prepare_cached(&sql)?.execute(params![
                            dataset,
                            orphan.record,
                            orphan.component
                        ])?;
                    }
                }
                Ok(())
            })
            .await
    }
}

/// Where files of one cause are found, and the components; `None` where nothing can be said.
fn source(why: OrphanReason, components: Option<&[String]>) -> Option<(String, String)> {
    let from = match why {
        // A record that cannot be read is not gone.
        OrphanReason::Deleted => format!(
            "{TASKS} AND record.id IS NULL AND (SELECT is_whole FROM dataset WHERE id = ?1)
                AND task.record NOT IN (SELECT id FROM unreadable WHERE dataset = ?1 AND id IS NOT NULL)"
        ),
        OrphanReason::Dropped => format!("{TASKS} AND {DROPPED}"),
        OrphanReason::Moved => MOVED.to_owned(),
    };
    if why == OrphanReason::Dropped && components.is_none() {
        return None;
    }
    Some((
        from,
        serde_json::json!(components.unwrap_or_default()).to_string(),
    ))
}

fn orphan(row: &Row<'_>, why: OrphanReason) -> rusqlite::Result<Orphan> {
    let Column(content) = row.get("content")?;
    Ok(Orphan {
        why,
        record: row.get("record")?,
        component: row.get("component")?,
        category: row.get("category")?,
        path: row.get("path")?,
        // No file has the hash of one that is malformed: it counts as edited, and is kept.
        content: content.unwrap_or_else(|| Digest::of(b"malformed")),
        author: row.get::<_, Column<_>>("author")?.0,
    })
}
