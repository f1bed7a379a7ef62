//! Makes a copy: lets somebody write it, and gives it up when it becomes larger than it may be.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::DatasetError;
use super::copies::{self, Copies};
use super::input::Shared;

/// A copy may be so large, whatever it is made of.
const FREE: u64 = 1 << 30;
/// Beyond that, a copy may be so many times as large as what it is made of: what grows more was made to fill a disk.
const GROWTH: u64 = 200;

/// A copy of a source in this state, of this size: one that is there, or one that is written now.
pub(super) fn copied(
    path: PathBuf,
    source: &str,
    state: &str,
    size: u64,
    copies: &Copies,
    write: impl FnOnce(&Path, &File, u64) -> Result<(), DatasetError>,
) -> Result<Shared, DatasetError> {
    let source = format!("{} {source}", copies::VERSION);
    let file = match copies.find(&source, state) {
        Some(file) => file,
        None => {
            let file = copies.begin().map_err(|cause| no_copy(&path, &cause))?;
            write(&path, &file, FREE.max(size.saturating_mul(GROWTH)))?;
            copies.keep(&file, &source, state);
            file
        }
    };
    let length = file.metadata().map(|metadata| metadata.len());
    Ok(Shared {
        length: length.map_err(|cause| DatasetError::io(&path, cause))?,
        file: Arc::new(file),
        state: Some(state.to_owned()),
        path,
        encoding: None,
    })
}

/// A copy of a source that only tells by what it says whether it has changed, and a hash of it.
pub(super) fn taken(
    path: &Path,
    source: &str,
    copies: &Copies,
    write: impl FnOnce(&mut dyn Write) -> Result<(), DatasetError>,
) -> Result<(File, String), DatasetError> {
    let (file, state) = hashed(path, copies, write)?;
    copies.keep(&file, source, &state);
    copies.know(source);
    Ok((file, state))
}

/// A copy that has no name yet, and a hash of what it says.
pub(super) fn hashed(
    path: &Path,
    copies: &Copies,
    write: impl FnOnce(&mut dyn Write) -> Result<(), DatasetError>,
) -> Result<(File, String), DatasetError> {
    let mut hash = Sha256::new();
    let file = copies.begin().map_err(|cause| no_copy(path, &cause))?;
    fill(path, &file, u64::MAX, |out| {
        write(&mut Both(&mut hash, out))
    })?;
    Ok((file, copies::hex(&hash.finalize())))
}

/// Writes to two at once.
struct Both<'a>(&'a mut Sha256, &'a mut dyn Write);

impl Write for Both<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.1.write(bytes)?;
        self.0.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.1.flush()
    }
}

/// Fills a copy with what is written into it, at most so many bytes.
pub(super) fn fill(
    path: &Path,
    copy: &File,
    most: u64,
    write: impl FnOnce(&mut dyn Write) -> Result<(), DatasetError>,
) -> Result<(), DatasetError> {
    let mut out = Bounded::new(io::BufWriter::with_capacity(256 * 1024, copy), most);
    let written = write(&mut out);
    let flushed = out.flush();
    // What stands in the way of the copy is told, and not what the writer made of it.
    if let Some(fault) = out.into_fault() {
        return Err(fault.of(path));
    }
    written?;
    flushed.map_err(|cause| no_copy(path, &cause))
}

fn no_copy(path: &Path, cause: &io::Error) -> DatasetError {
    DatasetError::refused(
        path,
        format!("cannot be copied to where its records can be read from: {cause}"),
        "make room beside the state, or for temporary files",
    )
}

/// Why a copy was given up.
#[derive(Debug)]
pub(super) enum Stopped {
    /// It would be larger than it may be.
    TooLarge,
    /// It cannot be written.
    Copy(io::Error),
}

impl Stopped {
    /// With the file that was copied.
    pub fn of(self, path: &Path) -> DatasetError {
        match self {
            Self::Copy(cause) => no_copy(path, &cause),
            Self::TooLarge => DatasetError::refused(
                path,
                format!(
                    "becomes more than {GROWTH} times as large when it is unpacked, and more than {FREE} bytes"
                ),
                "if that is right, unpack it yourself",
            ),
        }
    }
}

/// Takes so many bytes, and remembers why it took no more.
pub(super) struct Bounded<W> {
    to: W,
    left: u64,
    fault: Option<Stopped>,
}

impl<W: Write> Bounded<W> {
    pub fn new(to: W, most: u64) -> Self {
        Self {
            to,
            left: most,
            fault: None,
        }
    }

    /// Why it took no more.
    pub fn into_fault(self) -> Option<Stopped> {
        self.fault
    }

    fn kept<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let kind = error.kind();
            self.fault = Some(Stopped::Copy(error));
            kind.into()
        })
    }
}

impl<W: Write> Write for Bounded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.left.checked_sub(bytes.len() as u64) else {
            self.fault = Some(Stopped::TooLarge);
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        let written = self.to.write(bytes);
        let written = self.kept(written)?;
        self.left = left + (bytes.len() - written) as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.kept(flushed)
    }
}
