//! The tables, and the settings that make a write durable. `docs/STATE.md` describes them for people
//! who query the file with the `sqlite3` shell.

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::StoreError;

/// Version of the tables.
const VERSION: i64 = 1;

/// 16 KiB pages hold several rows of 2 KB; with 4 KiB the file doubles. FULL survives power loss, and
/// with group commit costs no more than NORMAL.
const SETTINGS: &str = "
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA journal_size_limit = 33554432;
";

const TABLES: &str = "
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
CREATE TABLE recipe (
    id     INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    text   TEXT NOT NULL
) STRICT;
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

/// Opens the file for writing and makes the tables where there are none.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::Open {
        file: path.to_owned(),
        cause: error.to_string(),
    };
    let connection = Connection::open(path).map_err(failed)?;
    connection.execute_batch(SETTINGS).map_err(failed)?;
    prepare_once(&connection).map_err(failed)?;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    match found {
        VERSION => {}
        0 => {
            let sql = format!("BEGIN IMMEDIATE;{TABLES}PRAGMA user_version = {VERSION};COMMIT;");
            connection.execute_batch(&sql).map_err(failed)?;
        }
        found => {
            return Err(StoreError::Version {
                file: path.to_owned(),
                found,
                known: VERSION,
            });
        }
    }
    Ok(connection)
}

/// Keeps statements prepared. Without the second setting, SQLite plans a statement again whenever a value
/// is bound to it that its plan might have depended on.
pub(super) fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_state_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        drop(open(&path).unwrap());
        drop(open(&path).unwrap());
        Connection::open(&path)
            .unwrap()
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        let error = open(&path).unwrap_err();
        assert!(
            matches!(error, StoreError::Version { found: 99, .. }),
            "{error}"
        );
    }

    #[test]
    fn a_file_that_is_no_state_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        std::fs::write(
            &path,
            "this is not a database, but a text of some length".repeat(40),
        )
        .unwrap();
        let error = open(&path).unwrap_err();
        assert!(error.to_string().contains("not a database"), "{error}");
    }
}
