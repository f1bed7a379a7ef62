//! What can go wrong between a working copy and its address.

use std::io;
use std::path::{Path, PathBuf};

use objects::ObjectError;
use store::StoreError;

/// The two cannot be kept equal.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    #[error(transparent)]
    Objects(#[from] ObjectError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the working copy cannot be read or written.
    #[error("{}: {cause}\nhint: check its permissions and the room on the disk, and run again", file.display())]
    File { file: PathBuf, cause: String },
    /// What is remembered of the objects cannot be read or written.
    #[error(
        "{}, which remembers the objects in storage, cannot be used: {cause}\nhint: remove it: then every object is read once to find out what it is",
        file.display()
    )]
    Notes { file: PathBuf, cause: String },
}

impl MirrorError {
    pub(super) fn file(file: &Path, error: &io::Error) -> MirrorError {
        MirrorError::File {
            file: file.to_owned(),
            cause: error.to_string(),
        }
    }
}
