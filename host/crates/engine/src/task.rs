//! One task: decide whether it must run, and if so run the component again and again, each time with
//! one more answer, until it ends. Between two executions nothing is held but its texts.

mod attempt;
mod executions;
mod gated;
mod traced;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tracing::Instrument;

use super::context::Context;
use super::meter::{Again, Event, Report};
use super::output::{Written, stamp};
use super::relocate::relocate;
use super::staleness::{MadeFrom, Staleness};
use super::step::TaskFailure;
use config::component::Component;
use dataset::Record;
use plan::causes;
use plan::change::Change;
use plan::decision::TaskEnd;
use plan::decision::{self, Author, Decision, Kept, LastOutcome, Reason};
use plan::fingerprint::{self, FingerprintParts};
use plan::upstreams::Upstream;
use plan::verdict::Verdict;
use store::{Checkpoint, Seen, StoreError, TaskId};
use types::class::FailureClass;
use types::digest::Digest;
use types::request::Usage;

use gated::Remaking;

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
