//! An attempt at making the file of a task: what becomes of its text, and what is noted of it.

use std::sync::Arc;

use super::{Attempt, Ended, Ready, Spent, Stop, Texts};
use crate::held::Weight;
use crate::meter::Again;
use crate::step::{self, TaskFailure};
use plan::decision::{Author, Kept, LastOutcome, Reason, TaskEnd};
use plan::verdict::Verdict;
use store::{Checkpoint, StoreError};
use types::class::FailureClass;
use types::digest::Digest;

impl Attempt<'_> {
    /// Runs it for a reason; `found` is the hash of the file that lies there.
    pub(super) async fn run(
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

    pub(super) fn checkpoint(
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
