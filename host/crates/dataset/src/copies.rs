//! Copies of what cannot be read by place as it is: unpacked, decoded, or written as JSON Lines. A copy that is kept is found
//! again as long as its source has not changed.
//!
//! A copy gets its name only once it is whole and on the disk, so there is never half of one. It lasts as long as the dataset
//! that it was made for is the one that is opened: the next dataset takes its place.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD};
use sha2::{Digest, Sha256};

/// How copies are written. Raised when the same source would give another copy.
pub(super) const VERSION: u32 = 1;

/// Name of the folder of pictures that were fetched, beside that of the copies.
pub const IMAGES: &str = "images";

/// Where copies are.
#[derive(Debug, Default)]
pub struct Copies {
    /// Where they are kept; without it they are files without a name, which are gone with the dataset.
    folder: Option<PathBuf>,
    used: Mutex<BTreeSet<String>>,
    /// The folder of the project.
    project: Option<PathBuf>,
    /// Whether pictures are fetched from networks of this machine's own.
    reaches_own_networks: bool,
    /// Reads rows of typed values.
    program: Option<PathBuf>,
    /// Standard input.
    input: Mutex<Option<File>>,
    /// Whether what a source without a state said the last time will do, whichever it is.
    is_known: bool,
    /// Sources that were asked.
    asked: Mutex<BTreeSet<String>>,
    /// Variables of the environment that say how servers are reached.
    variables: Vec<(String, String)>,
}

impl Copies {
    /// Copies that last as long as the dataset is open.
    pub fn passing() -> Self {
        Self::default()
    }

    /// Copies that are kept in a folder, which is made when it is needed.
    pub fn kept_in(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: Some(folder.into()),
            is_known: true,
            ..Self::default()
        }
    }

    /// The same for who takes in records: asks a server again, and reads what comes from `input`, if anything does. Elsewhere,
    /// what came the last time will do.
    #[must_use]
    pub fn asking(mut self, input: Option<File>) -> Self {
        self.input = Mutex::new(input);
        self.is_known = false;
        self
    }

    /// The same for a dataset of the project in this folder.
    #[must_use]
    pub fn of_project(mut self, folder: &Path) -> Self {
        let is_here = folder.as_os_str().is_empty();
        self.project = Some(if is_here {
            ".".into()
        } else {
            folder.to_owned()
        });
        self
    }

    /// The same, where pictures may be fetched from networks of this machine's own, as a person says: records name their addresses.
    #[must_use]
    pub fn reaching_own_networks(mut self, reaches: bool) -> Self {
        self.reaches_own_networks = reaches;
        self
    }

    /// Whether pictures are fetched from networks of this machine's own.
    pub(super) fn reaches_own_networks(&self) -> bool {
        self.reaches_own_networks
    }

    /// The folder of the project.
    pub(super) fn project(&self) -> Option<&Path> {
        self.project.as_deref()
    }

    /// Where pictures that were fetched are kept, if copies are.
    pub(super) fn images(&self) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.with_file_name(IMAGES))
    }

    /// Standard input, if there is one that was not read yet.
    pub(super) fn take_input(&self) -> Option<File> {
        let mut input = self.input.lock().unwrap_or_else(PoisonError::into_inner);
        input.take()
    }

    /// The same, which reaches servers as these variables of the environment say: those of S3 have names that begin with `AWS_`,
    /// and those of Hugging Face are `HF_TOKEN` and `HF_ENDPOINT`.
    #[must_use]
    pub fn with_variables(mut self, variables: Vec<(String, String)>) -> Self {
        self.variables = variables;
        self
    }

    /// Variables of the environment that say how servers are reached.
    #[cfg(feature = "remote")]
    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// Whether what a source said the last time will do.
    #[cfg(any(feature = "postgres", feature = "remote"))]
    pub(super) fn is_known(&self, source: &str) -> bool {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_known || asked.contains(source)
    }

    /// Notes that a source was asked, and need not be asked again.
    pub(super) fn know(&self, source: &str) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(source.to_owned());
    }

    /// The same, where rows of typed values are read by a process of its own: this program, started with
    /// [`crate::READ_ROWS`].
    #[must_use]
    pub fn reading_rows_with(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    pub(super) fn program(&self) -> Option<&Path> {
        self.program.as_deref()
    }

    /// The copy of this source in this state, if there is one.
    pub(super) fn find(&self, source: &str, state: &str) -> Option<File> {
        let name = name_of(source, state);
        let file = File::open(self.folder.as_ref()?.join(&name)).ok()?;
        self.note(name);
        Some(file)
    }

    /// The copy of this source that was made last, and its state.
    pub(super) fn last(&self, source: &str) -> Option<(File, String)> {
        let folder = self.folder.as_ref()?;
        let beginning = format!("{}-", short(source));
        let names = fs::read_dir(folder).ok()?.filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name().into_string().ok()?;
            let modified = entry.metadata().ok()?.modified().ok()?;
            name.starts_with(&beginning).then_some((modified, name))
        });
        let (_, name) = names.max()?;
        let file = File::open(folder.join(&name)).ok()?;
        let state = name.strip_prefix(&beginning)?.to_owned();
        self.note(name);
        Some((file, state))
    }

    /// A file without a name.
    pub(super) fn begin(&self) -> io::Result<File> {
        let Some(folder) = &self.folder else {
            return tempfile::tempfile();
        };
        let made = fs::create_dir_all(folder).and_then(|()| {
            let file = tempfile::tempfile_in(folder)?;
            // Like the state, it is for nobody else: its source may be.
            file.set_permissions(Permissions::from_mode(0o600))?;
            Ok(file)
        });
        // A project on a disk that is read only can still be looked at.
        made.or_else(|_| tempfile::tempfile())
    }

    /// Gives a whole copy its name. Where that cannot be done, it is made again the next time.
    pub(super) fn keep(&self, file: &File, source: &str, state: &str) {
        let Some(folder) = &self.folder else { return };
        let name = name_of(source, state);
        if file.sync_all().is_ok() && link(file, &folder.join(&name)).is_ok() {
            self.note(name);
        }
    }

    /// Removes the copies that were not used since this was made.
    pub(super) fn tidy(&self) {
        let Some(folder) = &self.folder else { return };
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(entries) = fs::read_dir(folder) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| used.contains(name)) {
                // One that cannot be removed is in nobody's way.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    fn note(&self, name: String) {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.insert(name);
    }
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    let open = format!("/proc/self/fd/{}", file.as_raw_fd());
    match rustix::fs::linkat(CWD, open, CWD, path, AtFlags::SYMLINK_FOLLOW) {
        // Another process made the same one.
        Err(rustix::io::Errno::EXIST) => Ok(()),
        linked => Ok(linked?),
    }
}

fn name_of(source: &str, state: &str) -> String {
    format!("{}-{state}", short(source))
}

/// A name for a text.
pub(super) fn short(text: &str) -> String {
    hex(&Sha256::digest(text))
}

/// The first half of a hash, as a part of a file name.
pub(super) fn hex(hash: &[u8]) -> String {
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
