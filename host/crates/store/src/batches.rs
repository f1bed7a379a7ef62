//! Batches, from the first note of one to its last answer. Each step of a batch is one transaction, so that a killed run
//! goes on where it stood. What to do next is decided elsewhere.

mod form;
mod split;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::checksum::{BATCHES, QUESTIONS, SHAPES};
use super::sql::Column;
use super::{Store, StoreError, journal};
use gateway::batch::PREFIX;
use gateway::journal::Provenance;
use gateway::lane::{AskedLine, Verdict};
use types::class::FailureClass;
use types::digest::Digest;
use types::limit::Size;
use types::request::Usage;

use form::form;

/// How a batch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchState {
    /// It is noted, and nothing was sent.
    Formed,
    /// Its file was uploaded.
    Uploaded,
    /// The provider is asked to create it. If nothing came back, nobody knows whether it did.
    Creating,
    /// The provider has it.
    Open,
    /// It lies in a file that a person carries.
    Exported,
    /// All its answers were fetched.
    Ended,
}

impl BatchState {
    /// Its name in the state.
    pub fn as_str(self) -> &'static str {
        match self {
            BatchState::Formed => "formed",
            BatchState::Uploaded => "uploaded",
            BatchState::Creating => "creating",
            BatchState::Open => "open",
            BatchState::Exported => "exported",
            BatchState::Ended => "ended",
        }
    }

    pub(super) fn named(name: &str) -> Option<BatchState> {
        [
            BatchState::Formed,
            BatchState::Uploaded,
            BatchState::Creating,
            BatchState::Open,
            BatchState::Exported,
            BatchState::Ended,
        ]
        .into_iter()
        .find(|state| state.as_str() == name)
    }
}

/// A batch. Moments are seconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    pub id: i64,
    /// Our name for it, which no other batch has.
    pub name: String,
    /// `provider/model`.
    pub lane: String,
    /// A hash of the address and the key that it was made with.
    pub account: Digest,
    pub state: BatchState,
    /// The provider's name for its file.
    pub file: Option<String>,
    /// The provider's name for it.
    pub remote: Option<String>,
    /// The provider's word for how it stands.
    pub word: Option<String>,
    /// SHA-256 of its file.
    pub hash: Digest,
    pub lines: u64,
    /// Bytes of its file.
    pub bytes: u64,
    /// Tokens that it is likely to take.
    pub likely: Size,
    /// Questions that were answered, as the provider counts.
    pub answered: Option<u64>,
    /// Questions that failed, as the provider counts.
    pub failed: Option<u64>,
    pub formed_at: u64,
    /// When the provider was asked to create it.
    pub sent_at: Option<u64>,
    /// When the provider was first seen to have ended it.
    pub ended_at: Option<u64>,
    /// When the provider gives up.
    pub expires_at: Option<u64>,
    /// What holds it up, in words.
    pub note: Option<String>,
}

/// How much goes into a batch.
#[derive(Clone, Copy, Debug)]
pub struct Most {
    pub lines: u64,
    pub bytes: u64,
    pub input_tokens: u64,
}

/// A batch that is to be formed.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// `provider/model`.
    pub lane: String,
    pub account: Digest,
    pub most: Most,
    pub which: Which,
    /// In seconds since 1970.
    pub now: u64,
}

/// Which of the waiting questions go into it.
#[derive(Clone, Debug)]
pub enum Which {
    /// The first ones, as many as fit. What they begin with is kept at the provider for the questions of these components, whose
    /// lines stay marked.
    First { kept: BTreeSet<String> },
    /// The last one of a component, ahead of the others.
    Primer(String),
}

/// What stands in the name of a batch that goes ahead of others, before the name of their component.
const PRIMER: &str = "-primer-";

/// What came of the wish for a batch.
#[derive(Debug)]
pub struct Formed {
    /// The batch; none where no question waits, or none may be paid for.
    pub batch: Option<Batch>,
    /// Whether not even one question may be paid for.
    pub is_unaffordable: bool,
}

/// What was done with the lines of a result file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub answered: u64,
    pub again: u64,
    pub failed: u64,
}

/// Whether a question is answered. Its row goes when its batch ends, all at once: results come in any order, and to remove
/// each row as its answer comes would write most pages of the table again and again.
const ANSWERED: &str = "EXISTS (SELECT 1 FROM completion WHERE completion.key = question.key)";

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM batch)"),
        ("name", "?1"),
        ("lane", "?2"),
        ("account", "?3"),
        ("state", "'formed'"),
        ("file", "NULL"),
        ("remote", "NULL"),
        ("word", "NULL"),
        ("hash", "?4"),
        ("lines", "?5"),
        ("bytes", "?6"),
        ("input_tokens", "?7"),
        ("output_tokens", "?8"),
        ("answered", "NULL"),
        ("failed", "NULL"),
        ("formed_at", "?9"),
        ("sent_at", "NULL"),
        ("ended_at", "NULL"),
        ("expires_at", "NULL"),
        ("note", "NULL"),
    ];
    BATCHES.insert("INSERT", &values, "RETURNING id")
});

static NOTE: LazyLock<String> = LazyLock::new(|| {
    let changes = [
        ("state", "?2"),
        ("file", "?3"),
        ("remote", "?4"),
        ("word", "?5"),
        ("answered", "?6"),
        ("failed", "?7"),
        ("sent_at", "?8"),
        ("ended_at", "?9"),
        ("expires_at", "?10"),
        ("note", "?11"),
    ];
    format!("UPDATE batch SET {} WHERE id = ?1", BATCHES.set(&changes))
});

/// What was noted of a question, in the order in which [`asked`] reads it.
static ASKED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT component, configured, cap, adaptations, likely_input, likely_output, tries, input_tokens, output_tokens,
            cached_tokens, reasoning_tokens, cost_micros,
            (SELECT text FROM shape WHERE digest = question.shape AND {})
         FROM question WHERE rowid = ?1 AND batch = ?2 AND {}",
        SHAPES.sound(),
        QUESTIONS.sound()
    )
});

/// Takes a question out of its batch, so that its task asks it again.
static AGAIN: LazyLock<String> = LazyLock::new(|| {
    let changes = [
        ("state", "'again'"),
        ("batch", "NULL"),
        ("line", "NULL"),
        ("cap", "?2"),
        ("tries", "?3"),
        ("input_tokens", "?4"),
        ("output_tokens", "?5"),
        ("cached_tokens", "?6"),
        ("reasoning_tokens", "?7"),
        ("cost_micros", "?8"),
    ];
    format!(
        "UPDATE question SET {} WHERE key = ?1",
        QUESTIONS.set(&changes)
    )
});

static FAIL: LazyLock<String> = LazyLock::new(|| {
    let changes = [
        ("state", "'failed'"),
        ("batch", "NULL"),
        ("line", "NULL"),
        ("class", "?2"),
        ("cause", "?3"),
        ("input_tokens", "?4"),
        ("output_tokens", "?5"),
        ("cached_tokens", "?6"),
        ("reasoning_tokens", "?7"),
        ("cost_micros", "?8"),
    ];
    format!(
        "UPDATE question SET {} WHERE key = ?1",
        QUESTIONS.set(&changes)
    )
});

impl Batch {
    /// The component of whose questions this one goes ahead, if it does.
    pub fn primes(&self) -> Option<&str> {
        let (_, component) = self.name.split_once(PRIMER)?;
        Some(component)
    }
}

impl Store {
    /// The batches that have not ended, the oldest first.
    pub fn open_batches(&self) -> Result<Vec<Batch>, StoreError> {
        self.batches_where("state <> 'ended'")
    }

    /// Every batch, the oldest first.
    pub fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        self.batches_where("true")
    }

    fn batches_where(&self, condition: &str) -> Result<Vec<Batch>, StoreError> {
        self.read(|reader| {
            let sql = format!(
                "SELECT * FROM batch WHERE {condition} AND {} ORDER BY id",
                BATCHES.sound()
            );
            reader.prepare_cached(&sql)?.query_map([], batch)?.collect()
        })
    }

    /// Forms a batch from the first questions of a lane's queue that a task waits for. The batch is no larger than `most`, unless
    /// a single question is, and only has as many questions as may be paid for with the tokens that they take.
    pub async fn form_batch(
        &self,
        wanted: Wanted,
        may_spend: impl Fn(u64, Size) -> bool + Send + 'static,
    ) -> Result<Formed, StoreError> {
        let formed = self
            .inner
            .writer
            .exclusive(move |connection| {
                let transaction =
                    connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let formed = form(&transaction, &wanted, &may_spend)?;
                transaction.commit()?;
                Ok(formed)
            })
            .await?;
        formed.map_err(|error: rusqlite::Error| self.inner.writer.error(&error))
    }

    /// Notes how a batch stands. Once the provider has it, its lines are not needed any more.
    pub async fn note_batch(&self, batch: Batch) -> Result<(), StoreError> {
        let drop_lines = format!(
            "UPDATE question SET {} WHERE batch = ?1 AND line IS NOT NULL",
            QUESTIONS.set(&[("line", "NULL")])
        );
        self.inner
            .writer
            .write(move |connection| {
                note(connection, &batch)?;
                if batch.state == BatchState::Open {
                    connection
                        .prepare_cached(&drop_lines)?
                        .execute([batch.id])?;
                }
                Ok(())
            })
            .await
    }

    /// Lines of a batch behind a place, with the place of the last of them, in one text.
    pub fn batch_lines(
        &self,
        batch: i64,
        after: i64,
        count: u64,
    ) -> Result<Option<(i64, String)>, StoreError> {
        self.read(|reader| {
            let mut statement = reader.prepare_cached(
                "SELECT ord, line FROM question WHERE batch = ?1 AND ord > ?2 ORDER BY ord LIMIT ?3",
            )?;
            let mut rows = statement.query(params![batch, after, count])?;
            let mut text = String::new();
            let mut last = None;
            while let Some(row) = rows.next()? {
                last = Some(row.get(0)?);
                text.push_str(&row.get::<_, Option<String>>(1)?.unwrap_or_default());
                text.push('\n');
            }
            Ok(last.map(|last| (last, text)))
        })
    }

    /// What was noted of questions of a batch, in the order of their keys; those that are not in it, or are answered, are left
    /// out.
    pub fn asked_lines(
        &self,
        batch: &Batch,
        keys: &[Digest],
        took: Duration,
    ) -> Result<Vec<AskedLine>, StoreError> {
        self.read(|reader| {
            // One look at the state for all of them: each by itself would find out anew what has changed since the last one.
            let reader = reader.unchecked_transaction()?;
            let mut find = reader.prepare_cached(&format!(
                "SELECT rowid FROM question WHERE key = ?1 AND NOT {ANSWERED}"
            ))?;
            let mut places = Vec::with_capacity(keys.len());
            for key in keys {
                let place = find.query_row([Column(*key)], |row| row.get::<_, i64>(0));
                places.extend(place.optional()?.map(|place| (place, *key)));
            }
            // Neighbours lie on the same page of the file, so that each page is read once.
            places.sort_unstable();
            let mut read = reader.prepare_cached(&ASKED)?;
            let mut found = Vec::with_capacity(places.len());
            for (place, key) in places {
                let line = read.query_row([place, batch.id], |row| asked(row, key, took));
                found.extend(line.optional()?);
            }
            found.sort_unstable_by_key(|line| line.key);
            Ok(found)
        })
    }

    /// Keeps what lines of a result file said, in one transaction. What the journal has already is not taken again.
    pub async fn collect(
        &self,
        batch: &Batch,
        provider: &str,
        verdicts: Vec<(Digest, Verdict)>,
    ) -> Result<Collected, StoreError> {
        let mut collected = Collected::default();
        for (key, verdict) in &verdicts {
            match verdict {
                Verdict::Answered(_) => {
                    self.inner.key_filter.answered(*key);
                    collected.answered += 1;
                }
                Verdict::Again { .. } => collected.again += 1,
                Verdict::Failed(..) => collected.failed += 1,
            }
        }
        let (lane, provider) = (batch.lane.clone(), provider.to_owned());
        self.inner
            .writer
            .write(move |connection| {
                for (key, verdict) in &verdicts {
                    keep(connection, *key, verdict, &lane, &provider)?;
                }
                Ok(())
            })
            .await?;
        Ok(collected)
    }

    /// How many questions of a batch have not been settled.
    pub fn unsettled(&self, batch: i64) -> Result<u64, StoreError> {
        self.read(|reader| {
            let sql = format!("SELECT count(*) FROM question WHERE batch = ?1 AND NOT {ANSWERED}");
            reader
                .prepare_cached(&sql)?
                .query_row([batch], |row| row.get(0))
        })
    }

    /// Ends a batch: its questions that are answered are forgotten, and those that it did not settle are asked again,
    /// one by one if `alone`.
    pub async fn end_batch(&self, batch: Batch, alone: bool) -> Result<(), StoreError> {
        let state = if alone { "'online'" } else { "'again'" };
        let forget = format!("DELETE FROM question WHERE batch = ?1 AND {ANSWERED}");
        let again = format!(
            "UPDATE question SET {} WHERE batch = ?1",
            QUESTIONS.set(&[
                ("state", state),
                ("batch", "NULL"),
                ("line", "NULL"),
                ("cap", "NULL"),
                ("tries", "question.tries + 1")
            ])
        );
        self.inner
            .writer
            .write(move |connection| {
                connection.prepare_cached(&forget)?.execute([batch.id])?;
                connection.prepare_cached(&again)?.execute([batch.id])?;
                note(connection, &batch)
            })
            .await
    }

    /// Removes a batch that was never handed in: its tasks ask again.
    pub async fn dissolve_batch(&self, batch: i64) -> Result<(), StoreError> {
        let back = format!(
            "UPDATE question SET {} WHERE batch = ?1",
            QUESTIONS.set(&[
                ("state", "'again'"),
                ("batch", "NULL"),
                ("line", "NULL"),
                ("cap", "NULL")
            ])
        );
        self.inner
            .writer
            .write(move |connection| {
                connection.execute(&back, [batch])?;
                connection
                    .execute("DELETE FROM batch WHERE id = ?1", [batch])
                    .map(drop)
            })
            .await
    }

    /// Fails the question in a line of a batch, counted from 1.
    pub async fn fail_line(
        &self,
        batch: i64,
        line: u64,
        class: FailureClass,
        cause: &str,
    ) -> Result<(), StoreError> {
        let cause = cause.to_owned();
        let sql = format!(
            "UPDATE question SET {} WHERE batch = ?1 AND ord = ?2",
            QUESTIONS.set(&[
                ("state", "'failed'"),
                ("batch", "NULL"),
                ("line", "NULL"),
                ("class", "?3"),
                ("cause", "?4")
            ])
        );
        self.inner
            .writer
            .write(move |connection| {
                connection
                    .execute(&sql, params![batch, line, Column(class), cause])
                    .map(drop)
            })
            .await
    }
}

/// The name of the next batch, which no other one has.
fn name_of(connection: &Connection, hash: Digest, now: u64) -> rusqlite::Result<String> {
    let next = "SELECT coalesce(max(id), 0) + 1 FROM batch";
    let next: i64 = connection.query_row(next, [], |row| row.get(0))?;
    let own: String = hash.to_string().chars().take(8).collect();
    Ok(format!("{PREFIX}{now}-{own}-{next}"))
}

fn note(connection: &Connection, batch: &Batch) -> rusqlite::Result<()> {
    connection
        .prepare_cached(&NOTE)?
        .execute(params![
            batch.id,
            batch.state.as_str(),
            batch.file,
            batch.remote,
            batch.word,
            batch.answered,
            batch.failed,
            batch.sent_at,
            batch.ended_at,
            batch.expires_at,
            batch.note,
        ])
        .map(drop)
}

fn keep(
    connection: &Connection,
    key: Digest,
    verdict: &Verdict,
    lane: &str,
    provider: &str,
) -> rusqlite::Result<()> {
    match verdict {
        Verdict::Answered(obtained) => {
            if !journal::has(connection, key)? {
                let provenance = Provenance {
                    provider: provider.to_owned(),
                    lane: lane.to_owned(),
                    model: obtained.model.clone(),
                    usage: obtained.usage,
                    micros: obtained.micros,
                    tries: obtained.tries,
                    took: obtained.took,
                };
                journal::insert(connection, key, &obtained.answer, &provenance)?;
            }
        }
        Verdict::Again {
            cap,
            usage,
            micros,
            tries,
        } => {
            connection.prepare_cached(&AGAIN)?.execute(params![
                Column(key),
                cap,
                tries,
                usage.input_tokens,
                usage.output_tokens,
                usage.cached_tokens,
                usage.reasoning_tokens,
                micros,
            ])?;
        }
        Verdict::Failed(error, micros) => {
            connection.prepare_cached(&FAIL)?.execute(params![
                Column(key),
                Column(error.class),
                error.message,
                error.usage.input_tokens,
                error.usage.output_tokens,
                error.usage.cached_tokens,
                error.usage.reasoning_tokens,
                micros,
            ])?;
        }
    }
    Ok(())
}

fn batch(row: &Row<'_>) -> rusqlite::Result<Batch> {
    let state: String = row.get("state")?;
    let Column(account) = row.get("account")?;
    let Column(hash) = row.get("hash")?;
    let none = || Digest::of(b"");
    Ok(Batch {
        id: row.get("id")?,
        name: row.get("name")?,
        lane: row.get("lane")?,
        account: account.unwrap_or_else(none),
        // What a later version wrote is left alone, like one whose fate is not known.
        state: BatchState::named(&state).unwrap_or(BatchState::Creating),
        file: row.get("file")?,
        remote: row.get("remote")?,
        word: row.get("word")?,
        hash: hash.unwrap_or_else(none),
        lines: row.get("lines")?,
        bytes: row.get("bytes")?,
        likely: Size {
            input: row.get("input_tokens")?,
            output: row.get("output_tokens")?,
        },
        answered: row.get("answered")?,
        failed: row.get("failed")?,
        formed_at: row.get("formed_at")?,
        sent_at: row.get("sent_at")?,
        ended_at: row.get("ended_at")?,
        expires_at: row.get("expires_at")?,
        note: row.get("note")?,
    })
}

fn asked(row: &Row<'_>, key: Digest, took: Duration) -> rusqlite::Result<AskedLine> {
    // By their places: to find each by its name takes longer than to read it.
    let configured: u32 = row.get(1)?;
    let adaptations = row.get_ref(3)?.as_str()?;
    let schema: Option<String> = row.get(12)?;
    Ok(AskedLine {
        key,
        component: row.get(0)?,
        configured,
        cap: row.get::<_, Option<u32>>(2)?.unwrap_or(configured),
        adaptations: serde_json::from_str(adaptations).unwrap_or_default(),
        likely: Size {
            input: row.get(4)?,
            output: row.get(5)?,
        },
        schema: schema.and_then(|schema| serde_json::from_str(&schema).ok()),
        tries: row.get(6)?,
        usage: Usage {
            cached_tokens: row.get(9)?,
            reasoning_tokens: row.get(10)?,
            ..Usage::new(row.get(7)?, row.get(8)?)
        },
        micros: row.get(11)?,
        took,
    })
}
