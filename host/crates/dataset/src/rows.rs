//! Rows of typed values, written as JSON Lines: one line for each row, so that a line of the copy has the number of its row.
//!
//! What reads such files is large, and takes what they say of themselves for true. So it runs in a process of its own, under a
//! limit of memory, where a program is told that can be started as one.

#[cfg(feature = "parquet")]
mod arrow;
#[cfg(feature = "excel")]
mod excel;
#[cfg(feature = "parquet")]
mod parquet;
mod process;

use std::fs::File;
use std::io::Write;
use std::path::Path;

use super::{DatasetError, Format};

pub(super) use process::by_process;
pub use process::{COMMAND, child};

/// Why rows cannot be written.
#[derive(Debug)]
pub(super) struct Fault {
    /// With the part of the file that is meant.
    pub cause: String,
    pub remedy: String,
}

/// Says of a file that it is at fault.
const DAMAGED: &str = "it is damaged, or not what its name says; get it again";

impl Fault {
    /// With the file that it is about.
    pub fn of(self, path: &Path) -> DatasetError {
        DatasetError::Refused {
            file: path.into(),
            cause: self.cause,
            remedy: self.remedy.into(),
        }
    }

    #[cfg(any(feature = "parquet", feature = "excel"))]
    fn new(cause: impl Into<String>, remedy: &str) -> Self {
        Self {
            cause: cause.into(),
            remedy: remedy.to_owned(),
        }
    }

    /// A file that cannot be read, from this place on.
    #[cfg(any(feature = "parquet", feature = "excel"))]
    fn damaged(place: &str, cause: impl std::fmt::Display) -> Self {
        Self::new(format!("{place} cannot be read: {cause}"), DAMAGED)
    }
}

/// Writes the rows of a file.
///
/// # Errors
/// What is wrong with the file, and where.
pub(super) fn write(
    format: Format,
    file: &File,
    sheet: Option<&str>,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let clone = || {
        file.try_clone().map_err(|error| Fault {
            cause: error.to_string(),
            remedy: DAMAGED.into(),
        })
    };
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => parquet::write(clone()?, out),
        #[cfg(feature = "parquet")]
        Format::Arrow => arrow::write(clone()?, out),
        #[cfg(feature = "excel")]
        Format::Excel => excel::write(clone()?, sheet, out),
        format => {
            let _ = (clone, sheet, out);
            Err(Fault {
                cause: format!("is in {}, which this build does not read", format.as_str()),
                remedy: "use a released program, or save the table as CSV or JSON Lines".into(),
            })
        }
    }
}
