//! A file that a subcommand writes for somebody else: whole, or not at all. Without a name it is standard
//! output.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

/// A file in the making. One that is dropped before it is published leaves nothing.
pub(super) struct Writing {
    place: Option<(PathBuf, PathBuf)>,
    out: BufWriter<Box<dyn Write>>,
}

impl Writing {
    /// Begins a file; `None` and `-` are standard output.
    pub fn begin(path: Option<&Path>) -> anyhow::Result<Writing> {
        let Some(path) = path.filter(|path| *path != Path::new("-")) else {
            return Ok(Writing {
                place: None,
                out: BufWriter::new(Box::new(io::stdout())),
            });
        };
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.with_context(|| format!("{} is no name of a file", path.display()))?;
        // Beside it, so that it can be moved into its place at once; of this process, so that no other
        // writes to it.
        let temporary = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&temporary).map_err(|error| {
            anyhow!(
                "cannot write {}: {error}\nhint: see that its directory is there, and that you may write into it",
                path.display()
            )
        })?;
        Ok(Writing {
            place: Some((temporary, path.to_owned())),
            out: BufWriter::new(Box::new(file)),
        })
    }

    /// Makes it durable and puts it into its place.
    pub fn publish(mut self) -> anyhow::Result<()> {
        self.out.flush()?;
        if let Some((temporary, path)) = self.place.take() {
            let publish = || {
                File::open(&temporary)?.sync_all()?;
                fs::rename(&temporary, &path)
            };
            publish().with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Write for Writing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some((temporary, _)) = &self.place {
            let _ = fs::remove_file(temporary);
        }
    }
}
