//! Saves what can be read of a damaged state into a new one: table by table, and around the pages that cannot
//! be read. What is lost is asked or made again by the next run.

use std::path::Path;

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, TransactionBehavior, params_from_iter};
use serde::Serialize;

use super::error::is_damage;
use super::{StoreError, migrate, schema};

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// Its name.
    pub table: &'static str,
    /// Rows that are in the new state.
    pub rows: u64,
    /// Stretches of it that could not be read.
    pub gaps: u64,
    /// The first error.
    pub error: Option<String>,
}

/// Most rows of a page, about.
const ROWS: i64 = 16;

/// Tables whose rows are found by a number, and those that are found by their key.
const TABLES: [&str; 8] = [
    "completion",
    "transcript",
    "task",
    "run",
    "dataset",
    "recipe",
    "moved",
    "record",
];

/// Reads the state at `old` and writes a new one at `new`. The old one is not changed.
///
/// # Errors
/// When `new` exists or cannot be written, or nothing of `old` can be read.
pub fn recover(old: &Path, new: &Path) -> Result<Vec<Saved>, StoreError> {
    if new.exists() {
        return Err(StoreError::Open {
            file: new.to_owned(),
            cause: "it exists already, and a recovery writes a new file".to_owned(),
        });
    }
    let damaged = schema::open_to_read(old)?;
    let found = migrate::version(&damaged).map_err(|error| StoreError::opening(old, &error))?;
    if found > migrate::VERSION || found < 1 {
        return Err(StoreError::Version {
            file: old.to_owned(),
            found,
            known: migrate::VERSION,
        });
    }
    let mut fresh = schema::open(new)?;
    let mut saved = Vec::new();
    for table in TABLES {
        saved.push(copy(&damaged, &mut fresh, table).map_err(|error| StoreError::of(new, &error))?);
    }
    // The dataset is read anew: some records may be lost, and the file has them all.
    fresh
        .execute_batch("UPDATE dataset SET stamp = ''; PRAGMA wal_checkpoint(TRUNCATE);")
        .map_err(|error| StoreError::of(new, &error))?;
    Ok(saved)
}

/// Copies what can be read of a table. An error is one of the new state.
fn copy(
    damaged: &Connection,
    fresh: &mut Connection,
    table: &'static str,
) -> rusqlite::Result<Saved> {
    let mut saved = Saved {
        table,
        rows: 0,
        gaps: 0,
        error: None,
    };
    let columns = match columns(damaged, table) {
        Ok(columns) if columns.is_empty() => return Ok(saved),
        Ok(columns) => columns,
        Err(error) => {
            saved.gaps = 1;
            saved.error = Some(error.to_string());
            return Ok(saved);
        }
    };
    let transaction = fresh.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let places: Vec<&str> = columns.iter().map(|_| "?").collect();
        let sql = format!(
            "INSERT OR IGNORE INTO {table} ({}) VALUES ({})",
            columns.join(", "),
            places.join(", ")
        );
        let mut insert = transaction.prepare(&sql)?;
        let mut target = |row: Vec<Sql>| -> rusqlite::Result<()> {
            saved.rows += insert.execute(params_from_iter(row))? as u64;
            Ok(())
        };
        // A row that does not fit the new table is damage, too, and costs itself.
        let mut put = |row| match target(row) {
            Err(error) if is_full(&error) => Err(error),
            _ => Ok(()),
        };
        let mut gaps = Gaps::default();
        let has_rowid = !matches!(table, "transcript" | "moved");
        if has_rowid {
            by_number(damaged, table, &columns, &mut put, &mut gaps)?;
        } else {
            by_order(damaged, table, &columns, &mut put, &mut gaps)?;
        }
        saved.gaps = gaps.count;
        saved.error = gaps.error;
    }
    transaction.commit()?;
    Ok(saved)
}

fn is_full(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, SystemIoFailure};
    matches!(
        error.sqlite_error_code(),
        Some(DiskFull | SystemIoFailure | CannotOpen)
    )
}

#[derive(Default)]
struct Gaps {
    count: u64,
    error: Option<String>,
}

impl Gaps {
    fn note(&mut self, error: &rusqlite::Error) {
        self.count += 1;
        self.error.get_or_insert_with(|| error.to_string());
    }
}

fn columns(damaged: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    damaged
        .prepare("SELECT name FROM pragma_table_info(?1)")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

type Put<'a> = dyn FnMut(Vec<Sql>) -> rusqlite::Result<()> + 'a;

/// How far a read came.
enum Read {
    /// To the end of its range.
    Whole,
    /// Behind the row with this number, or nowhere.
    Until(Option<i64>, rusqlite::Error),
}

/// Reads a table from both ends of each stretch, and halves what lies between as long as there can be rows in
/// it: a page that cannot be read costs what is on it.
fn by_number(
    damaged: &Connection,
    table: &str,
    columns: &[String],
    put: &mut Put<'_>,
    gaps: &mut Gaps,
) -> rusqlite::Result<()> {
    let list = columns.join(", ");
    let mut range = |from: i64, to: i64, backwards: bool| -> rusqlite::Result<Read> {
        let order = if backwards { "DESC" } else { "ASC" };
        let sql = format!(
            "SELECT rowid, {list} FROM {table} NOT INDEXED WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid {order}"
        );
        let mut last = None;
        let mut read = || -> Result<(), Result<rusqlite::Error, rusqlite::Error>> {
            let mut statement = damaged.prepare_cached(&sql).map_err(Ok)?;
            let mut rows = statement.query([from, to]).map_err(Ok)?;
            while let Some(row) = rows.next().map_err(Ok)? {
                let number: i64 = row.get(0).map_err(Ok)?;
                let values: rusqlite::Result<Vec<Sql>> =
                    (1..=columns.len()).map(|place| row.get(place)).collect();
                put(values.map_err(Ok)?).map_err(Err)?;
                last = Some(number);
            }
            Ok(())
        };
        match read() {
            Ok(()) => Ok(Read::Whole),
            Err(Ok(error)) => Ok(Read::Until(last, error)),
            Err(Err(error)) => Err(error),
        }
    };
    let Extent { first, last, rows } = extent(damaged, table);
    // A stretch that is narrower than the space between two rows holds none, most likely.
    let narrowest = width(first, last) / (2 * rows.max(1));
    let mut stretches = vec![(first, last)];
    while let Some((from, to)) = stretches.pop() {
        let (first, error) = match range(from, to, false)? {
            Read::Whole => continue,
            Read::Until(last, error) => (last.map_or(from, |last| last.saturating_add(1)), error),
        };
        let end = match range(first, to, true)? {
            Read::Whole => continue,
            Read::Until(last, _) => last.map_or(to, |last| last.saturating_sub(1)),
        };
        let width = width(first, end);
        if width <= narrowest || width == 0 || !is_damage(&error) {
            gaps.note(&error);
            continue;
        }
        let middle = first + i64::try_from(width / 2).unwrap_or(i64::MAX);
        stretches.push((middle.saturating_add(1), end));
        stretches.push((first, middle));
    }
    Ok(())
}

fn width(first: i64, last: i64) -> u64 {
    u64::try_from(i128::from(last) - i128::from(first)).unwrap_or(0)
}

/// Between which numbers a table's rows lie, and about how many there are.
struct Extent {
    first: i64,
    last: i64,
    rows: u64,
}

/// What the index of a table's key knows about its rows; else a guess from the size of the file.
fn extent(damaged: &Connection, table: &str) -> Extent {
    let sql = format!(
        "SELECT min(rowid), max(rowid), count(*) FROM {table} INDEXED BY sqlite_autoindex_{table}_1"
    );
    let known = damaged.query_row(&sql, [], |row| {
        Ok(Extent {
            first: row.get(0)?,
            last: row.get(1)?,
            rows: row.get(2)?,
        })
    });
    let number = |sql: &str| damaged.query_row(sql, [], |row| row.get::<_, i64>(0));
    known.unwrap_or_else(|_| {
        let pages = number("PRAGMA page_count").unwrap_or(1 << 16);
        let rows = pages.saturating_mul(ROWS);
        if table == "task" {
            // Its numbers are hashes.
            let (first, last) = (i64::MIN, i64::MAX);
            let rows = rows.unsigned_abs();
            return Extent { first, last, rows };
        }
        let told = number("SELECT max(completion) FROM transcript").unwrap_or(0);
        let last = rows.max(told);
        let rows = last.unsigned_abs();
        Extent {
            first: 1,
            last,
            rows,
        }
    })
}

/// Reads a table that has no numbers from both ends.
fn by_order(
    damaged: &Connection,
    table: &str,
    columns: &[String],
    put: &mut Put<'_>,
    gaps: &mut Gaps,
) -> rusqlite::Result<()> {
    let list = columns.join(", ");
    let order = match table {
        "moved" => ["dataset, path", "dataset DESC, path DESC"],
        _ => [
            "task, fingerprint, generation, position",
            "task DESC, fingerprint DESC, generation DESC, position DESC",
        ],
    };
    for order in order {
        let sql = format!("SELECT {list} FROM {table} ORDER BY {order}");
        let mut read = || -> rusqlite::Result<()> {
            let mut statement = damaged.prepare(&sql)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let values: rusqlite::Result<Vec<Sql>> =
                    (0..columns.len()).map(|place| row.get(place)).collect();
                put(values?)?;
            }
            Ok(())
        };
        match read() {
            Ok(()) => return Ok(()),
            Err(error) if is_full(&error) => return Err(error),
            Err(error) => gaps.note(&error),
        }
    }
    Ok(())
}
