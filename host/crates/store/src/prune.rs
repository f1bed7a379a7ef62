//! Removes what no task refers to any more. What was paid for and can still be of use stays, unless it is
//! asked to go.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior, params};
use serde::Serialize;

use super::{StoreError, lock, open};

/// What may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pruning {
    /// Only answers that are older than this.
    pub older_than: Duration,
    /// Also answers that no task was told, as of runs that were cut off or of records that were deleted. They
    /// would still be found by a task that asks the same.
    pub unreferenced: bool,
    /// Count, and remove nothing.
    pub dry_run: bool,
}

/// How much went, or would go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Entries of transcripts that another one took the place of.
    pub transcripts: u64,
    pub completions: u64,
    /// Recipes that no task was made by.
    pub recipes: u64,
    /// Runs that no task was made in.
    pub runs: u64,
    /// Bytes of the file before.
    pub bytes_before: u64,
    /// Bytes of the file now.
    pub bytes_after: u64,
}

/// Prunes a state. No host may be using it.
///
/// # Errors
/// When it is in use, or cannot be read or written: nothing is removed then.
pub fn prune(path: &Path, pruning: Pruning) -> Result<Pruned, StoreError> {
    let _lock = lock::Lock::take(path)?;
    let (mut connection, mut seal) = open(path)?;
    let bytes = || std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut remove = |connection: &mut Connection| {
        let cut = "PRAGMA wal_checkpoint(TRUNCATE)";
        connection.execute_batch(cut)?;
        let bytes_before = bytes();
        let mut pruned = delete(connection, pruning)?;
        if !pruning.dry_run {
            connection.execute_batch("VACUUM")?;
        }
        if let Err(error) = seal.close(connection) {
            tracing::debug!("the state was not sealed: {error}");
        }
        pruned.bytes_before = bytes_before;
        pruned.bytes_after = bytes();
        Ok(pruned)
    };
    remove(&mut connection).map_err(|error: rusqlite::Error| StoreError::of(path, &error))
}

/// A transcript is superseded once its task was done by another one, after it.
const SUPERSEDED: &str = "
CREATE TEMP TABLE superseded AS
SELECT transcript.dataset, transcript.record, transcript.component, transcript.fingerprint,
    transcript.generation, position, completion
FROM task JOIN transcript USING (dataset, record, component)
    LEFT JOIN completion ON completion.id = completion
WHERE outcome = 'done'
    AND (transcript.fingerprint <> task.fingerprint OR transcript.generation <> task.generation)
    AND (completion.id IS NULL OR (obtained_at <= task.ended_at AND obtained_at < ?1))";

fn delete(connection: &mut Connection, pruning: Pruning) -> rusqlite::Result<Pruned> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seconds = pruning.older_than.as_secs();
    let before: String = transaction.query_row(
        "SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?1)",
        [format!("-{seconds} seconds")],
        |row| row.get(0),
    )?;
    transaction.execute(SUPERSEDED, [&before])?;
    let count = |rows: usize| rows as u64;
    let transcripts = count(transaction.execute(
        "DELETE FROM transcript WHERE (dataset, record, component, fingerprint, generation, position) IN
            (SELECT dataset, record, component, fingerprint, generation, position FROM superseded)",
        [],
    )?);
    let mut completions = count(transaction.execute(
        "DELETE FROM completion WHERE id IN (SELECT completion FROM superseded)
            AND id NOT IN (SELECT completion FROM transcript)",
        [],
    )?);
    if pruning.unreferenced {
        completions += count(transaction.execute(
            "DELETE FROM completion WHERE obtained_at < ?1 AND id NOT IN (SELECT completion FROM transcript)",
            params![before],
        )?);
    }
    let recipes = count(transaction.execute(
        "DELETE FROM recipe WHERE id NOT IN (SELECT recipe FROM task)",
        [],
    )?);
    // The last run stays, so that no number is given twice.
    let runs = count(transaction.execute(
        "DELETE FROM run WHERE id NOT IN (SELECT run FROM task) AND ended_at IS NOT NULL
            AND id < (SELECT max(id) FROM run)",
        [],
    )?);
    transaction.execute_batch("DROP TABLE superseded")?;
    if pruning.dry_run {
        transaction.rollback()?;
    } else {
        transaction.commit()?;
    }
    Ok(Pruned {
        transcripts,
        completions,
        recipes,
        runs,
        ..Pruned::default()
    })
}
