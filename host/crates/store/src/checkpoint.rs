//! The checkpoint: how every task ended, and what it was made from. Written only after the output
//! file is durable.

use std::sync::LazyLock;

use rusqlite::types::{FromSql, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row, named_params, params};
use serde::{Deserialize, Serialize};

use super::checksum::{MOVED, TASKS};
use super::sql::{Column, NOW};
use super::{RecipeId, RunId, Store, StoreError};
use dataset::RecordHash;
use plan::decision::{Author, LastOutcome, OutcomeKind, Stored, TaskEnd};
use plan::fingerprint::FingerprintParts;
use types::digest::Digest;
use types::request::Usage;

/// One component on one record of a dataset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskId {
    /// Number of the dataset.
    pub dataset: i64,
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
}

/// The first bytes of the hash of a record: enough to tell that it is still the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen(pub(super) [u8; 8]);

impl Seen {
    /// Of the hash of a record.
    pub fn of(hash: &RecordHash) -> Seen {
        let mut kept = [0; 8];
        kept.iter_mut()
            .zip(hash)
            .for_each(|(kept, byte)| *kept = *byte);
        Seen(kept)
    }
}

impl FromSql for Seen {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        FromSql::column_result(value).map(Seen)
    }
}

impl ToSql for Seen {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(&self.0)))
    }
}

/// What tells, without reading it, that a file is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Last change, ns since 1970.
    pub mtime_ns: i64,
    pub inode: u64,
}

/// A file that a task wrote, at a path that is not its own any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftFile {
    /// Path below the output directory.
    pub path: String,
    /// Hash of the file's bytes, as it was written.
    pub content: Digest,
    pub author: Option<Author>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
    /// Done, failed, blocked, skipped, or due to be run again.
    pub outcome: LastOutcome,
    /// Why it is not done, in words.
    pub cause: Option<String>,
    /// Whether it waits for a sweep of this run.
    pub parked: bool,
    /// Times in a row that it failed with this class, from the same ingredients.
    pub attempts: u32,
    /// Generation that its questions were asked in.
    pub generation: u32,
    /// What it was made from.
    pub fingerprint: Digest,
    /// What its component was made with.
    pub recipe: RecipeId,
    /// Hash of the whole record that it was made from.
    pub seen: Seen,
    /// Tell which part of the fingerprint changed.
    pub parts: FingerprintParts,
    /// Output path below the output directory.
    pub path: String,
    /// The file as it was written.
    pub file: Option<FileStamp>,
    /// Hash of the file's bytes.
    pub content: Option<Digest>,
    /// Who wrote the file.
    pub author: Option<Author>,
    /// A file that was written where the output lay before; noted when the checkpoint is written, and not read
    /// back with it.
    pub left: Option<LeftFile>,
    /// Model that answered, where one was asked.
    pub model: Option<String>,
    /// Executions of the component.
    pub executions: u32,
    /// Completions that it was told.
    pub calls: u32,
    /// Tokens of those.
    pub usage: Usage,
    /// The worker that performed it, where that was another machine.
    pub worker: Option<String>,
}

impl Checkpoint {
    /// The part that decisions go by.
    pub fn stored(&self) -> Stored {
        Stored {
            outcome: self.outcome,
            fingerprint: self.fingerprint,
            attempts: self.attempts,
            calls: self.calls,
            author: self.author,
        }
    }

    /// Takes over the file of an earlier checkpoint: it stays what it is until another takes its place. Only a task that
    /// is done leaves the file that it had elsewhere.
    pub fn keep_file(mut self, before: Option<&Checkpoint>) -> Checkpoint {
        match before {
            Some(before)
                if before.path == self.path
                    || before.content.is_some() && self.outcome != LastOutcome::Done =>
            {
                self.path.clone_from(&before.path);
                self.file = before.file;
                self.content = before.content;
                self.author = before.author;
            }
            Some(before) => {
                self.left = before.content.map(|content| LeftFile {
                    path: before.path.clone(),
                    content,
                    author: before.author,
                });
            }
            None => {}
        }
        self
    }
}

/// What is parked in a run: counts of tasks by category, component and end, and of their records by category.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParkedEnds {
    /// Category, component, failed or blocked, count.
    pub tasks: Vec<(String, String, TaskEnd, u64)>,
    pub records: Vec<(String, u64)>,
}

impl Store {
    /// Counts what is parked in a run.
    pub fn parked_ends(&self, dataset: i64, run: RunId) -> Result<ParkedEnds, StoreError> {
        self.read(|reader| {
            let tasks = reader
                .prepare(
                    "SELECT coalesce(record.category, '') AS category, component, outcome, count(*) AS tasks FROM task
                     LEFT JOIN record ON record.dataset = task.dataset AND record.id = task.record
                     WHERE task.dataset = ?1 AND parked = ?2 GROUP BY 1, component, outcome",
                )?
                .query_map(params![dataset, run], |row| {
                    let Column(kind) = row.get("outcome")?;
                    let end = match kind {
                        Some(OutcomeKind::Blocked) => TaskEnd::Blocked,
                        _ => TaskEnd::Failed,
                    };
                    Ok((row.get("category")?, row.get("component")?, end, row.get("tasks")?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let records = reader
                .prepare(
                    "SELECT category, count(*) FROM record WHERE dataset = ?1 AND id IN
                        (SELECT record FROM task WHERE dataset = ?1 AND parked = ?2)
                     GROUP BY category",
                )?
                .query_map(params![dataset, run], |row| {
                    Ok((row.get(0)?, row.get(1)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            Ok(ParkedEnds { tasks, records })
        })
    }

    /// The checkpoints of one record.
    pub fn checkpoints(&self, dataset: i64, record: &str) -> Result<Vec<Checkpoint>, StoreError> {
        self.read(|reader| checkpoints_of(reader, dataset, &[record]))
    }

    /// Who wrote the file with this content at this path, if batchgen made it of the record for another dataset, as before the
    /// dataset's file was renamed.
    pub fn made_for_another(
        &self,
        dataset: i64,
        (record, component): (&str, &str),
        path: &str,
        content: Digest,
    ) -> Result<Option<Option<Author>>, StoreError> {
        self.read(|reader| {
            let others: Vec<i64> = reader
                .prepare_cached("SELECT id FROM dataset WHERE id != ?1")?
                .query_map(params![dataset], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            for other in others {
                let points = checkpoints_of(reader, other, &[record])?;
                let wrote = |point: &&Checkpoint| {
                    point.component == component
                        && point.path == path
                        && point.content == Some(content)
                        && point.author != Some(Author::Person)
                };
                if let Some(point) = points.iter().find(wrote) {
                    return Ok(Some(point.author));
                }
            }
            Ok(None)
        })
    }

    /// Hash and author of the file that a task wrote at a path which was not its own any more then.
    pub fn moved(
        &self,
        dataset: i64,
        path: &str,
    ) -> Result<Option<(Digest, Option<Author>)>, StoreError> {
        self.read(|reader| {
            let found = reader
                .prepare_cached(&format!(
                    "SELECT content, author FROM moved WHERE dataset = ?1 AND path = ?2 AND {}",
                    MOVED.sound()
                ))?
                .query_row(params![dataset, path], |row| {
                    let Column(content) = row.get("content")?;
                    let Column(author) = row.get("author")?;
                    Ok(content.map(|content| (content, author)))
                })
                .optional()?;
            Ok(found.flatten())
        })
    }

    /// Writes checkpoints in one transaction; returns when they are on disk.
    pub async fn complete(
        &self,
        dataset: i64,
        run: RunId,
        checkpoints: Vec<Checkpoint>,
    ) -> Result<(), StoreError> {
        self.inner
            .writer
            .write(move |connection| {
                for point in &checkpoints {
                    note_moved(connection, dataset, point)?;
                    write(connection, dataset, run, point)?;
                }
                Ok(())
            })
            .await
    }
}

/// Notes the file that a task leaves at another path. A task that writes to a path takes over what was left there.
fn note_moved(connection: &Connection, dataset: i64, point: &Checkpoint) -> rusqlite::Result<()> {
    if point.content.is_some() {
        connection
            .prepare_cached("DELETE FROM moved WHERE dataset = ?1 AND path = ?2")?
            .execute(params![dataset, point.path])?;
    }
    if let Some(left) = &point.left {
        connection.prepare_cached(&INSERT_MOVED)?.execute(params![
            dataset,
            left.path,
            point.record,
            point.component,
            Column(left.content),
            left.author.map(Column),
        ])?;
    }
    Ok(())
}

fn write(
    connection: &Connection,
    dataset: i64,
    run: RunId,
    point: &Checkpoint,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&INSERT_TASK)?
        .execute(named_params! {
            ":dataset": dataset,
            ":record": point.record,
            ":component": point.component,
            ":run": run,
            ":outcome": Column(point.outcome.kind()),
            ":class": point.outcome.class().map(Column),
            ":cause": point.cause,
            ":parked": point.parked.then_some(run),
            ":generation": point.generation,
            ":fingerprint": Column(point.fingerprint),
            ":path": point.path,
            ":size": point.file.map(|file| file.size),
            ":mtime_ns": point.file.map(|file| file.mtime_ns),
            ":inode": point.file.map(|file| file.inode),
            ":content": point.content.map(Column),
            ":model": point.model,
            ":executions": point.executions,
            ":calls": point.calls,
            ":input_tokens": point.usage.input_tokens,
            ":output_tokens": point.usage.output_tokens,
            ":recipe": point.recipe,
            ":seen": point.seen,
            ":parts": &point.parts.0,
            ":attempts": point.attempts,
            ":author": point.author.map(Column),
            ":worker": point.worker,
        })?;
    Ok(())
}

static INSERT_TASK: LazyLock<String> = LazyLock::new(|| {
    let named: Vec<(&str, String)> = TASKS
        .columns
        .iter()
        .map(|column| match *column {
            "ended_at" => ("ended_at", NOW.to_owned()),
            column => (column, format!(":{column}")),
        })
        .collect();
    let values: Vec<(&str, &str)> = named
        .iter()
        .map(|(column, value)| (*column, value.as_str()))
        .collect();
    TASKS.insert("INSERT OR REPLACE", &values, "")
});

static INSERT_MOVED: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("dataset", "?1"),
        ("path", "?2"),
        ("record", "?3"),
        ("component", "?4"),
        ("content", "?5"),
        ("author", "?6"),
    ];
    MOVED.insert("INSERT OR REPLACE", &values, "")
});

static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT record, component, outcome, class, cause, parked IS NOT NULL, generation, fingerprint, path,
            size, mtime_ns, inode, content, model, executions, calls, input_tokens, output_tokens, recipe,
            seen, parts, attempts, author, worker
         FROM task WHERE dataset = ?1 AND record IN (SELECT value FROM json_each(?2)) AND {}",
        TASKS.sound()
    )
});

/// The checkpoints of some records. A damaged one counts as lost: its artifact is made again from its answers.
pub(super) fn checkpoints_of(
    reader: &Connection,
    dataset: i64,
    records: &[&str],
) -> rusqlite::Result<Vec<Checkpoint>> {
    let mut statement = reader.prepare_cached(&SELECT)?;
    let records = serde_json::json!(records).to_string();
    statement
        .query_map(params![dataset, records], |row| {
            checkpoint(&mut Cells { row, next: 0 })
        })?
        .collect()
}

/// The columns of a row, one after the other. A run reads every checkpoint, and looking up two dozen columns by name
/// would take longer than reading them.
struct Cells<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl Cells<'_> {
    fn next<T: FromSql>(&mut self) -> rusqlite::Result<T> {
        let place = self.next;
        self.next += 1;
        self.row.get(place)
    }
}

/// A checkpoint; its fields are in the order of the columns.
fn checkpoint(cells: &mut Cells<'_>) -> rusqlite::Result<Checkpoint> {
    Ok(Checkpoint {
        record: cells.next()?,
        component: cells.next()?,
        outcome: {
            let (Column(kind), Column(class)) = (cells.next()?, cells.next()?);
            LastOutcome::of(kind.unwrap_or(OutcomeKind::Failed), class)
        },
        cause: cells.next()?,
        parked: cells.next()?,
        generation: cells.next()?,
        fingerprint: {
            let Column(print) = cells.next()?;
            print.unwrap_or_else(|| Digest::of(b""))
        },
        path: cells.next()?,
        file: match (cells.next()?, cells.next()?, cells.next()?) {
            (Some(size), Some(mtime_ns), Some(inode)) => Some(FileStamp {
                size,
                mtime_ns,
                inode,
            }),
            _ => None,
        },
        content: cells.next::<Column<_>>()?.0,
        left: None,
        model: cells.next()?,
        executions: cells.next()?,
        calls: cells.next()?,
        usage: Usage::new(cells.next()?, cells.next()?),
        recipe: cells.next()?,
        seen: cells.next()?,
        parts: FingerprintParts(cells.next()?),
        attempts: cells.next()?,
        author: cells.next::<Column<_>>()?.0,
        worker: cells.next()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use types::class::FailureClass;

    #[tokio::test]
    async fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state.db")).unwrap();
        assert!(store.runs_are_settled().unwrap());
        let run = store.begin_run().await.unwrap();
        let point = Checkpoint {
            record: "iron".to_owned(),
            component: "text".to_owned(),
            outcome: LastOutcome::Failed(FailureClass::Overloaded),
            cause: Some("503".to_owned()),
            parked: true,
            attempts: 2,
            generation: 2,
            fingerprint: Digest::of(b"f"),
            recipe: RecipeId(3),
            seen: Seen::of(&[7; 32]),
            parts: FingerprintParts(vec![1; 16]),
            path: "text/iron.md".to_owned(),
            file: Some(FileStamp {
                size: 5,
                mtime_ns: 7,
                inode: 9,
            }),
            content: Some(Digest::of(b"c")),
            author: Some(Author::Model),
            left: None,
            model: Some("m".to_owned()),
            executions: 3,
            calls: 2,
            usage: Usage::new(10, 5),
            worker: Some("gpu-7".to_owned()),
        };
        store.complete(1, run, vec![point.clone()]).await.unwrap();
        assert_eq!(
            store.checkpoints(1, "iron").unwrap(),
            std::slice::from_ref(&point)
        );
        assert!(store.checkpoints(2, "iron").unwrap().is_empty());
        assert!(!store.runs_are_settled().unwrap(), "it has not ended");
        let elsewhere = |outcome| Checkpoint {
            outcome,
            path: "other/iron.md".to_owned(),
            file: None,
            content: None,
            author: None,
            ..point.clone()
        };
        let failed = elsewhere(point.outcome).keep_file(Some(&point));
        assert_eq!(
            (failed.path.as_str(), failed.content, failed.author),
            ("text/iron.md", point.content, point.author),
            "what failed has its file where it was"
        );
        let moved = elsewhere(LastOutcome::Done).keep_file(Some(&point));
        assert_eq!((moved.content, moved.author), (None, None));
        store.complete(1, run, vec![moved]).await.unwrap();
        assert_eq!(
            store.moved(1, "text/iron.md").unwrap(),
            point.content.map(|content| (content, point.author))
        );
        assert_eq!(store.moved(1, "x.md").unwrap(), None);
    }
}
