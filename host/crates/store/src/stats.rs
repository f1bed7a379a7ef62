//! What a state holds, and what was spent, in numbers.

use rusqlite::{Connection, Row};
use serde::Serialize;

use super::wal::Wal;
use super::{Store, StoreError};

/// What a state holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Bytes of the file.
    pub file_bytes: u64,
    /// Bytes of its WAL.
    pub wal_bytes: u64,
    /// Bytes of the file that are free: `batchgen store prune` gives them back.
    pub free_bytes: u64,
    /// Bytes of the file, of completions and what tells who was told them, for each completion.
    pub bytes_per_completion: Option<u64>,
    /// Its tables, the largest first.
    pub tables: Vec<TableSize>,
    /// What was spent by lane.
    pub lanes: Vec<Spending>,
    /// What was spent by component. A completion that several were told counts for one of them.
    pub components: Vec<Spending>,
    /// What was spent by day (UTC).
    pub days: Vec<Spending>,
}

/// A table with its indexes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableSize {
    pub table: String,
    pub rows: u64,
    /// Bytes of its pages.
    pub bytes: u64,
}

/// What was spent on something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Spending {
    pub name: String,
    pub completions: u64,
    /// Tokens of questions, of all tries that were billed, those that brought no answer included.
    pub input_tokens: u64,
    /// Tokens of answers.
    pub output_tokens: u64,
    /// Millionths of a dollar, of those whose price is known.
    pub cost_micros: u64,
    /// Completions whose price is not known.
    pub unpriced: u64,
}

const SUMS: &str = "sum(is_answer), CAST(total(input_tokens) AS INTEGER), CAST(total(output_tokens) AS INTEGER),
    CAST(total(cost_micros) AS INTEGER), sum(is_answer) - count(CASE WHEN is_answer THEN cost_micros END)";

/// Answers, and tries that were billed and brought none; those in batches, too, whose questions are to be asked again.
const SPENT: &str = "(
    SELECT lane, date(obtained_at) AS day, coalesce(component, '(no task)') AS component,
        input_tokens, output_tokens, cost_micros, 1 AS is_answer
    FROM completion LEFT JOIN
        (SELECT completion, min(component) AS component FROM transcript GROUP BY completion) AS told
    ON told.completion = completion.id
    UNION ALL
    SELECT lane, date(ended_at), component, input_tokens, output_tokens, cost_micros, 0 FROM billed
    UNION ALL
    SELECT lane, (SELECT date(max(ended_at), 'unixepoch') FROM batch WHERE batch.lane = question.lane), component,
        input_tokens, output_tokens, cost_micros, 0
    FROM question WHERE input_tokens > 0
)";

impl Store {
    /// Counts everything. It reads the whole file.
    pub fn stats(&self) -> Result<Stats, StoreError> {
        let file = self.inner.writer.file();
        let file_bytes = std::fs::metadata(file).map_or(0, |metadata| metadata.len());
        let wal_bytes = Wal::of(file).size();
        self.read(|reader| stats(reader, file_bytes, wal_bytes))
    }
}

fn stats(reader: &Connection, file_bytes: u64, wal_bytes: u64) -> rusqlite::Result<Stats> {
    let pragma =
        |name: &str| reader.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, u64>(0));
    let tables = tables(reader)?;
    let size = |name: &str| tables.iter().find(|table| table.table == name);
    let answers = size("completion");
    let told = size("transcript").map_or(0, |table| table.bytes);
    let bytes_per_completion =
        answers.and_then(|table| (table.bytes + told).checked_div(table.rows));
    let by = |column: &str| {
        spending(
            reader,
            &format!("SELECT {column}, {SUMS} FROM {SPENT} GROUP BY 1 ORDER BY 1"),
        )
    };
    Ok(Stats {
        file_bytes,
        wal_bytes,
        free_bytes: pragma("freelist_count")? * pragma("page_size")?,
        bytes_per_completion,
        lanes: by("lane")?,
        days: by("day")?,
        components: by("component")?,
        tables,
    })
}

fn tables(reader: &Connection) -> rusqlite::Result<Vec<TableSize>> {
    let mut sizes = reader
        .prepare(
            "SELECT tbl_name, sum(pgsize) AS bytes FROM dbstat JOIN sqlite_schema USING (name)
             WHERE aggregate = TRUE GROUP BY 1 ORDER BY 2 DESC, 1",
        )?
        .query_map([], |row| {
            Ok(TableSize {
                table: row.get("tbl_name")?,
                rows: 0,
                bytes: row.get("bytes")?,
            })
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    for table in &mut sizes {
        // The names are those of the file's own tables.
        let sql = format!("SELECT count(*) FROM \"{}\"", table.table);
        table.rows = reader.query_row(&sql, [], |row| row.get(0))?;
    }
    Ok(sizes)
}

fn spending(reader: &Connection, sql: &str) -> rusqlite::Result<Vec<Spending>> {
    let read = |row: &Row<'_>| {
        Ok(Spending {
            name: row.get(0)?,
            completions: row.get(1)?,
            input_tokens: row.get(2)?,
            output_tokens: row.get(3)?,
            cost_micros: row.get(4)?,
            unpriced: row.get(5)?,
        })
    };
    reader.prepare(sql)?.query_map([], read)?.collect()
}
