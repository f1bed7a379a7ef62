//! Whether the output can be written, found out before anything is paid for.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::below::stays_below;
use super::staged::unnamed;
use config::component::Component;

/// Directories that are tried at most.
const MOST: usize = 500;
/// As much as a small file: a disk without room refuses it.
const PROBE: [u8; 4096] = [b'.'; 4096];

/// Tries the output directory and those that files of these components go to, as far as they do not depend on the record:
/// each is there and can be written to, or can be made. Nothing is left behind.
///
/// # Errors
/// The first that cannot, and why.
pub fn check_output(
    root: &Path,
    components: &[Component],
    categories: &[String],
) -> Result<(), String> {
    let none = [String::new()];
    let categories = if categories.is_empty() {
        &none[..]
    } else {
        categories
    };
    let mut wanted = BTreeSet::from([root.to_owned()]);
    for component in components {
        for category in categories {
            if wanted.len() >= MOST {
                break;
            }
            wanted.insert(root.join(component.output.directory(category)));
        }
    }
    let mut tried = BTreeSet::new();
    for directory in wanted {
        stays_below(root, &directory)
            .map_err(|error| format!("cannot write into {}: {error}", directory.display()))?;
        let there = nearest(&directory)?;
        if tried.insert(there.clone()) {
            write_into(&there)
                .map_err(|error| format!("cannot write into {}: {error}", there.display()))?;
        }
    }
    Ok(())
}

/// The directory, or the nearest above it that is there.
fn nearest(directory: &Path) -> Result<PathBuf, String> {
    for path in directory.ancestors() {
        let path = if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Ok(path.to_owned()),
            Ok(_) => return Err(format!("{} is not a directory", path.display())),
            // A link that leads nowhere cannot be made a directory.
            Err(_) if path.is_symlink() => {
                return Err(format!("{} is a link that leads nowhere", path.display()));
            }
            Err(_) => {}
        }
    }
    Err(format!(
        "there is no directory above {}",
        directory.display()
    ))
}

/// Writes a small file and leaves nothing of it.
fn write_into(directory: &Path) -> io::Result<()> {
    if let Ok(mut file) = unnamed(directory) {
        return file.write_all(&PROBE);
    }
    let file = directory.join(format!(".batchgen-probe.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&file)
        .and_then(|mut open| open.write_all(&PROBE));
    if written.is_ok() {
        fs::remove_file(&file)?;
    } else {
        let _ = fs::remove_file(&file);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("content");
        assert_eq!(check_output(&root, &[], &[]), Ok(()));
        assert!(!root.exists());
        fs::write(folder.path().join("file"), "").unwrap();
        std::os::unix::fs::symlink("gone", folder.path().join("link")).unwrap();
        for (place, said) in [
            ("file", "is not a directory"),
            ("file/below", "is not a directory"),
            ("link", "is a link that leads nowhere"),
        ] {
            let error = check_output(&folder.path().join(place), &[], &[]).unwrap_err();
            assert!(error.contains(said), "{place}: {error}");
        }
        let error = check_output(Path::new("/proc/batchgen"), &[], &[]).unwrap_err();
        assert!(error.contains("cannot write into /proc"), "{error}");
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(left.len(), 2);
    }
}
