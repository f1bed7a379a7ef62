//! Brings the answers of a batch that has ended into the journal: some thousand lines at a time, and each line once, however often
//! its file is read.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use futures_util::StreamExt;

use super::{Batched, Batches, Turn, may_pass};
use gateway::batch::key_of;
use gateway::batch::protocol::{BatchStatus, LineResult, RemoteBatch};
use gateway::error::CallError;
use gateway::lane::Verdict;
use store::{Batch, BatchState, StoreError};
use types::class::FailureClass;
use types::digest::Digest;
use types::request::Answer;

/// Lines that are kept in one transaction, and bytes of these. Results come in any order, so that each transaction writes most
/// pages of the table: a few large ones write less than many small ones.
pub(super) const GROUP: usize = 5000;
const GROUP_BYTES: usize = 8 << 20;
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
        let remote = match batched.lane.protocol.get(&id).await {
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
            BatchStatus::Refused => self.refused(batch, &remote, turn).await,
            BatchStatus::Ended => {
                let ended = *batch.ended_at.get_or_insert(self.unix());
                if remote.is_settled {
                    return self.collect(batch, batched, &remote, turn).await;
                }
                if self.unix().saturating_sub(ended) >= LATE && self.may_resubmit(&batch) {
                    return self.end(batch, turn).await;
                }
                let note = if self.unix().saturating_sub(ended) < LATE {
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
            if is_too_late || self.store.unsettled(batch.id)? == 0 {
                break;
            }
        }
        let missing = self.store.unsettled(batch.id)?;
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
        self.end(batch, turn).await
    }

    /// Ends a batch: what it did not settle is asked again.
    pub(super) async fn end(&self, mut batch: Batch, turn: &mut Turn) -> Result<(), StoreError> {
        turn.settled += self.store.unsettled(batch.id)?;
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
        mut batch: Batch,
        remote: &RemoteBatch,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        if let Some(full) = remote.problems.iter().find(|problem| problem.is_full) {
            let open = self.store.open_batches()?;
            let is_alone = !open
                .iter()
                .any(|other| other.lane == batch.lane && other.id != batch.id);
            // Where the provider does not say how much is too much, half of it is tried.
            let half = is_alone.then_some(batch.likely.input / 2);
            if let Some(most) = full.most_tokens.or(half) {
                self.now().most_waiting.insert(batch.lane.clone(), most);
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
            return self.hold(batch, note).await;
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
        let mut rest: Vec<u8> = Vec::new();
        let mut is_too_long = false;
        let mut bytes = 0;
        let mut group: Vec<String> = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = match piece {
                Ok(piece) => piece,
                Err(error) => {
                    self.keep(batch, batched, group, odd, turn).await?;
                    return Ok(Err(error));
                }
            };
            rest.extend_from_slice(&piece);
            let mut start = 0;
            while let Some(length) = rest.iter().skip(start).position(|byte| *byte == b'\n') {
                let line = rest.get(start..start + length).unwrap_or_default();
                if !std::mem::take(&mut is_too_long) {
                    group.push(String::from_utf8_lossy(line).into_owned());
                    bytes += length;
                }
                start += length + 1;
                if group.len() >= GROUP || bytes >= GROUP_BYTES {
                    bytes = 0;
                    let full = std::mem::take(&mut group);
                    self.keep(batch, batched, full, odd, turn).await?;
                    if self.interrupt.is_thrown() {
                        return Ok(Ok(()));
                    }
                }
            }
            rest.drain(..start);
            if rest.len() > LONGEST {
                // Its end, which is no line either, is passed over as one that cannot be read.
                odd.unreadable += u64::from(!is_too_long);
                is_too_long = true;
                rest.clear();
            }
        }
        if !rest.is_empty() && !is_too_long {
            group.push(String::from_utf8_lossy(&rest).into_owned());
        }
        self.keep(batch, batched, group, odd, turn).await?;
        Ok(Ok(()))
    }

    /// Keeps what some lines say.
    pub(super) async fn keep(
        &self,
        batch: &Batch,
        batched: &Batched,
        lines: Vec<String>,
        odd: &mut Odd,
        turn: &mut Turn,
    ) -> Result<(), StoreError> {
        let mut results: HashMap<Digest, LineResult> = HashMap::with_capacity(lines.len());
        let mut keys: Vec<Digest> = Vec::with_capacity(lines.len());
        for line in lines.iter().filter(|line| !line.trim().is_empty()) {
            let Ok(line) = batched.lane.protocol.read(line) else {
                odd.unreadable += 1;
                continue;
            };
            match key_of(&line.custom_id) {
                // The first of two lines counts.
                Some(key) if !results.contains_key(&key) => {
                    results.insert(key, line.result);
                    keys.push(key);
                }
                Some(_) => {}
                None => odd.foreign += 1,
            }
        }
        let since = batch.sent_at.unwrap_or(batch.formed_at);
        let took = Duration::from_secs(self.unix().saturating_sub(since));
        let asked = self.store.asked_lines(batch, &keys, took)?;
        let ours: HashSet<Digest> = asked.iter().map(|asked| asked.key).collect();
        for key in keys.iter().filter(|key| !ours.contains(key)) {
            // One that was kept before has its answer by now.
            if self.store.question(*key)?.is_none() && self.store.answered(*key)?.is_none() {
                odd.foreign += 1;
            }
        }
        let mut stops = None;
        let mut verdicts = Vec::with_capacity(asked.len());
        for asked in &asked {
            let Some(result) = results.remove(&asked.key) else {
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
            let verdict = batched.lane.judge(result, asked);
            verdicts.push((asked.key, batched.or_fallback(verdict)));
        }
        turn.settled += verdicts.len() as u64;
        for (_, verdict) in &verdicts {
            if let Verdict::Failed(error, _) = verdict {
                tracing::debug!(lane = batch.lane, "a question of a batch failed: {error}");
            }
        }
        let provider = batched.lane.lane.provider().to_owned();
        self.store.collect(batch, &provider, verdicts).await?;
        match stops {
            Some(error) => self.refuse(&batch.lane, error).await,
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
