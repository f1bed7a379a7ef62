//! Reads output files. A person or another program may have put anything in their places: a pipe that never ends, a
//! device, a link to one. None of these is ever waited for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Error, ErrorKind, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use types::digest::Digest;

/// Largest file that is taken into memory, bytes: four times the largest artifact that a component may make.
const LARGEST: u64 = 256 << 20;

/// The bytes of an output file.
///
/// # Errors
/// When it cannot be read, is no regular file, or is larger than any artifact.
pub fn read_output(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(file)?.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        let larger = format!("it has more than {} MB", LARGEST >> 20);
        return Err(Error::new(ErrorKind::FileTooLarge, larger));
    }
    Ok(bytes)
}

/// The text of an output file.
///
/// # Errors
/// Like [`read_output`], and when it is not UTF-8.
pub fn read_output_text(file: &Path) -> io::Result<String> {
    String::from_utf8(read_output(file)?).map_err(|error| Error::new(ErrorKind::InvalidData, error))
}

/// The hash of an output file of any size, which is not taken into memory.
///
/// # Errors
/// When it cannot be read or is no regular file.
pub fn output_digest(file: &Path) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    io::copy(&mut open(file)?, &mut hash)?;
    Ok(hash.into())
}

/// Why a file of this kind has no place among output files, if so.
pub fn obstacle(metadata: &fs::Metadata) -> Option<&'static str> {
    if metadata.is_dir() {
        Some("there is a directory of this name")
    } else if metadata.is_file() {
        None
    } else {
        Some("what has this name is no regular file")
    }
}

fn open(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The opening of a pipe waits for somebody who writes.
        options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
    }
    let file = options.open(file)?;
    match obstacle(&file.metadata()?) {
        Some(obstacle) => Err(Error::new(ErrorKind::InvalidInput, obstacle)),
        None => Ok(file),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_devices_and_directories_are_told_and_never_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
        let zero = folder.path().join("zero");
        std::os::unix::fs::symlink("/dev/zero", &zero).unwrap();
        for file in [pipe.as_path(), zero.as_path()] {
            let error = read_output(file).unwrap_err().to_string();
            assert_eq!(error, "what has this name is no regular file");
            assert!(output_digest(file).is_err());
        }
        assert!(read_output(folder.path()).is_err());
    }

    #[test]
    fn a_digest_is_that_of_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        let text = "some text\n".repeat(10_000);
        fs::write(&file, &text).unwrap();
        assert_eq!(read_output(&file).unwrap(), text.as_bytes());
        assert_eq!(output_digest(&file).unwrap(), Digest::of(text.as_bytes()));
    }
}
