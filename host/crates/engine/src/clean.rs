//! Removes files that no task makes any more. Only what was written by the project, is as it was written
//! and lies below the output directory is removed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component as Part, Path};

use super::relocate::remove_empty;
use config::component::Component;
use plan::decision::Author;
use store::Orphan;

/// How a file that is left over stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was written.
    Intact,
    /// Changed by hand, accepted or not; or not a plain file.
    Edited,
    Gone,
    /// A component of the project writes there.
    InUse,
    /// Not below the output directory.
    Outside,
}

/// Looks at a file that is left over. `components` are all of the project.
///
/// # Errors
/// When the file cannot be read.
pub fn standing(
    root: &Path,
    components: &[Component],
    orphan: &Orphan,
) -> std::io::Result<Standing> {
    let path = Path::new(&orphan.path);
    let plain = path
        .components()
        .all(|part| matches!(part, Part::Normal(_)));
    if !plain || orphan.path.is_empty() {
        return Ok(Standing::Outside);
    }
    let used = |category: &String| {
        components
            .iter()
            .any(|component| component.output.path(&orphan.record, category) == orphan.path)
    };
    if orphan.category.as_ref().is_some_and(used) {
        return Ok(Standing::InUse);
    }
    let file = root.join(path);
    let metadata = match fs::symlink_metadata(&file) {
        Ok(metadata) => metadata,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(Standing::Gone);
        }
        Err(error) => return Err(error),
    };
    // A folder on the way may be a link to somewhere else.
    let folder = file.parent().unwrap_or(root).canonicalize()?;
    if !folder.starts_with(root.canonicalize()?) {
        return Ok(Standing::Outside);
    }
    if !metadata.is_file() {
        return Ok(Standing::Edited);
    }
    let is_as_written = store::output_digest(&file)? == orphan.content;
    Ok(if is_as_written && orphan.author != Some(Author::Person) {
        Standing::Intact
    } else {
        Standing::Edited
    })
}

/// Removes a file, and the folders that are empty without it.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(root: &Path, orphan: &Orphan) -> std::io::Result<()> {
    let file = root.join(&orphan.path);
    fs::remove_file(&file)?;
    remove_empty(root, &file);
    Ok(())
}

#[cfg(test)]
mod tests {
    use types::digest::Digest;

    use super::*;
    use store::OrphanReason;

    fn orphan(path: &str) -> Orphan {
        Orphan {
            why: OrphanReason::Deleted,
            record: "oak".to_owned(),
            component: "text".to_owned(),
            category: None,
            path: path.to_owned(),
            content: Digest::of(b"Oak."),
            author: Some(Author::Model),
        }
    }

    #[test]
    fn only_what_was_written_below_the_output_directory_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("content");
        fs::create_dir_all(root.join("text/a")).unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        fs::write(folder.path().join("other/oak.md"), "Oak.").unwrap();
        fs::write(root.join("text/a/oak.md"), "Oak.").unwrap();
        fs::write(root.join("text/edited.md"), "Oak!").unwrap();
        std::os::unix::fs::symlink("../other", root.join("link")).unwrap();
        std::os::unix::fs::symlink("a/oak.md", root.join("text/link.md")).unwrap();
        let cases = [
            ("text/a/oak.md", Standing::Intact),
            ("text/edited.md", Standing::Edited),
            ("text/link.md", Standing::Edited),
            ("text/a", Standing::Edited),
            ("text/gone.md", Standing::Gone),
            ("text/edited.md/x", Standing::Gone),
            ("link/oak.md", Standing::Outside),
            ("../other/oak.md", Standing::Outside),
            ("/etc/passwd", Standing::Outside),
            ("", Standing::Outside),
        ];
        for (path, expected) in cases {
            assert_eq!(
                standing(&root, &[], &orphan(path)).unwrap(),
                expected,
                "{path}"
            );
        }
        let accepted = Orphan {
            author: Some(Author::Person),
            ..orphan("text/a/oak.md")
        };
        assert_eq!(standing(&root, &[], &accepted).unwrap(), Standing::Edited);
        remove(&root, &orphan("text/a/oak.md")).unwrap();
        assert!(!root.join("text/a").exists() && root.join("text").exists());
    }
}
