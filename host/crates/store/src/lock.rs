//! One process per state: an advisory lock on a file beside it. The system releases it when the process
//! ends, however it ends, so a lock cannot go stale. What the file says while nobody holds it tells whether
//! the last run ended in order, also where the state itself lost its last writes: it is empty, or says so.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{StoreError, private};

/// What the holder is called.
const PROCESS: &str = "process";
/// The same for one that shows files to a person.
const REVIEW: &str = "review in process";
/// Stands behind the holder's name once its run has ended in order.
const IN_ORDER: &str = ", in order";
/// Who only looks holds the lock for a moment, so it is tried for so long.
const TRIES: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(5);

/// Held for as long as the state is open.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
    in_order: AtomicBool,
    reviews: AtomicBool,
}

/// The process that holds a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Its number; 0 where it is not known.
    pub process: u32,
    /// Whether it shows files to a person, which may take hours, and runs nothing.
    pub reviews: bool,
}

impl Lock {
    /// Takes the lock of the state at `path`.
    pub fn take(path: &Path) -> Result<Lock, StoreError> {
        let name = name(path);
        let failed = |error: std::io::Error| StoreError::Open {
            file: path.to_owned(),
            cause: error.to_string(),
        };
        let mut file = private::options().read(true).open(&name).map_err(failed)?;
        let mut locked = false;
        for _ in 0..TRIES {
            match file.try_lock() {
                Ok(()) => locked = true,
                Err(TryLockError::WouldBlock) => {
                    std::thread::sleep(BETWEEN);
                    continue;
                }
                Err(TryLockError::Error(error)) => return Err(failed(error)),
            }
            break;
        }
        let mut owner = String::new();
        // What cannot be read is told as far as it can be; whether the lock is taken does not depend on it.
        let _ = file.read_to_string(&mut owner);
        let owner = owner.trim();
        if !locked {
            return Err(StoreError::Locked {
                file: path.to_owned(),
                owner: match owner.trim_end_matches(IN_ORDER) {
                    "" => "its process is not known".to_owned(),
                    owner => owner.to_owned(),
                },
            });
        }
        let in_order = AtomicBool::new(owner.is_empty() || owner.ends_with(IN_ORDER));
        let lock = Lock {
            file,
            in_order,
            reviews: AtomicBool::new(false),
        };
        lock.write("").map_err(failed)?;
        Ok(lock)
    }

    /// The process that holds the lock of the state at `path`, if one does.
    pub fn holder(path: &Path) -> std::io::Result<Option<Holder>> {
        let mut file = match File::open(name(path)) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match file.try_lock_shared() {
            // Given back when the file is closed.
            Ok(()) => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut owner = String::new();
        file.read_to_string(&mut owner)?;
        let owner = owner.trim().trim_end_matches(IN_ORDER);
        let process = owner.rsplit(' ').next();
        Ok(Some(Holder {
            process: process.and_then(|number| number.parse().ok()).unwrap_or(0),
            reviews: owner.starts_with(REVIEW),
        }))
    }

    /// Writes the holder's name.
    fn write(&self, state: &str) -> std::io::Result<()> {
        let mut file = &self.file;
        file.set_len(0)?;
        file.seek(SeekFrom::Start(0))?;
        let what = match self.reviews.load(Ordering::Relaxed) {
            true => REVIEW,
            false => PROCESS,
        };
        writeln!(file, "{what} {}{state}", std::process::id())
    }

    /// Notes that the holder shows files to a person.
    pub fn set_reviews(&self) {
        self.reviews.store(true, Ordering::Relaxed);
        // Where this cannot be written, the holder is taken for a run that says nothing yet.
        let _ = self.write("");
    }

    /// Whether everything that was written is accounted for.
    pub fn is_in_order(&self) -> bool {
        self.in_order.load(Ordering::Relaxed)
    }

    /// Notes that a run has begun, or has ended in order. It is in the file at once, since the process may end
    /// before all that holds the state is dropped.
    pub fn set_in_order(&self, in_order: bool) {
        self.in_order.store(in_order, Ordering::Relaxed);
        // What cannot be written leaves the safe thing: that something is to be looked at.
        let _ = self.write(if in_order { IN_ORDER } else { "" });
    }
}

impl Drop for Lock {
    /// The name of the holder stays only where something is still to be looked at.
    fn drop(&mut self) {
        if self.is_in_order() {
            let _ = self.file.set_len(0);
        }
    }
}

/// The file beside the state.
fn name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_sees_the_holder_and_is_in_nobodys_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        assert_eq!(Lock::holder(&path).unwrap(), None);
        let held = Lock::take(&path).unwrap();
        let own = |reviews| {
            let process = std::process::id();
            Some(Holder { process, reviews })
        };
        assert_eq!(Lock::holder(&path).unwrap(), own(false));
        held.set_in_order(true);
        assert_eq!(Lock::holder(&path).unwrap(), own(false));
        held.set_reviews();
        assert_eq!(Lock::holder(&path).unwrap(), own(true));
        assert!(held.is_in_order());
        drop(held);
        assert_eq!(Lock::holder(&path).unwrap(), None);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn the_second_is_told_who_holds_it_and_the_next_gets_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err().to_string();
        let holder = format!("(process {})", std::process::id());
        assert!(error.contains(&holder), "{error}");
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }

    #[test]
    fn it_remembers_an_end_that_was_not_in_order_until_a_run_ended_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let take = || Lock::take(&path).unwrap();
        assert!(take().is_in_order());
        take().set_in_order(false);
        assert!(!take().is_in_order());
        assert!(!take().is_in_order(), "looking is no run");
        take().set_in_order(true);
        assert!(take().is_in_order());
        // Also where the process ends before the lock is dropped.
        let held = take();
        held.set_in_order(false);
        held.set_in_order(true);
        let said = std::fs::read(directory.path().join("state.db.lock")).unwrap();
        drop(held);
        std::fs::write(directory.path().join("state.db.lock"), said).unwrap();
        assert!(take().is_in_order());
    }
}
