//! A file that a subcommand writes for somebody else, on this machine or as an object in storage: whole, or not at all. [`super::guard`] says which may be begun.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::mem;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

use super::display;
use super::written::Written;
use objects::{Address, Bucket, Condition, ObjectError, Upload};
use types::digest::Digest;

/// A file in the making. One that is dropped before it is published leaves nothing.
pub(super) struct Writing {
    place: Option<Place>,
    out: Out,
    hash: Sha256,
}

/// Where bytes go.
enum Out {
    Stream(BufWriter<Box<dyn Write + Send>>),
    Object(Box<Object>),
}

/// An object in storage, which is seen once it is whole.
struct Object {
    upload: Upload,
    address: Address,
    condition: Condition,
    written: Written,
}

/// Where a file is made, and where it goes.
struct Place {
    temporary: PathBuf,
    file: PathBuf,
    /// Where it is remembered.
    written: Option<Written>,
}

impl Writing {
    /// Standard output.
    pub fn to_stdout() -> Writing {
        Writing::without_place(display::data())
    }

    /// A pipe or a device, which is written to at once.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn into(file: &Path) -> anyhow::Result<Writing> {
        let out = OpenOptions::new().write(true).open(file);
        let out = out.with_context(|| format!("cannot write to {}", file.display()))?;
        Ok(Writing::without_place(Box::new(out)))
    }

    fn without_place(out: Box<dyn Write + Send>) -> Writing {
        Writing {
            place: None,
            out: Out::Stream(BufWriter::new(out)),
            hash: Sha256::new(),
        }
    }

    /// Begins an object, which is put in its place where the condition holds, and remembered in `written`.
    ///
    /// # Errors
    /// When its address is none.
    pub fn object(
        bucket: &Bucket,
        condition: Condition,
        written: Written,
    ) -> Result<Writing, ObjectError> {
        let address = bucket.address().clone();
        let object = Object {
            upload: bucket.upload(&address, 0)?,
            address,
            condition,
            written,
        };
        Ok(Writing {
            place: None,
            out: Out::Object(Box::new(object)),
            hash: Sha256::new(),
        })
    }

    /// Begins a file, which is remembered in `written` once it is whole.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn begin(file: &Path, written: Option<Written>) -> anyhow::Result<Writing> {
        let name = file
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.with_context(|| format!("{} is no name of a file", file.display()))?;
        // Beside it, so that it can be moved into its place at once; of this process, so that no other
        // writes to it.
        let temporary = file.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let out = File::create(&temporary).map_err(|error| {
            anyhow!(
                "cannot write {}: {error}\nhint: see that its directory is there, and that you may write into it",
                file.display()
            )
        })?;
        if let Ok(before) = fs::metadata(file) {
            // Who may read the file before may read the one that takes its place, and nobody else.
            let _ = out.set_permissions(before.permissions());
        }
        Ok(Writing {
            place: Some(Place {
                temporary,
                file: file.to_owned(),
                written,
            }),
            out: Out::Stream(BufWriter::new(Box::new(out))),
            hash: Sha256::new(),
        })
    }

    /// A file beside the one in the making, for what has to be written by name. It goes away when it is dropped.
    ///
    /// # Errors
    /// When no file can be made there.
    pub fn scratch(&self) -> io::Result<NamedTempFile> {
        let folder = self.place.as_ref().and_then(|place| place.file.parent());
        match folder {
            Some(folder) if folder.as_os_str().is_empty() => NamedTempFile::new_in("."),
            Some(folder) => NamedTempFile::new_in(folder),
            None => NamedTempFile::new(),
        }
    }

    /// Writes a value as a line of JSON.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let line = types::shown::json(value)?;
        writeln!(self, "{line}")
    }

    /// Makes it durable and puts it into its place.
    ///
    /// # Errors
    /// When that fails; what lay there before lies there still.
    pub fn publish(mut self) -> anyhow::Result<()> {
        self.flush()?;
        if let Out::Object(object) = mem::replace(&mut self.out, nowhere()) {
            let Object {
                upload,
                address,
                condition,
                written,
            } = *object;
            let tag = upload.finish(&condition)?;
            written.note_object(&address, &tag);
            return Ok(());
        }
        if let Some(place) = self.place.take() {
            let publish = || {
                File::open(&place.temporary)?.sync_all()?;
                fs::rename(&place.temporary, &place.file)
            };
            if let Err(error) = publish() {
                let _ = fs::remove_file(&place.temporary);
                return Err(error)
                    .with_context(|| format!("cannot write {}", place.file.display()));
            }
            if let Some(written) = &place.written {
                written.note(&place.file, Digest::from(self.hash.clone()));
            }
        }
        Ok(())
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = match &mut self.out {
            Out::Stream(out) => out.write(bytes)?,
            Out::Object(object) => object.upload.write(bytes)?,
        };
        self.hash.update(bytes.get(..taken).unwrap_or(bytes));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.out {
            Out::Stream(out) => out.flush(),
            Out::Object(object) => object.upload.flush(),
        }
    }
}

fn nowhere() -> Out {
    Out::Stream(BufWriter::with_capacity(0, Box::new(io::sink())))
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            let _ = fs::remove_file(&place.temporary);
        }
    }
}
