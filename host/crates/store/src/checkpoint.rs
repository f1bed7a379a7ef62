//! The checkpoint: how every task ended, and what it was made from. Written only after the output
//! file is durable.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{RecipeId, RunId, Store, StoreError};
use dataset::RecordHash;
use plan::decision::TaskEnd;
use plan::decision::{Author, LastOutcome, Stored};
use plan::fingerprint::FingerprintParts;
use types::class::FailureClass;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen([u8; 8]);

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

/// What tells, without reading it, that a file is as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStamp {
    /// Bytes.
    pub size: u64,
    /// Last change, ns since 1970.
    pub mtime_ns: i64,
    pub inode: u64,
}

/// A file that a task wrote, at a path that is not its own any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftFile {
    /// Path below the output directory.
    pub path: String,
    /// Hash of the file's bytes, as it was written.
    pub content: Digest,
    pub author: Option<Author>,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    /// Id of the record.
    pub record: String,
    /// Name of the component.
    pub component: String,
    /// Done, failed, blocked, skipped, or due to be run again.
    pub outcome: LastOutcome,
    /// OrphanReason it is not done, in words.
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
                    "SELECT coalesce(record.category, ''), component, outcome, count(*) FROM task
                     LEFT JOIN record ON record.dataset = task.dataset AND record.id = task.record
                     WHERE task.dataset = ?1 AND parked = ?2 GROUP BY 1, component, outcome",
                )?
                .query_map(params![dataset, run.0], |row| {
                    let blocked = row.get::<_, String>(2)? == "blocked";
                    let end = if blocked {
                        TaskEnd::Blocked
                    } else {
                        TaskEnd::Failed
                    };
                    Ok((row.get(0)?, row.get(1)?, end, row.get(3)?))
                })?
                .collect::<rusqlite::Result<_>>()?;
            let records = reader
                .prepare(
                    "SELECT category, count(*) FROM record WHERE dataset = ?1 AND id IN
                        (SELECT record FROM task WHERE dataset = ?1 AND parked = ?2)
                     GROUP BY category",
                )?
                .query_map(params![dataset, run.0], |row| {
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

    /// Hash and author of the file that a task wrote at a path which was not its own any more then.
    pub fn moved(
        &self,
        dataset: i64,
        path: &str,
    ) -> Result<Option<(Digest, Option<Author>)>, StoreError> {
        self.read(|reader| {
            let sql = "SELECT content, author FROM moved WHERE dataset = ?1 AND path = ?2";
            let found: Option<(Vec<u8>, Option<String>)> = reader
                .prepare_cached(sql)?
                .query_row(params![dataset, path], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            Ok(found.and_then(|(content, author)| {
                let author = author.and_then(|name| Author::named(&name));
                Some((Digest::from_slice(&content)?, author))
            }))
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
                let mut statement = connection.prepare_cached(
                    "INSERT OR REPLACE INTO task (dataset, record, component, run, outcome, class,
                        cause, parked, generation, fingerprint, path, size, mtime_ns, inode, content,
                        model, executions, calls, input_tokens, output_tokens, recipe, seen, parts, attempts,
                        author)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16,
                        ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25)",
                )?;
                // Who writes to a path again leaves nothing there.
                let mut taken = connection
                    .prepare_cached("DELETE FROM moved WHERE dataset = ?1 AND path = ?2")?;
                for point in checkpoints {
                    if point.content.is_some() {
                        taken.execute(params![dataset, point.path])?;
                    }
                    let (outcome, class) = match point.outcome {
                        LastOutcome::Done => ("done", None),
                        LastOutcome::Failed(class) => ("failed", Some(class.as_str())),
                        LastOutcome::Blocked => ("blocked", None),
                        LastOutcome::Skipped => ("skipped", None),
                        LastOutcome::Due => ("due", None),
                    };
                    if let Some(left) = &point.left {
                        connection
                            .prepare_cached(
                                "INSERT OR REPLACE INTO moved (dataset, path, record, component, content, author)
                                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                            )?
                            .execute(params![
                                dataset,
                                left.path,
                                point.record,
                                point.component,
                                left.content.as_bytes().as_slice(),
                                left.author.map(Author::as_str)
                            ])?;
                    }
                    statement.execute(params![
                        dataset,
                        point.record,
                        point.component,
                        run.0,
                        outcome,
                        class,
                        point.cause,
                        point.parked.then_some(run.0),
                        point.generation,
                        point.fingerprint.as_bytes().as_slice(),
                        point.path,
                        point.file.map(|file| file.size),
                        point.file.map(|file| file.mtime_ns),
                        point.file.map(|file| file.inode),
                        point.content.as_ref().map(|digest| digest.as_bytes().as_slice()),
                        point.model,
                        point.executions,
                        point.calls,
                        point.usage.input_tokens,
                        point.usage.output_tokens,
                        point.recipe.0,
                        point.seen.0.as_slice(),
                        point.parts.0,
                        point.attempts,
                        point.author.map(Author::as_str),
                    ])?;
                }
                Ok(())
            })
            .await
    }
}

/// The checkpoints of some records.
pub(super) fn checkpoints_of(
    reader: &Connection,
    dataset: i64,
    records: &[&str],
) -> rusqlite::Result<Vec<Checkpoint>> {
    let mut statement = reader.prepare_cached(
        "SELECT record, component, outcome, class, cause, parked, generation, fingerprint, path, size,
            mtime_ns, inode, content, model, executions, calls, input_tokens, output_tokens, recipe,
            seen, parts, attempts, author
         FROM task WHERE dataset = ?1 AND record IN (SELECT value FROM json_each(?2))",
    )?;
    let records = serde_json::json!(records).to_string();
    statement
        .query_map(params![dataset, records], checkpoint)?
        .collect()
}

fn checkpoint(row: &Row<'_>) -> rusqlite::Result<Checkpoint> {
    let outcome: String = row.get(2)?;
    let class: Option<String> = row.get(3)?;
    let digest = |column| -> rusqlite::Result<Option<Digest>> {
        Ok(row
            .get::<_, Option<Vec<u8>>>(column)?
            .and_then(|bytes| Digest::from_slice(&bytes)))
    };
    let file = match (row.get(9)?, row.get(10)?, row.get(11)?) {
        (Some(size), Some(mtime_ns), Some(inode)) => Some(FileStamp {
            size,
            mtime_ns,
            inode,
        }),
        _ => None,
    };
    Ok(Checkpoint {
        record: row.get(0)?,
        component: row.get(1)?,
        outcome: match outcome.as_str() {
            "done" => LastOutcome::Done,
            "blocked" => LastOutcome::Blocked,
            "skipped" => LastOutcome::Skipped,
            "due" => LastOutcome::Due,
            _ => LastOutcome::Failed(
                class
                    .and_then(|class| class.parse().ok())
                    .unwrap_or(FailureClass::Transient),
            ),
        },
        cause: row.get(4)?,
        parked: row.get::<_, Option<i64>>(5)?.is_some(),
        generation: row.get(6)?,
        fingerprint: digest(7)?.unwrap_or_else(|| Digest::of(b"")),
        path: row.get(8)?,
        file,
        content: digest(12)?,
        left: None,
        model: row.get(13)?,
        executions: row.get(14)?,
        calls: row.get(15)?,
        usage: Usage::new(row.get(16)?, row.get(17)?),
        recipe: RecipeId(row.get(18)?),
        seen: Seen(row.get(19)?),
        parts: FingerprintParts(row.get(20)?),
        attempts: row.get(21)?,
        author: row
            .get::<_, Option<String>>(22)?
            .and_then(|name| Author::named(&name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
