//! Tables with typed columns, for pandas, DuckDB, Polars and the like: Parquet, Arrow IPC and SQLite.
//!
//! The type of a column follows from its values ([`Kind`]), which are looked at once before a row is written. Rows are then
//! written in batches, so that memory holds a few megabytes of them.
//!
//! Knows no records, no state and no files but the one that it writes.

#![warn(missing_docs)]

#[cfg(feature = "parquet")]
mod arrow;
mod kind;
mod sqlite;

use std::io::Write;

use serde_json::Value;

#[cfg(feature = "parquet")]
pub use arrow::{Arrow, Parquet};
pub use kind::Kind;
pub use sqlite::Sqlite;

/// A column of a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name; no other column has the same.
    pub name: String,
    /// What its values are. [`Kind::settled`] has been asked.
    pub kind: Kind,
}

/// A cell of a row; `None` where there is nothing.
pub type Cell = Option<Value>;

/// Takes the rows of a table.
pub trait Rows {
    /// Takes one row, with a cell for each column.
    ///
    /// # Errors
    /// When a cell is not of its column's kind, or the row cannot be written.
    fn row(&mut self, cells: Vec<Cell>) -> Result<(), TableError>;

    /// Writes what is left.
    ///
    /// # Errors
    /// When it cannot be written.
    fn finish(self: Box<Self>) -> Result<(), TableError>;
}

/// Where a table is written to.
pub type Out<'a> = &'a mut (dyn Write + Send);

/// Why a table cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// A value is of another kind than all that were seen before.
    #[error(
        "a value of the column `{column}` has changed since the columns were looked at\nhint: export again when nothing is being made"
    )]
    Changed {
        /// The column.
        column: String,
    },
    /// A row does not fit into a batch.
    #[error(
        "a row has {bytes} bytes, which is more than a table can hold in one row\nhint: leave out the component with the largest files"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// SQLite has a limit of columns.
    #[error(
        "the table has {columns} columns, and SQLite can hold {most}\nhint: choose fields with --field, or export to Parquet"
    )]
    TooManyColumns {
        /// How many there are.
        columns: usize,
        /// How many there may be.
        most: usize,
    },
    /// What SQLite says.
    #[error("SQLite cannot write the table: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// What Arrow's writer says.
    #[cfg(feature = "parquet")]
    #[error("the table cannot be written: {0}")]
    Arrow(#[from] arrow_schema::ArrowError),
    /// What Parquet's writer says.
    #[cfg(feature = "parquet")]
    #[error("the table cannot be written: {0}")]
    Parquet(#[from] parquet::errors::ParquetError),
}

/// Passes the cells of a row that are of their columns' kinds.
fn check(columns: &[Column], cells: &[Cell]) -> Result<(), TableError> {
    let wrong = columns.iter().zip(cells).find(|(column, cell)| {
        let cell = cell.as_ref();
        !cell.is_none_or(|value| column.kind.holds(value))
    });
    match wrong {
        None => Ok(()),
        Some((column, _)) => Err(TableError::Changed {
            column: column.name.clone(),
        }),
    }
}

/// The text of a cell in a column of texts: what is no text is JSON.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
