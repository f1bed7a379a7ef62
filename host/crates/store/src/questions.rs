//! Questions that are asked in batches and have no answer yet, and the tasks that wait for them. A question leaves the table
//! when its answer is in the journal. What is to be asked, and when, is decided elsewhere.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::billed::{Bill, booking};
use super::checkpoint::TaskId;
use super::checksum::{QUESTIONS, SHAPES, WAITING};
use super::sql::Column;
use super::{Lease, Store, StoreError};
use gateway::lane::Line;
use types::class::FailureClass;
use types::digest::Digest;
use types::json::Json;
use types::request::Usage;

/// How a question stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuestionState {
    /// It goes into the next batch.
    Queued,
    /// It is in a batch.
    Sent,
    /// Its batch brought no answer: ask again, with this output cap where one is noted.
    Again(Option<u32>),
    /// It brought no answer and is not asked again.
    Failed(FailureClass, String),
    /// A task was told so in this run, and every other one that asks for it is told the same.
    Told(FailureClass, String),
    /// It is to be asked alone.
    Online,
}

/// How a question stands, and what its tries took until now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub state: QuestionState,
    pub tries: u32,
    pub usage: Usage,
    /// Millionths of a dollar, where the price is known.
    pub micros: Option<u64>,
}

/// A question for the next batch of a lane.
#[derive(Clone, Debug)]
pub struct NewQuestion {
    pub key: Digest,
    /// `provider/model`.
    pub lane: String,
    pub line: Line,
    /// The output cap that is configured.
    pub configured: u32,
    /// The schema of its answer.
    pub schema: Option<Json>,
    /// The task that asks.
    pub task: TaskId,
}

/// What waits in the queue of a lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queued {
    pub lines: u64,
    /// Bytes of the lines, with their newlines.
    pub bytes: u64,
    /// Tokens of the questions.
    pub input_tokens: u64,
    /// Tokens that their answers are likely to have.
    pub output_tokens: u64,
}

/// Notes a question. One that was asked before keeps what its tries took.
static QUEUE: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("key", "?1"),
        ("lane", "?2"),
        ("component", "?3"),
        ("state", "'queued'"),
        ("batch", "NULL"),
        (
            "ord",
            "(SELECT coalesce(max(ord), 0) + 1 FROM question WHERE lane = ?2 AND state = 'queued')",
        ),
        ("line", "?4"),
        ("bytes", "?5"),
        ("configured", "?6"),
        ("cap", "?7"),
        ("adaptations", "?8"),
        ("likely_input", "?9"),
        ("likely_output", "?10"),
        ("shape", "?11"),
        ("tries", "?12"),
        ("input_tokens", "?13"),
        ("output_tokens", "?14"),
        ("cached_tokens", "?15"),
        ("reasoning_tokens", "?16"),
        ("cost_micros", "?17"),
        ("class", "NULL"),
        ("cause", "NULL"),
    ];
    QUESTIONS.insert("INSERT OR REPLACE", &values, "")
});

/// Its tries are booked for the task that is told first.
static TELL: LazyLock<String> = LazyLock::new(|| {
    let changes = [
        ("state", "'told'"),
        ("batch", "NULL"),
        ("line", "NULL"),
        ("class", "?2"),
        ("cause", "?3"),
        ("input_tokens", "0"),
        ("output_tokens", "0"),
        ("cached_tokens", "0"),
        ("reasoning_tokens", "0"),
        ("cost_micros", "NULL"),
    ];
    format!(
        "UPDATE question SET {} WHERE key = ?1",
        QUESTIONS.set(&changes)
    )
});

static SHAPE: LazyLock<String> = LazyLock::new(|| {
    let values = [("digest", "?1"), ("text", "?2")];
    SHAPES.insert("INSERT OR REPLACE", &values, "")
});

static WAIT: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("dataset", "?1"),
        ("record", "?2"),
        ("component", "?3"),
        ("key", "?4"),
    ];
    WAITING.insert("INSERT OR REPLACE", &values, "")
});

impl Store {
    /// How a question stands that is asked in batches; nothing where it is not.
    pub fn question(&self, key: Digest) -> Result<Option<Standing>, StoreError> {
        self.read(|reader| {
            let sql = format!(
                "SELECT state, cap, class, cause, tries, input_tokens, output_tokens, cached_tokens, reasoning_tokens,
                    cost_micros
                 FROM question WHERE key = ?1 AND {}",
                QUESTIONS.sound()
            );
            reader
                .prepare_cached(&sql)?
                .query_row([Column(key)], standing)
                .optional()
        })
    }

    /// The lanes that have questions or batches.
    pub fn lanes_in_batches(&self) -> Result<Vec<String>, StoreError> {
        self.read(|reader| {
            let sql = "SELECT lane FROM question WHERE state <> 'told'
                 UNION SELECT lane FROM batch WHERE state <> 'ended'";
            reader
                .prepare(sql)?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// How many questions that tasks of a dataset wait for are in batches.
    pub fn sent(&self, dataset: i64) -> Result<u64, StoreError> {
        self.read(|reader| {
            let sql = "SELECT count(DISTINCT waiting.key) FROM waiting JOIN question ON question.key = waiting.key
                 WHERE dataset = ?1 AND state = 'sent'";
            reader.query_row(sql, [dataset], |row| row.get(0))
        })
    }

    /// Puts a question into the queue of its lane, for a task that waits for it. `before` is how it stood.
    pub async fn queue_question(
        &self,
        question: NewQuestion,
        before: Option<Standing>,
    ) -> Result<(), StoreError> {
        let adaptations = serde_json::json!(question.line.adaptations).to_string();
        self.inner
            .writer
            .write(move |connection| queue(connection, &question, &adaptations, before.as_ref()))
            .await
    }

    /// Notes that a task waits for a question, or, without one, for another task of its record.
    pub async fn wait(&self, task: TaskId, key: Option<Digest>) -> Result<(), StoreError> {
        self.inner
            .writer
            .write_later(move |connection| wait(connection, &task, key))
            .await
    }

    /// Notes that a task waits no more.
    pub async fn stop_waiting(&self, task: TaskId) -> Result<(), StoreError> {
        self.inner
            .writer
            .write_later(move |connection| {
                connection
                    .prepare_cached(
                        "DELETE FROM waiting WHERE dataset = ?1 AND record = ?2 AND component = ?3",
                    )?
                    .execute(params![task.dataset, task.record, task.component])
                    .map(drop)
            })
            .await
    }

    /// Forgets which tasks of a dataset wait, and what tasks were told: a run that looks at them all notes it anew.
    pub async fn forget_waiting(&self, dataset: i64) -> Result<(), StoreError> {
        self.inner
            .writer
            .write(move |connection| {
                connection.execute("DELETE FROM waiting WHERE dataset = ?1", [dataset])?;
                connection
                    .execute("DELETE FROM question WHERE state = 'told'", [])
                    .map(drop)
            })
            .await
    }

    /// For what a task waits that asks in batches: the numbers of their batches, and none for a question that is in no batch yet.
    pub fn waits_for(&self, task: &TaskId) -> Result<Vec<Option<i64>>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT batch FROM waiting JOIN question ON question.key = waiting.key
                     WHERE dataset = ?1 AND record = ?2 AND waiting.component = ?3 AND state IN ('queued', 'sent')
                     ORDER BY batch",
                )?
                .query_map(params![task.dataset, task.record, task.component], |row| {
                    row.get(0)
                })?
                .collect()
        })
    }

    /// The components of a record whose tasks wait.
    pub fn waiting(&self, dataset: i64, record: &str) -> Result<Vec<String>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT DISTINCT component FROM waiting WHERE dataset = ?1 AND record = ?2",
                )?
                .query_map(params![dataset, record], |row| row.get(0))?
                .collect()
        })
    }

    /// The records of a selection with a task whose question has been settled.
    pub fn settled(&self, lease: &Lease) -> Lease {
        let condition = " AND EXISTS (SELECT 1 FROM waiting
            WHERE waiting.dataset = record.dataset AND waiting.record = record.id AND key <> x'' AND NOT EXISTS (SELECT 1 FROM question WHERE question.key = waiting.key AND state IN ('queued', 'sent')))";
        lease.narrowed(condition, Vec::<Sql>::new())
    }

    /// Lets a question go that is asked alone from now on, and books what its tries took. Returns when that is on disk.
    pub async fn let_go(&self, key: Digest, bill: Option<Bill>) -> Result<(), StoreError> {
        let book = bill.map(booking);
        self.inner
            .writer
            .write(move |connection| {
                book.iter().try_for_each(|book| book(connection))?;
                connection
                    .prepare_cached("DELETE FROM question WHERE key = ?1")?
                    .execute([Column(key)])
                    .map(drop)
            })
            .await
    }

    /// Notes that a task was told that a question has no answer, and books what its tries took. Returns when that is on disk.
    pub async fn tell_failed(
        &self,
        key: Digest,
        class: FailureClass,
        cause: &str,
        bill: Option<Bill>,
    ) -> Result<(), StoreError> {
        let (cause, book) = (cause.to_owned(), bill.map(booking));
        self.inner
            .writer
            .write(move |connection| {
                book.iter().try_for_each(|book| book(connection))?;
                connection
                    .prepare_cached(&TELL)?
                    .execute(params![Column(key), Column(class), cause])
                    .map(drop)
            })
            .await
    }

    /// Takes a question out of its queue, to be asked alone; whether it was in one still.
    pub async fn unqueue(&self, key: Digest) -> Result<bool, StoreError> {
        let taken = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&taken);
        let sql = format!(
            "UPDATE question SET {} WHERE key = ?1 AND state = 'queued'",
            QUESTIONS.set(&[("state", "'online'"), ("line", "NULL"), ("cap", "NULL")])
        );
        self.inner
            .writer
            .write(move |connection| {
                let changed = connection.prepare_cached(&sql)?.execute([Column(key)])?;
                noted.store(changed > 0, Ordering::Relaxed);
                Ok(())
            })
            .await?;
        Ok(taken.load(Ordering::Relaxed))
    }

    /// What waits in the queue of a lane. Questions that no task waits for any more do not count.
    pub fn queued(&self, lane: &str) -> Result<Queued, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT count(*), coalesce(sum(bytes), 0), coalesce(sum(likely_input), 0),
                        coalesce(sum(likely_output), 0)
                     FROM question
                     WHERE lane = ?1 AND state = 'queued' AND key IN (SELECT key FROM waiting)",
                )?
                .query_row([lane], |row| {
                    Ok(Queued {
                        lines: row.get(0)?,
                        bytes: row.get(1)?,
                        input_tokens: row.get(2)?,
                        output_tokens: row.get(3)?,
                    })
                })
        })
    }

    /// The same for each component with a question there.
    pub fn queued_of(&self, lane: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(
                    "SELECT component, count(*) FROM question
                     WHERE lane = ?1 AND state = 'queued' AND key IN (SELECT key FROM waiting)
                     GROUP BY component ORDER BY component",
                )?
                .query_map([lane], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The line of the last question of a component in the queue of a lane.
    pub fn last_line(&self, lane: &str, component: &str) -> Result<Option<String>, StoreError> {
        self.read(|reader| {
            let line: Option<Option<String>> = reader
                .prepare_cached(
                    "SELECT line FROM question
                     WHERE lane = ?1 AND component = ?2 AND state = 'queued' AND key IN (SELECT key FROM waiting)
                     ORDER BY ord DESC LIMIT 1",
                )?
                .query_row([lane, component], |row| row.get(0))
                .optional()?;
            Ok(line.flatten())
        })
    }

    /// Takes the questions of these components out of the queue of a lane, to be asked one by one. Returns how many questions that are.
    pub async fn ask_online(
        &self,
        lane: &str,
        components: &BTreeSet<String>,
    ) -> Result<u64, StoreError> {
        let queued = self.queued_of(lane)?.into_iter();
        let (names, counts): (Vec<String>, Vec<u64>) =
            queued.filter(|(name, _)| components.contains(name)).unzip();
        let lane = lane.to_owned();
        let sql = format!(
            "UPDATE question SET {} WHERE lane = ?1 AND component = ?2 AND state = 'queued'",
            QUESTIONS.set(&[("state", "'online'"), ("line", "NULL"), ("cap", "NULL")])
        );
        self.inner
            .writer
            .write(move |connection| {
                let mut statement = connection.prepare_cached(&sql)?;
                for name in &names {
                    statement.execute([&lane, name])?;
                }
                Ok(())
            })
            .await?;
        Ok(counts.iter().sum())
    }

    /// Takes all questions out of the queue of a lane: their tasks ask again.
    pub async fn release_queue(&self, lane: &str) -> Result<(), StoreError> {
        let lane = lane.to_owned();
        let sql = format!(
            "UPDATE question SET {} WHERE lane = ?1 AND state = 'queued'",
            QUESTIONS.set(&[("state", "'again'"), ("line", "NULL"), ("cap", "NULL")])
        );
        self.inner
            .writer
            .write(move |connection| connection.execute(&sql, [&lane]).map(drop))
            .await
    }
}

fn queue(
    connection: &Connection,
    question: &NewQuestion,
    adaptations: &str,
    before: Option<&Standing>,
) -> rusqlite::Result<()> {
    let shape = question.schema.as_ref().map(|schema| {
        let text = schema.as_str();
        (Digest::of(text.as_bytes()), text)
    });
    if let Some((digest, text)) = shape {
        connection
            .prepare_cached(&SHAPE)?
            .execute(params![Column(digest), text])?;
    }
    let line = &question.line;
    let usage = before.map(|before| before.usage).unwrap_or_default();
    connection.prepare_cached(&QUEUE)?.execute(params![
        Column(question.key),
        question.lane,
        question.task.component,
        line.text,
        line.text.len() as u64 + 1,
        question.configured,
        line.cap,
        adaptations,
        line.likely.input,
        line.likely.output,
        shape.map(|(digest, _)| Column(digest)),
        before.map_or(0, |before| before.tries),
        usage.input_tokens,
        usage.output_tokens,
        usage.cached_tokens,
        usage.reasoning_tokens,
        before.and_then(|before| before.micros),
    ])?;
    wait(connection, &question.task, Some(question.key))
}

fn wait(connection: &Connection, task: &TaskId, key: Option<Digest>) -> rusqlite::Result<()> {
    let key = key.map(|key| key.as_bytes().to_vec()).unwrap_or_default();
    connection
        .prepare_cached(&WAIT)?
        .execute(params![task.dataset, task.record, task.component, key])
        .map(drop)
}

fn standing(row: &Row<'_>) -> rusqlite::Result<Standing> {
    let state: String = row.get("state")?;
    Ok(Standing {
        state: match state.as_str() {
            "queued" => QuestionState::Queued,
            "sent" => QuestionState::Sent,
            "failed" | "told" => {
                let Column(class) = row.get("class")?;
                let class = class.unwrap_or(FailureClass::Transient);
                let cause = row.get::<_, Option<String>>("cause")?.unwrap_or_default();
                match state.as_str() {
                    "told" => QuestionState::Told(class, cause),
                    _ => QuestionState::Failed(class, cause),
                }
            }
            "online" => QuestionState::Online,
            _ => QuestionState::Again(row.get("cap")?),
        },
        tries: row.get("tries")?,
        usage: usage(row)?,
        micros: row.get("cost_micros")?,
    })
}

/// What the tries of a question took.
fn usage(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        cached_tokens: row.get("cached_tokens")?,
        reasoning_tokens: row.get("reasoning_tokens")?,
        ..Usage::new(row.get("input_tokens")?, row.get("output_tokens")?)
    })
}
