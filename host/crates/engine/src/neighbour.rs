//! Tells when two states write one output: each takes the files of the other for edits, and the last one to replace a file
//! wins. The output directory remembers its state in an extended attribute, so that no file lies among those that are
//! published. Where the file system has no attributes, nothing is told.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{XattrFlags, getxattr, setxattr};

const NAME: &str = "user.batchgen.state";
/// Longest path that is remembered, bytes.
const LONGEST: usize = 4096;

/// The other state that wrote this output last, if it is still there.
pub(super) fn other(output: &Path, state: &Path) -> Option<PathBuf> {
    let mut bytes = vec![0; LONGEST];
    let length = getxattr(output, NAME, bytes.as_mut_slice()).ok()?;
    bytes.truncate(length);
    let other = PathBuf::from(OsString::from_vec(bytes));
    let own = state.canonicalize().ok()?;
    (other.is_file() && other.canonicalize().ok()? != own).then_some(other)
}

/// Has the output directory remember its state, if it is there.
pub(super) fn remember(output: &Path, state: &Path) {
    if let Ok(state) = state.canonicalize() {
        let bytes = state.as_os_str().as_bytes();
        // Where this is not possible, nothing is told.
        let _ = setxattr(output, NAME, bytes, XattrFlags::empty());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_state_is_told_as_long_as_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one.db", "two.db"].map(|name| folder.path().join(name));
        std::fs::write(&one, "").unwrap();
        std::fs::write(&two, "").unwrap();
        let output = folder.path().join("content");
        assert_eq!(other(&output, &one), None);
        std::fs::create_dir(&output).unwrap();
        remember(&output, &one);
        if getxattr(&output, NAME, &mut [0; 8][..]) == Err(rustix::io::Errno::NOTSUP) {
            return;
        }
        assert_eq!(other(&output, &one), None);
        assert_eq!(
            other(&output, &two).unwrap().file_name(),
            Some("one.db".as_ref())
        );
        std::fs::remove_file(&one).unwrap();
        assert_eq!(other(&output, &two), None);
    }
}
