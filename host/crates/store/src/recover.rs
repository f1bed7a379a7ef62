//! Saves what can be read of a damaged state into a new one: table by table, and around the pages that cannot
//! be read. What is lost is asked or made again by the next run.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, TransactionBehavior, params_from_iter};
use serde::Serialize;

use super::checksum::DATASETS;
use super::error::is_damage;
use super::{StoreError, mend, migrate, schema, seal_rows};

/// What became of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saved {
    pub table: &'static str,
    /// Rows that are in the new state.
    pub rows: u64,
    /// Stretches of it that could not be read.
    pub gaps: u64,
    pub error: Option<String>,
}

/// Most rows of a page, about.
const ROWS: i64 = 16;

/// Tables whose rows are found by a number, and those that are found by their key.
const TABLES: [&str; 16] = [
    "completion",
    "run",
    "dataset",
    "recipe",
    "record",
    "task",
    "transcript",
    "moved",
    "edit",
    "billed",
    "lane",
    "batch",
    "question",
    "shape",
    "waiting",
    "verdict",
];

/// Reads the state at `old` and writes a new one at `new`. The old one is not changed.
///
/// # Errors
/// When `new` exists or cannot be written, or nothing of `old` can be read.
pub fn recover(old: &Path, new: &Path) -> Result<Vec<Saved>, StoreError> {
    if new.exists() {
        return Err(StoreError::Exists {
            file: new.to_owned(),
        });
    }
    let damaged = schema::open_to_read(old)?;
    let unreadable = |error: rusqlite::Error| match StoreError::opening(old, &error) {
        StoreError::Damaged { file, cause } => StoreError::Lost { file, cause },
        error => error,
    };
    // Else SQLite refuses all of a file that was cut off.
    damaged
        .set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)
        .map_err(unreadable)?;
    let found = migrate::version(&damaged).map_err(unreadable)?;
    if !migrate::is_known(found) {
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
    finish(&mut fresh, found).map_err(|error| StoreError::of(new, &error))?;
    Ok(saved)
}

/// Leaves nothing damaged in the new state, which was made from one of a version. The dataset is read anew: some records may
/// be lost, and the file has them all.
fn finish(fresh: &mut Connection, version: i64) -> rusqlite::Result<()> {
    // Rows of older versions have no checksums.
    if version < migrate::VERSION {
        seal_rows(fresh)?;
    }
    mend::rows(fresh)?;
    fresh.execute_batch(&format!(
        "UPDATE dataset SET {}; PRAGMA wal_checkpoint(TRUNCATE)",
        DATASETS.set(&[("stamp", "''")])
    ))
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
        if let Some(key) = key(table) {
            let whole = by_order(damaged, table, key, &columns, &mut put, &mut gaps)?;
            if !whole && table != "moved" {
                by_record(damaged, &transaction, table, &columns, &mut put)?;
            }
        } else {
            by_number(damaged, table, &columns, &mut put, &mut gaps)?;
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
            "SELECT {list}, rowid FROM {table} NOT INDEXED WHERE rowid BETWEEN ?1 AND ?2 ORDER BY rowid {order}"
        );
        let mut last = None;
        let mut put = |mut row: Vec<Sql>| {
            if let Some(Sql::Integer(number)) = row.pop() {
                last = Some(number);
            }
            put(row)
        };
        let values = [Sql::Integer(from), Sql::Integer(to)];
        let error = rows(damaged, &sql, &values, columns.len() + 1, &mut put)?;
        Ok(match error {
            None => Read::Whole,
            Some(error) => Read::Until(last, error),
        })
    };
    let Extent { first, last, count } = extent(damaged, table);
    // A stretch that is narrower than the space between two rows holds none, most likely.
    let narrowest = width(first, last) / (2 * count.max(1));
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
    count: u64,
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
            count: row.get(2)?,
        })
    });
    let number = |sql: &str| damaged.query_row(sql, [], |row| row.get::<_, i64>(0));
    known.unwrap_or_else(|_| {
        let pages = number("PRAGMA page_count").unwrap_or(1 << 16);
        let rows = pages.saturating_mul(ROWS);
        let told = number("SELECT max(completion) FROM transcript").unwrap_or(0);
        let last = rows.max(told);
        Extent {
            first: 1,
            last,
            count: last.unsigned_abs(),
        }
    })
}

/// The key of a table whose rows have no numbers.
fn key(table: &str) -> Option<&'static [&'static str]> {
    match table {
        "task" => Some(&["dataset", "record", "component"]),
        "transcript" => Some(&[
            "dataset",
            "record",
            "component",
            "fingerprint",
            "generation",
            "position",
        ]),
        "moved" => Some(&["dataset", "path"]),
        "waiting" => Some(&["dataset", "record", "component", "key"]),
        _ => None,
    }
}

/// Reads a table from both ends. Whether that was all of it.
fn by_order(
    damaged: &Connection,
    table: &str,
    key: &[&str],
    columns: &[String],
    put: &mut Put<'_>,
    gaps: &mut Gaps,
) -> rusqlite::Result<bool> {
    let list = columns.join(", ");
    for direction in ["", " DESC"] {
        let order: Vec<String> = key.iter().map(|key| format!("{key}{direction}")).collect();
        let sql = format!("SELECT {list} FROM {table} ORDER BY {}", order.join(", "));
        match rows(damaged, &sql, &[], columns.len(), put)? {
            None => return Ok(true),
            Some(error) if direction.is_empty() => gaps.note(&error),
            Some(_) => {}
        }
    }
    Ok(false)
}

/// Reads what belongs to each record that was saved: so what lies between two damaged pages is found.
fn by_record(
    damaged: &Connection,
    saved: &Connection,
    table: &str,
    columns: &[String],
    put: &mut Put<'_>,
) -> rusqlite::Result<()> {
    let list = columns.join(", ");
    let mut records = saved.prepare("SELECT dataset, id FROM record")?;
    let mut records = records.query([])?;
    while let Some(record) = records.next()? {
        let key: [Sql; 2] = [record.get(0)?, record.get(1)?];
        for direction in ["", " DESC"] {
            let sql = format!(
                "SELECT {list} FROM {table} WHERE dataset = ?1 AND record = ?2 ORDER BY component{direction}"
            );
            if rows(damaged, &sql, &key, columns.len(), put)?.is_none() {
                break;
            }
        }
    }
    Ok(())
}

/// Reads rows up to an error of the damaged file, and gives it. An error of the new state ends it all.
fn rows(
    damaged: &Connection,
    sql: &str,
    values: &[Sql],
    columns: usize,
    put: &mut Put<'_>,
) -> rusqlite::Result<Option<rusqlite::Error>> {
    let mut statement = match damaged.prepare_cached(sql) {
        Ok(statement) => statement,
        Err(error) => return Ok(Some(error)),
    };
    let mut rows = match statement.query(params_from_iter(values)) {
        Ok(rows) => rows,
        Err(error) => return Ok(Some(error)),
    };
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(error)),
        };
        let values: rusqlite::Result<Vec<Sql>> = (0..columns).map(|place| row.get(place)).collect();
        match values {
            Ok(values) => put(values)?,
            Err(error) => return Ok(Some(error)),
        }
    }
}
