//! The tables, and the steps that lead from one released version of them to the next. Each step is one transaction: a
//! file is of one version or of the next, whenever the power goes.
//!
//! A step that has been released is never changed; what is to be different is another step.

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::StoreError;

/// The tables of a new file, which is of the version [`FIRST`] before it takes the steps.
const TABLES: &str = include_str!("tables.sql");

/// The first version that was released.
const FIRST: i64 = 8;

/// The step at place N leads from version `FIRST + N` to the next.
const STEPS: &[&str] = &[
    include_str!("checksums.sql"),
    include_str!("batches.sql"),
    include_str!("workers.sql"),
    include_str!("verdicts.sql"),
];

/// Version of the tables that this host works with.
pub(super) const VERSION: i64 = FIRST + STEPS.len() as i64;

/// Brings the tables up to date; makes them where there are none.
///
/// # Errors
/// When the file is of a version that is not known: nothing is changed then. When a step fails, the file
/// stays as the step before left it.
pub(super) fn migrate(connection: &mut Connection, file: &Path) -> Result<(), StoreError> {
    climb(connection, file, STEPS)
}

fn climb(connection: &mut Connection, file: &Path, steps: &[&str]) -> Result<(), StoreError> {
    loop {
        let found = version(connection).map_err(|error| StoreError::opening(file, &error))?;
        let known = FIRST + i64::try_from(steps.len()).unwrap_or(i64::MAX);
        if found == known {
            return Ok(());
        }
        let (step, next) = match usize::try_from(found - FIRST).map(|place| steps.get(place)) {
            Ok(Some(step)) => (*step, found + 1),
            _ if found == 0 => (TABLES, FIRST),
            _ => {
                let file = file.to_owned();
                return Err(StoreError::Version { file, found, known });
            }
        };
        take(connection, step, next).map_err(|error| StoreError::opening(file, &error))?;
    }
}

/// Version of a file's tables; 0 where there are none.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Whether this host can read a file of this version, or bring it up to date.
pub(super) fn is_known(version: i64) -> bool {
    (FIRST..=VERSION).contains(&version)
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
    use crate::checksum;

    fn at(version: i64) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .pragma_update(None, "user_version", version)
            .unwrap();
        connection
    }

    #[test]
    fn a_new_file_takes_every_step_and_an_old_one_the_rest() {
        let steps = ["CREATE TABLE a (x)", "CREATE TABLE b (x)"];
        let file = Path::new("state.db");
        let mut new = at(0);
        climb(&mut new, file, &steps).unwrap();
        let mut old = at(0);
        climb(&mut old, file, &steps[..1]).unwrap();
        assert_eq!(version(&old).unwrap(), FIRST + 1);
        climb(&mut old, file, &steps).unwrap();
        assert_eq!(version(&old).unwrap(), FIRST + 2);
        assert_eq!(tables(&new), tables(&old));
        assert!(tables(&new).contains(&"b".to_owned()));
    }

    #[test]
    fn rows_of_a_version_without_checksums_get_theirs() {
        let mut connection = at(0);
        checksum::register(&connection).unwrap();
        let file = Path::new("state.db");
        climb(&mut connection, file, &[]).unwrap();
        assert_eq!(version(&connection).unwrap(), 8);
        connection
            .execute_batch(
                "INSERT INTO run (id) VALUES (7);
                 INSERT INTO lane VALUES ('openai/m', x'00', '{}');",
            )
            .unwrap();
        migrate(&mut connection, file).unwrap();
        for table in checksum::TABLES {
            assert_eq!(table.count_unsound(&connection).unwrap(), 0);
        }
    }

    #[test]
    fn a_damaged_task_of_a_version_without_workers_stays_damaged() {
        let mut connection = at(0);
        checksum::register(&connection).unwrap();
        let file = Path::new("state.db");
        climb(&mut connection, file, &STEPS[..2]).unwrap();
        let task = |record: &str, checksum: &str| {
            format!(
                "INSERT INTO task (dataset, record, component, run, outcome, attempts, generation, fingerprint, recipe, seen,
                    parts, path, executions, calls, input_tokens, output_tokens, checksum)
                 VALUES (1, '{record}', 'text', 1, 'done', 0, 0, x'00', 1, x'00', x'00', '', 1, 1, 1, 1, {checksum});"
            )
        };
        let sound = "UPDATE task SET checksum = row_checksum(dataset, record, component, run, outcome, class, cause, parked,
            attempts, generation, fingerprint, recipe, seen, parts, path, size, mtime_ns, inode, content, model,
            executions, calls, input_tokens, output_tokens, ended_at, author);";
        connection.execute_batch(&task("sound", "0")).unwrap();
        connection.execute_batch(sound).unwrap();
        connection.execute_batch(&task("damaged", "7")).unwrap();
        migrate(&mut connection, file).unwrap();
        assert_eq!(checksum::TASKS.count_unsound(&connection).unwrap(), 1);
    }

    #[test]
    fn a_copy_of_an_older_version_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy");
        let mut connection = Connection::open(&file).unwrap();
        checksum::register(&connection).unwrap();
        climb(&mut connection, &file, &STEPS[..1]).unwrap();
        drop(connection);
        crate::check_copy(&file).unwrap();
        let names = std::fs::read_dir(folder.path()).unwrap();
        assert_eq!(names.count(), 1, "it is one file");
        let connection = Connection::open(&file).unwrap();
        assert_eq!(version(&connection).unwrap(), VERSION);
    }

    #[test]
    fn versions_that_were_never_released_and_later_ones_are_refused_unchanged() {
        for found in [1, FIRST - 1, VERSION + 1] {
            let mut connection = at(found);
            let error = migrate(&mut connection, Path::new("state.db")).unwrap_err();
            assert!(matches!(error, StoreError::Version { .. }), "{error}");
            assert_eq!(version(&connection).unwrap(), found);
            assert!(tables(&connection).is_empty());
        }
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = at(0);
        let file = Path::new("state.db");
        climb(&mut connection, file, &[]).unwrap();
        let before = tables(&connection);
        let broken = "CREATE TABLE a (x); CREATE TABLE run (x)";
        climb(&mut connection, file, &[broken]).unwrap_err();
        assert_eq!(version(&connection).unwrap(), FIRST);
        assert_eq!(tables(&connection), before);
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement = connection
            .prepare("SELECT name FROM sqlite_schema ORDER BY name")
            .unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    }
}
