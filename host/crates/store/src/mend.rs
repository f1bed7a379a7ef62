//! Mends a damaged state as far as that costs nothing: what can be made again is forgotten, so that the run makes it. What
//! was paid for and is damaged is marked as lost, and asked for again when a task needs it. What this cannot mend is left
//! to `recover`, which takes nothing away.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};

use super::checksum::{
    BATCHES, BILLED, COMPLETIONS, DATASETS, LANES, MOVED, QUESTIONS, RECIPES, RECORDS, RUNS,
    SHAPES, TASKS, TRANSCRIPTS, Table, UNREADABLE, VERDICTS, WAITING,
};
use super::journal::LOST;
use super::sql::NOW;
use super::verify::{TOLD_MORE, is_mended};
use super::{StoreError, recipes};

/// What was done about damaged rows, in words; nothing where there were none.
pub(super) fn mend(connection: &mut Connection, file: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::of(file, &error);
    let mut done = structure(connection, file)?;
    done.extend(rows(connection).map_err(failed)?);
    Ok(done)
}

/// What a person is told of damaged rows.
const SAID: [(&Table, &str); 16] = [
    (&TRANSCRIPTS, "their artifacts are made again"),
    (&TASKS, "their artifacts are made again"),
    (
        &COMPLETIONS,
        "these answers are lost, and asked for again, at their price, when a task needs them",
    ),
    (&BILLED, "what these tries cost is forgotten"),
    (&MOVED, "the files are not known to be left over any more"),
    (&LANES, "it is learned again"),
    (&RECIPES, "they are noted again"),
    (&DATASETS, "the dataset is read again"),
    (&RECORDS, "the dataset is read again"),
    (&UNREADABLE, "the dataset is read again"),
    (&RUNS, "they count as not ended in order"),
    (
        &BATCHES,
        "their questions are asked again, at their price; look at the batches at their provider",
    ),
    (&QUESTIONS, "they are asked again, at their price"),
    (&SHAPES, "they are noted again"),
    (&WAITING, "the run notes again which tasks wait"),
    (
        &VERDICTS,
        "judges say them again at no cost; what a person said of these artifacts must be said again",
    ),
];

/// Mends rows alone, in one transaction.
pub(super) fn rows(connection: &mut Connection) -> rusqlite::Result<Vec<String>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut hit = BTreeSet::new();
    let mut done = Vec::new();
    for (table, what) in SAID {
        let count = table.count_unsound(&transaction)?;
        if count > 0 {
            hit.insert(table.name);
            done.push(format!("{} of `{}`: {what}", damaged(count), table.name));
        }
    }
    let any = |tables: &[&Table]| tables.iter().any(|table| hit.contains(table.name));
    forget(&transaction)?;
    if any(&[&DATASETS, &RECORDS, &UNREADABLE]) {
        transaction.execute_batch(&read_again())?;
    }
    if any(&[&TRANSCRIPTS]) {
        transaction.execute_batch(&told_too_little())?;
    }
    if any(&[&TRANSCRIPTS, &TASKS, &RUNS]) {
        transaction.execute_batch(&look_at_files())?;
    }
    recipes::mend(&transaction)?;
    transaction.execute_batch(&lose_answers())?;
    transaction.commit()?;
    Ok(done)
}

fn damaged(count: u64) -> String {
    let rows = if count == 1 { "row" } else { "rows" };
    format!("{count} damaged {rows}")
}

/// Sees that SQLite can read all of the file. Indexes and the list of free pages are made again.
fn structure(connection: &Connection, file: &Path) -> Result<Vec<String>, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::of(file, &error);
    let faults = faults(connection).map_err(failed)?;
    if faults.is_empty() {
        return Ok(Vec::new());
    }
    if let Some(cause) = faults.iter().find(|fault| !is_mended(fault)) {
        let (file, cause) = (file.to_owned(), cause.clone());
        return Err(StoreError::Damaged { file, cause });
    }
    connection
        .execute_batch("REINDEX; VACUUM")
        .map_err(failed)?;
    match self::faults(connection).map_err(failed)?.pop() {
        None => Ok(vec![
            "indexes and the list of free pages: they were made again".to_owned(),
        ]),
        Some(cause) => Err(StoreError::Damaged {
            file: file.to_owned(),
            cause,
        }),
    }
}

/// What SQLite finds, but for values of the wrong type: the checksums of their rows tell these.
fn faults(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare("PRAGMA integrity_check(100)")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let lines = lines.collect::<rusqlite::Result<Vec<String>>>()?;
    let lines = lines.iter().flat_map(|text| text.lines());
    let is_fault = |line: &&str| {
        *line != "ok" && !line.starts_with("NULL value in") && !line.starts_with("non-")
            || line.starts_with("non-unique")
    };
    Ok(lines.filter(is_fault).map(str::to_owned).collect())
}

/// Removes damaged rows that the run makes again, or that nothing can bring back. A text that a person wrote stays.
fn forget(connection: &Connection) -> rusqlite::Result<()> {
    let unsound = TRANSCRIPTS.sound();
    connection.execute_batch(&format!(
        "DELETE FROM task WHERE EXISTS (SELECT 1 FROM transcript WHERE NOT {unsound}
            AND transcript.dataset = task.dataset AND transcript.record = task.record
            AND transcript.component = task.component)"
    ))?;
    for table in [
        &TRANSCRIPTS,
        &TASKS,
        &BILLED,
        &MOVED,
        &LANES,
        &RECORDS,
        &UNREADABLE,
        &BATCHES,
        &QUESTIONS,
        &SHAPES,
        &WAITING,
        &VERDICTS,
    ] {
        let sql = format!("DELETE FROM {} WHERE NOT {}", table.name, table.sound());
        connection.execute_batch(&sql)?;
    }
    connection.execute_batch(
        "DELETE FROM question WHERE batch IS NOT NULL AND batch NOT IN (SELECT id FROM batch)",
    )
}

/// Has the dataset read again, all of it.
fn read_again() -> String {
    format!(
        "DELETE FROM record; DELETE FROM unreadable; UPDATE dataset SET {}",
        DATASETS.set(&[
            ("stamp", "''"),
            ("pass", "0"),
            ("unreadable", "0"),
            ("is_whole", "0")
        ])
    )
}

/// Notes that checkpoints were lost: the next run over everything compares the bytes of every file, so that what was made
/// from a damaged row is taken for no edit. Such a note is a run whose number is negative.
fn look_at_files() -> String {
    let note = [
        ("id", "(SELECT min(0, coalesce(min(id), 0)) - 1 FROM run)"),
        ("started_at", NOW),
        ("ended_at", "NULL"),
    ];
    format!(
        "UPDATE run SET {} WHERE NOT {}; {}",
        RUNS.set(&[("started_at", NOW), ("ended_at", "NULL")]),
        RUNS.sound(),
        RUNS.insert("INSERT", &note, "")
    )
}

/// Removes the checkpoints of tasks whose transcripts have become too short.
fn told_too_little() -> String {
    format!("DELETE FROM task WHERE {TOLD_MORE}")
}

/// Marks damaged answers as lost, and those that are gone though tasks were told them: so no number is given again to
/// another answer.
fn lose_answers() -> String {
    let lost = |id: &str| -> Vec<(&'static str, String)> {
        let text = |text: &str| text.to_owned();
        vec![
            // Of 32 bytes, like every key, and the hash of no question.
            (
                "key",
                format!("CAST(printf('lost answer %020d', {id}) AS BLOB)"),
            ),
            ("kind", format!("'{LOST}'")),
            ("text", text("''")),
            ("stop", text("NULL")),
            ("finish_reason", text("NULL")),
            ("model", format!("'{LOST}'")),
            ("provider", format!("'{LOST}'")),
            ("lane", format!("'{LOST}'")),
            ("input_tokens", text("0")),
            ("output_tokens", text("0")),
            ("cached_tokens", text("0")),
            ("reasoning_tokens", text("0")),
            ("cost_micros", text("NULL")),
            ("tries", text("0")),
            ("obtained_at", text(NOW)),
            ("milliseconds", text("NULL")),
        ]
    };
    fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
        let pairs = pairs.iter();
        pairs
            .map(|(column, value)| (*column, value.as_str()))
            .collect()
    }
    let damaged = lost("completion.id");
    let mut gone = lost("number");
    gone.push(("id", "number".to_owned()));
    format!(
        "UPDATE completion SET {} WHERE NOT {}; {}",
        COMPLETIONS.set(&borrowed(&damaged)),
        COMPLETIONS.sound(),
        COMPLETIONS.insert_from(
            &borrowed(&gone),
            "(SELECT DISTINCT completion AS number FROM transcript
              WHERE completion NOT IN (SELECT id FROM completion))"
        )
    )
}
