//! CSV: a header row, then one row for each record. A cell may hold line breaks in quotes; an empty cell
//! is an absent field; a header `a.b` is one name and no path.
//!
//! A cell is a text, unless it is `true`, `false` or a number as JSON writes it: `007`, `+1` and integers of
//! more than 64 bits stay texts, so that codes survive. Id, name and category are always texts.

use std::io::Read;

use serde_json::{Map, Number, Value};

use super::DatasetError;
use super::error::At;
use super::input::{Chunk, Input};
use super::list::Split;
use super::value::repeated;

/// Splits where a line ends outside quotes.
pub(super) struct CsvSplit {
    pub input: Input,
    pub limit: usize,
}

impl Split for CsvSplit {
    fn next(&mut self) -> Result<Option<Chunk>, DatasetError> {
        next_row(&mut self.input, self.limit)
    }
}

/// The next row with its end of line. Blank lines are passed over.
pub(super) fn next_row(input: &mut Input, limit: usize) -> Result<Option<Chunk>, DatasetError> {
    let mut quotes = Quotes::FieldStart;
    let mut chunk: Option<Chunk> = None;
    while let Some(line) = input.line(limit)? {
        if chunk.is_none() && line.text().is_empty() {
            continue;
        }
        chunk
            .get_or_insert_with(|| Chunk::at(line.start))
            .push(&line, limit);
        quotes = line.bytes.iter().copied().fold(quotes, Quotes::after);
        if quotes != Quotes::Inside {
            break;
        }
    }
    Ok(chunk)
}

/// What a quote would mean here, as the `csv` crate sees it: it opens only at the start of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quotes {
    FieldStart,
    Bare,
    Inside,
    Closed,
}

impl Quotes {
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Inside, b'"') => Self::Closed,
            (Self::Inside, _) | (Self::FieldStart | Self::Closed, b'"') => Self::Inside,
            (_, b',' | b'\n' | b'\r') => Self::FieldStart,
            _ => Self::Bare,
        }
    }
}

/// The names of the columns.
pub(super) fn header(text: &str, at: &At<'_>) -> Result<Vec<String>, DatasetError> {
    let row = row(text, at)?;
    let mut names: Vec<String> = Vec::new();
    for (column, name) in (1..).zip(row.iter()) {
        let name = name.trim();
        if name.is_empty() {
            return Err(syntax(
                at,
                format!("column {column} has no name; name every column in the first row"),
            ));
        }
        if names.iter().any(|other| other == name) {
            return Err(syntax(at, repeated(name)));
        }
        names.push(name.into());
    }
    Ok(names)
}

/// One row as an object; the columns in `texts` are not taken for numbers.
pub(super) fn parse(
    text: &str,
    header: &[String],
    texts: &[String],
    at: &At<'_>,
) -> Result<Value, DatasetError> {
    let row = row(text, at)?;
    if row.len() != header.len() {
        let cause = format!(
            "the row has {} cells and the header {}; add or remove commas, and put cells with commas in quotes",
            row.len(),
            header.len()
        );
        return Err(syntax(at, cause));
    }
    let cells = header
        .iter()
        .zip(row.iter())
        .filter(|(_, cell)| !cell.is_empty());
    let fields: Map<String, Value> = cells
        .map(|(name, cell)| {
            let value = if texts.contains(name) {
                Value::from(cell)
            } else {
                value(cell)
            };
            (name.clone(), value)
        })
        .collect();
    Ok(Value::Object(fields))
}

fn row(text: &str, at: &At<'_>) -> Result<::csv::StringRecord, DatasetError> {
    // After a blank line the reader does not take a byte order mark in the first cell for that of a file.
    let text_in_file = b"\n".chain(text.as_bytes());
    let mut rows = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text_in_file);
    let mut row = ::csv::StringRecord::new();
    let mut next = |row: &mut _| {
        rows.read_record(row)
            .map_err(|error| syntax(at, error.to_string()))
    };
    if !next(&mut row)? {
        return Err(syntax(at, "the row is empty".into()));
    }
    if unclosed(text) {
        return Err(syntax(at, "a quote is opened and never closed".into()));
    }
    if next(&mut ::csv::StringRecord::new())? {
        let cause = "a carriage return without a line feed stands outside quotes; end lines with LF or CRLF";
        return Err(syntax(at, cause.into()));
    }
    Ok(row)
}

fn unclosed(text: &str) -> bool {
    text.bytes().fold(Quotes::FieldStart, Quotes::after) == Quotes::Inside
}

fn value(cell: &str) -> Value {
    match cell {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number(cell).map_or_else(|| Value::from(cell), Value::Number),
    }
}

fn number(cell: &str) -> Option<Number> {
    // The parser would take white space around the number for granted.
    let starts = cell.starts_with(|first: char| first == '-' || first.is_ascii_digit());
    let ends = cell.ends_with(|last: char| last.is_ascii_digit());
    let number: Number = (starts && ends)
        .then(|| serde_json::from_str(cell).ok())
        .flatten()?;
    let is_integer = !cell.contains(['.', 'e', 'E']);
    (!is_integer || !number.is_f64()).then_some(number)
}

fn syntax(at: &At<'_>, cause: String) -> DatasetError {
    DatasetError::Syntax {
        file: at.file(),
        line: at.line,
        format: "CSV",
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::fixture::Fixture;

    #[test]
    fn a_cell_is_a_number_only_if_json_would_write_it_so() {
        let cells = "0,-1.5,1.0e+14,2E3,true,18446744073709551615,007,+1,1.,.5,1_000,0x1f,NaN,1e999,True, 1,1 ,18446744073709551616,-";
        let values: Vec<Value> = cells.split(',').map(value).collect();
        let expected = serde_json::json!([
            0,
            -1.5,
            1.0e14,
            2e3,
            true,
            18446744073709551615_u64,
            "007",
            "+1",
            "1.",
            ".5",
            "1_000",
            "0x1f",
            "NaN",
            "1e999",
            "True",
            " 1",
            "1 ",
            "18446744073709551616",
            "-"
        ]);
        assert_eq!(Value::from(values), expected);
    }

    #[test]
    fn texts_stay_texts_and_empty_cells_are_absent() {
        let rows = "\u{feff} id ,name,category,a.b,note\r\n\r\n304,316,7,1.5,\r\nx,true,metal,,\"two\nlines, \"\"quoted\"\"\"\n";
        let records = Fixture::new("a.csv", rows).records();
        let found: Vec<_> = records
            .iter()
            .map(|record| {
                (
                    record.id.as_str(),
                    record.name.as_str(),
                    record.category.as_str(),
                    Value::from(record.fields.clone()).to_string(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("304", "316", "7", r#"{"a.b":1.5}"#.to_string()),
                (
                    "x",
                    "true",
                    "metal",
                    r#"{"note":"two\nlines, \"quoted\""}"#.to_string()
                ),
            ]
        );
    }

    #[test]
    fn a_bad_row_is_an_error_of_its_own() {
        let rows = "id,name,category\na,A,metal\nb,B\nc,\"C\nc\",metal\nd,D,metal,\ne,E,metal\n\"f,F,metal\n";
        insta::assert_snapshot!(Fixture::new("a.csv", rows).report(), @r#"
        line 2: a
        a.csv:3: is not valid CSV: the row has 2 cells and the header 3; add or remove commas, and put cells with commas in quotes
        line 4: c
        a.csv:6: is not valid CSV: the row has 4 cells and the header 3; add or remove commas, and put cells with commas in quotes
        line 7: e
        a.csv:8: is not valid CSV: a quote is opened and never closed
        "#);
    }

    #[test]
    fn a_bad_header_is_an_error_of_the_file() {
        let reports = [
            "id,name,id\na,A,metal\n",
            "\n\nid,,category\na,A,metal\n",
            "id,name,category\n",
            "\n\n",
            "id,name,category\ra,A,metal\r",
            "id,name,category\na,A,metal\rb,B,metal\n",
        ]
        .map(|content| Fixture::new("a.csv", content).report());
        insta::assert_snapshot!(reports.join("\n"), @r#"
        a.csv:1: is not valid CSV: the key `id` appears twice; keep one of them
        a.csv:3: is not valid CSV: column 2 has no name; name every column in the first row
        a.csv: holds no record; add at least one
        a.csv: holds no record; add at least one
        a.csv:1: is not valid CSV: a carriage return without a line feed stands outside quotes; end lines with LF or CRLF
        a.csv:2: is not valid CSV: a carriage return without a line feed stands outside quotes; end lines with LF or CRLF
        "#);
    }
}
