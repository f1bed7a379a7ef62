//! Small files beside a state that belong to it, and go where it goes.

use std::path::{Path, PathBuf};

/// What files and hashes a run was putting in their places.
pub(super) const UNFINISHED: &str = "unfinished";
/// Up to which run the command of `[hooks]` was told its files.
pub(super) const HOOK: &str = "hook.json";
/// All of them, by what stands behind the name of the state.
pub(super) const ENDINGS: [&str; 2] = [UNFINISHED, HOOK];

/// One of them.
pub(super) fn file(state: &Path, ending: &str) -> PathBuf {
    let mut name = state.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    PathBuf::from(name)
}
