//! The way of a batch to its provider: formed, uploaded, created. A creation that nobody answered is in doubt: the batch is
//! looked for, and never created a second time unless a person says so.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use futures_util::{Stream, StreamExt};
use tracing::Instrument;

use super::collect::LONGEST;
use super::traced;
use super::{Batched, Batches, DOUBT, Turn, is_open, may_pass};
use gateway::batch::key_of;
use gateway::batch::protocol::{BatchError, Input, Lines, RemoteBatch, Source};
use gateway::error::CallError;
use store::{Batch, BatchState, Most, Store, StoreError, Wanted};
use types::class::FailureClass;

/// Lines of a batch that are read from the state at once.
const PIECE: u64 = 500;

/// What is known of a batch whose provider gives it no name.
enum Nameless {
    /// This one answers its questions.
    It(RemoteBatch),
    /// There may be one. Why it is not known.
    Perhaps(String),
    /// There is none.
    None,
}

impl Batches {
    /// Forms the next batch of a lane, if it is time for one.
    pub(super) async fn form(
        &self,
        name: &str,
        batched: &Batched,
        is_last: bool,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        if self.interrupt.is_thrown() || self.now().refused.contains_key(name) {
            return Ok(None);
        }
        let queued = self.store.queued(name)?;
        if queued.lines == 0 {
            return Ok(None);
        }
        if !batched.hands_in {
            self.tell_to_export(name, queued.lines, is_last);
            return Ok(None);
        }
        let most = Most {
            input_tokens: batched.most_waiting(),
            ..batched.most
        };
        let is_full = queued.lines >= most.lines
            || queued.bytes >= most.bytes
            || queued.input_tokens >= most.input_tokens;
        let has_open = self
            .store
            .open_batches()?
            .iter()
            .any(|batch| batch.lane == name && is_open(batch) && self.moves(batch));
        let is_enough = queued.lines >= batched.min_lines;
        if !(is_full || is_last && (is_enough || !has_open)) {
            return Ok(None);
        }
        if !is_enough && !has_open {
            let alone = self.store.ask_online(name, &batched.alone).await?;
            turn.settled += alone;
            if alone == queued.lines {
                return Ok(None);
            }
        }
        let Some(which) = self.which(name, batched)? else {
            return Ok(None);
        };
        let budget = batched.lane.budget.clone();
        let wanted = Wanted {
            lane: name.to_owned(),
            account: batched.account,
            most,
            which,
            now: self.unix(),
        };
        let formed = self
            .store
            .form_batch(wanted, move |lines, likely| {
                budget.has_room_for(lines, likely)
            })
            .await?;
        turn.is_spent |= formed.is_unaffordable;
        if let Some(batch) = &formed.batch {
            let reserved = batched.lane.budget.reserve_batch(batch.lines, batch.likely);
            self.now().reserved.insert(batch.id, reserved);
        }
        Ok(formed.batch)
    }

    /// A person is told that questions wait for a file, once.
    fn tell_to_export(&self, lane: &str, questions: u64, is_last: bool) {
        if is_last && self.now().told.insert(lane.to_owned()) {
            self.tell(format!(
                "{lane}: {questions} questions wait, and its provider has no batch API that is known here: \
                 `batchgen batches export` writes them to a file, and `batchgen batches import` reads the answers"
            ));
        }
    }

    /// Takes a batch as many steps further as it can go now.
    pub(super) async fn advance(&self, batch: Batch, turn: &mut Turn) -> Result<(), StoreError> {
        let Some(batched) = self.lanes.get(&batch.lane) else {
            let why = self.unreached.get(&batch.lane).map_or_else(
                || "no component asks it in batches".to_owned(),
                ToString::to_string,
            );
            let note = format!("it waits: {} cannot be asked: {why}", batch.lane);
            return self.hold(batch, note).await;
        };
        let Some(batched) = &batched.with_account(batch.account) else {
            let note = "it waits: it was handed in with another key or at another address, and only those can fetch it";
            return self.hold(batch, note.to_owned()).await;
        };
        if batch.state == BatchState::Exported || !self.is_due(&batch) {
            return Ok(());
        }
        let mut next = Some(batch);
        while let Some(batch) = next.take() {
            if self.interrupt.is_thrown() {
                break;
            }
            let step = match batch.state {
                // Begun by an export that was killed.
                BatchState::Formed if !batched.hands_in => break,
                BatchState::Formed => "upload",
                BatchState::Uploaded => "create",
                BatchState::Creating => "find",
                BatchState::Open => "look",
                BatchState::Exported | BatchState::Ended => break,
            };
            let span = traced::of_batch(step, &batch);
            next = self.step(batch, batched, turn).instrument(span).await?;
        }
        Ok(())
    }

    async fn step(
        &self,
        batch: Batch,
        batched: &Batched,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        match batch.state {
            BatchState::Formed => self.upload(batch, batched, turn).await,
            BatchState::Uploaded => self.create(batch, batched, turn).await,
            BatchState::Creating => self.find(batch, batched, turn).await,
            BatchState::Open => self.look(batch, batched, turn).await.map(|()| None),
            BatchState::Exported | BatchState::Ended => Ok(None),
        }
    }

    async fn upload(
        &self,
        mut batch: Batch,
        batched: &Batched,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        let protocol = &batched.lane.protocol;
        if protocol.uploads() {
            let open = lines_of(&self.store, batch.id);
            let input = Input {
                bytes: batch.bytes,
                open: &*open,
            };
            let mut stop = self.interrupt.subscribe();
            let uploaded = tokio::select! {
                biased;
                uploaded = protocol.upload(&batch.name, input) => uploaded,
                // Nothing but a file is lost, which the next run uploads again.
                _ = stop.wait_for(|stop| *stop) => return Ok(None),
            };
            match uploaded {
                Ok(file) => batch.file = Some(file),
                Err(BatchError { error, .. }) => {
                    return self.not_handed_in(batch, batched, error, turn).await;
                }
            }
        }
        batch.state = BatchState::Uploaded;
        batch.note = None;
        self.store.note_batch(batch.clone()).await?;
        Ok(Some(batch))
    }

    async fn create(
        &self,
        mut batch: Batch,
        batched: &Batched,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        if !self.has_room(&batch, batched)? {
            let note =
                "it waits until another batch has ended: no more tokens may wait at the provider";
            self.hold(batch, note.to_owned()).await?;
            return Ok(None);
        }
        batch.state = BatchState::Creating;
        batch.sent_at = Some(self.unix());
        batch.note = None;
        self.store.note_batch(batch.clone()).await?;
        let open = lines_of(&self.store, batch.id);
        let source = match &batch.file {
            Some(file) => Source::File(file),
            None => Source::Inline(Input {
                bytes: batch.bytes,
                open: &*open,
            }),
        };
        match batched.lane.protocol.create(&batch.name, source).await {
            Ok(remote) => self.created(batch, &remote).await,
            Err(error) if error.is_in_doubt => {
                let note = format!("nobody knows whether it was created: {error}");
                self.hold(batch, note).await?;
                Ok(None)
            }
            Err(BatchError { error, .. }) => {
                batch.state = BatchState::Uploaded;
                batch.sent_at = None;
                self.store.note_batch(batch.clone()).await?;
                self.not_handed_in(batch, batched, error, turn).await
            }
        }
    }

    async fn created(
        &self,
        mut batch: Batch,
        remote: &RemoteBatch,
    ) -> Result<Option<Batch>, StoreError> {
        batch.state = BatchState::Open;
        batch.remote = Some(remote.id.clone());
        traced::note_of_batch("id", &remote.id);
        traced::note_of_batch("word", &remote.word);
        batch.word = Some(remote.word.clone());
        batch.expires_at = remote.expires_at;
        batch.note = None;
        self.store.note_batch(batch.clone()).await?;
        let questions = if batch.lines == 1 {
            "question"
        } else {
            "questions"
        };
        self.tell(format!(
            "batch {} of {} {questions} was handed in as {}",
            batch.name, batch.lines, remote.id
        ));
        self.look_later(&batch);
        Ok(None)
    }

    /// Looks for a batch that may have been created.
    async fn find(
        &self,
        batch: Batch,
        batched: &Batched,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        let since = batch.sent_at.unwrap_or(batch.formed_at);
        let found = batched
            .lane
            .protocol
            .find(&batch.name, batch.file.as_deref(), since)
            .await;
        match found {
            Ok(Some(remote)) => self.created(batch, &remote).await,
            Ok(None) => match self.among_nameless(&batch, batched, since).await? {
                Nameless::It(remote) => self.created(batch, &remote).await,
                Nameless::Perhaps(why) => {
                    self.hold(batch, why).await?;
                    Ok(None)
                }
                Nameless::None => self.not_found(batch, batched, since, turn).await,
            },
            Err(error) => {
                self.hold(
                    batch,
                    format!("the provider's list cannot be read: {error}"),
                )
                .await?;
                Ok(None)
            }
        }
    }

    /// A batch in doubt is not in the provider's list.
    async fn not_found(
        &self,
        mut batch: Batch,
        batched: &Batched,
        since: u64,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        if self.may_resubmit(&batch) {
            batch.state = BatchState::Uploaded;
            return Box::pin(self.create(batch, batched, turn)).await;
        }
        let note = if self.unix().saturating_sub(since) < DOUBT {
            "nobody knows whether it was created: the provider does not list it until now"
        } else {
            "the provider was asked to create it, did not answer, and does not list it. It is not handed in again by itself, \
             since it may be paid for: look into the provider's console, and run with --resubmit-doubtful to hand it in again"
        };
        self.hold(batch, note.to_owned()).await?;
        Ok(None)
    }

    /// Looks for a batch among those that the provider gives no name: its answers name its questions. Until one has answers, it
    /// may be the one.
    async fn among_nameless(
        &self,
        batch: &Batch,
        batched: &Batched,
        since: u64,
    ) -> Result<Nameless, StoreError> {
        let candidates = match batched.lane.protocol.nameless(since).await {
            Ok(candidates) => candidates,
            Err(error) => {
                let why = format!("the provider's list cannot be read: {error}");
                return Ok(Nameless::Perhaps(why));
            }
        };
        let mut found = Nameless::None;
        let known = self.store.batches()?;
        for remote in candidates {
            let is_known = known
                .iter()
                .any(|other| other.remote.as_deref() == Some(remote.id.as_str()));
            // One that was just created may have counted none yet.
            let is_as_large = remote
                .total
                .is_none_or(|total| total == 0 || total == batch.lines);
            if is_known || !is_as_large {
                continue;
            }
            for file in &remote.files {
                match self.names_a_question_of(batch, batched, file).await? {
                    Some(true) => return Ok(Nameless::It(remote)),
                    Some(false) => {}
                    None => {
                        found = Nameless::Perhaps(format!(
                            "nobody knows whether it was created: it may be {}, whose answers cannot be read now",
                            remote.id
                        ));
                    }
                }
            }
            if remote.files.is_empty() {
                found = Nameless::Perhaps(format!(
                    "nobody knows whether it was created: it may be {}, which has no answers yet that would show it",
                    remote.id
                ));
            }
        }
        Ok(found)
    }

    /// Whether the first line of a result file answers a question of a batch; `None` where it cannot be read.
    async fn names_a_question_of(
        &self,
        batch: &Batch,
        batched: &Batched,
        file: &str,
    ) -> Result<Option<bool>, StoreError> {
        let Ok(mut pieces) = batched.lane.protocol.results(file).await else {
            return Ok(None);
        };
        let mut start = Vec::new();
        while !start.contains(&b'\n') && start.len() < LONGEST {
            match pieces.next().await {
                Some(Ok(piece)) => start.extend_from_slice(&piece),
                Some(Err(_)) => return Ok(None),
                None => break,
            }
        }
        let start = String::from_utf8_lossy(&start);
        let line = start.lines().next().unwrap_or_default();
        let key = batched.lane.protocol.read(line).ok();
        let Some(key) = key.and_then(|line| key_of(&line.custom_id)) else {
            return Ok(Some(false));
        };
        let asked = self.store.asked_lines(batch, &[key], Duration::ZERO)?;
        Ok(Some(!asked.is_empty()))
    }

    /// A batch was not taken. It is tried again later, or its lane takes none.
    async fn not_handed_in(
        &self,
        batch: Batch,
        batched: &Batched,
        error: CallError,
        turn: &mut Turn,
    ) -> Result<Option<Batch>, StoreError> {
        let is_limited = error.class == FailureClass::RateLimit;
        if is_limited && self.split(&batch, batched, &error, turn).await? {
            return Ok(None);
        }
        if may_pass(error.class) {
            self.hold(batch, format!("it could not be handed in yet: {error}"))
                .await?;
            return Ok(None);
        }
        turn.settled += batch.lines;
        self.now().reserved.remove(&batch.id);
        self.store.dissolve_batch(batch.id).await?;
        self.refuse(&batch.lane, error).await?;
        Ok(None)
    }

    /// Whether the tokens of a batch may wait beside those of the batches that are open. One alone is tried.
    fn has_room(&self, batch: &Batch, batched: &Batched) -> Result<bool, StoreError> {
        let open = self.store.open_batches()?;
        let waiting = open
            .iter()
            .filter(|other| {
                other.lane == batch.lane && other.account == batch.account && is_open(other)
            })
            .map(|other| other.likely.input)
            .fold(0, u64::saturating_add);
        let most = batched.most_waiting();
        Ok(waiting == 0 || waiting.saturating_add(batch.likely.input) <= most)
    }
}

type Open = dyn Fn() -> Lines<'static> + Send + Sync;

/// The lines of a batch, as often as they are wanted.
fn lines_of(store: &Store, batch: i64) -> Arc<Open> {
    let store = store.clone();
    Arc::new(move || {
        let store = store.clone();
        let pieces = stream::try_unfold(0, move |after| {
            let piece = store.batch_lines(batch, after, PIECE);
            let piece =
                piece.map_err(|error| CallError::new(FailureClass::Machine, error.to_string()));
            async move { Ok(piece?.map(|(last, text)| (text.into(), last))) }
        });
        let pieces: Pin<Box<dyn Stream<Item = _> + Send>> = Box::pin(pieces);
        pieces
    })
}
