//! The one thread that writes. It takes what has come in while the last group was synced, commits
//! it as one transaction, and acknowledges each write after that: so a thousand writers cost a
//! few syncs, and no acknowledged write is lost.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use super::StoreError;
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

type Change = Box<dyn FnOnce(&Connection) -> rusqlite::Result<()> + Send>;
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
}

impl Writer {
    pub fn start(connection: Connection, file: &Path) -> Result<Writer, StoreError> {
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let path = file.to_owned();
        let thread = thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(connection, receiver, &path))
            .map_err(|error| StoreError::Open {
                file: file.to_owned(),
                cause: error.to_string(),
            })?;
        Ok(Writer {
            jobs: Some(jobs),
            thread: Mutex::new(Some(thread)),
            file: file.to_owned(),
            inline: None,
        })
    }

    /// No writer: for a state that is only read.
    pub fn none(file: &Path) -> Writer {
        Writer {
            jobs: None,
            thread: Mutex::new(None),
            file: file.to_owned(),
            inline: None,
        }
    }

    /// A writer without a thread, for simulations that hold the clock: time must not pass while it writes.
    pub fn inline(connection: Connection, file: &Path) -> Writer {
        Writer {
            jobs: None,
            thread: Mutex::new(None),
            file: file.to_owned(),
            inline: Some(Mutex::new(connection)),
        }
    }

    /// Writes, and returns when it is on disk.
    pub async fn write(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (acknowledge, written) = oneshot::channel();
        self.send(Job::Write(Box::new(change), Some(acknowledge)))
            .await?;
        written.await.map_err(|_| self.gone())?
    }

    /// Writes some time soon, before anything that is written later. If it fails, so will those.
    pub async fn write_later(
        &self,
        change: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
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
                    commit(
                        &mut connection,
                        &mut vec![(change, acknowledge)],
                        &self.file,
                    );
                }
                Job::Exclusive(job) => job(&mut connection),
            }
            return Ok(());
        }
        match &self.jobs {
            Some(jobs) => jobs.send(job).await.map_err(|_| self.gone()),
            None => Err(self.gone()),
        }
    }

    fn gone(&self) -> StoreError {
        StoreError::Failed {
            file: self.file.clone(),
            cause: "its writer has stopped".to_owned(),
        }
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

fn work(mut connection: Connection, mut jobs: mpsc::Receiver<Job>, file: &Path) {
    let mut group: Vec<(Change, Option<Acknowledge>)> = Vec::new();
    let mut wal = Wal::of(file);
    let mut last = 0;
    while let Some(job) = jobs.blocking_recv() {
        if last > BUSY {
            thread::sleep(GATHER);
        }
        last = 0;
        let mut next = Some(job);
        while let Some(job) = next.take() {
            match job {
                Job::Write(change, acknowledge) => {
                    group.push((change, acknowledge));
                    last += 1;
                    if group.len() < GROUP {
                        next = jobs.try_recv().ok();
                    }
                }
                Job::Exclusive(job) => {
                    commit(&mut connection, &mut group, file);
                    job(&mut connection);
                    wal.bound(&mut connection);
                }
            }
        }
        commit(&mut connection, &mut group, file);
        wal.bound(&mut connection);
    }
    // A closed state is one file; if this fails the next host finds the rest in the WAL.
    let _ = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
}

fn commit(
    connection: &mut Connection,
    group: &mut Vec<(Change, Option<Acknowledge>)>,
    file: &Path,
) {
    if group.is_empty() {
        return;
    }
    let mut waiting = Vec::with_capacity(group.len());
    let result = (|| {
        // Immediate: a deferred transaction that turns into a writer may fail at once.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for (change, acknowledge) in group.drain(..) {
            waiting.extend(acknowledge);
            change(&transaction)?;
        }
        transaction.commit()
    })();
    waiting.extend(group.drain(..).filter_map(|(_, acknowledge)| acknowledge));
    let result = result.map_err(|error: rusqlite::Error| StoreError::of(file, &error));
    // Who waits is told, and says it.
    if let (Err(error), true) = (&result, waiting.is_empty()) {
        tracing::error!("{error}");
    }
    for acknowledge in waiting {
        let _ = acknowledge.send(result.clone());
    }
}
