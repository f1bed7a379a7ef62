//! Where links on the way to an output file lead. The output directory itself may be a link, and links below it may lead
//! to other places below it. One that leads out of it is refused: nobody said that files are written there. Who wants them
//! there names that directory as the output.

use std::io::{self, Error, ErrorKind};
use std::path::Path;

/// Refuses a directory that is below the output directory by its name, and lies elsewhere. One that is not there yet lies
/// where the nearest above it does.
///
/// # Errors
/// When it lies elsewhere, or when that cannot be found out.
pub fn stays_below(root: &Path, directory: &Path) -> io::Result<()> {
    let real_root = match root.canonicalize() {
        Ok(real) => real,
        // Nothing is below it yet, or can be.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let below = directory.ancestors().take_while(|path| *path != root);
    for path in below {
        match path.canonicalize() {
            Ok(real) if real.starts_with(&real_root) => return Ok(()),
            Ok(real) => {
                return Err(Error::other(format!(
                    "a link leads out of the output directory, to {}",
                    real.display()
                )));
            }
            Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_links_that_lead_out_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("content");
        assert!(
            stays_below(&root, &root.join("text/a")).is_ok(),
            "no root yet"
        );
        fs::create_dir_all(folder.path().join("real/text")).unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        symlink("real", &root).unwrap();
        for (link, target) in [
            ("out", "../other"),
            ("in", "text"),
            ("whole", ".."),
            ("nowhere", "gone"),
            ("text/above", ".."),
        ] {
            symlink(target, root.join(link)).unwrap();
        }
        for directory in [
            "",
            "text",
            "text/new/one",
            "in",
            "in/new",
            "text/above/text",
        ] {
            assert!(
                stays_below(&root, &root.join(directory)).is_ok(),
                "{directory}"
            );
        }
        for directory in [
            "out",
            "out/new/one",
            "whole",
            "whole/other",
            "nowhere",
            "nowhere/new",
        ] {
            assert!(
                stays_below(&root, &root.join(directory)).is_err(),
                "{directory}"
            );
        }
        let error = stays_below(&root, &root.join("out/new")).unwrap_err();
        assert!(error.to_string().contains("/other"), "{error}");
    }
}
