//! A file that is written and not yet in its place. Where the file system can, it has no name until then, so that a
//! killed host leaves nothing behind; elsewhere it lies beside its place. It replaces what lies there in one step.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::path::{Path, PathBuf};

use super::below::stays_below;
use types::digest::Digest;

use nameless::name;
pub(super) use nameless::unnamed;

/// Most directories that are remembered to be there.
const KNOWN: usize = 1024;

/// The directories that files go to.
pub(super) struct Directories {
    /// The output directory, which no link leads out of.
    root: PathBuf,
    /// Those that are there.
    there: BTreeSet<PathBuf>,
    /// Whether a file without a name can be given one.
    links: bool,
}

impl Directories {
    /// Those below this one. It knows of none yet.
    pub fn new(root: PathBuf) -> Directories {
        Directories {
            root,
            there: BTreeSet::new(),
            links: nameless::is_offered(),
        }
    }

    /// Does something in a directory, which is created where there is none yet, or none any more.
    fn within<T>(
        &mut self,
        directory: &Path,
        mut doing: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        if self.there.contains(directory) {
            match doing() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => return result,
            }
        }
        stays_below(&self.root, directory)?;
        fs::create_dir_all(directory)?;
        if self.there.len() >= KNOWN {
            self.there.clear();
        }
        self.there.insert(directory.to_owned());
        doing()
    }
}

/// A file on its way.
pub(super) struct Staged {
    file: File,
    named: bool,
    target: PathBuf,
}

impl Staged {
    /// Writes the text.
    ///
    /// # Errors
    /// When it cannot be written; nothing is left of it then.
    pub fn write(target: PathBuf, text: &str, known: &mut Directories) -> io::Result<Staged> {
        let directory = target.parent().unwrap_or(&target);
        let links = known.links;
        let (file, named) = known.within(directory, || {
            if links {
                match unnamed(directory) {
                    Ok(file) => return Ok((file, false)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(error),
                    // File systems that have no such files say so with one error or another.
                    Err(_) => {}
                }
            }
            Ok((File::create(beside(&target))?, true))
        })?;
        let mut staged = Staged {
            file,
            named,
            target,
        };
        match staged.file.write_all(text.as_bytes()) {
            Ok(()) => Ok(staged),
            Err(error) => {
                staged.give_up();
                Err(error)
            }
        }
    }

    /// Where it will lie.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Puts the file in its place, after its content is on the disk: `synced` says that it is there already.
    ///
    /// # Errors
    /// When that fails; what lay there before lies there still.
    pub fn publish(&mut self, synced: bool) -> io::Result<fs::Metadata> {
        match self.take_place(synced).and_then(|()| self.file.metadata()) {
            Ok(metadata) => Ok(metadata),
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    fn take_place(&mut self, synced: bool) -> io::Result<()> {
        if !synced {
            self.file.sync_data()?;
        }
        if !self.named {
            if name(&self.file, &self.target).is_ok() {
                return Ok(());
            }
            // Only a file that has a name takes the place of another.
            self.take_name()?;
        }
        if let Ok(before) = fs::symlink_metadata(&self.target)
            && before.is_file()
        {
            // Who may read the file before may read the one that takes its place, and nobody else.
            self.file.set_permissions(before.permissions())?;
        }
        fs::rename(beside(&self.target), &self.target)
    }

    /// Lets the file lie beside its place.
    fn take_name(&mut self) -> io::Result<()> {
        let beside = beside(&self.target);
        // A killed host may have left one there.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        if name(&self.file, &beside).is_err() {
            // Some systems open files without names and refuse to name them: security modules do, and file systems in user space.
            let mut named = File::create_new(&beside)?;
            self.named = true;
            self.file.rewind()?;
            io::copy(&mut self.file, &mut named)?;
            named.sync_data()?;
            self.file = named;
        }
        self.named = true;
        Ok(())
    }

    /// Removes what is of no use now; if that fails, the next write replaces it.
    pub fn give_up(&self) {
        if self.named {
            let _ = fs::remove_file(beside(&self.target));
        }
    }
}

/// Longest name to which something is added, bytes: file systems take 143 or 255.
const LONGEST_NAME: usize = 100;

fn beside(target: &Path) -> PathBuf {
    let name = target.file_name().unwrap_or_default();
    if name.len() > LONGEST_NAME {
        let digest = Digest::of(name.as_encoded_bytes());
        return target.with_file_name(format!(".{:016x}.tmp", digest.seed()));
    }
    target.with_file_name(format!(".{}.tmp", name.to_string_lossy()))
}

/// Files without a name.
#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::{File, OpenOptions};
    use std::io;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, OFlags, linkat};
    use rustix::io::Errno;

    /// The files that this process has open.
    const DESCRIPTORS: &str = "/proc/self/fd";

    /// Whether a file without a name can be given one.
    pub fn is_offered() -> bool {
        Path::new(DESCRIPTORS).is_dir()
    }

    /// Opens a file without a name.
    pub fn unnamed(directory: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(OFlags::TMPFILE.bits().cast_signed())
            .open(directory)
    }

    /// Gives a name to a file that has none, as open(2) describes it.
    pub fn name(file: &File, path: &Path) -> io::Result<()> {
        match linkat(file, "", CWD, path, AtFlags::EMPTY_PATH) {
            // Older kernels refuse this without the right to read any file. The longer way needs no right.
            Err(Errno::NOENT) => {
                let link = format!("{DESCRIPTORS}/{}", file.as_raw_fd());
                linkat(CWD, link, CWD, path, AtFlags::SYMLINK_FOLLOW)
            }
            result => result,
        }
        .map_err(io::Error::from)
    }
}

/// Other systems have no files without a name, so every file lies beside its place first.
#[cfg(not(target_os = "linux"))]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::path::Path;

    pub fn is_offered() -> bool {
        false
    }

    pub fn unnamed(_directory: &Path) -> io::Result<File> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub fn name(_file: &File, _path: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [Directories; 2] {
        [true, false].map(|links| Directories {
            root: PathBuf::from("/"),
            there: BTreeSet::new(),
            links,
        })
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_takes_its_place_in_one_step() {
        for mut known in both() {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("sub/a.md");
            for text in ["first", "second"] {
                let mut staged = Staged::write(target.clone(), text, &mut known).unwrap();
                let before = fs::read_to_string(&target).ok();
                assert_ne!(before.as_deref(), Some(text));
                let metadata = staged.publish(false).unwrap();
                assert_eq!(metadata.len(), text.len() as u64);
                assert_eq!(fs::read_to_string(&target).unwrap(), text);
                assert_eq!(names(target.parent().unwrap()), ["a.md"]);
            }
        }
    }

    #[test]
    fn what_a_killed_host_left_is_no_obstacle() {
        for mut known in both() {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("a.md");
            fs::write(&target, "before").unwrap();
            fs::write(folder.path().join(".a.md.tmp"), "half").unwrap();
            let mut staged = Staged::write(target.clone(), "whole", &mut known).unwrap();
            staged.publish(true).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), "whole");
            assert_eq!(names(folder.path()), ["a.md"]);
        }
    }

    #[test]
    fn a_file_with_the_longest_name_is_replaced() {
        for mut known in both() {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("n".repeat(255));
            for text in ["first", "second"] {
                let staged = Staged::write(target.clone(), text, &mut known);
                staged.unwrap().publish(false).unwrap();
                assert_eq!(fs::read_to_string(&target).unwrap(), text);
            }
        }
    }

    #[test]
    fn a_file_that_is_given_up_leaves_nothing() {
        for mut known in both() {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("a.md");
            let staged = Staged::write(target.clone(), "text", &mut known).unwrap();
            staged.give_up();
            assert!(names(folder.path()).is_empty());
            // What cannot be replaced stays, and nothing beside it.
            fs::create_dir(&target).unwrap();
            let mut staged = Staged::write(target.clone(), "text", &mut known).unwrap();
            assert!(staged.publish(true).is_err());
            drop(staged);
            assert_eq!(names(folder.path()), ["a.md"]);
        }
    }

    #[test]
    fn nothing_is_written_through_a_link_that_leads_out() {
        for links in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let (root, other) = (folder.path().join("content"), folder.path().join("other"));
            fs::create_dir(&root).unwrap();
            fs::create_dir(&other).unwrap();
            std::os::unix::fs::symlink(&other, root.join("text")).unwrap();
            let mut known = Directories {
                root: root.clone(),
                there: BTreeSet::new(),
                links,
            };
            for target in ["text/a.md", "text/new/a.md"] {
                let staged = Staged::write(root.join(target), "text", &mut known);
                let error = staged.err().unwrap().to_string();
                assert!(error.contains("leads out"), "{error}");
            }
            assert!(names(&other).is_empty());
        }
    }

    #[test]
    fn a_directory_that_was_removed_is_made_again() {
        for mut known in both() {
            let folder = tempfile::tempdir().unwrap();
            let target = folder.path().join("sub/a.md");
            Staged::write(target.clone(), "text", &mut known)
                .unwrap()
                .publish(true)
                .unwrap();
            fs::remove_dir_all(folder.path().join("sub")).unwrap();
            Staged::write(target.clone(), "text", &mut known)
                .unwrap()
                .publish(true)
                .unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), "text");
        }
    }
}
