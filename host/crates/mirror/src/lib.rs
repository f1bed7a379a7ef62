//! An output directory in storage that speaks the API of S3. Its files lie in a working copy on this machine, and the working copy is
//! kept equal to the objects below an address: what is made here is put there, and what others changed there is fetched.
//!
//! It owns what is remembered of the objects (`notes`), and the rule which side counts. It does not know what the files hold, and
//! decides nothing about tasks.

mod error;
mod look;
mod notes;
mod put;
mod settle;
#[cfg(test)]
mod tests;
mod uploads;
mod working_copy;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use objects::{Address, Bucket, Condition, ObjectError};
use store::Store;

pub use error::MirrorError;
pub use look::Seen;
pub use put::{Report, Terms};
pub use uploads::Uploads;

use notes::Notes;
use working_copy::WorkingCopy;

/// Objects that are read or written at once.
const AT_ONCE: usize = 8;
/// Times that conditional writes are tried.
const PROBES: u32 = 3;

/// A working copy and the address that it is kept equal to.
pub struct Mirror {
    bucket: Bucket,
    copy: WorkingCopy,
    notes: Mutex<Notes>,
    store: Store,
}

/// Where the working copy of a state's output lies.
pub fn working_copy(state: &Path) -> PathBuf {
    beside(state, "output")
}

fn beside(state: &Path, ending: &str) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}

impl Mirror {
    /// Opens the working copy beside a state, and what is remembered of the objects. The server is not asked yet.
    ///
    /// # Errors
    /// When the variables cannot be used, or the notes cannot be read.
    pub fn open(
        address: &Address,
        variables: &[(String, String)],
        store: Store,
    ) -> Result<Mirror, MirrorError> {
        Mirror::of(Bucket::open_checked(address, variables)?, store)
    }

    /// The same with a bucket that is at hand.
    fn of(bucket: Bucket, store: Store) -> Result<Mirror, MirrorError> {
        let state = store.file();
        let root = working_copy(state);
        store::create_private_dir(&root).map_err(|error| MirrorError::file(&root, &error))?;
        let notes = Notes::open(&beside(state, "objects"), bucket.address())?;
        Ok(Mirror {
            copy: WorkingCopy::new(root, beside(state, "aside")),
            notes: Mutex::new(notes),
            bucket,
            store,
        })
    }

    /// Where the objects are.
    pub fn address(&self) -> &Address {
        self.bucket.address()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings the list of the files that the state knows up to date.
    fn note_made(&self) -> Result<(), MirrorError> {
        let mut notes = self.notes();
        notes.begin_made()?;
        let mut failed = None;
        self.store.written_files(|files| {
            failed = notes.add_made(&files).err();
            failed.is_none()
        })?;
        failed.map_or(Ok(()), Err)
    }
}

/// Tries that objects below an address can be written, and only where they are what they were. Nothing is left behind; what a kill leaves, the
/// next try removes.
///
/// # Errors
/// When the server does not take it, or does not know conditional writes.
pub fn probe(bucket: &Bucket) -> Result<(), ObjectError> {
    let object = bucket.address().below(".batchgen-probe");
    let write = || match bucket.write(&object, b".".to_vec(), &Condition::Absent) {
        Ok(_) => Ok(true),
        Err(ObjectError::Changed { .. }) => Ok(false),
        Err(error) => Err(error),
    };
    // Another run may try at the same time, and remove the object between the two writes.
    for _ in 0..PROBES {
        write()?;
        let was_replaced = write()?;
        bucket.delete(&object)?;
        if !was_replaced {
            return Ok(());
        }
    }
    Err(ObjectError::Unconditional {
        address: bucket.address().clone(),
        cause: "it replaced an object though it was told not to".to_owned(),
    })
}

/// Performs something for each item, several at once, and ends at the first error.
fn for_each<T: Send, R: Send>(
    items: Vec<T>,
    perform: impl Fn(T) -> Result<R, MirrorError> + Sync,
) -> Result<Vec<R>, MirrorError> {
    let items = Mutex::new(items.into_iter());
    let next = || {
        let mut items = items.lock().unwrap_or_else(PoisonError::into_inner);
        items.next()
    };
    let done = Mutex::new(Ok(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(item) = next() {
                    let result = perform(item);
                    let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
                    match (&mut *done, result) {
                        (Err(_), _) => return,
                        (Ok(all), Ok(one)) => all.push(one),
                        (all, Err(error)) => *all = Err(error),
                    }
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner)
}
