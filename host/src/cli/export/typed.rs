//! Rows with typed columns: Parquet, Arrow IPC and SQLite.

use std::io;

use anyhow::anyhow;

use super::super::exit::Failure;
use super::super::file::Writing;
use super::columns::Columns;
use super::format::Format;
use super::{Fields, Source};
use tables::{Kind, Rows, Sqlite, TableError};

/// Writes a table.
pub(super) fn write(
    format: Format,
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    out: &mut Writing,
) -> Result<(u64, u64), Failure> {
    let args = source.args;
    let mut columns = Columns::new(source.components, &args.field, args.all_fields);
    if columns.depend_on_rows(true) {
        source.rows(|row| {
            columns.see(row);
            Ok(())
        })?;
    }
    let described = columns.described();
    let kinds: Vec<Kind> = described.iter().map(|column| column.kind.clone()).collect();
    let mut fill = |mut table: Box<dyn Rows + '_>| -> Result<(u64, u64), Failure> {
        let counted = source.rows(|row| {
            fields.see(row.record);
            let cells = columns.cells(row).into_iter().zip(&kinds);
            let cells = cells.map(|(cell, kind)| cell.into_value(kind));
            Ok(table.row(cells.collect())?)
        })?;
        table.finish().map_err(told)?;
        Ok(counted)
    };
    match format {
        #[cfg(feature = "parquet")]
        Format::Parquet => {
            let table = tables::Parquet::begin(out, described);
            fill(Box::new(table.map_err(told)?))
        }
        #[cfg(feature = "parquet")]
        Format::Arrow => {
            let table = tables::Arrow::begin(out, described);
            fill(Box::new(table.map_err(told)?))
        }
        Format::Sqlite => {
            // A database is written by its name, and in no order.
            let file = out.scratch().map_err(Failure::internal)?;
            let table = Sqlite::begin(file.path(), described).map_err(told)?;
            let counted = fill(Box::new(table))?;
            let mut whole = file.reopen().map_err(Failure::internal)?;
            io::copy(&mut whole, out).map_err(Failure::internal)?;
            Ok(counted)
        }
        format => Err(Failure::internal(anyhow!("{} is no table", format.name()))),
    }
}

fn told(error: TableError) -> Failure {
    failure(error.into())
}

/// How a row that cannot be written is told: what a person can change is theirs.
pub(super) fn failure(error: anyhow::Error) -> Failure {
    match error.downcast_ref() {
        Some(
            TableError::Changed { .. }
            | TableError::TooLarge { .. }
            | TableError::TooManyColumns { .. },
        ) => Failure::usage(error),
        _ => Failure::internal(error),
    }
}
