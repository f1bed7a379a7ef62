//! Checksums of rows: what a disk or a memory has changed is told before anything is done because of it.
//!
//! Each table has a column `checksum` over all its other columns. Every statement that writes rows is put together here, so
//! that it cannot be forgotten, and so is the condition that tells a sound row.

use std::hash::Hasher;

use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use siphasher::sip::SipHasher13;

/// Name of the SQL function that computes them. Migrations name it, so it stays as it is.
const FUNCTION: &str = "row_checksum";

/// A table, and what is wrong where one of its rows is not as it was written.
#[derive(Debug)]
pub(super) struct Table {
    pub name: &'static str,
    /// All its columns but the checksum, in their order.
    pub columns: &'static [&'static str],
    /// SQL that tells a person which row it is.
    pub place: &'static str,
    /// What a person does about a damaged row.
    pub remedy: &'static str,
}

/// Of rows that `batchgen run` mends without asking anything.
const RUN: &str = "`batchgen run` makes it again, and asks nothing for that";

pub(super) const RUNS: Table = Table {
    name: "run",
    columns: &["id", "started_at", "ended_at"],
    place: "'run ' || id",
    remedy: "`batchgen run` takes it for a run that did not end in order, and compares the bytes of every file",
};
pub(super) const DATASETS: Table = Table {
    name: "dataset",
    columns: &["id", "source", "stamp", "pass", "unreadable", "is_whole"],
    place: "'dataset ' || source",
    remedy: "`batchgen run` reads the dataset again",
};
pub(super) const RECORDS: Table = Table {
    name: "record",
    columns: &[
        "dataset", "id", "category", "rank", "ord", "offset", "length", "line", "hash", "pass",
    ],
    place: "id",
    remedy: "`batchgen run` reads the dataset again",
};
pub(super) const UNREADABLE: Table = Table {
    name: "unreadable",
    columns: &["dataset", "ord", "line", "id", "cause"],
    place: "'record ' || ord || ' of the file'",
    remedy: "`batchgen run` reads the dataset again",
};
pub(super) const TASKS: Table = Table {
    name: "task",
    columns: &[
        "dataset",
        "record",
        "component",
        "run",
        "outcome",
        "class",
        "cause",
        "parked",
        "attempts",
        "generation",
        "fingerprint",
        "recipe",
        "seen",
        "parts",
        "path",
        "size",
        "mtime_ns",
        "inode",
        "content",
        "model",
        "executions",
        "calls",
        "input_tokens",
        "output_tokens",
        "ended_at",
        "author",
        "worker",
    ],
    place: "record || ' ' || component",
    remedy: "`batchgen run` makes the artifact again from its answers, and asks nothing for that",
};
pub(super) const RECIPES: Table = Table {
    name: "recipe",
    columns: &["id", "digest", "text"],
    place: "'recipe ' || id || coalesce(' of ' || (SELECT min(component) FROM task WHERE recipe = recipe.id), '')",
    remedy: "`batchgen run` notes it again; if its component has changed since, the cause of that change cannot be named",
};
pub(super) const MOVED: Table = Table {
    name: "moved",
    columns: &[
        "dataset",
        "path",
        "record",
        "component",
        "content",
        "author",
    ],
    place: "path",
    remedy: "remove the file yourself if you want it gone: `batchgen run` forgets that it is left over",
};
pub(super) const EDITS: Table = Table {
    name: "edit",
    columns: &[
        "id",
        "dataset",
        "record",
        "component",
        "path",
        "text",
        "replaced_at",
    ],
    place: "record || ' ' || component || ', ' || path",
    remedy: "look at the text: it is kept as it is, and `batchgen accept --restore` warns about it",
};
pub(super) const COMPLETIONS: Table = Table {
    name: "completion",
    columns: &[
        "id",
        "key",
        "kind",
        "text",
        "stop",
        "finish_reason",
        "model",
        "provider",
        "lane",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_micros",
        "tries",
        "obtained_at",
        "milliseconds",
    ],
    place: "'answer ' || id || coalesce(', told to ' || (SELECT min(record || ' ' || component) FROM transcript
        WHERE completion = completion.id), '')",
    remedy: "`batchgen run` marks it as lost; files stay, and it is asked for again, at its price, when a task needs it",
};
pub(super) const TRANSCRIPTS: Table = Table {
    name: "transcript",
    columns: &[
        "dataset",
        "record",
        "component",
        "fingerprint",
        "generation",
        "position",
        "completion",
    ],
    place: "record || ' ' || component || ', position ' || position",
    remedy: RUN,
};
pub(super) const BILLED: Table = Table {
    name: "billed",
    columns: &[
        "id",
        "dataset",
        "record",
        "component",
        "fingerprint",
        "generation",
        "lane",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_micros",
        "cause",
        "ended_at",
    ],
    place: "'a try of ' || record || ' ' || component",
    remedy: "nothing: `batchgen run` forgets what the try cost",
};
pub(super) const LANES: Table = Table {
    name: "lane",
    columns: &["lane", "manner", "learned"],
    place: "lane",
    remedy: "nothing: `batchgen run` forgets it, and learns it again",
};

pub(super) const BATCHES: Table = Table {
    name: "batch",
    columns: &[
        "id",
        "name",
        "lane",
        "account",
        "state",
        "file",
        "remote",
        "word",
        "hash",
        "lines",
        "bytes",
        "input_tokens",
        "output_tokens",
        "answered",
        "failed",
        "formed_at",
        "sent_at",
        "ended_at",
        "expires_at",
        "note",
    ],
    place: "'batch ' || name",
    remedy: "look at the batch at its provider; its questions are asked again, at their price",
};
pub(super) const QUESTIONS: Table = Table {
    name: "question",
    columns: &[
        "key",
        "lane",
        "component",
        "state",
        "batch",
        "ord",
        "bytes",
        "configured",
        "cap",
        "adaptations",
        "likely_input",
        "likely_output",
        "shape",
        "tries",
        "input_tokens",
        "output_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "cost_micros",
        "class",
        "cause",
        "line",
    ],
    place: "'a question of ' || component",
    remedy: "`batchgen run` asks it again, at its price",
};
pub(super) const SHAPES: Table = Table {
    name: "shape",
    columns: &["digest", "text"],
    place: "'a schema'",
    remedy: "nothing: `batchgen run` notes it again",
};
pub(super) const WAITING: Table = Table {
    name: "waiting",
    columns: &["dataset", "record", "component", "key"],
    place: "record || ' ' || component",
    remedy: RUN,
};

pub(super) const VERDICTS: Table = Table {
    name: "verdict",
    columns: &[
        "id",
        "dataset",
        "record",
        "component",
        "content",
        "giver",
        "name",
        "basis",
        "passes",
        "score",
        "scores",
        "reason",
        "asked_again",
        "text",
        "given_at",
    ],
    place: "'a verdict of ' || name || ' on ' || record || ' ' || component",
    remedy: "`batchgen run` has a judge say it again, and asks nothing for that; what a person said must be said again",
};

/// Every table.
pub(super) const TABLES: [&Table; 17] = [
    &COMPLETIONS,
    &RUNS,
    &DATASETS,
    &RECIPES,
    &RECORDS,
    &UNREADABLE,
    &TASKS,
    &TRANSCRIPTS,
    &MOVED,
    &EDITS,
    &VERDICTS,
    &BILLED,
    &LANES,
    &BATCHES,
    &QUESTIONS,
    &SHAPES,
    &WAITING,
];

impl Table {
    /// Writes a row: each column with the SQL of its value. `verb` is `INSERT`, or `INSERT OR` with what is done
    /// about a row that is there; `tail` is what follows.
    pub fn insert(&self, verb: &str, values: &[(&str, &str)], tail: &str) -> String {
        self.statement(verb, values, "", tail)
    }

    /// Writes a row for each row of a source, which values may name.
    pub fn insert_from(&self, values: &[(&str, &str)], source: &str) -> String {
        self.statement("INSERT", values, &format!(" FROM {source}"), "")
    }

    fn statement(&self, verb: &str, values: &[(&str, &str)], from: &str, tail: &str) -> String {
        let given: Vec<String> = values
            .iter()
            .map(|(column, value)| format!("{value} AS {column}"))
            .collect();
        let (name, columns, given) = (self.name, self.columns.join(", "), given.join(", "));
        // With the condition, SQLite does not take an `ON CONFLICT` behind it for a part of a join.
        format!(
            "{verb} INTO {name} ({columns}, checksum)
             SELECT {columns}, {FUNCTION}({columns}) FROM (SELECT {given}{from}) WHERE true {tail}"
        )
    }

    /// For `insert`: takes over the new row where one is there already, all of it but some columns.
    pub fn take_over(&self, kept: &[&str]) -> String {
        let columns = self.columns.iter().filter(|column| !kept.contains(column));
        let changes: Vec<(&str, String)> = columns
            .map(|column| (*column, format!("excluded.{column}")))
            .collect();
        let changes: Vec<(&str, &str)> = changes
            .iter()
            .map(|(column, value)| (*column, value.as_str()))
            .collect();
        self.set(&changes)
    }

    /// For `UPDATE name SET`: new values of some columns.
    pub fn set(&self, changes: &[(&str, &str)]) -> String {
        let mut terms: Vec<String> = changes
            .iter()
            .map(|(column, value)| format!("{column} = {value}"))
            .collect();
        let now = |column: &&str| {
            let change = changes.iter().find(|(changed, _)| changed == column);
            change.map_or_else(
                || format!("{}.{column}", self.name),
                |(_, value)| (*value).to_owned(),
            )
        };
        let columns: Vec<String> = self.columns.iter().map(now).collect();
        terms.push(format!("checksum = {FUNCTION}({})", columns.join(", ")));
        terms.join(", ")
    }

    /// The condition that a row is as it was written.
    pub fn sound(&self) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|column| format!("{}.{column}", self.name))
            .collect();
        format!(
            "({}.checksum = {FUNCTION}({}))",
            self.name,
            columns.join(", ")
        )
    }

    /// How many rows are not as they were written.
    pub fn count_unsound(&self, connection: &Connection) -> rusqlite::Result<u64> {
        let sql = format!(
            "SELECT count(*) FROM {} WHERE NOT {}",
            self.name,
            self.sound()
        );
        connection.query_row(&sql, [], |row| row.get(0))
    }
}

/// Makes the checksum known to a connection.
pub(super) fn register(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(FUNCTION, -1, flags, |context| {
        let mut hasher = SipHasher13::new();
        for place in 0..context.len() {
            add(&mut hasher, context.get_raw(place));
        }
        Ok(hasher.finish().cast_signed())
    })
}

/// Writes the checksums of all rows as they are now: for a state that was changed by hand, as tests do.
///
/// # Errors
/// When the state cannot be written.
pub fn seal_rows(connection: &Connection) -> rusqlite::Result<()> {
    register(connection)?;
    TABLES.iter().try_for_each(|table| {
        let sql = format!("UPDATE {} SET {}", table.name, table.set(&[]));
        connection.execute(&sql, []).map(drop)
    })
}

/// Adds a value with its kind and length, so that no two rows read alike.
fn add(hasher: &mut SipHasher13, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => hasher.write(&[0]),
        ValueRef::Integer(number) => {
            hasher.write(&[1]);
            hasher.write(&number.to_le_bytes());
        }
        ValueRef::Real(number) => {
            hasher.write(&[2]);
            hasher.write(&number.to_bits().to_le_bytes());
        }
        ValueRef::Text(bytes) => {
            hasher.write(&[3]);
            hasher.write(&(bytes.len() as u64).to_le_bytes());
            hasher.write(bytes);
        }
        ValueRef::Blob(bytes) => {
            hasher.write(&[4]);
            hasher.write(&(bytes.len() as u64).to_le_bytes());
            hasher.write(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema;

    #[test]
    fn every_column_of_every_table_is_summed() {
        let directory = tempfile::tempdir().unwrap();
        let state = schema::open(&directory.path().join("state.db")).unwrap();
        let strings = |sql: &str| -> Vec<String> {
            let mut statement = state.prepare(sql).unwrap();
            let rows = statement.query_map([], |row| row.get(0)).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let mut named: Vec<&str> = TABLES.iter().map(|table| table.name).collect();
        named.sort_unstable();
        let there = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
        assert_eq!(strings(there), named);
        for table in TABLES {
            let sql = format!(
                "SELECT name FROM pragma_table_info('{}') WHERE name <> 'checksum'",
                table.name
            );
            assert_eq!(strings(&sql), table.columns, "{}", table.name);
        }
    }

    /// What is in a file must be read by every later version.
    #[test]
    fn a_checksum_stays_what_it_is() {
        let connection = Connection::open_in_memory().unwrap();
        register(&connection).unwrap();
        let sum = |values: &str| -> i64 {
            let sql = format!("SELECT row_checksum({values})");
            connection.query_row(&sql, [], |row| row.get(0)).unwrap()
        };
        assert_eq!(
            sum("NULL, 1, 2.5, 'text', x'00ff'"),
            -2_219_010_878_169_686_467
        );
        assert_ne!(sum("'ab', 'c'"), sum("'a', 'bc'"));
        assert_ne!(sum("'a'"), sum("x'61'"));
        assert_ne!(sum("NULL"), sum("0"));
    }
}
