//! The files on this machine: looked at, read, replaced in one step, and put aside where nothing else has their bytes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use engine::{file_stamp, stays_below};
use store::FileStamp;
use types::digest::Digest;

use super::MirrorError;

/// What lies at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Local {
    Absent,
    File(FileStamp),
    /// No regular file, which nobody reads or replaces.
    Other,
}

/// The folder of the files.
pub(super) struct WorkingCopy {
    root: PathBuf,
    /// Where files go that give way and that nothing else has.
    aside: PathBuf,
    /// Numbers the files that are being written.
    number: AtomicU64,
}

impl WorkingCopy {
    pub fn new(root: PathBuf, aside: PathBuf) -> WorkingCopy {
        WorkingCopy {
            root,
            aside,
            number: AtomicU64::default(),
        }
    }

    /// What lies at a path.
    pub fn look(&self, path: &str) -> Result<Local, MirrorError> {
        let file = self.file(path)?;
        match fs::symlink_metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(Local::File(file_stamp(&metadata))),
            Ok(_) => Ok(Local::Other),
            Err(error) if is_absent(&error) => Ok(Local::Absent),
            Err(error) => Err(MirrorError::file(&file, &error)),
        }
    }

    /// The bytes of a file, and its stamp from before they were read: who writes meanwhile is noticed later.
    pub fn read(&self, path: &str) -> Result<Option<(Vec<u8>, FileStamp)>, MirrorError> {
        let Local::File(stamp) = self.look(path)? else {
            return Ok(None);
        };
        let file = self.file(path)?;
        match store::read_output(&file) {
            Ok(bytes) => Ok(Some((bytes, stamp))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(MirrorError::file(&file, &error)),
        }
    }

    /// The hash of a file and its stamp.
    pub fn digest(&self, path: &str) -> Result<Option<(Digest, FileStamp)>, MirrorError> {
        let read = self.read(path)?;
        Ok(read.map(|(bytes, stamp)| (Digest::of(&bytes), stamp)))
    }

    /// Puts bytes in the place of a file, durably: nobody sees a part of them.
    pub fn write(&self, path: &str, bytes: &[u8]) -> Result<FileStamp, MirrorError> {
        let target = self.file(path)?;
        self.replace(&target, bytes)
            .map_err(|error| MirrorError::file(&target, &error))
    }

    fn replace(&self, target: &Path, bytes: &[u8]) -> io::Result<FileStamp> {
        let folder = target.parent().unwrap_or(&self.root);
        stays_below(&self.root, folder)?;
        fs::create_dir_all(folder)?;
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let name = format!(".batchgen-fetched.{}.{number}", std::process::id());
        let temporary = folder.join(name);
        let written = File::create_new(&temporary).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, target)
        });
        if let Err(error) = written {
            let _ = fs::remove_file(&temporary);
            return Err(error);
        }
        File::open(folder)?.sync_all()?;
        Ok(file_stamp(&fs::symlink_metadata(target)?))
    }

    /// Removes a file.
    pub fn remove(&self, path: &str) -> Result<(), MirrorError> {
        let file = self.file(path)?;
        let folder = file.parent().unwrap_or(&self.root);
        let removed = stays_below(&self.root, folder).and_then(|()| fs::remove_file(&file));
        removed.map_err(|error| MirrorError::file(&file, &error))
    }

    /// Puts a file aside, under a name that nothing has. Where it lies now.
    pub fn set_aside(&self, path: &str) -> Result<PathBuf, MirrorError> {
        let file = self.file(path)?;
        let failed = |error: io::Error| MirrorError::file(&file, &error);
        let mut to = self.aside.join(path);
        let mut number = 1;
        while fs::symlink_metadata(&to).is_ok() {
            number += 1;
            to = self.aside.join(format!("{path}.{number}"));
        }
        fs::create_dir_all(to.parent().unwrap_or(&self.aside)).map_err(failed)?;
        fs::rename(&file, &to).map_err(failed)?;
        Ok(to)
    }

    /// The file of a path, which leads nowhere else: a state may come from somebody else.
    fn file(&self, path: &str) -> Result<PathBuf, MirrorError> {
        let mut parts = Path::new(path).components();
        if path.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Err(MirrorError::File {
                file: PathBuf::from(path),
                cause: "it lies outside of the output directory".to_owned(),
            });
        }
        Ok(self.root.join(path))
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
