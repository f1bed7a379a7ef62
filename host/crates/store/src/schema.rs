//! Opens the file, with the settings that make a write durable. What the tables are is in `migrate`;
//! `docs/STATE.md` describes them for people who query the file with the `sqlite3` shell.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::{StoreError, checksum, migrate, private, sampled};

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
    // SQLite gives its log the mode of this file. What stands in the way, it says better itself.
    let _ = private::options().create_new(true).open(path);
    let mut connection = Connection::open(path).map_err(failed)?;
    prepare_once(&connection).map_err(failed)?;
    connection.execute_batch(SETTINGS).map_err(failed)?;
    migrate::migrate(&mut connection, path)?;
    check(&connection, path)?;
    Ok(connection)
}

/// Holds tables, indexes, triggers and views against those that this version makes. A state may come from somebody else.
pub(super) fn check(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::opening(path, &error);
    let expected = || -> Result<Objects, StoreError> {
        let mut fresh = Connection::open_in_memory().map_err(failed)?;
        checksum::register(&fresh).map_err(failed)?;
        migrate::migrate(&mut fresh, path)?;
        objects(&fresh).map_err(failed)
    };
    let (expected, found) = (expected()?, objects(connection).map_err(failed)?);
    let differs = |(name, sql): &(&String, &Option<String>)| expected.get(*name) != Some(*sql);
    if let Some((object, _)) = found.iter().find(differs) {
        return Err(match expected.contains_key(object) {
            // A damaged file, most likely.
            true => StoreError::Damaged {
                file: path.to_owned(),
                cause: format!("the {object} is not what this version makes"),
            },
            false => StoreError::Foreign {
                file: path.to_owned(),
                object: object.clone(),
            },
        });
    }
    match expected.keys().find(|name| !found.contains_key(*name)) {
        Some(object) => Err(StoreError::Damaged {
            file: path.to_owned(),
            cause: format!("the {object} is missing"),
        }),
        None => Ok(()),
    }
}

/// What a file is made of: kind and name of each thing, and the SQL that made it.
type Objects = BTreeMap<String, Option<String>>;

fn objects(connection: &Connection) -> rusqlite::Result<Objects> {
    // What SQLite itself notes about a file, as for `ANALYZE`, is named so.
    let sql = "SELECT type || ' ' || name, sql FROM sqlite_schema WHERE substr(name, 1, 11) <> 'sqlite_stat'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
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
    checksum::register(connection)?;
    sampled::register(connection)?;
    // A state may come from somebody else, who may have put more into it than rows.
    for (setting, on) in [
        (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false),
        (DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false),
    ] {
        connection.set_db_config(setting, on)?;
    }
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
