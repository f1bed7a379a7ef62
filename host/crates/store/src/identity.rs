//! Tells whether the file at a path is still the one that was opened: a state may be removed, replaced, or its disk
//! unmounted under a run. What is written then, nobody can open again.

use std::fs;
use std::path::Path;

/// Which file lay at a path.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity(Option<(u64, u64)>);

impl Identity {
    /// Of the file that lies at `path` now.
    pub fn of(path: &Path) -> Identity {
        Identity(device_and_inode(path))
    }

    /// Whether the same file lies there.
    pub fn is_still(&self, path: &Path) -> bool {
        *self == Identity::of(path)
    }
}

#[cfg(unix)]
fn device_and_inode(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// Other systems do not let go of a file that is open.
#[cfg(not(unix))]
fn device_and_inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|_| (0, 0))
}
