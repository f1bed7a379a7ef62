//! The formats of a table, and what each is called.

use std::path::Path;

use anyhow::anyhow;
use clap::ValueEnum;

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Jsonl,
    Csv,
    Parquet,
    Arrow,
    Sqlite,
}

impl Format {
    /// The format that a file's name tells; `-` is standard output.
    ///
    /// # Errors
    /// When the name tells none.
    pub fn by_name(file: &Path) -> anyhow::Result<Format> {
        let ending = file.extension().unwrap_or_default().to_string_lossy();
        match ending.to_ascii_lowercase().as_str() {
            "csv" => Ok(Format::Csv),
            "jsonl" | "ndjson" => Ok(Format::Jsonl),
            "parquet" => Ok(Format::Parquet),
            "arrow" | "feather" | "ipc" => Ok(Format::Arrow),
            "db" | "sqlite" | "sqlite3" => Ok(Format::Sqlite),
            _ if file == Path::new("-") => Ok(Format::Jsonl),
            _ => Err(anyhow!(
                "the name {} tells no format\nhint: name it .jsonl, .csv, .parquet, .arrow or .db, or say it with --format",
                file.display()
            )),
        }
    }

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jsonl => "JSON Lines",
            Format::Csv => "CSV",
            Format::Parquet => "Parquet",
            Format::Arrow => "Arrow IPC",
            Format::Sqlite => "SQLite",
        }
    }

    /// Whether it is no text.
    pub fn is_binary(self) -> bool {
        !matches!(self, Format::Jsonl | Format::Csv)
    }

    /// Passes a format that this program was built with.
    ///
    /// # Errors
    /// For another one.
    pub fn check_is_built(self) -> anyhow::Result<()> {
        let needs_parquet = matches!(self, Format::Parquet | Format::Arrow);
        if needs_parquet && !cfg!(feature = "parquet") {
            return Err(anyhow!(
                "this program is built without what writes {}\nhint: use a released program, or write .db, .jsonl or .csv",
                self.name()
            ));
        }
        Ok(())
    }
}
