//! The files that were uploaded or written. They are kept on disk, without a name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

/// A file that can be downloaded.
#[derive(Clone, Debug)]
pub struct Stored {
    pub id: String,
    /// The key that it was made with. No other sees it.
    pub owner: String,
    pub purpose: String,
    pub name: String,
    pub bytes: u64,
    /// When, in Unix seconds.
    pub created: u64,
    /// Seconds that it is kept for, as it was told; nothing is ever deleted for it.
    pub expires_after: Option<u64>,
    pub content: Arc<File>,
}

/// The files that were uploaded or written, in the order of their making.
#[derive(Debug, Default)]
pub struct Files {
    made: u64,
    files: Vec<Stored>,
    uploads: HashMap<u64, Upload>,
}

/// A file of which not all has come.
#[derive(Debug)]
struct Upload {
    new: NewFile,
    content: File,
    bytes: u64,
}

/// What is known of a file before it has an id.
#[derive(Clone, Debug, Default)]
pub struct NewFile {
    pub owner: String,
    pub purpose: String,
    pub name: String,
    pub expires_after: Option<u64>,
}

impl Files {
    /// Keeps a file that was written, under an id of its own.
    pub fn keep(&mut self, new: NewFile, content: File, bytes: u64, now: u64) -> Stored {
        self.made += 1;
        let stored = Stored {
            id: format!("file-sim{:06}", self.made),
            owner: new.owner,
            purpose: new.purpose,
            name: new.name,
            bytes,
            created: now,
            expires_after: new.expires_after,
            content: Arc::new(content),
        };
        self.files.push(stored.clone());
        stored
    }

    /// Opens an upload and returns its number.
    ///
    /// # Errors
    /// The disk takes no more.
    pub fn open(&mut self, new: NewFile) -> io::Result<u64> {
        self.made += 1;
        let upload = Upload {
            new,
            content: tempfile::tempfile()?,
            bytes: 0,
        };
        self.uploads.insert(self.made, upload);
        Ok(self.made)
    }

    /// Adds bytes to an upload and returns how many it has; `None` if there is none, or they do not follow what it has.
    ///
    /// # Errors
    /// The disk takes no more.
    pub fn append(&mut self, number: u64, offset: u64, bytes: &[u8]) -> io::Result<Option<u64>> {
        let Some(upload) = self.uploads.get_mut(&number) else {
            return Ok(None);
        };
        if upload.bytes != offset {
            return Ok(None);
        }
        upload.content.write_all(bytes)?;
        upload.bytes += bytes.len() as u64;
        Ok(Some(upload.bytes))
    }

    /// Keeps what was uploaded.
    pub fn close(&mut self, number: u64, now: u64) -> Option<Stored> {
        let upload = self.uploads.remove(&number)?;
        Some(self.keep(upload.new, upload.content, upload.bytes, now))
    }

    /// The file with an id, if this key made it.
    pub fn get(&self, owner: &str, id: &str) -> Option<&Stored> {
        let mut files = self.files.iter();
        files.find(|file| file.owner == owner && file.id == id)
    }

    /// All files that a key made, the oldest first.
    pub fn of<'f>(&'f self, owner: &'f str) -> impl DoubleEndedIterator<Item = &'f Stored> {
        self.files.iter().filter(move |file| file.owner == owner)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.files.len()
    }

    /// Forgets a file; false if this key made none with the id. Who reads it meanwhile reads on.
    pub fn delete(&mut self, owner: &str, id: &str) -> bool {
        let before = self.files.len();
        self.files
            .retain(|file| !(file.owner == owner && file.id == id));
        self.files.len() < before
    }
}

/// A file of these bytes that is gone when nobody has it open.
///
/// # Errors
/// The disk takes no more.
pub fn write(bytes: &[u8]) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    file.write_all(bytes)?;
    Ok(file)
}
