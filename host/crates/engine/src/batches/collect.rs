//! Brings the answers of a batch that has ended into the journal: some thousand lines at a time, and each line once, however often
//! its file is read.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use tracing::Instrument;

use super::traced;
use super::{Batched, Batches, Turn, is_open, may_pass};
use gateway::batch::key_of;
use gateway::batch::protocol::{BatchStatus, LineResult, Problem, RemoteBatch};
use gateway::error::CallError;
use gateway::journal::Journal;
use gateway::lane::{Observer, Verdict};
use gateway::learned::Learned;
use store::{Batch, BatchState, Collected, StoreError};
use types::class::FailureClass;
use types::digest::Digest;
use types::request::Answer;

/// Lines that are kept in one transaction, and bytes of these. Results come in any order, so that each transaction writes most
/// pages of the table: a few large ones write less than many small ones.
#[cfg(not(test))]
pub(super) const GROUP: usize = 5000;
/// So that a simulated batch has several.
#[cfg(test)]
pub(super) const GROUP: usize = 2;
const GROUP_BYTES: usize = 16 << 20;
/// The longest line of a result file that is read; bytes.
pub(super) const LONGEST: usize = 8 << 20;
/// A batch that has ended may name its files so much later; seconds.
const LATE: u64 = 600;
/// A file whose reading breaks off is read so often.
const READS: u32 = 3;

/// Noted of a batch that takes too long.
const TOO_LONG: &str = "it took longer than patience-hours, and is cancelled; what it has not answered is asked one by one";

/// What was found in result files besides answers.
#[derive(Default)]
pub(super) struct Odd {
    pub foreign: u64,
    pub unreadable: u64,
}

impl Batches {
    /// Looks how an open batch stands, and collects it if it has ended.
    pub(super) async fn look(
        &self,
        mut batch: Batch,
        batched: &Batched,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let Some(id) = batch.remote.clone() else {
            return self
                .hold(batch, "its name at the provider is lost".to_owned())
                .await;
        };
        let listed = self.now().listed.remove(&batch.id);
        let shown = match listed {
            Some(remote) => Ok(remote),
            None => batched.lane.protocol.get(&id).await,
        };
        let remote = match shown {
            Ok(remote) => remote,
            Err(error) if error.error.class == FailureClass::NotFound => {
                if self.may_resubmit(&batch) {
                    return self.end(batch, turn).await;
                }
                let note = format!(
                    "the provider does not know {id}: {error}; it is not handed in again by itself, since it may be paid for \
                     (--resubmit-doubtful does)"
                );
                return self.hold(batch, note).await;
            }
            Err(error) => {
                // A look that fails says nothing about the batch.
                return self
                    .hold(batch, format!("it cannot be looked at: {error}"))
                    .await;
            }
        };
        traced::note_of_batch("word", &remote.word);
        batch.word = Some(remote.word.clone());
        batch.answered = remote.answered.or(batch.answered);
        batch.failed = remote.failed.or(batch.failed);
        batch.expires_at = remote.expires_at.or(batch.expires_at);
        match remote.status {
            BatchStatus::Working => self.working(batch, batched).await,
            BatchStatus::Unknown => {
                let note = format!(
                    "the provider says `{}` of it, which is not known",
                    remote.word
                );
                self.hold(batch, note).await
            }
            BatchStatus::Refused => self.refused(batch, batched, &remote, turn).await,
            BatchStatus::Ended => {
                let ended = *batch.ended_at.get_or_insert(self.unix());
                let is_late = self.unix().saturating_sub(ended) >= LATE;
                // Where a provider has no word for the end, it may not have read all questions yet.
                let is_whole = remote.total.is_none_or(|total| total >= batch.lines);
                if remote.is_settled && (is_whole || is_late) {
                    let span = traced::of_batch("collect", &batch);
                    let collecting = self.collect(batch, batched, &remote, turn);
                    return collecting.instrument(span).await;
                }
                if is_late && self.may_resubmit(&batch) {
                    return self.end(batch, turn).await;
                }
                let note = if !is_late {
                    "it has ended, and the provider does not say yet where its answers are"
                } else {
                    "it has ended, and the provider does not say where its answers are: look into the provider's console; \
                     --resubmit-doubtful asks its questions again, which may be paid for twice"
                };
                self.hold(batch, note.to_owned()).await
            }
        }
    }

    /// Lets a batch be worked on, unless it has taken too long.
    async fn working(&self, mut batch: Batch, batched: &Batched) -> Result<(), StoreError> {
        let is_cancelled = batch.note.as_deref() == Some(TOO_LONG);
        let took = self
            .unix()
            .saturating_sub(batch.sent_at.unwrap_or(batch.formed_at));
        let is_overdue = batched.patience.is_some_and(|patience| took >= patience);
        if !is_cancelled {
            batch.note = None;
        }
        batch.ended_at = None;
        if is_overdue
            && !is_cancelled
            && let Some(id) = &batch.remote
        {
            match batched.lane.protocol.cancel(id).await {
                Ok(remote) => {
                    batch.word = Some(remote.word);
                    batch.note = Some(TOO_LONG.to_owned());
                    self.tell(format!("batch {}: {TOO_LONG}", batch.name));
                }
                Err(error) => {
                    let note = format!("it takes too long, and cannot be cancelled: {error}");
                    return self.hold(batch, note).await;
                }
            }
        }
        self.look_later(&batch);
        self.store.note_batch(batch).await
    }

    /// Takes the answers of a batch that has ended.
    async fn collect(
        &self,
        batch: Batch,
        batched: &Batched,
        remote: &RemoteBatch,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        self.store.note_batch(batch.clone()).await?;
        let is_too_late = batch.note.as_deref() == Some(TOO_LONG);
        let mut odd = Odd::default();
        // What is missing after all files were read is looked for once more.
        let mut missing = 0;
        for _ in 0..2 {
            odd = Odd::default();
            for file in &remote.files {
                if let Err(error) = self
                    .read_file(&batch, batched, file, &mut odd, turn)
                    .await?
                {
                    if error.class == FailureClass::NotFound && self.may_resubmit(&batch) {
                        break;
                    }
                    return self
                        .hold(batch, format!("its answers cannot be fetched: {error}"))
                        .await;
                }
                if self.interrupt.is_thrown() {
                    return Ok(());
                }
            }
            missing = self.store.unsettled(batch.id)?;
            if is_too_late || missing == 0 {
                break;
            }
        }
        if missing > 0 && !is_too_late {
            self.tell(format!(
                "batch {}: questions that have no line in its answers: {missing} of {}; they are asked again, and may have been paid for",
                batch.name, batch.lines
            ));
        }
        if odd.foreign > 0 {
            self.tell(format!(
                "batch {}: lines of its answers that belong to no question that waits, and are not used: {}",
                batch.name, odd.foreign
            ));
        }
        if odd.unreadable > 0 {
            self.tell(format!(
                "batch {}: lines of its answers that cannot be read: {}",
                batch.name, odd.unreadable
            ));
        }
        self.end_with(batch, missing, turn).await
    }

    /// Ends a batch: what it did not settle is asked again.
    pub(super) async fn end(&self, batch: Batch, turn: &mut Turn) -> Result<(), StoreError> {
        let unsettled = self.store.unsettled(batch.id)?;
        self.end_with(batch, unsettled, turn).await
    }

    async fn end_with(
        &self,
        mut batch: Batch,
        unsettled: u64,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        turn.settled += unsettled;
        batch.state = BatchState::Ended;
        let is_too_late = batch.note.take().as_deref() == Some(TOO_LONG);
        batch.ended_at.get_or_insert(self.unix());
        let id = batch.id;
        self.store.end_batch(batch, is_too_late).await?;
        let mut now = self.now();
        now.reserved.remove(&id);
        now.looks.remove(&id);
        Ok(())
    }

    /// The provider took none of a batch: lines that it names fail, the rest is asked again.
    async fn refused(
        &self,
        batch: Batch,
        batched: &Batched,
        remote: &RemoteBatch,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        if let Some(full) = remote.problems.iter().find(|problem| problem.is_full) {
            let open = self.store.open_batches()?;
            let is_alone = !open
                .iter()
                .any(|other| other.lane == batch.lane && other.id != batch.id && is_open(other));
            // Far below the number of the provider, it is what others have handed in with the same key that fills the room.
            let is_near = full
                .most_tokens
                .is_none_or(|most| most / 2 < batch.likely.input);
            let is_too_much = is_alone && is_near;
            // A question that is too much by itself is refused like any other batch.
            if !is_too_much || batch.lines > 1 {
                return self
                    .no_room(batch, batched, (full, is_too_much), turn)
                    .await;
            }
        }
        let mut has_named = false;
        let mut last = FailureClass::Transient;
        for problem in &remote.problems {
            last = problem.class;
            if let Some(line) = problem.line {
                has_named = true;
                let class = FailureClass::BadRequest;
                self.store
                    .fail_line(batch.id, line, class, &problem.message)
                    .await?;
                turn.settled += 1;
            }
        }
        let words = remote.problems.first().map_or_else(
            || format!("the provider refused the batch ({})", remote.word),
            |problem| format!("the provider refused the batch: {}", problem.message),
        );
        self.tell(format!("batch {}: {words}", batch.name));
        let lane = batch.lane.clone();
        self.end(batch, turn).await?;
        if !has_named && !may_pass(last) {
            // As a whole it would be refused again.
            self.refuse(&lane, CallError::new(last, words)).await?;
        }
        Ok(())
    }

    /// More tokens may not wait at the provider: the batch waits for others, or is split.
    async fn no_room(
        &self,
        mut batch: Batch,
        batched: &Batched,
        (full, is_too_much): (&Problem, bool),
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        // Where it is too much by itself, the number of the provider may not do: it counts tokens in its own way.
        let half = is_too_much.then_some(batch.likely.input / 2);
        if let Some(most) = full.most_tokens.into_iter().chain(half).min() {
            let lane = &batched.lane.lane;
            let (name, options) = (lane.name(), lane.options());
            let learned = Learned {
                most_waiting: Some(lane.no_more_waiting(most)),
                ..self.store.lessons(name, options)?
            };
            Journal::keep_lessons(&self.store, name, options, &learned).await?;
            if most < batch.likely.input {
                self.tell(format!(
                    "batch {}: it is split: {}",
                    batch.name, full.message
                ));
                turn.settled += batch.lines;
                self.now().reserved.remove(&batch.id);
                return self.store.dissolve_batch(batch.id).await;
            }
        }
        batch.state = BatchState::Uploaded;
        batch.remote = None;
        batch.sent_at = None;
        let note = format!("it waits for room at the provider: {}", full.message);
        self.hold(batch, note).await
    }

    /// Reads a result file to its end, again where it breaks off: what is kept already costs nothing.
    async fn read_file(
        &self,
        batch: &Batch,
        batched: &Batched,
        file: &str,
        odd: &mut Odd,
        turn: &mut Turn,
    ) -> Result<Result<(), CallError>, StoreError> {
        let mut last = CallError::new(FailureClass::Transient, "it was not read");
        for _ in 0..READS {
            match self.read_once(batch, batched, file, odd, turn).await? {
                Ok(()) => return Ok(Ok(())),
                Err(error) => last = error,
            }
        }
        Ok(Err(last))
    }

    async fn read_once(
        &self,
        batch: &Batch,
        batched: &Batched,
        file: &str,
        odd: &mut Odd,
        turn: &mut Turn,
    ) -> Result<Result<(), CallError>, StoreError> {
        let mut pieces = match batched.lane.protocol.results(file).await {
            Ok(pieces) => pieces,
            Err(error) => return Ok(Err(error.error)),
        };
        let mut keeping = Keeping::new(self, batch, batched, odd, turn);
        let mut rest: Vec<u8> = Vec::new();
        let mut is_too_long = false;
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    keeping.end().await?;
                    return Ok(Err(error));
                }
            };
            let mut behind: &[u8] = &piece;
            while let Some(length) = memchr::memchr(b'\n', behind) {
                let (line, next) = behind.split_at(length);
                behind = next.get(1..).unwrap_or_default();
                if std::mem::take(&mut is_too_long) {
                    continue;
                }
                if rest.is_empty() {
                    keeping.line(line).await?;
                } else {
                    rest.extend_from_slice(line);
                    keeping.line(&rest).await?;
                    rest.clear();
                }
                if self.interrupt.is_thrown() {
                    return keeping.end().await.map(Ok);
                }
            }
            if is_too_long {
                continue;
            }
            rest.extend_from_slice(behind);
            if rest.len() > LONGEST {
                // Its end, which is no line either, is passed over.
                keeping.odd.unreadable += 1;
                is_too_long = true;
                rest = Vec::new();
            }
        }
        if !rest.is_empty() {
            keeping.line(&rest).await?;
        }
        keeping.end().await.map(Ok)
    }

    /// Keeps what was learned of how a model wants to be asked: the next run may be another process.
    async fn keep_lessons(&self, batched: &Batched) -> Result<(), StoreError> {
        let lane = &batched.lane.lane;
        let Some((learned, told)) = lane.news() else {
            return Ok(());
        };
        for what in told {
            self.meter.learned(lane.name(), &what);
        }
        Journal::keep_lessons(&self.store, lane.name(), lane.options(), &learned).await
    }
}

/// Keeps what lines of a file say, in groups. While one is written, the next one is read and judged.
pub(super) struct Keeping<'a> {
    batches: &'a Batches,
    batch: &'a Batch,
    batched: &'a Batched,
    pub odd: &'a mut Odd,
    turn: &'a mut Turn,
    keys: Vec<Digest>,
    results: HashMap<Digest, LineResult>,
    bytes: usize,
    writing: Option<Writing>,
    /// The questions of that group.
    written: HashSet<Digest>,
}

/// A group that is being written.
type Writing = Pin<Box<dyn Future<Output = Result<Collected, StoreError>> + Send>>;

impl<'a> Keeping<'a> {
    pub fn new(
        batches: &'a Batches,
        batch: &'a Batch,
        batched: &'a Batched,
        odd: &'a mut Odd,
        turn: &'a mut Turn,
    ) -> Keeping<'a> {
        Keeping {
            batches,
            batch,
            batched,
            odd,
            turn,
            keys: Vec::new(),
            results: HashMap::new(),
            bytes: 0,
            writing: None,
            written: HashSet::new(),
        }
    }

    /// Takes a line.
    pub async fn line(&mut self, line: &[u8]) -> Result<(), StoreError> {
        let text = String::from_utf8_lossy(line);
        if text.trim().is_empty() {
            return Ok(());
        }
        match self.batched.lane.protocol.read(&text) {
            Err(_) => self.odd.unreadable += 1,
            Ok(line) => match key_of(&line.custom_id) {
                // The first of two lines counts, though the state may not have it yet.
                Some(key) if self.written.contains(&key) => {}
                Some(key) => {
                    if let Entry::Vacant(place) = self.results.entry(key) {
                        place.insert(line.result);
                        self.keys.push(key);
                    }
                }
                None => self.odd.foreign += 1,
            },
        }
        self.bytes += text.len();
        if self.keys.len() >= GROUP || self.bytes >= GROUP_BYTES {
            self.keep().await?;
        }
        Ok(())
    }

    /// Keeps what is left, and waits until all is on disk.
    pub async fn end(mut self) -> Result<(), StoreError> {
        self.keep().await?;
        self.finish_writing().await
    }

    /// Waits until the group that is being written is on disk. From then on the state says which of its questions have answers.
    async fn finish_writing(&mut self) -> Result<(), StoreError> {
        if let Some(writing) = self.writing.take() {
            writing.await?;
        }
        self.written.clear();
        Ok(())
    }

    /// Says what the lines of a group mean, and begins to write it. In a box, so that the compiler builds it here.
    fn keep(&mut self) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(self.keep_group())
    }

    async fn keep_group(&mut self) -> Result<(), StoreError> {
        let Keeping { batch, batched, .. } = *self;
        let store = &self.batches.store;
        // In the order in which the state has them.
        let mut keys = std::mem::take(&mut self.keys);
        keys.sort_unstable();
        self.bytes = 0;
        let since = batch.sent_at.unwrap_or(batch.formed_at);
        let took = Duration::from_secs(self.batches.unix().saturating_sub(since));
        let asked = store.asked_lines(batch, &keys, took)?;
        if asked.len() < keys.len() {
            let ours: HashSet<Digest> = asked.iter().map(|asked| asked.key).collect();
            for key in keys.iter().filter(|key| !ours.contains(key)) {
                // One that was kept before has its answer by now.
                if store.question(*key)?.is_none() && store.answered(*key)?.is_none() {
                    self.odd.foreign += 1;
                }
            }
        }
        let mut stops = None;
        let mut is_proved = false;
        let mut verdicts = Vec::with_capacity(asked.len());
        for asked in &asked {
            let Some(result) = self.results.remove(&asked.key) else {
                continue;
            };
            let result = match result {
                // It is asked alone when the batch ends.
                LineResult::NotReached(_) if batch.note.as_deref() == Some(TOO_LONG) => continue,
                // An empty account costs nothing, and is none of the question's doing.
                LineResult::Failed(error) if error.class.stops_lane() => {
                    let words = error.message.clone();
                    stops = Some(error);
                    LineResult::NotReached(words)
                }
                other => other,
            };
            let verdict = batched.or_fallback(batched.lane.judge(result, asked, &batch.name));
            match &verdict {
                Verdict::Failed(error, _) => {
                    tracing::debug!(lane = batch.lane, "a question of a batch failed: {error}");
                }
                Verdict::Answered(_) if !is_proved => {
                    is_proved = batched.lane.is_proved_by(asked);
                }
                _ => {}
            }
            verdicts.push((asked.key, verdict));
        }
        self.results.clear();
        self.turn.settled += verdicts.len() as u64;
        if is_proved {
            self.batches.keep_lessons(batched).await?;
        }
        self.finish_writing().await?;
        self.written = verdicts.iter().map(|(key, _)| *key).collect();
        let (store, batch) = (self.batches.store.clone(), batch.clone());
        let provider = batched.lane.lane.provider().to_owned();
        let lane = batch.lane.clone();
        let mut writing: Writing =
            Box::pin(async move { store.collect(&batch, &provider, verdicts).await });
        // It is begun now, and waited for when the next group has been read.
        match (&mut writing).now_or_never() {
            Some(written) => {
                written?;
                self.written.clear();
            }
            None => self.writing = Some(writing),
        }
        match stops {
            Some(error) => self.batches.refuse(&lane, error).await,
            None => Ok(()),
        }
    }
}

impl Batched {
    /// An answer that says why there is none, where another model is asked for that.
    fn or_fallback(&self, verdict: Verdict) -> Verdict {
        let Verdict::Answered(obtained) = &verdict else {
            return verdict;
        };
        let (class, words) = match &obtained.answer {
            Answer::ContentFiltered(words) => (FailureClass::ContentFilter, words),
            Answer::ContextTooLong(words) => (FailureClass::Context, words),
            Answer::Completion(_) => return verdict,
        };
        if !self.falls_back_on.contains(&class) {
            return verdict;
        }
        let error = CallError {
            usage: Box::new(obtained.usage),
            ..CallError::new(class, words.clone())
        };
        Verdict::Failed(error, obtained.micros)
    }
}
