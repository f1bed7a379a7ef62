//! Batches of a run: takes questions that are to be answered in batches, forms batches of them, hands these in, and collects
//! their answers. Each step is noted in the state before the next, so that a killed run goes on where it stood: nothing is
//! handed in twice, and nothing that was answered is lost. It does not know tasks.

mod collect;
mod files;
mod hand_in;
mod listed;
mod orphans;
mod primer;
mod split;
mod traced;

pub use self::files::{FileError, Imported};
pub use self::orphans::{Orphan, OrphanKind};

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::meter::Event;
use crate::statistics::BatchView;
use crate::{Interrupt, Meter};
use gateway::batch::protocol::{BatchProtocol, RemoteBatch};
use gateway::batch::{Asked, Asking, Desk, Reply};
use gateway::budget::BatchReservation;
use gateway::error::{Billed, CallError};
use gateway::found::unix_time;
use gateway::lane::BatchLane;
use gateway::settings::Mode;
use store::{
    Batch, BatchState, Bill, Most, NewQuestion, QuestionState, Standing, Store, StoreError, TaskId,
};
use types::class::FailureClass;
use types::digest::Digest;
use types::request::{ResponseFormat, Usage};

/// The first look at a batch comes so long after it was handed in; each later one takes half as long again, up to the most.
const FIRST_LOOK: Duration = Duration::from_secs(2);
const LAST_LOOK: Duration = Duration::from_secs(300);

/// A batch that may have been created is looked for so long before a person is told; seconds.
const DOUBT: u64 = 600;
/// A question goes into so many batches at most.
const MOST_BATCHES: u32 = 8;

/// A model that is asked in batches.
#[derive(Clone)]
pub struct Batched {
    pub lane: BatchLane,
    /// A hash of its address and key: a batch is looked for with those that it was made with.
    pub account: Digest,
    /// The other endpoints of its provider, by the same hash: nothing is handed in there, but batches may be there that were.
    pub others: Vec<(Digest, Arc<dyn BatchProtocol>)>,
    /// Whether it is asked in batches where a component does not say.
    pub mode: Mode,
    /// The same, whatever a component says.
    pub forced: Option<Mode>,
    /// How long a batch may take before it is cancelled; seconds.
    pub patience: Option<u64>,
    /// The classes of failure in which another model is asked instead.
    pub falls_back_on: Vec<FailureClass>,
    /// How much goes into one batch.
    pub most: Most,
    /// Fewer questions than this wait for others while a batch is open.
    pub min_lines: u64,
    /// Components of which a rest of fewer questions than that is asked one by one.
    pub alone: BTreeSet<String>,
    /// From so many questions on that begin alike, one goes ahead of the others.
    pub primer_from: Option<u64>,
    /// Whether its provider takes batches. Else a person carries them.
    pub hands_in: bool,
    /// For how many days its provider keeps answers, where that is told.
    pub kept_days: Option<u64>,
}

/// The batches of a run.
pub struct Batches {
    store: Store,
    dataset: i64,
    lanes: BTreeMap<String, Batched>,
    /// Models with batches that cannot be reached, and why.
    unreached: BTreeMap<String, String>,
    meter: Arc<Meter>,
    interrupt: Interrupt,
    started: (Instant, Duration),
    /// Questions that were queued since the last turn.
    queued: AtomicU64,
    /// Questions that were settled since somebody asked.
    settled: AtomicU64,
    now: Mutex<Now>,
}

/// What is known only while the run lasts.
#[derive(Default)]
struct Now {
    reserved: HashMap<i64, BatchReservation>,
    /// Batches of earlier runs that a person lets be asked again, each once.
    resubmits: HashSet<i64>,
    looks: HashMap<i64, Look>,
    /// What lists of providers said of batches that are looked at in this turn.
    listed: HashMap<i64, RemoteBatch>,
    /// Accounts whose list cannot be read in this run.
    unlisted: HashSet<Digest>,
    /// Why lanes take no batches any more in this run.
    refused: BTreeMap<String, CallError>,
    /// Batches of which a person was told what holds them up.
    held: HashSet<i64>,
    /// What a person was told once: lanes whose questions are to be exported, and models whose questions show pictures.
    told: BTreeSet<String>,
}

/// When a batch is looked at next.
#[derive(Clone, Copy)]
struct Look {
    at: Instant,
    wait: Duration,
}

/// What a turn brought.
#[derive(Clone, Copy, Debug, Default)]
pub struct Turn {
    /// Questions that do not wait for a batch any more.
    settled: u64,
    /// Batches that have not ended, and that the run can move.
    pub open: u64,
    /// How long until the next one is to be looked at.
    pub next: Option<Duration>,
    /// Questions wait that the run may not pay for any more.
    pub is_spent: bool,
}

impl Batches {
    /// The batches of these lanes, by `provider/model`, for tasks of a dataset. Of `unreached` models it is said why their
    /// batches wait.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn new(
        store: Store,
        dataset: i64,
        (lanes, unreached): (BTreeMap<String, Batched>, BTreeMap<String, String>),
        meter: Arc<Meter>,
        interrupt: Interrupt,
        resubmits: bool,
    ) -> Result<Batches, StoreError> {
        let mut now = Now::default();
        // What earlier runs handed in is spent in all likelihood.
        for batch in store.open_batches()? {
            if let Some(batched) = lanes.get(&batch.lane) {
                let reserved = batched.lane.budget.reserve_batch(batch.lines, batch.likely);
                now.reserved.insert(batch.id, reserved);
            }
            if resubmits {
                now.resubmits.insert(batch.id);
            }
        }
        Ok(Batches {
            store,
            dataset,
            lanes,
            unreached,
            meter,
            interrupt,
            started: (Instant::now(), Duration::from_secs(unix_time())),
            queued: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            now: Mutex::new(now),
        })
    }

    /// One turn over all batches: hands in what is to be handed in, looks at those whose time it is, and collects what has
    /// ended. `is_last` if nothing can be asked any more until a batch ends.
    ///
    /// # Errors
    /// When the state fails. What a provider says is no error.
    pub async fn turn(&self, is_last: bool) -> Result<Turn, StoreError> {
        let mut turn = Turn::default();
        self.queued.store(0, Ordering::Relaxed);
        let open = self.store.open_batches()?;
        self.read_lists(&open).await;
        for batch in open {
            if self.interrupt.is_thrown() {
                break;
            }
            self.advance(batch, &mut turn).await?;
        }
        for (name, batched) in &self.lanes {
            while let Some(batch) = self.form(name, batched, is_last, &mut turn).await? {
                self.advance(batch, &mut turn).await?;
            }
        }
        let open = self.store.open_batches()?;
        let moves = |batch: &&Batch| self.moves(batch);
        turn.open = open.iter().filter(moves).count() as u64;
        turn.next = open
            .iter()
            .filter(moves)
            .map(|batch| self.until_look(batch).unwrap_or_default())
            .min();
        self.show(&open);
        self.settled.fetch_add(turn.settled, Ordering::Relaxed);
        Ok(turn)
    }

    /// Collects what has ended, and hands in nothing. Returns how many questions were settled.
    ///
    /// # Errors
    /// When the state fails.
    pub async fn collect_ended(&self) -> Result<u64, StoreError> {
        let mut turn = Turn::default();
        let open = self.store.open_batches()?;
        self.read_lists(&open).await;
        for batch in open {
            if matches!(batch.state, BatchState::Creating | BatchState::Open) {
                self.advance(batch, &mut turn).await?;
            }
        }
        Ok(turn.settled)
    }

    /// How many questions were settled since this was asked last.
    pub fn take_settled(&self) -> u64 {
        self.settled.swap(0, Ordering::Relaxed)
    }

    /// Whether this run can do something about a batch, now or later.
    fn moves(&self, batch: &Batch) -> bool {
        let Some(batched) = self.lanes.get(&batch.lane) else {
            return false;
        };
        let is_ours = batched.with_account(batch.account).is_some();
        let sent = batch.sent_at.unwrap_or(batch.formed_at);
        is_ours
            && match batch.state {
                BatchState::Formed | BatchState::Uploaded => batched.hands_in,
                BatchState::Creating => self.unix().saturating_sub(sent) < DOUBT,
                BatchState::Open => true,
                BatchState::Exported | BatchState::Ended => false,
            }
    }

    /// Whether a person lets a batch of an earlier run be asked again. Once: what this run has handed in is not meant.
    fn may_resubmit(&self, batch: &Batch) -> bool {
        self.now().resubmits.remove(&batch.id)
    }

    /// Whether any model is asked in batches.
    pub fn has_lanes(&self) -> bool {
        !self.lanes.is_empty()
    }

    /// Whether so much was queued since the last turn that a batch may be full.
    pub fn is_full(&self) -> bool {
        let smallest = self.lanes.values().map(|batched| batched.most.lines).min();
        smallest.is_some_and(|lines| self.queued.load(Ordering::Relaxed) >= lines)
    }

    /// Shows people how the batches stand.
    fn show(&self, open: &[Batch]) {
        let now = self.unix();
        let views = open.iter().map(|batch| BatchView {
            next_look_at: self.until_look(batch).map(|left| now + left.as_secs()),
            ..view(batch)
        });
        self.meter.batches_are(views.collect());
    }

    /// How long until a batch is looked at, if that is settled.
    fn until_look(&self, batch: &Batch) -> Option<Duration> {
        let now = self.now();
        let look = now.looks.get(&batch.id)?;
        Some(look.at.saturating_duration_since(Instant::now()))
    }

    /// Why a lane takes no batches any more, if one does not.
    pub fn refusal(&self) -> Option<CallError> {
        self.now().refused.values().next().cloned()
    }

    /// Seconds since 1970, on the run's own clock.
    fn unix(&self) -> u64 {
        let (start, then) = self.started;
        (then + start.elapsed()).as_secs()
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, what: String) {
        self.meter.tell(Event::Note(what));
    }

    /// A lane takes no batches any more in this run, and the tasks that wait for one fail.
    async fn refuse(&self, lane: &str, error: CallError) -> Result<(), StoreError> {
        if self
            .now()
            .refused
            .insert(lane.to_owned(), error.clone())
            .is_none()
        {
            self.tell(format!("{lane}: no batch is handed in any more: {error}"));
        }
        self.store.release_queue(lane).await
    }

    /// Looks at a batch again some time later. Each time that nothing has happened, the next look comes later.
    fn look_later(&self, batch: &Batch) {
        let mut now = self.now();
        let wait = match now.looks.get(&batch.id) {
            Some(look) => (look.wait * 3 / 2).min(LAST_LOOK),
            None => FIRST_LOOK,
        };
        // Spread by up to a tenth, the same in every run.
        let spread = Digest::of(batch.name.as_bytes()).seed() % 100;
        let wait_now = wait + wait * u32::try_from(spread).unwrap_or(0) / 1000;
        let at = Instant::now() + wait_now;
        now.looks.insert(batch.id, Look { at, wait });
    }

    fn is_due(&self, batch: &Batch) -> bool {
        self.now()
            .looks
            .get(&batch.id)
            .is_none_or(|look| look.at <= Instant::now())
    }

    /// Notes what holds a batch up, and tells it once in each run.
    async fn hold(&self, mut batch: Batch, note: String) -> Result<(), StoreError> {
        self.look_later(&batch);
        let kept_days = self.lanes.get(&batch.lane).and_then(|lane| lane.kept_days);
        let since = batch.ended_at.or(batch.sent_at);
        let note = match since
            .zip(kept_days)
            .and_then(|(since, kept_days)| days_left(kept_days, self.unix().saturating_sub(since)))
        {
            Some(days) => format!("{note}; its provider discards its answers in about {days} days"),
            None => note,
        };
        traced::note_of_batch("note", &note);
        let is_new = batch.note.as_deref() != Some(note.as_str());
        if self.now().held.insert(batch.id) || is_new {
            self.tell(format!("batch {}: {note}", batch.name));
        }
        if is_new {
            batch.note = Some(note);
            self.store.note_batch(batch).await?;
        }
        Ok(())
    }

    async fn take(&self, asked: Asked<'_>) -> Result<Reply, StoreError> {
        let standing = self.store.question(asked.key)?;
        let model = asked.parameters.model.as_str();
        let batched = self.lanes.get(model);
        let is_online = batched.is_none_or(|batched| batched.asks_online(&asked));
        if batched.is_some() && !asked.request.images.is_empty() {
            self.tell_of_pictures(model);
        }
        let cap = match standing.as_ref().map(|standing| &standing.state) {
            // It is in no batch, so it need not wait for one that nobody wants.
            Some(QuestionState::Queued) if is_online && self.store.unqueue(asked.key).await? => {
                return self.let_go(asked, standing).await;
            }
            Some(QuestionState::Queued | QuestionState::Sent) => {
                self.store.wait(self.task(asked), Some(asked.key)).await?;
                return Ok(Reply::Waits);
            }
            Some(QuestionState::Failed(class, cause) | QuestionState::Told(class, cause)) => {
                let error = CallError::new(*class, cause.clone());
                return self.tell_failed(asked, standing, error).await;
            }
            Some(QuestionState::Online) => return self.let_go(asked, standing).await,
            Some(QuestionState::Again(cap)) => *cap,
            None => None,
        };
        let Some(batched) = batched.filter(|_| !is_online) else {
            return self.let_go(asked, standing).await;
        };
        let refused = self.now().refused.get(model).cloned();
        if let Some(error) = refused {
            return Ok(Reply::Failed(error, Vec::new()));
        }
        let tries = standing.as_ref().map_or(0, |standing| standing.tries);
        if tries >= MOST_BATCHES {
            let message = format!("it was in {tries} batches, and none answered it");
            let error = CallError::new(FailureClass::BadRequest, message);
            return self.tell_failed(asked, standing, error).await;
        }
        let line = match batched.lane.line(&asked, cap) {
            Ok(line) => line,
            Err(error) => return self.tell_failed(asked, standing, error).await,
        };
        let question = NewQuestion {
            key: asked.key,
            lane: model.to_owned(),
            line,
            configured: batched.lane.cap(asked.parameters),
            schema: match &asked.request.format {
                ResponseFormat::JsonSchema(schema) => Some(schema.clone()),
                ResponseFormat::Text | ResponseFormat::JsonObject => None,
            },
            task: self.task(asked),
        };
        self.store.queue_question(question, standing).await?;
        self.queued.fetch_add(1, Ordering::Relaxed);
        Ok(Reply::Waits)
    }

    /// A person is told that questions of a model that is asked in batches are not in one, once.
    fn tell_of_pictures(&self, model: &str) {
        if self.now().told.insert(format!("pictures of {model}")) {
            self.tell(format!(
                "{model}: questions with pictures are asked one by one, at the price of that, and not in batches"
            ));
        }
    }

    /// A question is asked alone, whatever became of it in batches.
    async fn let_go(
        &self,
        asked: Asked<'_>,
        standing: Option<Standing>,
    ) -> Result<Reply, StoreError> {
        let Some(standing) = standing else {
            return Ok(Reply::Online(Vec::new()));
        };
        let bill = self.bill(asked, &standing);
        self.store.let_go(asked.key, bill.clone()).await?;
        Ok(Reply::Online(booked(bill)))
    }

    /// A task is told that its question has no answer, as every other one in this run that asks the same.
    async fn tell_failed(
        &self,
        asked: Asked<'_>,
        standing: Option<Standing>,
        error: CallError,
    ) -> Result<Reply, StoreError> {
        let Some(standing) = standing else {
            return Ok(Reply::Failed(error, Vec::new()));
        };
        let bill = self.bill(asked, &standing);
        let is_told = matches!(standing.state, QuestionState::Told(..));
        if !is_told || bill.is_some() {
            let (class, cause) = (error.class, &error.message);
            let told = self
                .store
                .tell_failed(asked.key, class, cause, bill.clone());
            told.await?;
        }
        Ok(Reply::Failed(error, booked(bill)))
    }

    /// What the tries of a question took that have brought no answer, for the task that asks; nothing where they took nothing.
    fn bill(&self, asked: Asked<'_>, standing: &Standing) -> Option<Bill> {
        if standing.usage == Usage::default() {
            return None;
        }
        let tries = Billed {
            lane: asked.parameters.model.clone(),
            ended: Instant::now(),
            usage: standing.usage,
            micros: standing.micros,
            cause: "the answers in batches would not do".to_owned(),
            is_booked: true,
        };
        Some(Bill {
            task: self.task(asked),
            fingerprint: asked.caller.fingerprint,
            generation: asked.caller.generation,
            tries: vec![tries],
        })
    }

    fn task(&self, asked: Asked<'_>) -> TaskId {
        TaskId {
            dataset: self.dataset,
            record: asked.caller.record.to_owned(),
            component: asked.caller.task.to_owned(),
        }
    }
}

impl Batched {
    /// The same with the endpoint at which a batch was handed in; `None` where there is none.
    fn with_account(&self, account: Digest) -> Option<Batched> {
        if self.account == account {
            return Some(self.clone());
        }
        let mut others = self.others.iter();
        let (_, protocol) = others.find(|(other, _)| *other == account)?;
        let mut there = self.clone();
        there.account = account;
        there.lane.protocol = Arc::clone(protocol);
        Some(there)
    }

    /// How many tokens may wait at its provider, as it said or is configured.
    fn most_waiting(&self) -> u64 {
        let said = self.lane.lane.most_waiting();
        said.unwrap_or(u64::MAX).min(self.most.input_tokens)
    }

    /// Whether a question is asked alone. One with pictures is: lines of batches are kept in the state, and pictures are not.
    fn asks_online(&self, asked: &Asked<'_>) -> bool {
        if !asked.request.images.is_empty() {
            return true;
        }
        match self.forced.or(asked.caller.mode).unwrap_or(self.mode) {
            Mode::Online => true,
            Mode::Batch => false,
            // What nobody hands in has no rest to wait for.
            Mode::Auto => !self.hands_in || asked.request.is_repair(),
        }
    }
}

impl Desk<StoreError> for Batches {
    fn ask<'a>(&'a self, asked: Asked<'a>) -> Asking<'a, StoreError> {
        Box::pin(self.take(asked))
    }
}

/// A batch as people are shown it.
pub fn view(batch: &Batch) -> BatchView {
    BatchView {
        name: batch.name.clone(),
        model: batch.lane.clone(),
        state: batch.state.as_str().to_owned(),
        id: batch.remote.clone(),
        word: batch.word.clone(),
        questions: batch.lines,
        answered: batch.answered,
        failed: batch.failed,
        formed_at: batch.formed_at,
        sent_at: batch.sent_at,
        ended_at: batch.ended_at,
        expires_at: batch.expires_at,
        next_look_at: None,
        note: batch.note.clone(),
    }
}

fn booked(bill: Option<Bill>) -> Vec<Billed> {
    bill.map(|bill| bill.tries).unwrap_or_default()
}

/// In how many days answers are discarded that were there for so many seconds, once that is soon.
fn days_left(kept_days: u64, seconds: u64) -> Option<u64> {
    let days = seconds / 86_400;
    (days * 2 >= kept_days).then(|| kept_days.saturating_sub(days))
}

/// Whether the provider has a batch.
fn is_open(batch: &Batch) -> bool {
    batch.state == BatchState::Open
}

/// Whether asking again could help, and costs nothing but a while.
fn may_pass(class: FailureClass) -> bool {
    class.is_transient()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_in_time_that_answers_are_discarded() {
        let day = 86_400;
        for (kept, seconds, left) in [
            (29, 14 * day, None),
            (29, 15 * day, Some(14)),
            (2, 0, None),
            (2, day, Some(1)),
            (2, 3 * day, Some(0)),
        ] {
            assert_eq!(days_left(kept, seconds), left, "{kept} {seconds}");
        }
    }
}
