//! The name of a run on the bus, kept beside its state, so that a coordinator that starts again goes on with the same workers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use types::digest::DigestBuilder;

/// What is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunName {
    /// Letters, digits and `-`.
    pub run: String,
    /// Raised each time that a coordinator starts.
    pub epoch: u64,
}

/// Whether a coordinator of the run of this state has started before.
pub fn is_there(state: &Path) -> bool {
    file_of(state).exists()
}

/// The name of the run of this state, with the next epoch. Both are on disk before the caller uses them.
///
/// # Errors
/// When the file cannot be written.
pub fn begin(state: &Path) -> io::Result<RunName> {
    let file = file_of(state);
    let before: Option<RunName> = match fs::read(&file) {
        Ok(bytes) => serde_json::from_slice(&bytes).ok(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let name = match before {
        Some(before) => RunName {
            epoch: before.epoch.saturating_add(1),
            ..before
        },
        None => RunName {
            run: new_name(state),
            epoch: 1,
        },
    };
    let beside = file.with_extension("cluster-new");
    fs::write(&beside, serde_json::to_vec(&name)?)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, &file)?;
    Ok(name)
}

/// The run has ended in order: the next one has another name.
pub fn end(state: &Path) {
    // If the file cannot be removed, the next run has the same name and a later epoch, which does no harm.
    let _ = fs::remove_file(file_of(state));
}

fn file_of(state: &Path) -> PathBuf {
    state.with_extension("cluster")
}

/// A name that no other run has.
fn new_name(state: &Path) -> String {
    let mut builder = DigestBuilder::new("batchgen cluster run 1");
    builder.bytes(state.as_os_str().as_encoded_bytes());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    builder.text(&format!("{:?} {}", now, std::process::id()));
    let digest = builder.finish().to_string();
    format!("run-{}", digest.get(..12).unwrap_or_default())
}
