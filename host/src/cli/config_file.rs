//! Which configuration file counts, and what lies beside it.

use std::env;
use std::path::{Path, PathBuf};

use config::Config;
use plugin::lock;

/// The configuration: of this file, or of the nearest one upwards.
pub(super) fn read(named: Option<&Path>) -> anyhow::Result<Config> {
    Ok(match find(named) {
        Some(file) => Config::read(&file)?,
        None => Config::default(),
    })
}

/// The configuration file that counts: this one, or the nearest upwards.
pub(super) fn find(named: Option<&Path>) -> Option<PathBuf> {
    let found = match named {
        Some(file) => Some(file.to_owned()),
        None => Config::find(&env::current_dir().ok()?),
    };
    found.map(|file| relative(&file))
}

/// `plugins.lock` beside the configuration; in the working directory where there is none.
pub(super) fn lock_file(named: Option<&Path>) -> PathBuf {
    find(named).map_or_else(
        || PathBuf::from(lock::FILE_NAME),
        |file| file.with_file_name(lock::FILE_NAME),
    )
}

/// The path as a person would write it from here: shorter in messages than the absolute one.
fn relative(path: &Path) -> PathBuf {
    let here = env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .map_or_else(|_| path.to_owned(), Path::to_owned)
}
