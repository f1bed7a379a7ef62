//! A batch that its provider does not take as large as it is becomes two.

use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

use super::{Batch, INSERT, batch, name_of};
use crate::checksum::QUESTIONS;
use crate::sql::Column;
use crate::{Store, StoreError};
use types::digest::Digest;
use types::limit::Size;

/// Lines of a batch that become one of their own.
#[derive(Default)]
struct Half {
    hash: Sha256,
    lines: u64,
    bytes: u64,
    likely: Size,
    /// Places of its first line and of its last one in the batch that they were in.
    first: i64,
    last: i64,
}

impl Store {
    /// Makes two batches of one that was never handed in, each of half of its lines, and removes it. None where it has a single
    /// line, or lines that are not at hand any more.
    pub async fn split_batch(&self, whole: Batch, now: u64) -> Result<Vec<Batch>, StoreError> {
        let split = self
            .inner
            .writer
            .exclusive(move |connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let halves = split(&transaction, &whole, now)?;
                transaction.commit()?;
                Ok(halves)
            })
            .await?;
        split.map_err(|error: rusqlite::Error| self.inner.writer.error(&error))
    }
}

fn split(connection: &Connection, whole: &Batch, now: u64) -> rusqlite::Result<Vec<Batch>> {
    let Some(halves) = halves(connection, whole)? else {
        return Ok(Vec::new());
    };
    let mut made = Vec::with_capacity(halves.len());
    for half in halves {
        made.push(insert(connection, whole, half, now)?);
    }
    connection.execute("DELETE FROM batch WHERE id = ?1", [whole.id])?;
    Ok(made)
}

fn halves(connection: &Connection, whole: &Batch) -> rusqlite::Result<Option<[Half; 2]>> {
    let (mut one, mut other) = (Half::default(), Half::default());
    let mut statement = connection.prepare_cached(
        "SELECT ord, line, likely_input, likely_output FROM question WHERE batch = ?1 ORDER BY ord",
    )?;
    let mut rows = statement.query([whole.id])?;
    while let Some(row) = rows.next()? {
        let Some(line) = row.get::<_, Option<String>>(1)? else {
            return Ok(None);
        };
        let half = match one.lines < whole.lines / 2 {
            true => &mut one,
            false => &mut other,
        };
        half.take(row.get(0)?, &line, (row.get(2)?, row.get(3)?));
    }
    let are_both = one.lines > 0 && other.lines > 0;
    Ok(are_both.then_some([one, other]))
}

impl Half {
    fn take(&mut self, place: i64, line: &str, (input, output): (u64, u64)) {
        if self.lines == 0 {
            self.first = place;
        }
        self.last = place;
        self.lines += 1;
        self.bytes += line.len() as u64 + 1;
        self.likely.input = self.likely.input.saturating_add(input);
        self.likely.output = self.likely.output.saturating_add(output);
        self.hash.update(line);
        self.hash.update(b"\n");
    }
}

fn insert(connection: &Connection, whole: &Batch, half: Half, now: u64) -> rusqlite::Result<Batch> {
    let hash = Digest::from(half.hash);
    let name = name_of(connection, hash, now)?;
    let id: i64 = connection.prepare_cached(&INSERT)?.query_row(
        params![
            name,
            whole.lane,
            Column(whole.account),
            Column(hash),
            half.lines,
            half.bytes,
            half.likely.input,
            half.likely.output,
            now
        ],
        |row| row.get(0),
    )?;
    let take = format!(
        "UPDATE question SET {} WHERE batch = ?1 AND ord BETWEEN ?3 AND ?4",
        QUESTIONS.set(&[("batch", "?2"), ("ord", "question.ord - ?3 + 1")])
    );
    connection
        .prepare_cached(&take)?
        .execute(params![whole.id, id, half.first, half.last])?;
    let sql = "SELECT * FROM batch WHERE id = ?1";
    connection.query_row(sql, [id], batch)
}

#[cfg(test)]
mod tests;
