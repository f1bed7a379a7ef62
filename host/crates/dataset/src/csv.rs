//! CSV: a header row, then one row for each record. A cell may hold line breaks in quotes; an empty cell
//! is an absent field; a header `a.b` is one name and no path.
//!
//! Cells are separated by commas, semicolons, tabs or bars, whatever the header has most of; a first line `sep=;` tells
//! it. Text that is not UTF-8 is read as Windows-1252, which spreadsheets write, where that makes sense.
//!
//! A cell is a text, unless it is `true`, `false` or a number as JSON writes it: `007`, `+1` and integers of
//! more than 64 bits stay texts, so that codes survive. Id, name and category are always texts.

use std::io::Read;

use std::path::Path;

use serde_json::{Map, Value};

use super::DatasetError;
use super::encoding;
use super::error::At;
use super::input::{Chunk, Input, Mark, Shared};
use super::number;
use super::split::{Piece, Split};
use super::value::repeated;

/// What separates cells, the likeliest first.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The columns of a table, and how its rows are written.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub names: Vec<String>,
    pub separator: u8,
    /// Columns behind the last one with a name, which must be empty.
    pub spare: usize,
}

impl Table {
    /// Whether a row has a cell for each column, and none behind them.
    fn fits(&self, row: &::csv::StringRecord) -> bool {
        let columns = self.names.len();
        let behind = row.iter().skip(columns);
        (columns..=columns + self.spare).contains(&row.len())
            && behind.into_iter().all(|cell| cell.trim().is_empty())
    }
}

/// The separator that a first line like `sep=;` tells, as spreadsheets write it.
pub(super) fn told_separator(line: &[u8]) -> Option<u8> {
    let line = line.trim_ascii_start();
    let line = line.strip_prefix(b"\"").unwrap_or(line);
    let (key, told) = line.split_at_checked(4)?;
    let told = told.strip_suffix(b"\"").unwrap_or(told);
    match told {
        _ if !key.eq_ignore_ascii_case(b"sep=") => None,
        // The tab at the end of the line was taken for white space.
        [] => Some(b'\t'),
        [separator] => Some(*separator),
        _ => None,
    }
}

/// What separates the cells of a header: what stands most often in it, outside of quotes.
pub(super) fn separator_of(header: &[u8], path: &Path) -> u8 {
    let count = |separator: u8| {
        let mut quotes = Quotes::FieldStart;
        let mut count = 0_usize;
        for byte in header {
            count += usize::from(*byte == separator && quotes != Quotes::Inside);
            quotes = quotes.after(*byte, separator);
        }
        count
    };
    let by_name = path
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("tsv") || end.eq_ignore_ascii_case("tab"));
    if by_name && count(b'\t') > 0 {
        return b'\t';
    }
    let counted = SEPARATORS.map(|separator| (count(separator), separator));
    let most = counted.iter().map(|(count, _)| *count).max().unwrap_or(0);
    counted
        .iter()
        .find(|(count, _)| *count == most)
        .map_or(b',', |(_, separator)| *separator)
}

/// Whether a line holds no cell: nothing, or only separators.
pub(super) fn is_blank(line: &[u8]) -> bool {
    line.iter()
        .all(|byte| byte.is_ascii_whitespace() || SEPARATORS.contains(byte))
}

/// Rows that are taken apart again after a quote, with a look at all that follows. More are only looked at as far as a
/// row may go.
const LOOKS: u32 = 16;

/// Splits where a line ends outside quotes.
pub(super) struct CsvSplit {
    input: Input,
    shared: Shared,
    table: Table,
    limit: usize,
    looks: u32,
}

impl CsvSplit {
    /// `input` starts behind the header.
    pub fn new(input: Input, shared: Shared, table: Table, limit: usize) -> Self {
        Self {
            input,
            shared,
            table,
            limit,
            looks: 0,
        }
    }

    /// Whether a row of several lines is none: a quote opens in its first line that nothing closes, or that another
    /// row's quote closes.
    fn is_torn(&self, chunk: &Chunk) -> bool {
        let separator = self.table.separator;
        if unclosed(&chunk.bytes, separator) || goes_on_behind_a_quote(&chunk.bytes, separator) {
            return true;
        }
        let text = encoding::row_text(&chunk.bytes);
        let fits = text.is_some_and(|text| {
            let at = At {
                path: &self.shared.path,
                line: chunk.place.line,
            };
            row(&text, separator, &at).is_ok_and(|row| self.table.fits(&row))
        });
        chunk.place.length <= self.limit as u64 && !fits
    }
}

impl Split for CsvSplit {
    fn next(&mut self) -> Result<Option<Piece>, DatasetError> {
        let most = if self.looks < LOOKS {
            u64::MAX
        } else {
            self.limit as u64
        };
        let Some(mut chunk) = next_row(&mut self.input, self.table.separator, self.limit, most)?
        else {
            return Ok(None);
        };
        let first = chunk.bytes.iter().position(|byte| *byte == b'\n');
        let first = first.filter(|first| (*first as u64 + 1) < chunk.place.length);
        if let Some(first) = first.filter(|_| self.is_torn(&chunk)) {
            // What is wrong with one line costs none of those that follow.
            self.looks += 1;
            chunk.bytes.truncate(first + 1);
            chunk.place.length = first as u64 + 1;
            let mark = Mark {
                offset: chunk.place.offset + chunk.place.length,
                line: chunk.place.line + 1,
            };
            self.input = Input::new(&self.shared, mark)?;
        }
        Ok(Some(Piece::Element(chunk)))
    }
}

/// The next row with its end of line, which is given up after `most` bytes. Rows without a cell are passed over.
pub(super) fn next_row(
    input: &mut Input,
    separator: u8,
    limit: usize,
    most: u64,
) -> Result<Option<Chunk>, DatasetError> {
    let mut quotes = Quotes::FieldStart;
    let mut chunk: Option<Chunk> = None;
    while let Some(line) = input.line(limit)? {
        if chunk.is_none() && is_blank(line.text()) && line.bytes.len() as u64 == line.length {
            continue;
        }
        let row = chunk.get_or_insert_with(|| Chunk::at(line.start));
        row.push(&line, limit);
        quotes = line
            .bytes
            .iter()
            .fold(quotes, |quotes, byte| quotes.after(*byte, separator));
        if quotes != Quotes::Inside || row.place.length > most {
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
    fn after(self, byte: u8, separator: u8) -> Self {
        match (self, byte) {
            (Self::Inside, b'"') => Self::Closed,
            (Self::Inside, _) | (Self::FieldStart | Self::Closed, b'"') => Self::Inside,
            (_, byte) if byte == separator => Self::FieldStart,
            (_, b'\n' | b'\r') => Self::FieldStart,
            _ => Self::Bare,
        }
    }
}

/// The names of the columns.
pub(super) fn header(text: &str, separator: u8, at: &At<'_>) -> Result<Table, DatasetError> {
    let row = row(text, separator, at)?;
    let named = (1..)
        .zip(row.iter())
        .filter(|(_, name)| !name.trim().is_empty())
        .last()
        .map_or(0, |(column, _)| column);
    let mut names: Vec<String> = Vec::new();
    for (column, name) in (1..).zip(row.iter().take(named)) {
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
    Ok(Table {
        spare: row.len() - names.len(),
        names,
        separator,
    })
}

/// One row as an object; the columns in `texts` are not taken for numbers.
pub(super) fn parse(
    text: &str,
    table: &Table,
    texts: &[String],
    at: &At<'_>,
) -> Result<Value, DatasetError> {
    let row = row(text, table.separator, at)?;
    if !table.fits(&row) {
        return Err(syntax(at, wrong_count(&row, table)));
    }
    let cells = table
        .names
        .iter()
        .zip(row.iter())
        .filter(|(_, cell)| !cell.is_empty());
    let fields: Map<String, Value> = cells
        .map(|(name, cell)| {
            let value = if texts.contains(name) {
                Value::from(number::cleaned(cell.to_owned()))
            } else {
                value(cell)
            };
            (name.clone(), value)
        })
        .collect();
    Ok(Value::Object(fields))
}

/// What is wrong with a row that has more or fewer cells than there are columns.
fn wrong_count(row: &::csv::StringRecord, table: &Table) -> String {
    let separators = match table.separator {
        b',' => "commas".to_owned(),
        b';' => "semicolons".to_owned(),
        b'\t' => "tabs".to_owned(),
        other => format!("`{}`", char::from(other)),
    };
    let columns = table.names.len() + table.spare;
    if row.len() == columns {
        let nameless = row
            .iter()
            .skip(table.names.len())
            .position(|cell| !cell.trim().is_empty())
            .map_or(0, |place| table.names.len() + place + 1);
        return format!(
            "column {nameless} has a value, and no name in the first row; name every column there, and remove lines that stand before \
             the names"
        );
    }
    format!(
        "the row has {} cells and the header {columns}; add or remove {separators}, and put cells with {separators} in quotes",
        row.len(),
    )
}

fn row(text: &str, separator: u8, at: &At<'_>) -> Result<::csv::StringRecord, DatasetError> {
    // After a blank line the reader does not take a byte order mark in the first cell for that of a file.
    let text_in_file = b"\n".chain(text.as_bytes());
    let mut rows = ::csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator)
        .from_reader(text_in_file);
    let mut row = ::csv::StringRecord::new();
    let mut next = |row: &mut _| {
        rows.read_record(row)
            .map_err(|error| syntax(at, error.to_string()))
    };
    if !next(&mut row)? {
        return Err(syntax(at, "the row is empty".into()));
    }
    if unclosed(text.as_bytes(), separator) {
        return Err(syntax(
            at,
            "a quote is opened and never closed; close it, or write two of them where one is meant"
                .into(),
        ));
    }
    if next(&mut ::csv::StringRecord::new())? {
        let cause = "a carriage return without a line feed stands outside quotes; end lines with LF or CRLF";
        return Err(syntax(at, cause.into()));
    }
    Ok(row)
}

/// Whether a cell goes on behind the quote that closes it: then that quote was meant to open another cell.
fn goes_on_behind_a_quote(text: &[u8], separator: u8) -> bool {
    let mut quotes = Quotes::FieldStart;
    text.iter().any(|byte| {
        let before = quotes;
        quotes = quotes.after(*byte, separator);
        before == Quotes::Closed && quotes == Quotes::Bare
    })
}

fn unclosed(text: &[u8], separator: u8) -> bool {
    let end = |quotes: Quotes, byte: &u8| quotes.after(*byte, separator);
    text.iter().fold(Quotes::FieldStart, end) == Quotes::Inside
}

fn value(cell: &str) -> Value {
    match cell {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => number::number(cell).unwrap_or_else(|| Value::from(number::cleaned(cell.to_owned()))),
    }
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
    use crate::fixture::Fixture;
    use crate::number::AsWritten;

    #[test]
    fn a_cell_is_a_number_only_if_json_would_write_it_so() {
        let cells = "0,-1.5,1.0e+14,2E3,true,18446744073709551615,007,+1,1.,.5,1_000,0x1f,NaN,1e999,True, 1,1 ,18446744073709551616,-";
        let values: Vec<Value> = cells.split(',').map(value).collect();
        let shown = AsWritten(&Value::from(values.clone())).to_string();
        assert!(shown.starts_with("[0,-1.5,1.0e+14,2E3,true,"), "{shown}");
        let expected = serde_json::json!([
            0,
            -1.5,
            values[2],
            values[3],
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
        a.csv:8: is not valid CSV: a quote is opened and never closed; close it, or write two of them where one is meant
        "#);
    }

    #[test]
    fn a_value_in_a_column_without_a_name_is_told() {
        let rows = "List of woods,,\n\nid,name,category\n";
        insta::assert_snapshot!(Fixture::new("a.csv", rows).report(), @"a.csv:3: is not valid CSV: column 2 has a value, and no name in the first row; name every column there, and remove lines that stand before the names");
    }

    #[test]
    fn a_torn_row_costs_none_of_those_that_follow() {
        let rows = "id,name,category\na,\"A,metal\nb,B,metal\nc,\"C\",metal\nd,\"D\nd\",metal\ne,\"E,metal\nf,F,metal\n";
        insta::assert_snapshot!(Fixture::new("a.csv", rows).report(), @r#"
        a.csv:2: is not valid CSV: a quote is opened and never closed; close it, or write two of them where one is meant
        line 3: b
        line 4: c
        line 5: d
        a.csv:7: is not valid CSV: a quote is opened and never closed; close it, or write two of them where one is meant
        line 8: f
        "#);
    }

    #[test]
    fn tables_are_read_as_spreadsheets_write_them() {
        let of = |name: &str, text: &[u8]| {
            let records = Fixture::new(name, text).records();
            let shown: Vec<String> = records
                .iter()
                .map(|record| {
                    let fields = record.fields.to_string();
                    format!("{} {} {} {fields}", record.id, record.name, record.category)
                })
                .collect();
            shown.join("\n")
        };
        let expected = "a Größe; ja metal {\"price\":\"12,50 €\"}\nb B metal {}";
        let semicolons =
            "id;name;category;price\n;;;\na;\"Größe; ja\";metal;12,50 €\n;\nb;B;metal;\n";
        let western = encoding_rs::WINDOWS_1252.encode(semicolons).0.into_owned();
        let wide: Vec<u8> = "\u{feff}"
            .encode_utf16()
            .chain(semicolons.encode_utf16())
            .flat_map(u16::to_le_bytes)
            .collect();
        for (name, text) in [
            ("a.csv", semicolons.as_bytes().to_vec()),
            ("a.csv", western),
            ("a.csv", wide),
            (
                "a.csv",
                format!("\u{feff}sep=;\r\n{semicolons}").into_bytes(),
            ),
            (
                "a.csv",
                "id,name,category,price,,\na,Größe; ja,metal,\"12,50 €\",,\nb,B,metal,,,\n".into(),
            ),
            (
                "a.tsv",
                "id\tname\tcategory\tprice\na\tGröße; ja\tmetal\t12,50 €\n\t\t\t\nb\tB\tmetal\t\n"
                    .into(),
            ),
            (
                "a.csv",
                "id|name|category|price\na|Größe; ja|metal|12,50 €\nb|B|metal|\n".into(),
            ),
        ] {
            assert_eq!(
                of(name, &text),
                expected,
                "{}",
                String::from_utf8_lossy(&text)
            );
        }
    }

    #[test]
    fn columns_may_be_texts_throughout() {
        let rows = "id,name,category,ean\n1,A,x,4006381333931\n2,B,x,0012345678905\n";
        let fixture = Fixture::new("a.csv", rows).with(|config| config.texts = vec!["ean".into()]);
        let eans = fixture
            .records()
            .into_iter()
            .map(|record| record.fields["ean"].clone());
        assert_eq!(
            Value::from_iter(eans),
            serde_json::json!(["4006381333931", "0012345678905"])
        );
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
