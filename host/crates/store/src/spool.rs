//! Answers that lie here until another machine has them: on a worker, the journal is a spool.

use rusqlite::{Row, params};

use super::checksum::COMPLETIONS;
use super::journal::answer;
use super::sql::Column;
use super::{Store, StoreError};
use gateway::journal::Provenance;
use types::digest::Digest;
use types::request::{Answer, Usage};

/// An answer in the spool.
#[derive(Clone, Debug)]
pub struct Spooled {
    /// Key of its question.
    pub key: Digest,
    pub answer: Answer,
    pub provenance: Provenance,
}

impl Store {
    /// Gives every answer that lies here to `take`, the oldest first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn spooled(&self, mut take: impl FnMut(Spooled)) -> Result<(), StoreError> {
        self.read(|reader| {
            let mut statement = reader.prepare(&format!(
                "SELECT key, kind, text, stop, finish_reason, model, input_tokens, output_tokens, provider, lane,
                    cached_tokens, reasoning_tokens, cost_micros, tries, milliseconds
                 FROM completion WHERE {} ORDER BY id",
                COMPLETIONS.sound()
            ))?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                if let Some(spooled) = spooled(row)? {
                    take(spooled);
                }
            }
            Ok(())
        })
    }

    /// Removes answers, which another machine has.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub async fn discard(&self, keys: Vec<Digest>) -> Result<(), StoreError> {
        self.inner
            .writer
            .write(move |connection| {
                let mut remove =
                    connection.prepare_cached("DELETE FROM completion WHERE key = ?1")?;
                for key in &keys {
                    remove.execute(params![Column(*key)])?;
                }
                Ok(())
            })
            .await
    }
}

fn spooled(row: &Row<'_>) -> rusqlite::Result<Option<Spooled>> {
    let Column(Some(key)) = row.get("key")? else {
        return Ok(None);
    };
    let milliseconds: Option<u64> = row.get("milliseconds")?;
    Ok(Some(Spooled {
        key,
        answer: answer(row)?,
        provenance: Provenance {
            provider: row.get("provider")?,
            lane: row.get("lane")?,
            model: row.get("model")?,
            usage: Usage {
                cached_tokens: row.get("cached_tokens")?,
                reasoning_tokens: row.get("reasoning_tokens")?,
                ..Usage::new(row.get("input_tokens")?, row.get("output_tokens")?)
            },
            micros: row.get("cost_micros")?,
            tries: row.get("tries")?,
            took: std::time::Duration::from_millis(milliseconds.unwrap_or_default()),
        },
    }))
}
