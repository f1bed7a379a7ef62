//! One host per state: an advisory lock on a file beside it. The system releases it when the process
//! ends, however it ends, so a lock cannot go stale.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::StoreError;

/// Held for as long as the state is open.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of the state at `path`.
    pub fn take(path: &Path) -> Result<Lock, StoreError> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let name = PathBuf::from(name);
        let failed = |error: std::io::Error| StoreError::Open {
            file: path.to_owned(),
            cause: error.to_string(),
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&name)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who holds it is told as far as it can be read; the refusal does not depend on it.
                let _ = file.read_to_string(&mut owner);
                let owner = match owner.trim() {
                    "" => "unknown process".to_owned(),
                    owner => owner.to_owned(),
                };
                return Err(StoreError::Locked {
                    file: path.to_owned(),
                    owner,
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        file.set_len(0).map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        writeln!(file, "process {}", std::process::id()).map_err(failed)?;
        Ok(Lock { _file: file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_who_holds_it_and_the_next_gets_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let first = Lock::take(&path).unwrap();
        let error = Lock::take(&path).unwrap_err();
        assert!(
            error
                .to_string()
                .contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        assert!(Lock::take(&path).is_ok());
    }
}
