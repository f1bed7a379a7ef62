//! One task: decide whether it must run, and if so run the component again and again, each time with
//! one more answer, until it ends. Between two executions nothing is held but its texts.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot;
use tracing::Instrument;

use super::context::Context;
use super::gated::Remaking;
use super::held::{self, Weight};
use super::input::{self, UpstreamText};
use super::meter::{Again, Event, Report};
use super::output::{Written, stamp};
use super::relocate::relocate;
use super::staleness::{MadeFrom, Staleness};
use super::step::{self, Executions, Step, TaskFailure};
use super::traced;
use super::workplace::Told;
use config::component::Component;
use dataset::{Fetching, Fields, Record};
use gateway::error::{Billed, GatewayError};
use gateway::lane::Caller;
use gateway::providers::offline;
use plan::causes;
use plan::change::Change;
use plan::decision::TaskEnd;
use plan::decision::{self, Author, Decision, Kept, LastOutcome, Reason};
use plan::fingerprint::{self, FingerprintParts};
use plan::upstreams::Upstream;
use plan::verdict::Verdict;
use plugin::limits::Limits;
use plugin::sandbox::{self, Answered, Executed, LogLine, Question};
use store::{Bill, Checkpoint, Seen, StoreError, TaskId};
use types::class::FailureClass;
use types::digest::Digest;
use types::image::Pictures;
use types::request::{Answer, StopReason, Usage};

/// A file that dependents can use.
#[derive(Clone, Debug)]
pub(super) struct Ready {
    pub path: String,
    pub content: Digest,
    /// The text, where it is still at hand; else it is read from the file.
    pub text: Option<Arc<str>>,
}

/// How a task stands.
#[derive(Debug)]
pub(super) enum Ended {
    /// Its file is there, or on its way to the disk.
    Ready {
        ready: Ready,
        end: TaskEnd,
        /// Whether the offline stand-in wrote it now.
        by_stand_in: bool,
        /// Why dependents do not get it, if its gate is shut.
        held: Option<String>,
        written: Option<oneshot::Receiver<Written>>,
    },
    /// It failed; `parked` if a sweep tries again. Nothing is written of one that stays failed.
    Failed {
        class: FailureClass,
        parked: bool,
        written: Option<oneshot::Receiver<Written>>,
    },
    /// It would have to be made, and is held back.
    HeldBack,
    /// It waits for an answer that comes with a batch.
    Waits,
    /// The run is being stopped.
    Interrupted,
}

/// A component that a task depends on, with its file; without one where the task has to do without.
pub(super) type UpstreamFile<'a> = Upstream<&'a Component, Ready>;

/// The files that a task depends on.
pub(super) type Texts<'a> = Vec<(&'a Component, Arc<str>)>;

/// A task before it is decided.
pub(super) struct Task<'a> {
    pub context: &'a Context,
    pub component: &'a Component,
    pub record: &'a Record,
    pub seen: Seen,
    /// Place of the record in the run.
    pub place: u64,
    pub checkpoint: Option<&'a Checkpoint>,
    /// The component whose text is judged, where that is done as a part of its task.
    pub judges_for: Option<&'a str>,
    /// What was said about artifacts of the record.
    pub verdicts: &'a [Verdict],
}

impl Task<'_> {
    /// Decides and, if need be and nothing holds it back, runs.
    pub async fn perform(
        &self,
        upstreams: Vec<UpstreamFile<'_>>,
        held_back: bool,
    ) -> Result<Ended, StoreError> {
        let contents: Vec<(&str, Option<Digest>)> = upstreams
            .iter()
            .map(|upstream| {
                let content = upstream.file.as_ref().map(|ready| ready.content);
                (upstream.component.name.as_str(), content)
            })
            .collect();
        let staleness = &self.context.staleness;
        let Staleness {
            path,
            made_from,
            decision,
            content,
            from,
            obstacle,
        } = staleness.check(
            self.component,
            self.record,
            self.checkpoint,
            &contents,
            self.verdicts,
        );
        let place = |reason| Remaking {
            reason,
            found: content,
            path: path.clone(),
            contents: &contents,
        };
        match decision {
            Decision::Keep(kept) => {
                let (base, content) = (made_from.base, content.unwrap_or(made_from.fingerprint));
                let stays = self.settle(kept, &path, from.as_deref(), made_from);
                // Boxed, so that what is rare takes no memory of the many tasks that wait.
                if let Some(failed) = Box::pin(stays).await? {
                    return Ok(failed);
                }
                let ended = self.keep(kept, path.clone(), content);
                if self.component.gate.is_none() || kept != Kept::UpToDate {
                    return Ok(ended);
                }
                let may_run = !held_back && !self.is_held() && obstacle.is_none();
                let again = may_run.then(|| place(Reason::Changed));
                Box::pin(self.pass_kept(ended, (base, content), again, upstreams)).await
            }
            Decision::StayFailed(class) => Ok(self.stay_failed(class)),
            Decision::Run(_) if held_back || self.is_held() => Ok(Ended::HeldBack),
            Decision::Run(_) if !self.context.is_writable() => Ok(Ended::Interrupted),
            Decision::Run(_) if obstacle.is_some() => {
                let obstacle = obstacle.unwrap_or_default();
                Ok(self.cannot_write(&path, &obstacle))
            }
            Decision::Run(reason) => {
                let texts = self.texts(upstreams);
                let span = traced::begun(self, reason);
                let ended = match &self.component.gate {
                    None => {
                        let attempt = self.attempt(made_from, path.clone(), &contents);
                        let running = attempt.run(reason, content, texts);
                        running.instrument(span.clone()).await
                    }
                    Some(_) => {
                        let rounds = self.rounds(place(reason), texts, self.verdicts.to_vec());
                        Box::pin(rounds).instrument(span.clone()).await
                    }
                };
                traced::ended(&span, &ended);
                ended
            }
        }
    }

    /// An attempt at making its file from this, and from files with these hashes.
    pub fn attempt(
        &self,
        made_from: MadeFrom,
        path: String,
        contents: &[(&str, Option<Digest>)],
    ) -> Attempt<'_> {
        let judged = self.component.judges.as_ref();
        let judged = judged.and_then(|_| contents.first()?.1);
        let stored = self
            .checkpoint
            .map(|point| (point.stored(), point.generation));
        Attempt {
            task: self,
            generation: decision::generation(stored, made_from.fingerprint),
            made_from,
            path,
            judged,
        }
    }

    /// The texts that the component is given. One that is no longer at hand is read: there is one truth, the file.
    pub(super) fn texts<'a>(
        &self,
        upstreams: Vec<UpstreamFile<'a>>,
    ) -> Result<Texts<'a>, TaskFailure> {
        let staleness = &self.context.staleness;
        upstreams
            .into_iter()
            .filter_map(|upstream| Some((upstream.component, upstream.file?)))
            .map(|(component, ready)| {
                let text = match ready.text {
                    Some(text) => text,
                    None => staleness.text(&ready.path).map_err(|error| TaskFailure {
                        class: FailureClass::Output,
                        cause: format!("cannot read {}: {error}", ready.path),
                    })?,
                };
                Ok((component, text))
            })
            .collect()
    }

    /// Its name in the state.
    pub fn id(&self) -> TaskId {
        TaskId {
            dataset: self.context.indexed.id,
            record: self.record.id.clone(),
            component: self.component.name.clone(),
        }
    }

    /// Whether the component's first tasks all failed for one cause.
    fn is_held(&self) -> bool {
        self.context.repeated.is_held(&self.component.name)
    }

    /// The task failed and not for a passing cause: is that so for all of its component?
    fn note_failure(&self, class: FailureClass, cause: &str, is_paid: bool) {
        let report = Report::Repeats {
            component: self.component.name.clone(),
            class,
            cause: causes::sentence(cause).into_owned(),
            is_paid,
        };
        if let Some(report) = self.context.meter.report(report) {
            self.context.hear(self.record, report);
        }
    }

    /// How the task failed in an earlier run, if its component is held now, so that it cannot be tried again.
    pub fn failed_before(&self) -> Option<FailureClass> {
        let (held_for, _) = self.context.repeated.held_for(&self.component.name)?;
        let before = self.checkpoint?;
        match before.outcome {
            LastOutcome::Failed(class) => Some(class),
            // Chosen to be run again, which its cause outlives.
            LastOutcome::Due => before.cause.as_ref().map(|_| held_for),
            LastOutcome::Done | LastOutcome::Blocked | LastOutcome::Skipped => None,
        }
    }

    fn stay_failed(&self, class: FailureClass) -> Ended {
        let cause = self.checkpoint.and_then(|point| point.cause.as_deref());
        self.failed(class, cause.unwrap_or_default(), Again::Retry);
        Ended::Failed {
            class,
            parked: false,
            written: None,
        }
    }

    fn failed(&self, class: FailureClass, cause: &str, again: Again) {
        let meter = &self.context.meter;
        meter.task_failed(self.record, &self.component.name, class, cause, again);
    }

    /// Nothing was asked for it, since its answers could not be written.
    fn cannot_write(&self, path: &str, obstacle: &str) -> Ended {
        let class = FailureClass::Output;
        let file = self.context.staleness.output_root.join(path);
        let cause = format!("cannot write {}: {obstacle}", file.display());
        self.failed(class, &cause, Again::Rerun);
        Ended::Failed {
            class,
            parked: false,
            written: None,
        }
    }

    /// Moves a file that stays to where the output lies now, and notes an accepted edit as done whatever became of
    /// its task meanwhile. Most files need neither. How the task ended, if it failed in that.
    async fn settle(
        &self,
        kept: Kept,
        path: &str,
        from: Option<&str>,
        made_from: MadeFrom,
    ) -> Result<Option<Ended>, StoreError> {
        let Some(before) = self.checkpoint else {
            return Ok(None);
        };
        let is_settled = kept != Kept::Accepted || before.outcome == LastOutcome::Done;
        let mut point = Checkpoint {
            cause: None,
            parked: false,
            ..before.clone()
        };
        if point.author == Some(Author::Person) && kept != Kept::Edited {
            point.outcome = LastOutcome::Done;
        }
        match from {
            None if is_settled => return Ok(None),
            None => {}
            Some(from) => {
                let root = &self.context.staleness.output_root;
                match relocate(root, from, path) {
                    Ok(metadata) if kept != Kept::Edited => point.file = Some(stamp(&metadata)),
                    // What was written there before tells that this is not it.
                    Ok(_) => point.file = None,
                    Err(error) => {
                        let obstacle =
                            format!("the file that is at {from} cannot be moved: {error}");
                        return Ok(Some(self.cannot_write(path, &obstacle)));
                    }
                }
                point.path = path.to_owned();
                if kept == Kept::Accepted && self.only_moved(before, &made_from.parts)? {
                    (point.fingerprint, point.parts) = (made_from.fingerprint, made_from.parts);
                    point.recipe = self.context.recipe(self.component);
                    point.seen = self.seen;
                }
            }
        }
        self.context.workplace.complete(point).await?;
        Ok(None)
    }

    /// Whether nothing but the path of the file has changed.
    fn only_moved(
        &self,
        before: &Checkpoint,
        parts: &FingerprintParts,
    ) -> Result<bool, StoreError> {
        let Some(recipe) = self.context.store.recipe(before.recipe)? else {
            return Ok(false);
        };
        let now = (&self.component.recipe, parts);
        let changes = fingerprint::changes(now, (&recipe, &before.parts));
        Ok(changes == [Change::Output])
    }

    fn keep(&self, kept: Kept, path: String, content: Digest) -> Ended {
        let author = self.checkpoint.and_then(|point| point.author);
        self.context.meter.file_kept(kept, author);
        self.context.repeated.succeeded(&self.component.name);
        let end = match kept {
            Kept::UpToDate | Kept::Accepted | Kept::FromModel => TaskEnd::Kept,
            Kept::Edited => {
                self.context
                    .meter
                    .tell(Event::Edited { path: path.clone() });
                TaskEnd::Edited
            }
        };
        Ended::Ready {
            ready: Ready {
                path,
                content,
                text: None,
            },
            end,
            by_stand_in: false,
            held: None,
            written: None,
        }
    }
}

/// A task that runs.
pub(super) struct Attempt<'a> {
    task: &'a Task<'a>,
    made_from: MadeFrom,
    generation: u32,
    path: String,
    /// Hash of the file that it judges.
    judged: Option<Digest>,
}

/// What was spent on it so far.
#[derive(Default)]
pub(super) struct Spent {
    executions: u32,
    calls: u32,
    usage: Usage,
    micros: u64,
    cpu: Duration,
    model: Option<String>,
    /// Whether the offline stand-in gave one of the answers.
    by_stand_in: bool,
    /// Whether the last answer was cut off.
    is_cut_off: bool,
}

impl Spent {
    fn told(&mut self, answer: &Answer) {
        self.calls += 1;
        self.is_cut_off = false;
        if let Answer::Completion(completion) = answer {
            self.usage += completion.usage;
            self.by_stand_in |= completion.model == offline::NAME;
            self.model = Some(completion.model.clone());
            self.is_cut_off = completion.stop == StopReason::Length;
        }
    }

    /// Who wrote what comes of it.
    fn author(&self) -> Author {
        match &self.model {
            _ if self.by_stand_in => Author::StandIn,
            Some(_) => Author::Model,
            None => Author::Component,
        }
    }

    /// Whether more may be asked.
    fn may_ask(&self, limits: &Limits) -> Result<(), Stop> {
        let tokens = self
            .usage
            .input_tokens
            .saturating_add(self.usage.output_tokens);
        let cause = if limits.tokens.is_some_and(|most| tokens >= most) {
            format!("it has used {tokens} tokens, and wants to ask more")
        } else if limits.cost.is_some_and(|most| self.micros >= most) {
            let dollars = self.micros as f64 / 1e6;
            format!("it has cost ${dollars:.4}, and wants to ask more")
        } else {
            return Ok(());
        };
        Err(Stop::Failed {
            class: FailureClass::Limit,
            cause,
        })
    }
}

/// Why a task does not end with an artifact.
pub(super) enum Stop {
    Failed {
        class: FailureClass,
        cause: String,
    },
    Interrupted,
    /// An answer comes with a batch.
    Waits,
    /// Its component is held.
    Held,
    Store(StoreError),
}

impl From<TaskFailure> for Stop {
    fn from(failure: TaskFailure) -> Self {
        let TaskFailure { class, cause } = failure;
        Stop::Failed { class, cause }
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Stop::Store(error)
    }
}

impl Attempt<'_> {
    /// Runs it for a reason; `found` is the hash of the file that lies there.
    async fn run(
        &self,
        reason: Reason,
        found: Option<Digest>,
        texts: Result<Texts<'_>, TaskFailure>,
    ) -> Result<Ended, StoreError> {
        let mut spent = Spent::default();
        let result = match texts {
            Ok(texts) => self.execute(&texts, &mut spent).await,
            Err(failure) => Err(failure.into()),
        };
        self.end(reason, found, result, spent).await
    }

    /// Counts what it took, and ends it.
    pub async fn end(
        &self,
        reason: Reason,
        found: Option<Digest>,
        result: Result<String, Stop>,
        spent: Spent,
    ) -> Result<Ended, StoreError> {
        self.count(&result, &spent);
        match result {
            Ok(text) => self.made(reason, found, text, spent).await,
            Err(Stop::Failed { class, cause }) => Ok(self.failed(class, cause, spent).await),
            Err(Stop::Interrupted) => Ok(Ended::Interrupted),
            Err(Stop::Waits) => Ok(Ended::Waits),
            Err(Stop::Held) => Ok(Ended::HeldBack),
            Err(Stop::Store(error)) => Err(error),
        }
    }

    /// Counts what it took.
    pub fn count(&self, result: &Result<String, Stop>, spent: &Spent) {
        let context = self.task.context;
        if matches!(result, Ok(_) | Err(Stop::Failed { .. })) {
            let component = &self.task.component.name;
            context
                .meter
                .attempt_ended(component, spent.calls, spent.micros);
        }
    }

    /// Hands the artifact to the output, unless the file that is there stays.
    async fn made(
        &self,
        reason: Reason,
        found: Option<Digest>,
        text: String,
        spent: Spent,
    ) -> Result<Ended, StoreError> {
        let context = self.task.context;
        context.repeated.succeeded(&self.task.component.name);
        let text: Arc<str> = text.into();
        let made = Digest::of(text.as_bytes());
        if let Some(found) = found.filter(|found| *found != made) {
            if let Some(kept) = self.stays(reason, &text, &spent) {
                return Ok(self.task.keep(kept, self.path.clone(), found));
            }
            if reason == Reason::FileEdited {
                Box::pin(self.save_edit()).await?;
            }
        }
        if let Some(verdict) = self.verdict(&text) {
            let id = self.task.id();
            Box::pin(context.workplace.give_verdicts(&id, vec![verdict])).await?;
        }
        let by_stand_in = spent.by_stand_in;
        let checkpoint = self.checkpoint(LastOutcome::Done, None, false, spent);
        let mut weight = Weight::new(&context.held);
        weight.add(text.len());
        let write = context
            .workplace
            .write(Some(Arc::clone(&text)), checkpoint, Some(weight));
        let written = Box::pin(write).await;
        let ready = Ready {
            path: self.path.clone(),
            content: made,
            text: Some(text),
        };
        Ok(Ended::Ready {
            ready,
            end: TaskEnd::Made,
            by_stand_in,
            held: None,
            written: Some(written),
        })
    }

    /// The verdict that its artifact is, if its component judges.
    fn verdict(&self, text: &str) -> Option<Verdict> {
        let component = self.task.component;
        let judgement = step::judgement(component, text)?.ok()?;
        let judged = component.judges.clone()?;
        let content = self.judged?;
        Some(judgement.verdict(judged, content, &component.name, self.made_from.fingerprint))
    }

    /// Notes the failure, and whether this run tries again.
    async fn failed(&self, class: FailureClass, cause: String, spent: Spent) -> Ended {
        let context = self.task.context;
        let parked = class.may_pass();
        if context.interrupt.is_thrown() && parked {
            return Ended::Interrupted;
        }
        let again = if parked { Again::Soon } else { Again::Rerun };
        self.task.failed(class, &cause, again);
        if !parked {
            self.task.note_failure(class, &cause, spent.calls > 0);
        }
        let outcome = LastOutcome::Failed(class);
        let checkpoint = self.checkpoint(outcome, Some(cause), parked, spent);
        let written = Box::pin(context.workplace.write(None, checkpoint, None)).await;
        Ended::Failed {
            class,
            parked,
            written: Some(written),
        }
    }

    /// Whether the file that lies there is kept, now that it is known what would take its place.
    fn stays(&self, reason: Reason, text: &str, spent: &Spent) -> Option<Kept> {
        let staleness = &self.task.context.staleness;
        let before = self.task.checkpoint;
        let author = before
            .filter(|point| point.path == self.path)
            .and_then(|point| point.author);
        if reason == Reason::AfterCrash && !staleness.is_half_written(&self.path, text) {
            // Not a half-finished write of this text: a person's edit.
            return Some(Kept::Edited);
        }
        // The stand-in answered where a real model could not.
        let is_lost = spent.by_stand_in && author == Some(Author::Model);
        (is_lost && reason != Reason::AfterCrash && !staleness.rules.stand_in_replaces)
            .then_some(Kept::FromModel)
    }

    /// Keeps the text of the edit that is about to be replaced.
    async fn save_edit(&self) -> Result<(), StoreError> {
        let context = self.task.context;
        match context.staleness.read(&self.path) {
            Ok(text) => {
                context
                    .workplace
                    .keep_edit(&self.task.id(), &self.path, text)
                    .await
            }
            // It went away since, so there is nothing to keep.
            Err(_) => Ok(()),
        }
    }

    /// Runs the component until it ends, each time with the answers to what it asked before.
    pub async fn execute(&self, texts: &Texts<'_>, spent: &mut Spent) -> Result<String, Stop> {
        let component = self.task.component;
        if let Some(texts) = &component.texts {
            let given = texts.get(&self.task.record.id).cloned();
            return given.ok_or_else(|| Stop::Failed {
                class: FailureClass::Record,
                cause: "there is no text of it".to_owned(),
            });
        }
        self.raise_generation().await?;
        let mut known = self.transcript()?.into_iter();
        let pictures = self.pictures().await?;
        let mut executions = Executions::new(
            component,
            self.generation,
            &self.made_from.feedback,
            pictures,
        );
        let mut lines = 0;
        let mut weight = Weight::new(&self.task.context.held);
        loop {
            // Nothing new is begun, but what was paid for is made use of: nothing more can be asked anyway.
            if executions.count() == 0 && self.task.context.interrupt.is_thrown() {
                return Err(Stop::Interrupted);
            }
            let executed;
            (executed, weight) = self
                .execute_once(&mut executions, texts, spent, weight)
                .await?;
            print_new(
                &executed.log,
                &mut lines,
                &component.name,
                &self.task.record.id,
            );
            match executions.step(executed.outcome) {
                Step::Made(text) => return Ok(text),
                Step::Failed(failure) => return Err(self.advised(failure, spent).into()),
                Step::Asks(mut questions) => {
                    // Answers of before are told one execution after the other, too: so a task that goes on
                    // takes as many executions as one that was never interrupted, and keeps the same limit.
                    let mut told: Vec<Answered> = known.by_ref().take(questions.len()).collect();
                    questions.drain(..told.len());
                    if !questions.is_empty() {
                        spent.may_ask(&component.limits)?;
                        told.extend(self.ask(questions, spent).await?);
                    }
                    for answered in &mut told {
                        spent.told(&answered.answer);
                        weight.tell(answered);
                    }
                    executions.tell(told);
                }
            }
        }
    }

    /// The pictures that it may show. Those at addresses are fetched now, by a thread that may wait.
    async fn pictures(&self) -> Result<Pictures, Stop> {
        let Task {
            context,
            component,
            record,
            ..
        } = *self.task;
        let names = component.input.images.clone();
        if names.is_empty() {
            return Ok(Pictures::new());
        }
        let of_field = |name: &String| Some((name.clone(), record.fields.get(name)?.clone()));
        let fields: Fields = names.iter().filter_map(of_field).collect();
        let facts = Arc::clone(&context.staleness.facts);
        let looked_at = tokio::task::spawn_blocking(move || {
            facts.images().map_or_else(Pictures::new, |images| {
                input::pictures(images, &names, &fields, Fetching::Now)
            })
        });
        looked_at.await.map_err(|error| Stop::Failed {
            class: FailureClass::Defect,
            cause: format!("the pictures could not be looked at: {error}"),
        })
    }

    /// Makes it durable that the task asks in a new generation, if it does.
    async fn raise_generation(&self) -> Result<(), StoreError> {
        let checkpoint = self.task.checkpoint;
        if checkpoint.is_some_and(|point| point.generation < self.generation) {
            // Durable before anything is asked, or a crash would ask in the old generation again; and due,
            // or the run after the crash would raise it once more.
            let cause = checkpoint.and_then(|point| point.cause.clone());
            let raised = self.checkpoint(LastOutcome::Due, cause, false, Spent::default());
            let context = self.task.context;
            Box::pin(context.workplace.complete(raised)).await?;
        }
        Ok(())
    }

    /// What the task was told before it was interrupted. Without a checkpoint there may be answers too, after a kill: they are
    /// found by their keys.
    fn transcript(&self) -> Result<Vec<Answered>, StoreError> {
        if self.task.component.parameters.is_none() || self.task.checkpoint.is_none() {
            return Ok(Vec::new());
        }
        let workplace = &self.task.context.workplace;
        let told =
            workplace.transcript(&self.task.id(), self.made_from.fingerprint, self.generation)?;
        let told = told.into_iter().map(|(key, answer)| Answered {
            key,
            answer,
            request: None,
        });
        Ok(told.collect())
    }

    /// Runs the component once, on a thread of the sandbox, and books what it asks. It begins only where there is room.
    async fn execute_once(
        &self,
        executions: &mut Executions<'_>,
        texts: &Texts<'_>,
        spent: &mut Spent,
        weight: Weight,
    ) -> Result<(Executed, Weight), Stop> {
        let Task {
            context,
            component,
            record,
            ..
        } = *self.task;
        let limits = component.limits;
        let left = limits.task_cpu.saturating_sub(spent.cpu);
        let limits = Limits {
            cpu: limits.cpu.min(left),
            ..limits
        };
        // Built for each execution, so that a task that waits for an answer holds no copy of its record.
        let texts = UpstreamText::of(texts);
        let input = Arc::new(context.staleness.input(component, record, &texts));
        let execution = executions.next(input, limits)?;
        spent.executions = executions.count();
        if left.is_zero() {
            return Err(Stop::Failed {
                class: FailureClass::Limit,
                cause: format!(
                    "its executions used more than {} ms of CPU time together",
                    limits.task_cpu.as_millis()
                ),
            });
        }
        let plugin = Arc::clone(&component.plugin);
        let span = tracing::debug_span!("execution", number = i64::from(spent.executions));
        let run = move |execution| span.in_scope(|| sandbox::execute(&plugin, execution));
        let is_first = spent.executions == 1;
        let executing = held::execute(&context.pool, weight, is_first, execution, run);
        let (executed, weight) = executing.await.map_err(|lost| Stop::Failed {
            class: FailureClass::Machine,
            cause: lost.to_string(),
        })?;
        spent.cpu += executed.cpu;
        Ok((executed, weight))
    }

    /// Gets the answers to all questions at once; those that came are kept if another fails.
    async fn ask(
        &self,
        questions: Vec<Question>,
        spent: &mut Spent,
    ) -> Result<Vec<Answered>, Stop> {
        let id = self.task.id();
        let Task {
            context, component, ..
        } = *self.task;
        let Some(parameters) = &component.parameters else {
            return Ok(Vec::new());
        };
        let calls = questions.iter().map(|question| async {
            let mut billed = Vec::new();
            let (key, request) = (question.key, &question.request);
            let caller = Caller {
                record: &self.task.record.id,
                component: &component.name,
                task: self.task.judges_for.unwrap_or(&component.name),
                mode: component.mode,
                place: self.task.place,
                fingerprint: self.made_from.fingerprint,
                generation: self.generation,
                cancelled: context.repeated.held(&component.name),
            };
            let gateway = &context.gateway;
            let result = gateway
                .answer(parameters, key, request, caller, &mut billed)
                .await;
            (result, billed)
        });
        let (results, billed): (Vec<_>, Vec<Vec<Billed>>) =
            join_all(calls).await.into_iter().unzip();
        let billed = billed.concat();
        // Boxed, as is what follows the answers: the many tasks that wait for them have no room for it.
        if !billed.is_empty() {
            Box::pin(self.bill(&id, billed, spent)).await?;
        }
        let mut entries = Vec::with_capacity(questions.len());
        let mut told = Vec::with_capacity(questions.len());
        for (question, result) in questions.into_iter().zip(results) {
            let (completion, answer, cost) = result.map_err(|error| match error {
                GatewayError::Call(error) if error.class == FailureClass::Budget => {
                    context.spent_all();
                    Stop::Interrupted
                }
                GatewayError::Waits => Stop::Waits,
                GatewayError::Call(_) if self.task.is_held() => Stop::Held,
                GatewayError::Call(error) => Stop::Failed {
                    class: error.class,
                    cause: error.message,
                },
                GatewayError::Journal(error) => Stop::Store(error),
            })?;
            spent.micros = spent.micros.saturating_add(cost);
            entries.push(Told {
                position: question.position,
                key: question.key,
                completion,
            });
            told.push(question.answered(answer));
        }
        let workplace = &context.workplace;
        let append =
            workplace.append_transcript(id, self.made_from.fingerprint, self.generation, entries);
        Box::pin(append).await?;
        Ok(told)
    }

    /// The same failure, with what to do where answers were cut off.
    fn advised(&self, failure: TaskFailure, spent: &Spent) -> TaskFailure {
        let Task {
            context, component, ..
        } = self.task;
        let advice = component
            .parameters
            .as_ref()
            .and_then(|parameters| context.gateway.advice_on_cap(parameters))
            .filter(|_| spent.is_cut_off && failure.class == FailureClass::InvalidOutput);
        match advice {
            Some(advice) => TaskFailure {
                cause: format!("{} ({advice})", failure.cause),
                ..failure
            },
            None => failure,
        }
    }

    /// Books tries that were billed and brought no answer, unless they are booked already.
    async fn bill(
        &self,
        id: &TaskId,
        billed: Vec<Billed>,
        spent: &mut Spent,
    ) -> Result<(), StoreError> {
        for unused in &billed {
            spent.usage += unused.usage;
            spent.micros = spent.micros.saturating_add(unused.micros.unwrap_or(0));
        }
        let billed: Vec<Billed> = billed
            .into_iter()
            .filter(|unused| !unused.is_booked)
            .collect();
        if billed.is_empty() {
            return Ok(());
        }
        let bill = Bill {
            task: id.clone(),
            fingerprint: self.made_from.fingerprint,
            generation: self.generation,
            tries: billed,
        };
        self.task.context.workplace.bill(bill).await
    }

    fn checkpoint(
        &self,
        outcome: LastOutcome,
        cause: Option<String>,
        parked: bool,
        spent: Spent,
    ) -> Checkpoint {
        let before = self.task.checkpoint;
        let attempts = match (outcome, before) {
            (LastOutcome::Done, _) | (_, None) => 0,
            (LastOutcome::Failed(class), Some(point)) => {
                let same = matches!(point.outcome, LastOutcome::Due)
                    || point.outcome == LastOutcome::Failed(class);
                if same && point.fingerprint == self.made_from.fingerprint {
                    point.attempts
                } else {
                    0
                }
            }
            (_, Some(point)) => point.attempts,
        };
        let author = spent.author();
        let point = Checkpoint {
            record: self.task.record.id.clone(),
            component: self.task.component.name.clone(),
            outcome,
            cause,
            parked,
            attempts: match outcome {
                LastOutcome::Failed(_) => attempts.saturating_add(1),
                _ => attempts,
            },
            generation: self.generation,
            fingerprint: self.made_from.fingerprint,
            recipe: self.task.context.recipe(self.task.component),
            seen: self.task.seen,
            parts: self.made_from.parts.clone(),
            path: self.path.clone(),
            file: None,
            content: None,
            author: None,
            left: None,
            model: spent.model,
            executions: spent.executions,
            calls: spent.calls,
            usage: spent.usage,
            worker: None,
        }
        .keep_file(before);
        match outcome {
            LastOutcome::Done => Checkpoint {
                author: Some(author),
                ..point
            },
            _ => point,
        }
    }
}

/// Prints what was logged beyond the replayed prefix.
fn print_new(log: &[LogLine], seen: &mut usize, component: &str, record: &str) {
    for line in log.iter().skip(*seen) {
        match line.level {
            tracing::Level::ERROR => tracing::error!(component, record, "{}", line.message),
            tracing::Level::WARN => tracing::warn!(component, record, "{}", line.message),
            tracing::Level::INFO => tracing::info!(component, record, "{}", line.message),
            _ => tracing::debug!(component, record, "{}", line.message),
        }
    }
    *seen = log.len().max(*seen);
}
