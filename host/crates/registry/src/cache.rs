//! Plugins that were fetched, each under the hash of its file. What lies there is what its name says, or it counts as missing.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use types::digest::Digest;

/// The folder of fetched plugins.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The plugins in the user's cache.
    pub fn below(cache: &Path) -> Cache {
        Cache {
            folder: cache.join("plugins"),
        }
    }

    /// The file with this hash.
    pub fn get(&self, digest: &Digest) -> Option<PathBuf> {
        let file = self.file(digest);
        let is_it = fs::read(&file).is_ok_and(|bytes| Digest::of(&bytes) == *digest);
        is_it.then_some(file)
    }

    /// Keeps a file; gives its place.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<PathBuf> {
        let file = self.file(&Digest::of(bytes));
        fs::create_dir_all(&self.folder)?;
        let mut temporary = NamedTempFile::new_in(&self.folder)?;
        temporary.write_all(bytes)?;
        temporary.persist(&file)?;
        Ok(file)
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}.wasm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_what_its_name_says_counts_as_missing() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::below(folder.path());
        let digest = Digest::of(b"plugin");
        assert_eq!(cache.get(&digest), None);
        let file = cache.put(b"plugin").unwrap();
        assert_eq!(cache.get(&digest), Some(file.clone()));
        fs::write(&file, b"plugim").unwrap();
        assert_eq!(cache.get(&digest), None);
        assert_eq!(cache.put(b"plugin").unwrap(), file);
        assert_eq!(cache.get(&digest), Some(file));
    }
}
