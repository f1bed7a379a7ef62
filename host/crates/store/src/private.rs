//! Files beside the state hold questions, answers and causes, so they are made for their owner alone. One that is there keeps
//! the mode that somebody gave it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Opens a file for writing, and makes it where there is none. What it holds stays.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(0o600);
    options
}

/// Writes a file beside the state.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    options().truncate(true).open(file)?.write_all(bytes)
}

/// Makes a directory beside the state, and those above it.
///
/// # Errors
/// When it cannot be made.
pub fn create_private_dir(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}
