//! The one writer of output files. It takes what has come in, makes it durable together, and then
//! writes the checkpoints of all of it in one transaction: no checkpoint exists before its file.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::held::Weight;
use super::intent_log::IntentLog;
use super::staged::{Directories, Staged};
use store::{Checkpoint, FileStamp, RunId, Store};
use types::digest::Digest;

/// Most files that are made durable together.
const GROUP: usize = 256;
/// From so many files on, one sync of the file system costs less than one of each.
const SYNC_ALL: usize = 32;
/// Most files that may wait; more make their makers wait.
const QUEUE: usize = 1024;
/// After a group of more than so many, the next is given time to gather.
const BUSY: usize = 4;
/// That time.
const GATHER: Duration = Duration::from_millis(2);
/// How long the writer waits for a descriptor.
const PATIENCE: Duration = Duration::from_secs(30);

/// How a write ended.
pub(super) type Written = Result<(), WriteError>;

/// A file or its checkpoint could not be made durable.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct WriteError {
    /// What went wrong, and where.
    pub message: String,
    /// Whether nothing more can be written at all.
    pub fatal: bool,
}

struct Job {
    /// The text's share of memory, until it is written.
    _weight: Option<Weight>,
    text: Option<Arc<str>>,
    checkpoint: Checkpoint,
    done: oneshot::Sender<Written>,
}

/// A handle on the writer.
#[derive(Clone)]
pub(super) struct Output {
    jobs: mpsc::Sender<Job>,
    place: Arc<Mutex<Place>>,
}

impl Output {
    /// Starts the writer for one run.
    pub fn start(
        root: PathBuf,
        unfinished: IntentLog,
        store: Store,
        (dataset, run): (i64, RunId),
        written: Option<mpsc::Sender<Vec<String>>>,
    ) -> Output {
        let (jobs, receiver) = mpsc::channel(QUEUE);
        let place = Place {
            known: Directories::new(root.clone()),
            root,
            unfinished,
        };
        let place = Arc::new(Mutex::new(place));
        let telling = Telling {
            store,
            dataset,
            run,
            written,
        };
        tokio::spawn(work(receiver, Arc::clone(&place), telling));
        Output { jobs, place }
    }

    /// Everything that was queued is durable, and the run has ended in order.
    pub fn end(&self) {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        // A note that stays names files that their checkpoints name as well.
        let _ = place.unfinished.end();
    }

    /// Queues a file, if any, and its checkpoint. The receiver tells when both are durable.
    pub async fn write(
        &self,
        text: Option<Arc<str>>,
        checkpoint: Checkpoint,
        weight: Option<Weight>,
    ) -> oneshot::Receiver<Written> {
        let (done, receiver) = oneshot::channel();
        // A writer that is gone drops `done`, which the receiver notices.
        if let Ok(place) = self.jobs.reserve().await {
            place.send(Job {
                _weight: weight,
                text,
                checkpoint,
                done,
            });
        }
        receiver
    }
}

/// Where files go.
struct Place {
    root: PathBuf,
    unfinished: IntentLog,
    known: Directories,
}

/// Who is told of files that are in their places.
struct Telling {
    store: Store,
    dataset: i64,
    run: RunId,
    /// Is told the paths once their checkpoints are durable; while it has no room, nothing more is written.
    written: Option<mpsc::Sender<Vec<String>>>,
}

impl Telling {
    /// Writes checkpoints, and then tells of their files.
    async fn complete(&self, checkpoints: Vec<Checkpoint>, paths: Vec<String>) -> Written {
        let done = self.store.complete(self.dataset, self.run, checkpoints);
        done.await.map_err(|error| WriteError {
            message: error.to_string(),
            fatal: true,
        })?;
        if let Some(written) = &self.written
            && !paths.is_empty()
        {
            // Who is gone has been told to end.
            let _ = written.send(paths).await;
        }
        Ok(())
    }
}

async fn work(mut jobs: mpsc::Receiver<Job>, place: Arc<Mutex<Place>>, telling: Telling) {
    let mut group = Vec::with_capacity(GROUP);
    let mut last = 0;
    let mut broken: Option<WriteError> = None;
    while !group.is_empty() || jobs.recv_many(&mut group, GROUP).await > 0 {
        // Once the state fails nothing more is put in its place: the note names the files of the last group only.
        if let Some(error) = &broken {
            for job in group.drain(..) {
                let _ = job.done.send(Err(error.clone()));
            }
            continue;
        }
        if last > BUSY && group.len() < last {
            sleep(GATHER).await;
            while group.len() < GROUP
                && let Ok(job) = jobs.try_recv()
            {
                group.push(job);
            }
        }
        last = group.len();
        let batch: Vec<Job> = std::mem::take(&mut group);
        let here = Arc::clone(&place);
        let writing = tokio::task::spawn_blocking(move || {
            let mut place = here.lock().unwrap_or_else(PoisonError::into_inner);
            write_group(&mut place, batch)
        });
        let Ok((written, left)) = writing.await else {
            continue;
        };
        group = left;
        let mut done = Vec::new();
        let mut checkpoints = Vec::new();
        let mut paths = Vec::new();
        for (job, result) in written {
            match result {
                Ok(()) => {
                    if job.text.is_some() {
                        paths.push(job.checkpoint.path.clone());
                    }
                    checkpoints.push(job.checkpoint);
                    done.push(job.done);
                }
                Err(error) => {
                    let _ = job.done.send(Err(error));
                }
            }
        }
        let mut left = place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .unfinished
            .left();
        left.retain(|path| checkpoints.iter().any(|point| point.path == *path));
        let result = telling.complete(checkpoints, paths).await;
        match &result {
            Ok(()) if left.is_empty() => {}
            Ok(()) => {
                let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
                place.unfinished.finished(&left);
            }
            Err(error) => broken = Some(error.clone()),
        }
        for sender in done {
            let _ = sender.send(result.clone());
        }
    }
}

/// A job whose text is written, though not in its place yet, or why not; nothing where there is no text.
type StagedJob = (Job, Result<Option<Staged>, WriteError>);

/// Writes, notes what will be there, syncs, renames, syncs the directories: in this order, for all files together. Gives
/// back the jobs that have to wait, because the process cannot open so many files.
fn write_group(place: &mut Place, jobs: Vec<Job>) -> (Vec<(Job, Written)>, Vec<Job>) {
    // One descriptor is kept free for what comes after the staging.
    let reserve = patiently(PATIENCE, || File::open("/"));
    let (staged, left) = stage(place, jobs);
    drop(reserve);
    (publish(place, staged), left)
}

/// Writes the texts. Where no more files can be opened, only half of those that could are kept: the others are to be had for
/// what comes next.
fn stage(place: &mut Place, jobs: Vec<Job>) -> (Vec<StagedJob>, Vec<Job>) {
    let mut staged: Vec<StagedJob> = Vec::with_capacity(jobs.len());
    let mut jobs = jobs.into_iter();
    while let Some(mut job) = jobs.next() {
        let Some(text) = &job.text else {
            staged.push((job, Ok(None)));
            continue;
        };
        let target = place.root.join(&job.checkpoint.path);
        let is_alone = !staged.iter().any(|(_, file)| matches!(file, Ok(Some(_))));
        let mut write = || Staged::write(target.clone(), text, &mut place.known);
        let written = if is_alone {
            patiently(PATIENCE, write)
        } else {
            write()
        };
        match written {
            Ok(file) => {
                job.checkpoint.content = Some(Digest::of(text.as_bytes()));
                staged.push((job, Ok(Some(file))));
            }
            Err(error) if !is_alone && lacks_descriptors(&error) => {
                let others = staged.split_off(staged.len().div_ceil(2));
                let given_back = others.into_iter().map(|(mut job, file)| {
                    if let Ok(Some(file)) = file {
                        file.give_up();
                        job.checkpoint.content = None;
                    }
                    job
                });
                let left = given_back.chain([job]).chain(jobs).collect();
                return (staged, left);
            }
            Err(error) => staged.push((job, Err(write_error(&target, &error)))),
        }
    }
    (staged, Vec::new())
}

/// Does something again while the process may open no more files: others are closed all the time.
fn patiently<T>(patience: Duration, mut doing: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    let begun = Instant::now();
    loop {
        match doing() {
            Err(error) if lacks_descriptors(&error) && begun.elapsed() < patience => {
                std::thread::sleep(GATHER);
            }
            result => return result,
        }
    }
}

fn lacks_descriptors(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE)
    )
}

/// Notes what will be there, syncs, renames, syncs the directories.
fn publish(place: &mut Place, staged: Vec<StagedJob>) -> Vec<(Job, Written)> {
    let Place {
        root, unfinished, ..
    } = place;
    let coming: Vec<(String, Digest)> = staged
        .iter()
        .filter(|(_, file)| matches!(file, Ok(Some(_))))
        .filter_map(|(job, _)| Some((job.checkpoint.path.clone(), job.checkpoint.content?)))
        .collect();
    let files = coming.len();
    if files > 0
        && let Err(error) = patiently(PATIENCE, || unfinished.note(&coming))
    {
        let error = write_error(unfinished.path(), &error);
        let failed = staged.into_iter().map(|(job, file)| {
            let result = match file {
                Ok(None) => Ok(()),
                Ok(Some(staged)) => {
                    staged.give_up();
                    Err(error.clone())
                }
                Err(error) => Err(error),
            };
            (job, result)
        });
        return failed.collect();
    }
    let synced_all = files >= SYNC_ALL && sync_all(root).is_ok();
    let mut directories = BTreeSet::new();
    let mut results = Vec::with_capacity(staged.len());
    for (mut job, file) in staged {
        let result = file.and_then(|staged| match staged {
            None => Ok(()),
            Some(mut staged) => {
                let metadata = staged
                    .publish(synced_all)
                    .map_err(|error| write_error(staged.target(), &error))?;
                job.checkpoint.file = Some(stamp(&metadata));
                directories.extend(staged.target().parent().map(Path::to_owned));
                Ok(())
            }
        });
        results.push((job, result));
    }
    // A rename is durable once its directory is.
    if synced_all && directories.len() > 1 && sync_all(root).is_ok() {
        directories.clear();
    }
    let failed: Vec<WriteError> = directories
        .iter()
        .filter_map(|directory| {
            patiently(PATIENCE, || File::open(directory))
                .and_then(|file| file.sync_all())
                .err()
                .map(|error| write_error(directory, &error))
        })
        .collect();
    if let Some(error) = failed.first() {
        for (job, result) in &mut results {
            if job.text.is_some() && result.is_ok() {
                *result = Err(error.clone());
            }
        }
    }
    for (job, result) in &results {
        if job.text.is_some()
            && result.is_err()
            && let Some(content) = job.checkpoint.content
        {
            unfinished.leave(&job.checkpoint.path, content);
        }
    }
    results
}

/// Syncs the whole file system in one step.
#[cfg(target_os = "linux")]
fn sync_all(root: &Path) -> io::Result<()> {
    rustix::fs::syncfs(File::open(root)?).map_err(io::Error::from)
}

/// Other systems cannot do that and wait for it, so each file is synced by itself.
#[cfg(not(target_os = "linux"))]
fn sync_all(_root: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What tells later that a file is still the one that was written.
pub fn stamp(metadata: &fs::Metadata) -> FileStamp {
    FileStamp {
        size: metadata.len(),
        mtime_ns: metadata
            .mtime()
            .saturating_mul(1_000_000_000)
            .saturating_add(metadata.mtime_nsec()),
        inode: metadata.ino(),
    }
}

fn write_error(path: &Path, error: &io::Error) -> WriteError {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let hint = if full {
        "; make room and run again, nothing that was paid for is lost"
    } else {
        ""
    };
    WriteError {
        message: format!("cannot write {}: {error}{hint}", path.display()),
        fatal: full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_waited_for_though_not_for_ever_and_nothing_else() {
        for errno in [Errno::MFILE, Errno::NFILE] {
            let mut tries = 0;
            let got = patiently(PATIENCE, || {
                tries += 1;
                if tries < 4 {
                    Err(errno.into())
                } else {
                    Ok(tries)
                }
            });
            assert_eq!(got.unwrap(), 4);
        }
        let mut tries = 0;
        let refused = patiently(PATIENCE, || -> io::Result<()> {
            tries += 1;
            Err(Errno::ACCESS.into())
        });
        assert!(refused.is_err());
        assert_eq!(tries, 1);
        let never = || -> io::Result<()> { Err(Errno::MFILE.into()) };
        assert!(patiently(Duration::from_millis(20), never).is_err());
    }
}
