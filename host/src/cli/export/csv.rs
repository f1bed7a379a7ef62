//! Rows as CSV.

use std::io::{self, Write};

use super::super::exit::Failure;
use super::super::file::Writing;
use super::columns::Columns;
use super::{Fields, Source};

/// Writes a table.
pub(super) fn write(
    source: &Source<'_>,
    fields: &mut Fields<'_>,
    out: &mut Writing,
) -> Result<(u64, u64), Failure> {
    let args = source.args;
    let mut columns = Columns::new(source.components, &args.field, args.all_fields);
    let cell = |text: String| {
        if args.escape_formulas {
            unlike_a_formula(text)
        } else {
            text
        }
    };
    if columns.depend_on_rows(false) {
        source.rows(|row| {
            columns.see(row);
            Ok(())
        })?;
    }
    if args.bom {
        out.write_all("\u{feff}".as_bytes())
            .map_err(Failure::internal)?;
    }
    let mut table = ::csv::Writer::from_writer(out);
    table
        .write_record(columns.header().into_iter().map(cell))
        .map_err(|error| Failure::internal(io::Error::from(error)))?;
    let counted = source.rows(|row| {
        fields.see(row.record);
        let cells = columns
            .cells(row)
            .into_iter()
            .map(|found| cell(found.into_text()));
        Ok(table.write_record(cells).map_err(io::Error::from)?)
    })?;
    table.flush().map_err(Failure::internal)?;
    Ok(counted)
}

/// A cell that a spreadsheet shows, and does not compute. A number computes nothing, and stays one.
fn unlike_a_formula(text: String) -> String {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && !text.parse().is_ok_and(f64::is_finite) {
        format!("'{text}")
    } else {
        text
    }
}
