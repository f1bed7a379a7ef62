//! SQLite: the file is opened to be read only, and nothing that it says of itself runs.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Statement};

use super::super::copies::{self, Copies};
use super::super::copying;
use super::super::input::Shared;
use super::super::origin::FileStamp;
use super::{DatasetError, Query};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use types::escaped;

/// Most bytes of a text or of a row within the database's own work.
const LENGTH: i32 = 16 << 20;
/// As long is waited for somebody who writes.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rows of the query.
pub(super) fn open(
    query: &Query<'_>,
    path: &Path,
    copies: &Copies,
) -> Result<Shared, DatasetError> {
    let stamp = |path: &Path| File::open(path).and_then(|file| FileStamp::of(&file));
    let main = stamp(path).map_err(|cause| DatasetError::io(path, cause))?;
    // What was written last may still stand there.
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let log = stamp(Path::new(&log)).ok();
    let state = copies::short(&format!("{main:?} {log:?} {}", query.sql));
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let source = format!("sqlite {}", whole.display());
    copying::copied(
        path.into(),
        &source,
        &state,
        main.length,
        copies,
        |path, copy, most| {
            let connection = connect(path).map_err(|error| query.failed(error))?;
            let mut statement = connection
                .prepare(query.sql)
                .map_err(|error| query.failed(error))?;
            copying::fill(path, copy, most, |out| write(query, &mut statement, out))
        },
    )
}

/// The names of the tables and views.
pub(super) fn tables(path: &Path) -> rusqlite::Result<Vec<String>> {
    let connection = connect(path)?;
    let sql = "SELECT name FROM sqlite_schema
        WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
    let mut statement = connection.prepare(sql)?;
    statement.query_map([], |row| row.get(0))?.collect()
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, LENGTH)?;
    Ok(connection)
}

/// How a column is written.
struct Column {
    /// As JSON has its name.
    name: Vec<u8>,
    /// Whether it is declared to hold truth values, which SQLite keeps as numbers.
    is_truth: bool,
}

fn columns(query: &Query<'_>, statement: &Statement<'_>) -> Result<Vec<Column>, DatasetError> {
    if !statement.readonly() || statement.column_count() == 0 {
        return Err(query.refused("the query in `sql` gives no rows", "write one SELECT"));
    }
    let mut columns: Vec<Column> = Vec::new();
    for column in statement.columns() {
        let mut name = Vec::new();
        // A vector takes whatever is written.
        let _ = escaped::write(column.name(), &mut name);
        if columns.iter().any(|other| other.name == name) {
            return Err(query.refused(
                format!("the query gives two columns called `{}`", column.name()),
                "name one of them with AS",
            ));
        }
        let declared = column.decl_type().unwrap_or_default();
        columns.push(Column {
            name,
            is_truth: declared.to_ascii_lowercase().starts_with("bool"),
        });
    }
    Ok(columns)
}

fn write(
    query: &Query<'_>,
    statement: &mut Statement<'_>,
    out: &mut dyn Write,
) -> Result<(), DatasetError> {
    let columns = columns(query, statement)?;
    let mut rows = statement.query([]).map_err(|error| query.failed(error))?;
    let mut line = Vec::new();
    let mut number = 0_u64;
    while let Some(row) = rows.next().map_err(|error| query.failed(error))? {
        number += 1;
        line.clear();
        for (place, column) in columns.iter().enumerate() {
            line.push(if place == 0 { b'{' } else { b',' });
            line.extend_from_slice(&column.name);
            line.push(b':');
            let value = row.get_ref(place).map_err(|error| query.failed(error))?;
            if !put(value, column.is_truth, &mut line) {
                let name = String::from_utf8_lossy(&column.name);
                return Err(query.refused(
                    format!("row {number} has bytes in {name} that are no text"),
                    "leave the column out, or read it with hex()",
                ));
            }
        }
        line.extend_from_slice(b"}\n");
        out.write_all(&line).map_err(|error| query.failed(error))?;
    }
    Ok(())
}

/// Writes a value; false where it is a text that is none.
fn put(value: ValueRef<'_>, is_truth: bool, line: &mut Vec<u8>) -> bool {
    // A vector takes whatever is written.
    let _ = match value {
        ValueRef::Null => line.write_all(b"null"),
        ValueRef::Integer(number @ (0 | 1)) if is_truth => write!(line, "{}", number == 1),
        ValueRef::Integer(number) => write!(line, "{number}"),
        // What JSON has no number for becomes null.
        ValueRef::Real(number) => write!(line, "{}", serde_json::Value::from(number)),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) => escaped::write(text, line),
            Err(_) => return false,
        },
        ValueRef::Blob(bytes) => escaped::write(&STANDARD.encode(bytes), line),
    };
    true
}
