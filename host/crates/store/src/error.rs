//! What can go wrong with the state.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use dataset::DatasetError;

/// The state cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened.
    #[error("cannot open the state {}: {cause}\nhint: see that you may read and write it and its directory, or name another file with --state FILE", file.display())]
    Open { file: PathBuf, cause: String },
    /// There is none.
    #[error("there is no state {}, so nothing was run yet\nhint: `batchgen run` makes it; another one is named with --state FILE", file.display())]
    Missing {
        /// Where it was looked for.
        file: PathBuf,
    },
    /// It is to be written anew, and is there.
    #[error("{} is there already, and a recovery writes a new file\nhint: name a file that is not there", file.display())]
    Exists { file: PathBuf },
    /// Nothing of it can be read.
    #[error("nothing can be read of the state {}: {cause}\nhint: move it away and run again: existing files stay, and answers are asked for again", file.display())]
    Lost { file: PathBuf, cause: String },
    /// It was written by another version.
    #[error("the state {} has version {found}, and this batchgen knows {known}\nhint: use the batchgen that wrote it, or another file with --state FILE", file.display())]
    Version {
        file: PathBuf,
        /// Version of the file.
        found: i64,
        /// Version that is known here.
        known: i64,
    },
    /// Another process holds it.
    #[error("another batchgen ({owner}) is using the state {}\nhint: wait for it or stop it, or name another file with --state FILE", file.display())]
    Locked { file: PathBuf, owner: String },
    /// A reader keeps the newest part of it apart.
    #[error("the state {} is being read by another program, which keeps a part of it in a log of its own\nhint: end that program, such as a `sqlite3` shell after `BEGIN`, and try again", file.display())]
    BeingRead { file: PathBuf },
    /// It is not to be brought up to date by one who only reads.
    #[error("the state {} has version {found}, and this batchgen works with {known}\nhint: `batchgen run` brings it up to date", file.display())]
    Outdated {
        file: PathBuf,
        /// Version of the file.
        found: i64,
        /// Version that is known here.
        known: i64,
    },
    /// There is something in it that no version makes.
    #[error("the state {} has a {object}, which batchgen does not make: somebody else has put it there\nhint: use a state that you trust; or move it away and run again: existing files stay, and answers are asked for again", file.display())]
    Foreign {
        file: PathBuf,
        /// Its kind and name.
        object: String,
    },
    /// Its log is missing, without which it is not what a killed run left.
    #[error("the log {}-wal is missing, in which the last run left its newest answers and checkpoints when it was killed\nhint: put it back beside the state; if it is lost, remove {}.seal and run again: lost answers are asked for again, and files whose checkpoints are lost count as edited", file.display(), file.display())]
    LogMissing { file: PathBuf },
    /// Its bytes are not what was written.
    #[error("the state {} is damaged: {cause}\nhint: `batchgen store verify` says what is damaged; `batchgen store recover {} NEW.db` saves what can be read into a new state", file.display(), file.display())]
    Damaged { file: PathBuf, cause: String },
    /// Another file lies in its place, or none.
    #[error("the state {} was removed or replaced while it was in use, so nothing more is written\nhint: run again; the next run makes what the file that lies there now does not hold", file.display())]
    Replaced { file: PathBuf },
    /// Reading or writing failed.
    #[error("the state {} failed: {cause}\nhint: {}", file.display(), hint(cause))]
    Failed { file: PathBuf, cause: String },
}

impl StoreError {
    /// What SQLite says about a file that is in use.
    pub(super) fn of(file: &Path, error: &rusqlite::Error) -> StoreError {
        let (file, cause) = (file.to_owned(), error.to_string());
        if is_damage(error) {
            StoreError::Damaged { file, cause }
        } else {
            StoreError::Failed { file, cause }
        }
    }

    /// What SQLite says about a file that is being opened.
    pub(super) fn opening(file: &Path, error: &rusqlite::Error) -> StoreError {
        if is_damage(error) {
            return StoreError::of(file, error);
        }
        // The system says more exactly what stands in the way.
        let cause = match File::open(file) {
            Err(error) => error.to_string(),
            Ok(_) if file.is_dir() => "it is a directory".to_owned(),
            Ok(_) => error.to_string(),
        };
        StoreError::Open {
            file: file.to_owned(),
            cause,
        }
    }

    /// A file beside the state cannot be written.
    pub fn beside(state: &Path, error: &io::Error) -> StoreError {
        let file = state.to_owned();
        let cause = format!("cannot write beside it: {error}");
        match error.kind() {
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                StoreError::Open { file, cause }
            }
            _ => StoreError::Failed { file, cause },
        }
    }
}

/// Whether an error means that the file's bytes are not what was written.
pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}

fn hint(cause: &str) -> &'static str {
    if cause.contains("readonly") {
        "see that you may write the file and its directory, or name another file with --state FILE"
    } else if cause.contains("full") || cause.contains("No space") {
        "the disk is full: make room and run again; only answers that could not be kept are asked for again"
    } else {
        "check the disk and run again; what was acknowledged is in the file"
    }
}

/// The dataset could not be indexed.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The dataset is at fault.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
    /// The state is at fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}
