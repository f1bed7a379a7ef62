//! Reads a state without its lock, also while a host runs. Nothing here changes it.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::migrate::{VERSION, version};
use super::{StoreError, schema};

/// A state that is only read.
#[derive(Debug)]
pub struct View {
    pub(super) reader: Connection,
    pub(super) file: PathBuf,
}

impl View {
    /// Opens a state.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn open(path: &Path) -> Result<View, StoreError> {
        if !path.exists() {
            return Err(StoreError::Open {
                file: path.to_owned(),
                cause: "there is no such file, so nothing was run yet".to_owned(),
            });
        }
        let reader = schema::open_to_read(path)?;
        let found = version(&reader).map_err(|error| StoreError::opening(path, &error))?;
        let (file, known) = (path.to_owned(), VERSION);
        if found > known {
            return Err(StoreError::Version { file, found, known });
        }
        if found < known {
            return Err(StoreError::Outdated { file, found, known });
        }
        Ok(View { reader, file })
    }

    /// An error of SQLite with the file's name.
    pub(super) fn error(&self, error: &rusqlite::Error) -> StoreError {
        StoreError::of(&self.file, error)
    }
}
