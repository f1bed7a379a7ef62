//! A sheet of a workbook: the first row with anything in it names the columns, each further one is a record. Rows without any
//! cell become empty lines, so that a line of the copy has the number of its row in the sheet.
//!
//! Cells are read one by one, so what a sheet claims to be large costs nothing. The texts that cells share are in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Write};

use calamine::{DataRef, ExcelDateTime, Reader, Xlsx, XlsxError};

use super::Fault;

/// Most rows of a sheet.
const ROWS: u32 = 1 << 20;

type Book = Xlsx<BufReader<File>>;
type Cell<'a> = calamine::Cell<DataRef<'a>>;

/// Writes the rows of a sheet, or of the first one.
pub(super) fn write(file: File, sheet: Option<&str>, out: &mut dyn Write) -> Result<(), Fault> {
    let mut book: Book = Xlsx::new(BufReader::new(file)).map_err(|error| match error {
        XlsxError::Password => Fault::new("is protected by a password", "save it without one"),
        error => Fault::damaged("the workbook", error),
    })?;
    let names = book.sheet_names();
    let sheet = match (sheet, names.first()) {
        (Some(sheet), _) if names.iter().any(|name| name == sheet) => sheet.to_owned(),
        (Some(sheet), _) => {
            return Err(Fault::new(
                format!(
                    "has no sheet `{sheet}`; its sheets are {}",
                    names.join(", ")
                ),
                "set `sheet` in [dataset] to one of them",
            ));
        }
        (None, Some(first)) => first.clone(),
        (None, None) => return Err(Fault::new("has no sheet", "save the table in one")),
    };
    let mut rows = Rows {
        sheet: &sheet,
        header: None,
        line: 0,
        out,
    };
    let broken = |row: u32, error| {
        Fault::damaged(
            &format!("the sheet `{sheet}` from row {} on", row + 1),
            error,
        )
    };
    let mut cells = book
        .worksheet_cells_reader(&sheet)
        .map_err(|error| broken(0, error))?;
    let mut current: Option<(u32, BTreeMap<u32, String>)> = None;
    loop {
        let last = current.as_ref().map_or(0, |(row, _)| *row);
        let Some(cell) = cells.next_cell().map_err(|error| broken(last, error))? else {
            break;
        };
        let Some(value) = json(&cell) else { continue };
        let (row, column) = cell.get_position();
        if row >= ROWS {
            return Err(Fault::damaged(
                &format!("the sheet `{sheet}`"),
                format!("row {} is more than there can be", u64::from(row) + 1),
            ));
        }
        match &mut current {
            Some((at, values)) if *at == row => {
                values.insert(column, value);
            }
            _ => {
                if row < last {
                    return Err(Fault::damaged(
                        &format!("the sheet `{sheet}`"),
                        format!("row {} follows row {}", row + 1, last + 1),
                    ));
                }
                if let Some((row, values)) = current.take() {
                    rows.add(row, &values)?;
                }
                current = Some((row, BTreeMap::from([(column, value)])));
            }
        }
    }
    match current {
        Some((row, values)) => rows.add(row, &values),
        None => Ok(()),
    }
}

struct Rows<'a> {
    sheet: &'a str,
    /// The names of the columns as JSON has them.
    header: Option<BTreeMap<u32, String>>,
    /// Lines that are written.
    line: u32,
    out: &'a mut dyn Write,
}

impl Rows<'_> {
    fn add(&mut self, row: u32, values: &BTreeMap<u32, String>) -> Result<(), Fault> {
        let Some(header) = &self.header else {
            self.header = Some(self.named(row, values)?);
            return Ok(());
        };
        let mut line = "\n".repeat(row.saturating_sub(self.line) as usize);
        for (place, (column, value)) in values.iter().enumerate() {
            let Some(name) = header.get(column) else {
                return Err(Fault::new(
                    format!(
                        "the cell {} of the sheet `{}` stands in a column without a name",
                        name_of(row, *column),
                        self.sheet
                    ),
                    "name the column in the first row, or remove the cell",
                ));
            };
            line.push(if place == 0 { '{' } else { ',' });
            line.push_str(name);
            line.push(':');
            line.push_str(value);
        }
        line.push_str("}\n");
        self.line = row + 1;
        // The copy remembers what is in its way.
        self.out
            .write_all(line.as_bytes())
            .map_err(|error| Fault::damaged("it", error))
    }

    fn named(
        &self,
        row: u32,
        values: &BTreeMap<u32, String>,
    ) -> Result<BTreeMap<u32, String>, Fault> {
        let mut header: BTreeMap<u32, String> = BTreeMap::new();
        for (column, value) in values {
            let text: serde_json::Value = serde_json::from_str(value).unwrap_or_default();
            let name = match &text {
                serde_json::Value::String(text) => text.trim().to_owned(),
                other => other.to_string(),
            };
            let name = serde_json::Value::from(name).to_string();
            if header.values().any(|other| *other == name) {
                return Err(Fault::new(
                    format!(
                        "the cell {} of the sheet `{}` has the name {name}, which another column has",
                        name_of(row, *column),
                        self.sheet
                    ),
                    "give one of them another name",
                ));
            }
            header.insert(*column, name);
        }
        Ok(header)
    }
}

/// What a cell is in JSON; nothing where it is empty or holds an error.
fn json(cell: &Cell<'_>) -> Option<String> {
    let text = |text: &str| {
        let is_filled = !text.trim().is_empty();
        is_filled.then(|| serde_json::Value::from(text).to_string())
    };
    match cell.get_value() {
        DataRef::Int(number) => Some(number.to_string()),
        DataRef::Float(number) => float(*number),
        DataRef::String(string) => text(string),
        DataRef::SharedString(string) => text(string),
        DataRef::Bool(value) => Some(value.to_string()),
        DataRef::DateTime(at) => text(&date(at)),
        DataRef::DateTimeIso(at) | DataRef::DurationIso(at) => text(at),
        DataRef::Error(_) | DataRef::Empty => None,
    }
}

/// A number as a person reads it in the sheet: there, whole numbers are fractions, too.
fn float(number: f64) -> Option<String> {
    /// Up to here every whole number is one.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        return Some(format!("{number:.0}"));
    }
    number
        .is_finite()
        .then(|| serde_json::Value::from(number).to_string())
}

/// A date, a time or both, as ISO 8601 writes it; a span of time in hours, minutes and seconds.
fn date(at: &ExcelDateTime) -> String {
    const DAY: f64 = 86_400_000.0;
    if at.is_duration() {
        let milliseconds = (at.as_f64() * DAY).round() as i64;
        let seconds = milliseconds / 1000;
        return format!(
            "{}:{:02}:{:02}",
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        );
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let date = format!("{year:04}-{month:02}-{day:02}");
    let mut time = format!("{hour:02}:{minute:02}:{second:02}");
    if milli > 0 {
        time.push_str(&format!(".{milli:03}"));
    }
    match (at.as_f64() < 1.0, hour + minute + second == 0 && milli == 0) {
        // Less than a day is no date.
        (true, _) => time,
        (false, true) => date,
        (false, false) => format!("{date}T{time}"),
    }
}

/// A cell as spreadsheets name it.
fn name_of(row: u32, column: u32) -> String {
    let mut letters = Vec::new();
    let mut rest = column + 1;
    while rest > 0 {
        let letter = u8::try_from((rest - 1) % 26).unwrap_or(0);
        letters.insert(0, char::from(b'A' + letter));
        rest = (rest - 1) / 26;
    }
    format!("{}{}", letters.into_iter().collect::<String>(), row + 1)
}
