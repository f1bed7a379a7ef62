//! Moves a file that stays to where the output of its task lies now.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::Path;

use super::below::stays_below;

/// Moves the file at `from` to `to`, both below `root`, and removes the folders that are empty without it. A file that
/// is at `to` already is an error.
///
/// # Errors
/// When it cannot be moved: then it lies where it lay.
pub(super) fn relocate(root: &Path, from: &str, to: &str) -> io::Result<Metadata> {
    let (old, new) = (root.join(from), root.join(to));
    if fs::symlink_metadata(&new).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    for folder in [old.parent(), new.parent()].into_iter().flatten() {
        stays_below(root, folder)?;
    }
    if let Some(folder) = new.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::rename(&old, &new) {
        // A folder on the way may be on another file system.
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            fs::copy(&old, &new)?;
            File::open(&new)?.sync_all()?;
            fs::remove_file(&old)?;
        }
        moved => moved?,
    }
    for folder in [new.parent(), old.parent()].into_iter().flatten() {
        // The file is in its place; that a power cut may undo it is not worth an error.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    remove_empty(root, &old);
    fs::metadata(&new)
}

/// Removes the folders that are empty without a file.
pub(super) fn remove_empty(root: &Path, file: &Path) {
    let folders = file.ancestors().skip(1);
    for folder in folders.take_while(|folder| *folder != root) {
        // A folder that is not empty stays, and so do those above it.
        if fs::remove_dir(folder).is_err() {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_moved_with_its_bytes_and_takes_the_place_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("text/a")).unwrap();
        fs::write(root.join("text/a/oak.md"), [0xff, 0x00]).unwrap();
        relocate(root, "text/a/oak.md", "wood/oak/text.md").unwrap();
        assert_eq!(fs::read(root.join("wood/oak/text.md")).unwrap(), [0xff, 0]);
        assert!(!root.join("text").exists(), "an empty folder goes, too");
        fs::write(root.join("other.md"), "other").unwrap();
        let error = relocate(root, "wood/oak/text.md", "other.md").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(root.join("other.md")).unwrap(), "other");
        assert!(root.join("wood/oak/text.md").exists());
        let other = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(other.path(), root.join("link")).unwrap();
        let error = relocate(root, "wood/oak/text.md", "link/text.md").unwrap_err();
        assert!(error.to_string().contains("leads out"), "{error}");
        assert!(root.join("wood/oak/text.md").exists());
    }
}
