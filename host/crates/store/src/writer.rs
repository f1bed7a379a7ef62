//! The one thread that writes. It takes what has come in while the last group was synced, commits
//! it as one transaction, and acknowledges each write after that: so a thousand writers cost a
//! few syncs, and no acknowledged write is lost.
//!
//! A group for which the disk has no room is tried again for a few seconds. After the first group that could not be committed, nothing is written any more: what comes later may rest on it, and
//! nobody knows what a disk that failed still holds. Only opening the state again goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
use super::identity::Identity;
use super::seal::Seal;
use super::wal::Wal;

/// Most writes of one transaction.
const GROUP: usize = 1024;
/// Most writes that may wait; more make their askers wait.
const QUEUE: usize = 8192;
/// After a group of more than so many, the next is given time to gather.
const BUSY: usize = 4;
/// That time. A model takes much longer, so it costs nobody much, and saves most of the syncs; pages of the indexes,
/// where each write changes another one, are written once for many.
const GATHER: Duration = Duration::from_millis(10);
/// So often a group is tried for which the disk has no room, with a pause in between: what it holds may have been paid for,
/// and somebody may make room.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);

/// It may be asked for again, after a transaction that was given up as a whole.
type Change = Box<dyn FnMut(&Connection) -> rusqlite::Result<()> + Send>;
type Acknowledge = oneshot::Sender<Result<(), StoreError>>;

enum Job {
    /// Part of the next group.
    Write(Change, Option<Acknowledge>),
    /// Has the connection for itself.
    Exclusive(Box<dyn FnOnce(&mut Connection) + Send>),
}

#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    file: PathBuf,
    /// Where there is no thread: each write is its own group, and done when it is asked for.
    inline: Option<Mutex<Connection>>,
    /// Why nothing is written any more.
    failed: Failed,
}

type Failed = Arc<OnceLock<StoreError>>;

impl Writer {
    pub fn start(connection: Connection, file: &Path, seal: Seal) -> Result<Writer, StoreError> {
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let failed = Failed::default();
        let thread = Thread {
            connection,
            identity: Identity::of(file),
            wal: Wal::of(file),
            seal,
            file: file.to_owned(),
            failed: Arc::clone(&failed),
        };
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || thread.work(receiver))
            .map_err(|error| StoreError::Open {
                file: file.to_owned(),
                cause: error.to_string(),
            })?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Mutex::new(Some(thread)),
            file: file.to_owned(),
            inline: None,
            failed,
        })
    }

    /// No writer: for a state that is only read.
    pub fn none(file: &Path) -> Writer {
        Writer {
            jobs: None,
            thread: Mutex::new(None),
            file: file.to_owned(),
            inline: None,
            failed: Failed::default(),
        }
    }

    /// A writer without a thread, for simulations that hold the clock: time must not pass while it writes.
    pub fn inline(connection: Connection, file: &Path) -> Writer {
        Writer {
            jobs: None,
            thread: Mutex::new(None),
            file: file.to_owned(),
            inline: Some(Mutex::new(connection)),
            failed: Failed::default(),
        }
    }

    /// Writes, and returns when it is on disk.
    pub async fn write(
        &self,
        change: impl FnMut(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (acknowledge, written) = oneshot::channel();
        self.send(Job::Write(Box::new(change), Some(acknowledge)))
            .await?;
        written.await.map_err(|_| self.gone())?
    }

    /// Writes some time soon, before anything that is written later. If it fails, so does all that is written later.
    pub async fn write_later(
        &self,
        change: impl FnMut(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        self.send(Job::Write(Box::new(change), None)).await
    }

    /// Runs something long that needs its own transactions.
    pub async fn exclusive<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Connection) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (result, receiver) = oneshot::channel();
        let job = Box::new(move |connection: &mut Connection| {
            // The asker may have gone: then nobody wants the result.
            let _ = result.send(job(connection));
        });
        self.send(Job::Exclusive(job)).await?;
        receiver.await.map_err(|_| self.gone())
    }

    /// The file of the state.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// An error of SQLite with the file's name.
    pub fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::of(&self.file, error)
    }

    async fn send(&self, job: Job) -> Result<(), StoreError> {
        if let Some(connection) = &self.inline {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            match job {
                Job::Write(change, acknowledge) => {
                    let result = commit(&mut connection, &mut [change]);
                    let result = result.map_err(|error| self.error(&error));
                    if let Err(error) = &result {
                        let _ = self.failed.set(error.clone());
                    }
                    if let Some(acknowledge) = acknowledge {
                        let _ = acknowledge.send(result);
                    }
                }
                Job::Exclusive(job) => job(&mut connection),
            }
            return Ok(());
        }
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        match &self.jobs {
            Some(jobs) => jobs.send(job).await.map_err(|_| self.gone()),
            None => Err(self.gone()),
        }
    }

    fn gone(&self) -> StoreError {
        let stopped = || StoreError::Failed {
            file: self.file.clone(),
            cause: "its writer has stopped".to_owned(),
        };
        self.failed.get().cloned().unwrap_or_else(stopped)
    }
}

impl Drop for Writer {
    /// What was sent is written before the state closes.
    fn drop(&mut self) {
        self.jobs = None;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

/// What the thread works with.
struct Thread {
    connection: Connection,
    identity: Identity,
    wal: Wal,
    seal: Seal,
    file: PathBuf,
    failed: Failed,
}

impl Thread {
    fn work(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut last = 0;
        while let Some(job) = jobs.blocking_recv() {
            if last > BUSY {
                thread::sleep(GATHER);
            }
            last = 0;
            let mut group = Group::default();
            let mut next = Some(job);
            while let Some(job) = next.take() {
                match job {
                    Job::Write(change, acknowledge) => {
                        group.changes.push(change);
                        group.waiting.extend(acknowledge);
                        last += 1;
                        if last < GROUP {
                            next = jobs.try_recv().ok();
                        }
                    }
                    Job::Exclusive(job) => {
                        self.end(std::mem::take(&mut group));
                        // Whoever asked is told by the end of the channel.
                        if self.failed.get().is_none() {
                            job(&mut self.connection);
                            self.seal.note();
                            self.wal.bound(&mut self.connection, &mut self.seal);
                        }
                    }
                }
            }
            self.end(group);
        }
        self.close();
    }

    /// Commits a group and acknowledges it.
    fn end(&mut self, mut group: Group) {
        if group.changes.is_empty() {
            return;
        }
        let result = self.commit(&mut group.changes);
        self.seal.note();
        if let Err(error) = &result
            && self.failed.set(error.clone()).is_ok()
        {
            tracing::error!("{error}");
        }
        for acknowledge in group.waiting {
            let _ = acknowledge.send(result.clone());
        }
        if result.is_ok() {
            self.wal.bound(&mut self.connection, &mut self.seal);
        }
    }

    fn commit(&mut self, changes: &mut [Change]) -> Result<(), StoreError> {
        if let Some(error) = self.failed.get() {
            return Err(error.clone());
        }
        if !self.identity.is_still(&self.file) {
            let file = self.file.clone();
            return Err(StoreError::Replaced { file });
        }
        let mut result = commit(&mut self.connection, changes);
        for _ in 1..TRIES {
            match &result {
                Err(error) if is_full(error) => {}
                _ => break,
            }
            // What was copied out of the log gives its room to what is written next.
            let _ = self
                .connection
                .execute_batch("PRAGMA wal_checkpoint(RESTART)");
            thread::sleep(PAUSE);
            result = commit(&mut self.connection, changes);
        }
        result.map_err(|error| StoreError::of(&self.file, &error))
    }

    fn close(mut self) {
        if self.failed.get().is_some() {
            // Nothing more is written, not even when the connection closes: the next host reads the log as it is.
            let _ = self
                .connection
                .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
            return;
        }
        // A closed state is one file; if this fails the next host finds the rest in the WAL.
        if let Err(error) = self.seal.close(&self.connection) {
            tracing::debug!("the state was not sealed: {error}");
        }
    }
}

/// Writes that become one transaction.
#[derive(Default)]
struct Group {
    changes: Vec<Change>,
    waiting: Vec<Acknowledge>,
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn commit(connection: &mut Connection, changes: &mut [Change]) -> rusqlite::Result<()> {
    // Immediate: a deferred transaction that turns into a writer may fail at once.
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for change in changes {
        change(&transaction)?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use rusqlite::ffi;

    use super::*;

    async fn writer() -> (tempfile::TempDir, Writer) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let (connection, seal) = crate::open(&path).unwrap();
        let writer = Writer::start(connection, &path, seal).unwrap();
        let table = |connection: &Connection| connection.execute_batch("CREATE TABLE t (x)");
        writer.write(table).await.unwrap();
        (directory, writer)
    }

    fn insert(connection: &Connection) -> rusqlite::Result<()> {
        connection.execute("INSERT INTO t VALUES (1)", []).map(drop)
    }

    fn rows(directory: &tempfile::TempDir) -> i64 {
        let connection = Connection::open(directory.path().join("state.db")).unwrap();
        let count = connection.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        count.unwrap()
    }

    fn fails(_: &Connection) -> rusqlite::Result<()> {
        Err(rusqlite::Error::InvalidQuery)
    }

    #[tokio::test]
    async fn nothing_is_written_after_a_write_that_failed() {
        let (directory, writer) = writer().await;
        writer.write(insert).await.unwrap();
        // Nobody waits for this one, and what follows is told all the same.
        writer.write_later(fails).await.unwrap();
        let error = writer.write(insert).await.unwrap_err().to_string();
        assert_eq!(
            writer.write_later(insert).await.unwrap_err().to_string(),
            error
        );
        let job = writer.exclusive(|connection| insert(connection)).await;
        assert_eq!(job.unwrap_err().to_string(), error);
        drop(writer);
        assert_eq!(rows(&directory), 1);
    }

    fn full() -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_FULL), None)
    }

    /// Each try begins anew, so nothing is written twice.
    #[tokio::test]
    async fn a_group_that_the_disk_has_no_room_for_is_tried_again_as_a_whole() {
        let (directory, writer) = writer().await;
        let mut tries = 0;
        let change = move |connection: &Connection| {
            insert(connection)?;
            tries += 1;
            if tries < 3 { Err(full()) } else { Ok(()) }
        };
        writer.write(change).await.unwrap();
        writer.write(insert).await.unwrap();
        drop(writer);
        assert_eq!(rows(&directory), 2);
    }

    #[tokio::test]
    async fn a_state_that_was_removed_or_replaced_is_not_written_any_more() {
        for replace in [false, true] {
            let (directory, writer) = writer().await;
            let path = directory.path().join("state.db");
            std::fs::rename(&path, directory.path().join("elsewhere.db")).unwrap();
            if replace {
                std::fs::write(&path, "").unwrap();
            }
            let error = writer.write(insert).await.unwrap_err();
            assert!(matches!(error, StoreError::Replaced { .. }), "{error}");
        }
    }
}
