//! Opens the file, with the settings that make a write durable. What the tables are is in `migrate`;
//! `docs/STATE.md` describes them for people who query the file with the `sqlite3` shell.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, migrate};

/// 16 KiB pages hold several rows of 2 KB; with 4 KiB the file doubles. FULL survives power loss, and
/// with group commit costs no more than NORMAL.
const SETTINGS: &str = "
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = OFF;
PRAGMA journal_size_limit = 33554432;
";

/// Opens the file for writing, and brings its tables up to date.
pub(super) fn open(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::opening(path, &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.execute_batch(SETTINGS).map_err(failed)?;
    prepare_once(&connection).map_err(failed)?;
    migrate::migrate(&mut connection, path)?;
    Ok(connection)
}

/// Opens the file for reading only, with no lock: also while a run goes on. Each read should be short, so
/// that the WAL can be cut.
pub(super) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::opening(path, &error);
    let file = path.to_owned();
    match fs::metadata(path) {
        // An empty file is a state in which nothing was ever written.
        Ok(metadata) if metadata.is_file() && metadata.len() == 0 => {
            return Err(StoreError::Missing { file });
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(StoreError::Missing { file });
        }
        Ok(_) | Err(_) => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    prepare_once(&connection).map_err(failed)?;
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
