//! A state that nobody uses for as long as it is held: one whole file, which is copied elsewhere, or which a copy from
//! elsewhere takes the place of.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::checksum::{COMPLETIONS, TASKS};
use super::{StoreError, lock, log, migrate, open, schema};
use types::digest::Digest;

/// A place for a state, and its lock.
#[derive(Debug)]
pub struct HeldState {
    file: PathBuf,
    lock: lock::Lock,
}

impl HeldState {
    /// Holds a state, which is brought up to date and into one file.
    ///
    /// # Errors
    /// When there is none, another process uses it, or it cannot be read or written.
    pub fn take(file: &Path) -> Result<HeldState, StoreError> {
        if !is_there(file) {
            let file = file.to_owned();
            return Err(StoreError::Missing { file });
        }
        HeldState::take_place(file)
    }

    /// Holds the place of a state, whether there is one or not.
    ///
    /// # Errors
    /// Like [`HeldState::take`].
    pub fn take_place(file: &Path) -> Result<HeldState, StoreError> {
        let lock = lock::Lock::take(file)?;
        let held = HeldState {
            file: file.to_owned(),
            lock,
        };
        if held.is_there() {
            held.gather()?;
        }
        // Nothing is written while it is held, so a kill leaves it as it was.
        held.lock.set_in_order(held.lock.is_in_order());
        Ok(held)
    }

    /// Whether there is a state. An empty file is one in which nothing was ever written.
    pub fn is_there(&self) -> bool {
        is_there(&self.file)
    }

    /// Brings all of the state into its file.
    fn gather(&self) -> Result<(), StoreError> {
        let (connection, mut seal) = open(&self.file)?;
        let closed = seal.close(&connection);
        drop(connection);
        let log = fs::metadata(log::file(&self.file));
        if log.is_ok_and(|log| log.len() > 0) {
            let file = self.file.clone();
            return Err(StoreError::BeingRead { file });
        }
        closed.map_err(|error| StoreError::beside(&self.file, &error))
    }

    /// All of the state.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(&self) -> io::Result<File> {
        File::open(&self.file)
    }

    /// Whether its last run ended in order.
    pub fn is_in_order(&self) -> bool {
        self.lock.is_in_order()
    }

    /// Puts another state in the place of this one, which is kept at `aside` if that is named. Whenever the process is killed,
    /// one of the two lies there, whole.
    ///
    /// # Errors
    /// When the disk refuses it.
    pub fn replace(
        &self,
        other: &Path,
        in_order: bool,
        aside: Option<&Path>,
    ) -> Result<(), StoreError> {
        let beside = |error: io::Error| StoreError::beside(&self.file, &error);
        // A kill in between costs a look at every file.
        self.lock.set_in_order(false);
        if let Some(aside) = aside.filter(|_| self.is_there()) {
            fs::hard_link(&self.file, aside).map_err(beside)?;
        }
        // They are of the state that goes, and empty.
        for ending in ["-wal", "-shm", ".seal"] {
            remove(&with(&self.file, ending)).map_err(beside)?;
        }
        fs::rename(other, &self.file).map_err(beside)?;
        sync_folder(&self.file).map_err(beside)?;
        self.lock.set_in_order(in_order);
        Ok(())
    }
}

/// Version of the tables that this program works with.
pub const TABLES_VERSION: i64 = migrate::VERSION;

/// Passes a copy of a state that can be used here, and brings it up to date.
///
/// # Errors
/// When it is no state, or not of a version that is known here.
pub fn check_copy(file: &Path) -> Result<(), StoreError> {
    let checked = checked(file);
    for ending in ["-wal", "-shm"] {
        // What stays there is in nobody's way.
        let _ = remove(&with(file, ending));
    }
    checked
}

fn checked(file: &Path) -> Result<(), StoreError> {
    let reader = schema::open_to_read(file)?;
    let found = migrate::version(&reader).map_err(|error| StoreError::opening(file, &error))?;
    let (file, known) = (file.to_owned(), migrate::VERSION);
    match found {
        found if !migrate::is_known(found) => Err(StoreError::Version { file, found, known }),
        found if found < known => {
            drop(reader);
            schema::open(&file).map(drop)
        }
        _ => schema::check(&reader, &file),
    }
}

/// Files of one state that another one does not have as they are, by their checkpoints: path below the output directory, and
/// hash. Files that a person edited are not among them.
///
/// # Errors
/// When one of the two cannot be read.
pub fn files_that_differ(
    old: &Path,
    new: &Path,
    mut take: impl FnMut(String, Digest),
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::of(old, &error);
    let connection = Connection::open(old).map_err(failed)?;
    schema::prepare_once(&connection).map_err(failed)?;
    attach(&connection, new).map_err(failed)?;
    let sql = format!(
        "SELECT path, content FROM main.task AS task WHERE content IS NOT NULL AND author IS NOT 'person' AND {}
             AND NOT EXISTS (SELECT 1 FROM other.task AS new WHERE new.dataset = task.dataset
                 AND new.record = task.record AND new.component = task.component
                 AND new.path = task.path AND new.content = task.content)",
        TASKS.sound()
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        let path: String = row.get(0).map_err(failed)?;
        let content: Vec<u8> = row.get(1).map_err(failed)?;
        if let Some(content) = Digest::from_slice(&content) {
            take(path, content);
        }
    }
    Ok(())
}

/// Copies answers of one state into another one, which nobody uses, where it has none to their questions. How many.
///
/// # Errors
/// When one of the two cannot be read or written: nothing is copied then.
pub fn keep_answers(from: &Path, into: &Path) -> Result<u64, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::of(into, &error);
    let connection = schema::open(into)?;
    attach(&connection, from).map_err(failed)?;
    let copied = connection.execute(&copy_answers(), []).map_err(failed)?;
    connection
        .execute_batch("DETACH other; PRAGMA wal_checkpoint(TRUNCATE)")
        .map_err(failed)?;
    Ok(copied as u64)
}

fn copy_answers() -> String {
    let number = "(SELECT coalesce(max(id), 0) FROM main.completion) + row_number() OVER (ORDER BY completion.id)";
    let values = COMPLETIONS.columns.iter().map(|column| match *column {
        "id" => ("id", number.to_owned()),
        column => (column, format!("completion.{column}")),
    });
    let values: Vec<(&str, String)> = values.collect();
    let values: Vec<(&str, &str)> = values
        .iter()
        .map(|(column, value)| (*column, value.as_str()))
        .collect();
    let source = format!(
        "other.completion AS completion WHERE {} AND kind <> 'lost'
             AND NOT EXISTS (SELECT 1 FROM main.completion AS known WHERE known.key = completion.key)",
        COMPLETIONS.sound()
    );
    COMPLETIONS.insert_from(&values, &source)
}

fn is_there(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|file| file.len() > 0)
}

fn attach(connection: &Connection, other: &Path) -> rusqlite::Result<()> {
    connection
        .execute("ATTACH ?1 AS other", [other.to_string_lossy()])
        .map(drop)
}

fn with(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sync_folder(file: &Path) -> io::Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal_rows;

    /// A state with these answers, by their keys.
    fn state(file: &Path, keys: &[&str]) {
        let connection = schema::open(file).unwrap();
        for key in keys {
            connection
                .execute(
                    "INSERT INTO completion (key, kind, text, model, provider, lane, input_tokens, output_tokens,
                        cached_tokens, reasoning_tokens, tries, checksum)
                     VALUES (CAST(?1 AS BLOB), 'completion', ?1, 'm', 'p', 'l', 1, 1, 0, 0, 1, 0)",
                    [key],
                )
                .unwrap();
        }
        seal_rows(&connection).unwrap();
    }

    fn keys(file: &Path) -> Vec<String> {
        let connection = schema::open_to_read(file).unwrap();
        assert_eq!(COMPLETIONS.count_unsound(&connection).unwrap(), 0);
        let mut statement = connection
            .prepare("SELECT CAST(key AS TEXT) FROM completion ORDER BY id")
            .unwrap();
        let keys = statement.query_map([], |row| row.get(0)).unwrap();
        keys.map(Result::unwrap).collect()
    }

    #[test]
    fn one_state_takes_the_place_of_another_and_its_answers_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (here, other) = (folder.path().join("state.db"), folder.path().join("other"));
        state(&here, &["a", "b"]);
        state(&other, &["b", "c"]);
        let held = HeldState::take(&here).unwrap();
        assert!(matches!(
            HeldState::take(&here),
            Err(StoreError::Locked { .. })
        ));
        check_copy(&other).unwrap();
        assert_eq!(keep_answers(&here, &other).unwrap(), 1);
        assert_eq!(keep_answers(&here, &other).unwrap(), 0);
        let aside = folder.path().join("aside");
        held.replace(&other, true, Some(&aside)).unwrap();
        assert!(held.is_in_order());
        drop(held);
        assert_eq!(keys(&here), ["b", "c", "a"]);
        assert_eq!(keys(&aside), ["a", "b"]);
        assert!(!other.exists());
        crate::Store::open(&here).unwrap();
    }

    #[test]
    fn a_state_that_somebody_reads_on_is_not_taken_for_one_file() {
        let folder = tempfile::tempdir().unwrap();
        let here = folder.path().join("state.db");
        state(&here, &["a"]);
        let reader = schema::open_to_read(&here).unwrap();
        reader
            .execute_batch("BEGIN; SELECT count(*) FROM completion")
            .unwrap();
        let writer = Connection::open(&here).unwrap();
        writer
            .execute_batch("CREATE TABLE x (a); DROP TABLE x")
            .unwrap();
        let refused = HeldState::take(&here);
        assert!(
            matches!(refused, Err(StoreError::BeingRead { .. })),
            "{refused:?}"
        );
        drop(writer);
        drop(reader);
        HeldState::take(&here).unwrap();
    }

    #[test]
    fn what_is_no_state_of_a_known_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy");
        fs::write(&file, "no database at all".repeat(100)).unwrap();
        assert!(check_copy(&file).is_err());
        fs::remove_file(&file).unwrap();
        state(&file, &[]);
        check_copy(&file).unwrap();
        Connection::open(&file)
            .unwrap()
            .execute_batch("PRAGMA user_version = 99")
            .unwrap();
        assert!(matches!(
            check_copy(&file),
            Err(StoreError::Version { found: 99, .. })
        ));
    }
}
