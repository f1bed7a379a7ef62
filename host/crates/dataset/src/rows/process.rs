//! The process that reads rows: this program again, started with [`COMMAND`]. It reads the file from its standard input, writes
//! the copy to its standard output, and what is wrong to its standard error.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{DAMAGED, Fault, write};
use crate::copying::{Bounded, Stopped};
use crate::{DatasetError, Format};

/// The first argument of the program that makes it a reader of rows. The format, the most bytes of the copy and, if it is told,
/// the sheet follow.
pub const COMMAND: &str = "read-rows";

/// Address space that the process may use, bytes. Files that pandas, DuckDB, Polars and Spark write take a tenth of it.
const MEMORY: u64 = 2 << 30;
/// Most bytes that it may say.
const SAID: u64 = 4096;
/// How it ends when the copy is larger than it may be, and when there is no room for it.
const TOO_LARGE: u8 = 3;
const NO_ROOM: u8 = 4;

/// Why there is no copy.
pub(crate) enum Failed {
    /// The file is at fault.
    Rows(Fault),
    /// The copy was given up.
    Copy(Stopped),
}

impl Failed {
    /// With the file that it is about.
    pub fn of(self, path: &Path) -> DatasetError {
        match self {
            Self::Rows(fault) => fault.of(path),
            Self::Copy(stopped) => stopped.of(path),
        }
    }
}

/// Lets a process write the rows of a file to a copy of at most so many bytes.
pub(crate) fn by_process(
    program: &Path,
    format: Format,
    sheet: Option<&str>,
    file: &File,
    copy: &File,
    most: u64,
) -> Result<(), Failed> {
    let unusable = |error: io::Error| {
        Failed::Rows(Fault {
            cause: format!("the process that reads it cannot be used: {error}"),
            remedy: "try again".into(),
        })
    };
    let handle = |file: &File| file.try_clone().map(Stdio::from).map_err(unusable);
    let mut child = Command::new(program)
        .arg(COMMAND)
        .arg(format.as_str())
        .arg(most.to_string())
        .args(sheet)
        .env_clear()
        .stdin(handle(file)?)
        .stdout(handle(copy)?)
        .stderr(Stdio::piped())
        .spawn()
        .map_err(unusable)?;
    let mut said = Vec::new();
    if let Some(error) = child.stderr.take() {
        error.take(SAID).read_to_end(&mut said).map_err(unusable)?;
    }
    let status = child.wait().map_err(unusable)?;
    let said = String::from_utf8_lossy(&said);
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    match code {
        Some(0) => Ok(()),
        Some(TOO_LARGE) => Err(Failed::Copy(Stopped::TooLarge)),
        Some(NO_ROOM) => {
            let cause = io::Error::other(said.into_owned());
            Err(Failed::Copy(Stopped::Copy(cause)))
        }
        Some(1) => {
            let (cause, remedy) = said.split_once('\n').unwrap_or((&said, DAMAGED));
            Err(Failed::Rows(Fault {
                cause: cause.into(),
                remedy: remedy.into(),
            }))
        }
        // It panicked, or got no more memory.
        _ => Err(Failed::Rows(Fault {
            cause: format!(
                "cannot be read within {} MiB of memory, or breaks what reads it",
                MEMORY >> 20
            ),
            remedy: format!(
                "{DAMAGED}; if it is right, write it anew in smaller row groups, or as JSON Lines"
            ),
        })),
    }
}

/// What the process does: limits itself, then reads rows from `input` and writes their copy to `output`.
///
/// # Errors
/// With the exit code, and what is to be said on standard error.
pub fn child(arguments: &[&str], input: &File, output: &File) -> Result<(), (u8, String)> {
    let wrong = || (2, "wrong arguments".to_owned());
    let (format, most, sheet) = match arguments {
        [format, most] => (format, most, None),
        [format, most, sheet] => (format, most, Some(*sheet)),
        _ => return Err(wrong()),
    };
    let format = Format::named(format).ok_or_else(wrong)?;
    let most = most.parse().map_err(|_| wrong())?;
    limit().map_err(|error| (2, format!("it cannot limit itself: {error}")))?;
    let mut out = Bounded::new(BufWriter::with_capacity(256 * 1024, output), most);
    let written = write(format, input, sheet, &mut out);
    let flushed = out.flush();
    match out.into_fault() {
        Some(Stopped::TooLarge) => return Err((TOO_LARGE, String::new())),
        Some(Stopped::Copy(error)) => return Err((NO_ROOM, error.to_string())),
        None => {}
    }
    written.map_err(|fault| {
        let cause: String = fault.cause.replace('\n', " ").chars().take(1000).collect();
        (1, format!("{cause}\n{}", fault.remedy))
    })?;
    flushed.map_err(|error| (NO_ROOM, error.to_string()))
}

fn limit() -> io::Result<()> {
    for (resource, limit) in [(Resource::As, MEMORY), (Resource::Core, 0)] {
        // A limit that holds for this process already may be lower, and cannot be raised.
        let set = getrlimit(resource).maximum;
        let limit = Some(set.map_or(limit, |set| set.min(limit)));
        let limit = Rlimit {
            current: limit,
            maximum: limit,
        };
        setrlimit(resource, limit)?;
    }
    Ok(())
}
