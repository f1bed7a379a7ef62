//! The tables, as the steps that lead from one version to the next. Each step is one transaction: a file
//! is of one version or of the next, whenever the power goes. A new file goes through all of them, so
//! there is one truth about the tables.
//!
//! A step that has been released is never changed; what is to be different is another step.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// The step at place N leads from version N to version N + 1.
const STEPS: [&str; 8] = [
    VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6, VERSION_7, VERSION_8,
];

/// Version of the tables that this host works with.
pub(super) const VERSION: i64 = STEPS.len() as i64;

const VERSION_1: &str = "
CREATE TABLE run (
    id         INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at   TEXT
) STRICT;
CREATE TABLE dataset (
    id      INTEGER PRIMARY KEY,
    source  TEXT NOT NULL UNIQUE,
    stamp   TEXT NOT NULL,
    pass    INTEGER NOT NULL
) STRICT;
CREATE TABLE record (
    dataset  INTEGER NOT NULL,
    id       TEXT NOT NULL,
    category TEXT NOT NULL,
    rank     INTEGER NOT NULL,
    ord      INTEGER NOT NULL,
    offset   INTEGER NOT NULL,
    length   INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    hash     BLOB NOT NULL,
    pass     INTEGER NOT NULL,
    UNIQUE (dataset, id)
) STRICT;
CREATE INDEX record_order ON record (dataset, rank, ord);
CREATE TABLE task (
    id            INTEGER PRIMARY KEY,
    dataset       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    component     TEXT NOT NULL,
    run           INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    class         TEXT,
    cause         TEXT,
    parked        INTEGER,
    generation    INTEGER NOT NULL,
    fingerprint   BLOB NOT NULL,
    path          TEXT NOT NULL,
    size          INTEGER,
    mtime_ns      INTEGER,
    inode         INTEGER,
    content       BLOB,
    model         TEXT,
    executions    INTEGER NOT NULL,
    calls         INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    ended_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    UNIQUE (dataset, record, component)
) STRICT;
CREATE INDEX task_parked ON task (parked) WHERE parked IS NOT NULL;
CREATE TABLE completion (
    id            INTEGER PRIMARY KEY,
    key           BLOB NOT NULL UNIQUE,
    kind          TEXT NOT NULL,
    text          TEXT NOT NULL,
    stop          TEXT,
    finish_reason TEXT,
    model         TEXT NOT NULL,
    provider      TEXT NOT NULL,
    lane          TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros   INTEGER,
    tries         INTEGER NOT NULL,
    obtained_at   TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE TABLE transcript (
    task        INTEGER NOT NULL,
    fingerprint BLOB NOT NULL,
    generation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    PRIMARY KEY (task, fingerprint, generation, position)
) STRICT, WITHOUT ROWID;
";

/// What a task was made by, and a hash of each part: so that a change can be named. Tasks from before know
/// neither, and are made again from the answers in the journal.
const VERSION_2: &str = "
CREATE TABLE recipe (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    text   TEXT NOT NULL
) STRICT;
ALTER TABLE task ADD COLUMN recipe INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN seen BLOB NOT NULL DEFAULT x'0000000000000000';
ALTER TABLE task ADD COLUMN parts BLOB NOT NULL DEFAULT x'';
";

/// Files that a task wrote before its path changed.
const VERSION_3: &str = "
CREATE TABLE moved (
    dataset   INTEGER NOT NULL,
    path      TEXT NOT NULL,
    record    TEXT NOT NULL,
    component TEXT NOT NULL,
    content   BLOB NOT NULL,
    PRIMARY KEY (dataset, path)
) STRICT, WITHOUT ROWID;
";

/// What belongs to a task is kept in the order of its record, so that a run writes to few pages at a time: rows in
/// the order of a hash would each dirty a page of their own. Besides, how often a task failed like this, and a
/// short way to those that are not done.
const VERSION_4: &str = "
ALTER TABLE task RENAME TO old_task;
ALTER TABLE transcript RENAME TO old_transcript;
DROP INDEX task_parked;
CREATE TABLE task (
    dataset       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    component     TEXT NOT NULL,
    run           INTEGER NOT NULL,
    outcome       TEXT NOT NULL,
    class         TEXT,
    cause         TEXT,
    parked        INTEGER,
    attempts      INTEGER NOT NULL,
    generation    INTEGER NOT NULL,
    fingerprint   BLOB NOT NULL,
    recipe        INTEGER NOT NULL,
    seen          BLOB NOT NULL,
    parts         BLOB NOT NULL,
    path          TEXT NOT NULL,
    size          INTEGER,
    mtime_ns      INTEGER,
    inode         INTEGER,
    content       BLOB,
    model         TEXT,
    executions    INTEGER NOT NULL,
    calls         INTEGER NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    ended_at      TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (dataset, record, component)
) STRICT, WITHOUT ROWID;
CREATE INDEX task_parked ON task (parked) WHERE parked IS NOT NULL;
CREATE INDEX task_failed ON task (dataset, outcome, class, component) WHERE outcome <> 'done';
CREATE TABLE transcript (
    dataset     INTEGER NOT NULL,
    record      TEXT NOT NULL,
    component   TEXT NOT NULL,
    fingerprint BLOB NOT NULL,
    generation  INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    completion  INTEGER NOT NULL,
    PRIMARY KEY (dataset, record, component, fingerprint, generation, position)
) STRICT, WITHOUT ROWID;
INSERT INTO task SELECT dataset, record, component, run, outcome, class, cause, parked, outcome = 'failed',
    generation, fingerprint, recipe, seen, parts, path, size, mtime_ns, inode, content, model, executions,
    calls, input_tokens, output_tokens, ended_at FROM old_task;
INSERT INTO transcript SELECT dataset, record, component, old_transcript.fingerprint,
    old_transcript.generation, position, completion
    FROM old_transcript JOIN old_task ON old_task.id = old_transcript.task;
DROP TABLE old_transcript;
DROP TABLE old_task;
";

/// Who wrote each file, and the texts of edits that were replaced. Of a file from before a failure it is not known, so it
/// counts as a model's, which nothing but a model replaces.
const VERSION_5: &str = "
ALTER TABLE task ADD COLUMN author TEXT;
ALTER TABLE moved ADD COLUMN author TEXT;
UPDATE task SET author = CASE
    WHEN outcome = 'done' AND run = 0 THEN 'person'
    WHEN model = 'offline' THEN 'stand-in'
    WHEN outcome = 'done' AND model IS NULL THEN 'component'
    ELSE 'model' END
    WHERE content IS NOT NULL;
CREATE TABLE edit (
    id          INTEGER PRIMARY KEY,
    dataset     INTEGER NOT NULL,
    record      TEXT NOT NULL,
    component   TEXT NOT NULL,
    path        TEXT NOT NULL,
    text        BLOB NOT NULL,
    replaced_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
CREATE INDEX edit_task ON edit (dataset, record, component);
";

/// Tries that were billed and brought no answer, and what lanes learned of how they must ask.
const VERSION_6: &str = "
CREATE TABLE billed (
    id            INTEGER PRIMARY KEY,
    dataset       INTEGER NOT NULL,
    record        TEXT NOT NULL,
    component     TEXT NOT NULL,
    fingerprint   BLOB NOT NULL,
    generation    INTEGER NOT NULL,
    lane          TEXT NOT NULL,
    input_tokens  INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cached_tokens    INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_micros   INTEGER,
    cause         TEXT NOT NULL,
    ended_at      TEXT NOT NULL
) STRICT;
CREATE INDEX billed_task ON billed (dataset, record, component);
CREATE TABLE lane (
    lane    TEXT NOT NULL UNIQUE,
    manner  BLOB NOT NULL,
    learned TEXT NOT NULL
) STRICT;
";

/// How long the tries of an answer took. Of older answers it is not known.
const VERSION_7: &str = "
ALTER TABLE completion ADD COLUMN milliseconds INTEGER;
";

/// Records of a dataset that cannot be read. The index is made again, since records are read in another way.
const VERSION_8: &str = "
CREATE TABLE unreadable (
    dataset INTEGER NOT NULL,
    ord     INTEGER NOT NULL,
    line    INTEGER,
    id      TEXT,
    cause   TEXT NOT NULL,
    PRIMARY KEY (dataset, ord)
) STRICT, WITHOUT ROWID;
ALTER TABLE dataset ADD COLUMN unreadable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE dataset ADD COLUMN is_whole INTEGER NOT NULL DEFAULT 1;
UPDATE dataset SET stamp = '';
";

/// Brings the tables up to date; makes them where there are none.
///
/// # Errors
/// When the file is of a version that is not known: nothing is changed then. When a step fails, the file
/// stays as the step before left it.
pub(super) fn migrate(connection: &mut Connection, file: &Path) -> Result<(), StoreError> {
    loop {
        let found = version(connection).map_err(|error| StoreError::opening(file, &error))?;
        if found == VERSION {
            return Ok(());
        }
        let step = usize::try_from(found)
            .ok()
            .and_then(|place| STEPS.get(place));
        let Some(step) = step else {
            return Err(StoreError::Version {
                file: file.to_owned(),
                found,
                known: VERSION,
            });
        };
        take(connection, step, found + 1).map_err(|error| StoreError::opening(file, &error))?;
    }
}

/// Version of a file's tables; 0 where there are none.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn take(connection: &mut Connection, step: &str, version: i64) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(step)?;
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RecipeId, Store};
    use gateway::journal::{Begin, Journal as _};
    use plan::decision::LastOutcome;
    use types::digest::Digest;

    /// A state as the host of version 1 left it: tables and a few rows.
    const KEPT: &str = include_str!("version_1.sql");

    #[tokio::test]
    async fn a_state_of_version_1_is_brought_up_to_date_and_loses_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch(KEPT)
            .unwrap();
        for _ in 0..2 {
            let store = Store::open(&path).unwrap();
            let points = store.checkpoints(1, "oak").unwrap();
            let point = points.first().unwrap();
            assert_eq!(
                (point.outcome, point.path.as_str(), point.recipe),
                (LastOutcome::Done, "text/oak.md", RecipeId::NONE)
            );
            let key = Digest::from_slice(&[0xab; 32]).unwrap();
            assert!(matches!(store.begin(key).unwrap(), Begin::Have(7, _)));
        }
        let connection = Connection::open(&path).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
        let new = directory.path().join("new.db");
        drop(Store::open(&new).unwrap());
        assert_eq!(
            tables(&connection),
            tables(&Connection::open(&new).unwrap())
        );
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let mut connection = Connection::open(&path).unwrap();
        connection.execute_batch(KEPT).unwrap();
        // In the way of the last statement of the next step.
        connection
            .execute_batch("ALTER TABLE task ADD COLUMN parts INTEGER")
            .unwrap();
        let before = tables(&connection);
        migrate(&mut connection, &path).unwrap_err();
        assert_eq!(version(&connection).unwrap(), 1);
        assert_eq!(tables(&connection), before);
    }

    fn tables(connection: &Connection) -> Vec<(String, Option<String>)> {
        let mut statement = connection
            .prepare("SELECT name, sql FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| {
            let sql: Option<String> = row.get(1)?;
            Ok((row.get(0)?, sql.map(|sql| sql.split_whitespace().collect())))
        });
        rows.unwrap().map(Result::unwrap).collect()
    }
}
