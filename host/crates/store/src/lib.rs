//! Durable state in one SQLite file: the index of the dataset, the journal of completions, and the checkpoint of every task.
//!
//! It owns the tables and their versions, and the one thread that writes, in groups. A write is acknowledged after it is on
//! disk. Every method that reads fails when the file cannot be read, and every method that writes when it cannot be written.
//!
//! It does not know plugins, and decides nothing: what to run and what to ask is for the crates `plan` and `engine`.

mod batches;
mod billed;
mod calls;
mod checkpoint;
mod checksum;
mod compared;
mod edits;
mod error;
mod export;
mod failures;
mod held;
mod history;
mod identity;
mod index;
mod journal;
mod key_filter;
mod lessons;
mod lock;
mod log;
mod made;
mod mend;
mod migrate;
mod orphans;
mod output_file;
mod paths;
mod private;
mod prune;
mod questions;
mod recipes;
mod recover;
mod runs;
mod sampled;
mod schema;
mod seal;
mod spool;
mod sql;
mod stats;
#[cfg(test)]
mod tests;
mod verdicts;
mod verify;
mod wal;
mod writer;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tokio::sync::oneshot;

pub use batches::{Batch, BatchState, Collected, Formed, Most, Wanted, Which};
pub use billed::{Bill, Cost};
pub use calls::{CallNote, TaskOrder, TaskRow, TaskSearch};
pub use checkpoint::{Checkpoint, FileStamp, LeftFile, ParkedEnds, Seen, TaskId};
pub use checksum::seal_rows;
pub use edits::KeptEdit;
pub use error::{IndexError, StoreError};
pub use export::Exported;
pub use failures::{FailedTask, FailureFilter, FailureGroup, LastAnswer, NotBegun};
pub use held::{HeldState, TABLES_VERSION, check_copy, files_that_differ, keep_answers};
pub use history::EndedAt;
pub use index::{BadRecord, IndexedDataset, Lease, RecordRef, Selection, WithTasks};
pub use journal::Claim;
pub use lock::Holder;
pub use made::{MadeFile, WrittenFile};
pub use orphans::{Orphan, OrphanCount, OrphanReason};
pub use output_file::{obstacle, output_digest, read_output, read_output_text};
pub use paths::Writer;
pub use private::{create_private_dir, write_private};
pub use prune::{Pruned, Pruning, prune};
pub use questions::{NewQuestion, QuestionState, Queued, Standing};
pub use recipes::RecipeId;
pub use recover::{Saved, recover};
pub use runs::RunId;
pub use spool::Spooled;
pub use stats::{Spending, Stats, TableSize};
pub use verdicts::{JudgedTwice, KeptVerdict, Scores};
pub use verify::{Broken, Report};

use types::digest::Digest;

/// A handle on the state; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writer: writer::Writer,
    reader: Mutex<Connection>,
    /// Questions that are being asked now, for others with the same key to wait on.
    in_flight: Mutex<HashMap<Digest, Vec<oneshot::Sender<()>>>>,
    /// Tells most new questions without a look into the file.
    key_filter: key_filter::KeyFilter,
    /// Answers that were paid for and could not be kept.
    lost_answers: AtomicU64,
    /// None where the state is only read.
    lock: Option<lock::Lock>,
}

impl Store {
    /// The file that it lies in.
    pub fn file(&self) -> &Path {
        self.inner.writer.file()
    }

    /// How many answers that were paid for could not be kept, since the state failed.
    pub fn lost_answers(&self) -> u64 {
        self.inner.lost_answers.load(Ordering::Relaxed)
    }

    /// Opens the state, or creates it, and takes its lock.
    ///
    /// # Errors
    /// When another host holds it, the file is no state of this version, or the disk refuses.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let failed = |cause: String| StoreError::Open {
            file: path.to_owned(),
            cause,
        };
        if let Some(directory) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        }
        let lock = lock::Lock::take(path)?;
        let (connection, seal) = open(path)?;
        // Before the next error may come: only the writer closes a state in order.
        let writer = writer::Writer::start(connection, path, seal)?;
        let reader = schema::open_to_read(path)?;
        Ok(Store {
            inner: Arc::new(Inner {
                writer,
                reader: Mutex::new(reader),
                in_flight: Mutex::new(HashMap::new()),
                key_filter: key_filter::KeyFilter::default(),
                lost_answers: AtomicU64::default(),
                lock: Some(lock),
            }),
        })
    }

    /// Opens a state to read it, without its lock: also while a run goes on. Whatever would write fails.
    ///
    /// # Errors
    /// When there is none, or it is not of this version.
    pub fn open_reading(path: &Path) -> Result<Store, StoreError> {
        let reader = schema::open_to_read(path)?;
        if seal::misses_log(path) && matches!(Store::holder(path), Ok(None)) {
            let file = path.to_owned();
            return Err(StoreError::LogMissing { file });
        }
        let found = migrate::version(&reader).map_err(|error| StoreError::opening(path, &error))?;
        let (file, known) = (path.to_owned(), migrate::VERSION);
        if !migrate::is_known(found) {
            return Err(StoreError::Version { file, found, known });
        }
        if found < known {
            return Err(StoreError::Outdated { file, found, known });
        }
        schema::check(&reader, path)?;
        Ok(Store {
            inner: Arc::new(Inner {
                writer: writer::Writer::none(path),
                reader: Mutex::new(reader),
                in_flight: Mutex::new(HashMap::new()),
                key_filter: key_filter::KeyFilter::default(),
                lost_answers: AtomicU64::default(),
                lock: None,
            }),
        })
    }

    /// The process that holds a state, if one does.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn holder(path: &Path) -> std::io::Result<Option<Holder>> {
        lock::Lock::holder(path)
    }

    /// Notes beside the state that this process shows files to a person and runs nothing, so that others go on telling of the last run.
    pub fn set_reviews(&self) {
        if let Some(lock) = &self.inner.lock {
            lock.set_reviews();
        }
    }

    /// Opens a state whose writes are done when they are asked for and never synced: for simulations that hold the clock, in
    /// which no other thread may work.
    ///
    /// # Errors
    /// Like [`Store::open`].
    pub fn open_inline(path: &Path) -> Result<Store, StoreError> {
        let failed = |error: rusqlite::Error| StoreError::opening(path, &error);
        let lock = lock::Lock::take(path)?;
        let connection = schema::open(path)?;
        connection
            .pragma_update(None, "synchronous", "OFF")
            .map_err(failed)?;
        let reader = Connection::open(path).map_err(failed)?;
        schema::prepare_once(&reader).map_err(failed)?;
        Ok(Store {
            inner: Arc::new(Inner {
                writer: writer::Writer::inline(connection, path),
                reader: Mutex::new(reader),
                in_flight: Mutex::new(HashMap::new()),
                key_filter: key_filter::KeyFilter::default(),
                lost_answers: AtomicU64::default(),
                lock: Some(lock),
            }),
        })
    }

    /// Whether everything that was written is accounted for; one who only reads cannot know.
    fn is_in_order(&self) -> bool {
        self.inner
            .lock
            .as_ref()
            .is_some_and(lock::Lock::is_in_order)
    }

    fn set_in_order(&self, in_order: bool) {
        if let Some(lock) = &self.inner.lock {
            lock.set_in_order(in_order);
        }
    }

    /// Reads only; every read is one short query, so that the WAL can be cut.
    fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let reader = guard(&self.inner.reader);
        query(&reader).map_err(|error| self.inner.writer.error(&error))
    }
}

/// Opens a state to write it, breaks its seal, and mends what is damaged. Its lock must be held.
fn open(path: &Path) -> Result<(Connection, seal::Seal), StoreError> {
    let beside = |error: std::io::Error| StoreError::beside(path, &error);
    let lies = match path.is_file() {
        true => Some(seal::look(path).map_err(beside)?),
        false => None,
    };
    match lies.as_ref().and_then(|lies| lies.log.as_ref()) {
        Some(log::Fault::Gone) => {
            let file = path.to_owned();
            return Err(StoreError::LogMissing { file });
        }
        Some(log::Fault::Cut { .. }) => tracing::warn!(
            "the log of the state {} is damaged: what the last run wrote behind that place is lost, and made or asked for again",
            path.display()
        ),
        None => {}
    }
    let mut connection = schema::open(path)?;
    let mut seal = seal::Seal::break_open(path).map_err(beside)?;
    // What a killed run left in the log is needed still.
    seal.note();
    if let Some(lies) = lies
        && lies.is_suspect(path)
    {
        let mended = mend::mend(&mut connection, path);
        if mended.is_err() {
            // The seal says that the log is needed, so it has to stay.
            let _ = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        }
        for done in mended? {
            tracing::warn!("the state {} is damaged: {done}", path.display());
        }
    }
    Ok((connection, seal))
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
