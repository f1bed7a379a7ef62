//! The journal: every completion that was paid for, by the key of its question; and the transcript:
//! what each task was told, in order.

use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use tokio::sync::oneshot;

use super::checkpoint::TaskId;
use super::checksum::{BILLED, COMPLETIONS, TRANSCRIPTS};
use super::sql::{Column, NOW};
use super::{Store, StoreError, guard, key_filter};
use gateway::journal::{Begin, Journal, Provenance};
use gateway::learned::Learned;
use types::digest::Digest;
use types::limit::Size;
use types::request::{Answer, Completion, StopReason, Usage};

static INSERT: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("id", "(SELECT coalesce(max(id), 0) + 1 FROM completion)"),
        ("key", "?1"),
        ("kind", "?2"),
        ("text", "?3"),
        ("stop", "?4"),
        ("finish_reason", "?5"),
        ("model", "?6"),
        ("provider", "?7"),
        ("lane", "?8"),
        ("input_tokens", "?9"),
        ("output_tokens", "?10"),
        ("cached_tokens", "?11"),
        ("reasoning_tokens", "?12"),
        ("cost_micros", "?13"),
        ("tries", "?14"),
        ("obtained_at", NOW),
        ("milliseconds", "?15"),
    ];
    // A damaged answer to the same question gives way; its number stays, since transcripts name it.
    let tail = format!(
        "ON CONFLICT (key) DO UPDATE SET {} RETURNING id",
        COMPLETIONS.take_over(&["id", "key"])
    );
    COMPLETIONS.insert("INSERT", &values, &tail)
});

/// A damaged answer counts as lost: its question is asked again.
static LOOK_UP: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT kind, text, stop, finish_reason, model, input_tokens, output_tokens, id
         FROM completion WHERE key = ?1 AND {}",
        COMPLETIONS.sound()
    )
});

static TELL: LazyLock<String> = LazyLock::new(|| {
    let values = [
        ("dataset", "?1"),
        ("record", "?2"),
        ("component", "?3"),
        ("fingerprint", "?4"),
        ("generation", "?5"),
        ("position", "?6"),
        ("completion", "?7"),
    ];
    TRANSCRIPTS.insert("INSERT OR REPLACE", &values, "")
});

static TOLD: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT kind, text, stop, finish_reason, model, input_tokens, output_tokens, key, position
         FROM transcript JOIN completion ON completion.id = transcript.completion
         WHERE dataset = ?1 AND record = ?2 AND component = ?3 AND fingerprint = ?4 AND generation = ?5
            AND kind <> '{LOST}' AND {} AND {}
         ORDER BY position",
        TRANSCRIPTS.sound(),
        COMPLETIONS.sound()
    )
});

/// Kind of an answer that was damaged: it stands for what a task was told, and is nobody's answer any more.
pub(super) const LOST: &str = "lost";

/// The right to ask a question; dropping it lets another ask.
#[derive(Debug)]
pub struct Claim {
    key: Digest,
    store: Store,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // Those who wait wake as their senders go.
        guard(&self.store.inner.in_flight).remove(&self.key);
    }
}

impl Journal for Store {
    type Claim = Claim;
    type Error = StoreError;

    fn begin(&self, key: Digest) -> Result<Begin<Claim>, StoreError> {
        let claim = match guard(&self.inner.in_flight).entry(key) {
            Entry::Occupied(mut other) => {
                let (sender, woken) = oneshot::channel();
                other.get_mut().push(sender);
                return Ok(Begin::Wait(woken));
            }
            Entry::Vacant(place) => {
                place.insert(Vec::new());
                Claim {
                    key,
                    store: self.clone(),
                }
            }
        };
        // Claimed first and looked up then: so no answer can arrive unseen between the two.
        let journal = || self.read(key_filter::keys).ok().flatten();
        if self.inner.key_filter.certainly(key, journal) {
            return Ok(Begin::Go(claim));
        }
        match self.lookup(key)? {
            Some((id, answer)) => Ok(Begin::Have(id, answer)),
            None => Ok(Begin::Go(claim)),
        }
    }

    async fn record(
        &self,
        claim: Claim,
        answer: &Answer,
        provenance: &Provenance,
    ) -> Result<i64, StoreError> {
        let (key, answer, provenance) = (claim.key, answer.clone(), provenance.clone());
        self.inner.key_filter.answered(key);
        let id = Arc::new(AtomicI64::new(0));
        let noted = Arc::clone(&id);
        let written = self
            .inner
            .writer
            .write(move |connection| {
                let id = insert(connection, key, &answer, &provenance)?;
                noted.store(id, Ordering::Relaxed);
                Ok(())
            })
            .await;
        if written.is_err() {
            self.inner.lost_answers.fetch_add(1, Ordering::Relaxed);
        }
        drop(claim);
        written.map(|()| id.load(Ordering::Relaxed))
    }

    async fn keep_lessons(
        &self,
        lane: &str,
        options: Digest,
        learned: &Learned,
    ) -> Result<(), StoreError> {
        self.write_lessons(lane, options, learned).await
    }
}

impl Store {
    /// The answer to a question, if it is in the journal.
    pub fn answered(&self, key: Digest) -> Result<Option<Answer>, StoreError> {
        Ok(self.lookup(key)?.map(|(_, answer)| answer))
    }

    fn lookup(&self, key: Digest) -> Result<Option<(i64, Answer)>, StoreError> {
        self.read(|reader| {
            reader
                .prepare_cached(&LOOK_UP)?
                .query_row([Column(key)], |row| Ok((row.get("id")?, answer(row)?)))
                .optional()
        })
    }

    /// What a lane used within the last `span`, the oldest first: how long ago, and how many requests and
    /// tokens. Calls of about the same moment are one entry, at the latest of them. Tries that were billed and brought no
    /// answer count, too.
    pub fn used_recently(
        &self,
        lane: &str,
        span: Duration,
    ) -> Result<Vec<(Duration, u64, Size)>, StoreError> {
        self.read(|reader| {
            // The newest first, since ids grow with time: the scan ends where the span does.
            let mut statement = reader.prepare(
                &format!(
                    "SELECT unixepoch('now', 'subsec') - unixepoch(obtained_at, 'subsec') AS ago, input_tokens,
                        output_tokens, lane = ?1 AS is_of_lane
                     FROM completion WHERE {} ORDER BY id DESC",
                    COMPLETIONS.sound()
                ),
            )?;
            let mut rows = statement.query([lane])?;
            let mut used: Vec<(Duration, u64, Size)> = Vec::new();
            while let Some(row) = rows.next()? {
                let ago = whole(row.get("ago")?);
                if ago > span {
                    break;
                }
                if !row.get::<_, bool>("is_of_lane")? {
                    continue;
                }
                let size = size(row)?;
                match used.last_mut() {
                    Some((known, requests, tokens)) if *known == ago => {
                        *requests += 1;
                        tokens.input = tokens.input.saturating_add(size.input);
                        tokens.output = tokens.output.saturating_add(size.output);
                    }
                    _ => used.push((ago, 1, size)),
                }
            }
            let mut statement = reader.prepare_cached(
                &format!(
                    "SELECT unixepoch('now', 'subsec') - unixepoch(ended_at, 'subsec') AS ago, input_tokens, output_tokens
                     FROM billed WHERE lane = ?1 AND ended_at > strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?2) AND {}",
                    BILLED.sound()
                ),
            )?;
            let since = format!("-{} seconds", span.as_secs().saturating_add(1));
            let billed = statement.query_map(params![lane, since], |row| {
                let size = size(row)?;
                Ok((whole(row.get("ago")?), 1, size))
            })?;
            for billed in billed {
                used.push(billed?);
            }
            used.sort_by_key(|(ago, _, _)| std::cmp::Reverse(*ago));
            used.retain(|(ago, _, _)| *ago <= span);
            Ok(used)
        })
    }

    /// Whether a lane has answered a question within the last `span`.
    pub fn has_answered_within(&self, lane: &str, span: Duration) -> Result<bool, StoreError> {
        self.read(|reader| {
            // The newest first, since ids grow with time: the scan ends where the span does.
            let mut statement = reader.prepare(
                &format!(
                    "SELECT unixepoch('now', 'subsec') - unixepoch(obtained_at, 'subsec') AS ago, lane = ?1 AS is_of_lane
                     FROM completion WHERE {} ORDER BY id DESC",
                    COMPLETIONS.sound()
                ),
            )?;
            let mut rows = statement.query([lane])?;
            while let Some(row) = rows.next()? {
                if whole(row.get("ago")?) > span {
                    break;
                }
                if row.get::<_, bool>("is_of_lane")? {
                    return Ok(true);
                }
            }
            Ok(false)
        })
    }

    /// What a task was told under a fingerprint and generation, in order, with the keys.
    pub fn transcript(
        &self,
        task: &TaskId,
        fingerprint: Digest,
        generation: u32,
    ) -> Result<Vec<(Digest, Answer)>, StoreError> {
        self.read(|reader| transcript(reader, task, fingerprint, generation))
    }

    /// The same by the keys of the questions, whose answers were recorded before.
    pub async fn append_transcript_by_keys(
        &self,
        task: TaskId,
        fingerprint: Digest,
        generation: u32,
        entries: Vec<(u32, Digest)>,
    ) -> Result<(), StoreError> {
        self.inner
            .writer
            .write_later(move |connection| {
                let mut find =
                    connection.prepare_cached("SELECT id FROM completion WHERE key = ?1")?;
                let mut tell = connection.prepare_cached(&TELL)?;
                for (position, key) in &entries {
                    let found = find
                        .query_row([Column(*key)], |row| row.get(0))
                        .optional()?;
                    let Some(completion): Option<i64> = found else {
                        continue;
                    };
                    tell.execute(params![
                        task.dataset,
                        task.record,
                        task.component,
                        Column(fingerprint),
                        generation,
                        position,
                        completion
                    ])?;
                }
                Ok(())
            })
            .await
    }

    /// Notes that a task is told a completion. It is on disk before anything that is written later;
    /// a kill before that costs nothing, since the completion is found again by its key.
    pub async fn append_transcript(
        &self,
        task: TaskId,
        fingerprint: Digest,
        generation: u32,
        entries: Vec<(u32, i64)>,
    ) -> Result<(), StoreError> {
        self.inner
            .writer
            .write_later(move |connection| {
                let mut statement = connection.prepare_cached(&TELL)?;
                for (position, completion) in &entries {
                    statement.execute(params![
                        task.dataset,
                        task.record,
                        task.component,
                        Column(fingerprint),
                        generation,
                        position,
                        completion
                    ])?;
                }
                Ok(())
            })
            .await
    }
}

/// Writes an answer, and returns its number.
pub(super) fn insert(
    connection: &Connection,
    key: Digest,
    answer: &Answer,
    provenance: &Provenance,
) -> rusqlite::Result<i64> {
    let (kind, text, stop, finish) = match answer {
        Answer::Completion(completion) => (
            "completion",
            &completion.text,
            Some(stop_name(completion.stop)),
            Some(&completion.finish_reason),
        ),
        Answer::ContentFiltered(text) => ("content-filtered", text, None, None),
        Answer::ContextTooLong(text) => ("context-too-long", text, None, None),
    };
    connection.prepare_cached(&INSERT)?.query_row(
        params![
            Column(key),
            kind,
            text,
            stop,
            finish,
            provenance.model,
            provenance.provider,
            provenance.lane,
            provenance.usage.input_tokens,
            provenance.usage.output_tokens,
            provenance.usage.cached_tokens,
            provenance.usage.reasoning_tokens,
            provenance.micros,
            provenance.tries,
            u64::try_from(provenance.took.as_millis()).unwrap_or(u64::MAX),
        ],
        |row| row.get(0),
    )
}

/// Whether a question is answered.
pub(super) fn has(connection: &Connection, key: Digest) -> rusqlite::Result<bool> {
    connection.prepare_cached(&LOOK_UP)?.exists([Column(key)])
}

fn size(row: &Row<'_>) -> rusqlite::Result<Size> {
    Ok(Size {
        input: row.get("input_tokens")?,
        output: row.get("output_tokens")?,
    })
}

/// Seconds ago, rounded down: finely where a window may be short.
fn whole(seconds: f64) -> Duration {
    let grain = if seconds < 60.0 { 0.01 } else { 1.0 };
    Duration::try_from_secs_f64((seconds / grain).floor() * grain).unwrap_or_default()
}

fn transcript(
    reader: &Connection,
    task: &TaskId,
    fingerprint: Digest,
    generation: u32,
) -> rusqlite::Result<Vec<(Digest, Answer)>> {
    let mut statement = reader.prepare_cached(&TOLD)?;
    let mut rows = statement.query(params![
        task.dataset,
        task.record,
        task.component,
        Column(fingerprint),
        generation
    ])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        let position: usize = row.get("position")?;
        // A gap, and so what is damaged, ends what can be replayed; the rest is found again by its keys.
        if position != entries.len() {
            break;
        }
        let Column(Some(key)) = row.get("key")? else {
            break;
        };
        entries.push((key, answer(row)?));
    }
    Ok(entries)
}

pub(super) fn answer(row: &Row<'_>) -> rusqlite::Result<Answer> {
    let kind: String = row.get("kind")?;
    let text: String = row.get("text")?;
    Ok(match kind.as_str() {
        "content-filtered" => Answer::ContentFiltered(text),
        "context-too-long" => Answer::ContextTooLong(text),
        _ => Answer::Completion(Completion {
            text,
            stop: match row.get::<_, Option<String>>("stop")?.as_deref() {
                Some("length") => StopReason::Length,
                _ => StopReason::Stop,
            },
            finish_reason: row
                .get::<_, Option<String>>("finish_reason")?
                .unwrap_or_default(),
            model: row.get("model")?,
            usage: Usage::new(row.get("input_tokens")?, row.get("output_tokens")?),
        }),
    })
}

fn stop_name(stop: StopReason) -> &'static str {
    match stop {
        StopReason::Stop => "stop",
        StopReason::Length => "length",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn completion(text: &str) -> Answer {
        Answer::Completion(Completion {
            text: text.to_owned(),
            stop: StopReason::Stop,
            finish_reason: "stop".to_owned(),
            usage: Usage::new(10, 5),
            model: "m".to_owned(),
        })
    }

    fn task() -> TaskId {
        TaskId {
            dataset: 1,
            record: "iron".to_owned(),
            component: "text".to_owned(),
        }
    }

    fn provenance() -> Provenance {
        Provenance {
            provider: "offline".to_owned(),
            lane: "offline".to_owned(),
            model: "m".to_owned(),
            micros: None,
            usage: Usage::new(10, 5),
            tries: 1,
            took: Duration::from_millis(1200),
        }
    }

    #[tokio::test]
    async fn one_asks_and_the_others_wait_for_the_durable_answer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.db");
        let key = Digest::of(b"question");
        {
            let store = Store::open(&path).unwrap();
            let Begin::Go(claim) = store.begin(key).unwrap() else {
                panic!("nobody has it")
            };
            let Begin::Wait(waiter) = store.begin(key).unwrap() else {
                panic!("claimed")
            };
            let answer = completion("because");
            let id = store.record(claim, &answer, &provenance()).await.unwrap();
            assert!(waiter.await.is_err());
            let Begin::Have(found, text) = store.begin(key).unwrap() else {
                panic!("recorded")
            };
            assert_eq!((found, &text), (id, &answer));
            store
                .append_transcript(task(), key, 0, vec![(0, id)])
                .await
                .unwrap();
        }
        let store = Store::open(&path).unwrap();
        assert_eq!(
            store.transcript(&task(), key, 0).unwrap(),
            [(key, completion("because"))]
        );
        assert!(store.transcript(&task(), key, 1).unwrap().is_empty());
        assert!(matches!(store.begin(key).unwrap(), Begin::Have(..)));
        let other = Digest::of(b"another question");
        assert!(matches!(store.begin(other).unwrap(), Begin::Go(_)));
    }

    #[tokio::test]
    async fn a_claim_that_is_given_up_lets_another_ask() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("state.db")).unwrap();
        let key = Digest::of(b"question");
        let Begin::Go(claim) = store.begin(key).unwrap() else {
            panic!("nobody has it")
        };
        drop(claim);
        assert!(matches!(store.begin(key).unwrap(), Begin::Go(_)));
    }
}
