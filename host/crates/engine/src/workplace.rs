//! Where the tasks of a record leave what comes of them: in the state and the output directory of this machine, or, on a worker, in the
//! ledger of a lease, which the coordinator writes down as its own.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::held::Weight;
use super::ledger::{BilledTry, Ledger, Note};
use super::output::{Output, Written};
use plan::verdict::Verdict;
use store::{Bill, Checkpoint, RunId, Store, StoreError, TaskId};
use types::digest::Digest;
use types::request::Answer;

/// A completion that a task is told.
pub(super) struct Told {
    /// Its place among the questions of the task.
    pub position: u32,
    pub key: Digest,
    /// Its number in this machine's journal.
    pub completion: i64,
}

/// Where the tasks of a record leave what comes of them.
pub(super) enum Workplace {
    /// In the state and the output directory of this machine.
    Own {
        store: Store,
        output: Output,
        dataset: i64,
        run: RunId,
    },
    /// In the ledger of a lease.
    Leased(Arc<Ledger>),
}

impl Workplace {
    /// Queues a file, if any, and its checkpoint. The receiver tells when both are durable, or in the ledger.
    pub async fn write(
        &self,
        text: Option<Arc<str>>,
        checkpoint: Checkpoint,
        weight: Option<Weight>,
    ) -> oneshot::Receiver<Written> {
        match self {
            Workplace::Own { output, .. } => output.write(text, checkpoint, weight).await,
            Workplace::Leased(ledger) => {
                let checkpoint = Box::new(checkpoint);
                ledger.note(Note::Written { text, checkpoint });
                let (done, receiver) = oneshot::channel();
                let _ = done.send(Ok(()));
                receiver
            }
        }
    }

    /// Writes a checkpoint without a file of its own.
    pub async fn complete(&self, checkpoint: Checkpoint) -> Result<(), StoreError> {
        match self {
            Workplace::Own {
                store,
                dataset,
                run,
                ..
            } => store.complete(*dataset, *run, vec![checkpoint]).await,
            Workplace::Leased(ledger) => {
                ledger.note(Note::Completed(Box::new(checkpoint)));
                Ok(())
            }
        }
    }

    /// What a task was told in this generation.
    pub fn transcript(
        &self,
        task: &TaskId,
        fingerprint: Digest,
        generation: u32,
    ) -> Result<Vec<(Digest, Answer)>, StoreError> {
        match self {
            Workplace::Own { store, .. } => store.transcript(task, fingerprint, generation),
            Workplace::Leased(ledger) => {
                Ok(ledger.known(&task.component, (fingerprint, generation)))
            }
        }
    }

    /// Notes that a task is told completions.
    pub async fn append_transcript(
        &self,
        task: TaskId,
        fingerprint: Digest,
        generation: u32,
        told: Vec<Told>,
    ) -> Result<(), StoreError> {
        match self {
            Workplace::Own { store, .. } => {
                let entries = told.iter().map(|told| (told.position, told.completion));
                let entries = entries.collect();
                store
                    .append_transcript(task, fingerprint, generation, entries)
                    .await
            }
            Workplace::Leased(ledger) => {
                ledger.note(Note::Transcript {
                    component: task.component,
                    fingerprint,
                    generation,
                    entries: told.iter().map(|told| (told.position, told.key)).collect(),
                });
                Ok(())
            }
        }
    }

    /// Notes tries that were billed and brought no answer.
    pub async fn bill(&self, bill: Bill) -> Result<(), StoreError> {
        match self {
            Workplace::Own { store, .. } => store.bill(bill).await,
            Workplace::Leased(ledger) => {
                ledger.note(Note::Billed {
                    component: bill.task.component,
                    fingerprint: bill.fingerprint,
                    generation: bill.generation,
                    tries: bill.tries.into_iter().map(BilledTry::of).collect(),
                });
                Ok(())
            }
        }
    }

    /// Keeps the text of an edit that is about to be replaced. A coordinator reads it from the file when it writes the new one.
    pub async fn keep_edit(
        &self,
        task: &TaskId,
        path: &str,
        text: Vec<u8>,
    ) -> Result<(), StoreError> {
        match self {
            Workplace::Own { store, .. } => store.keep_edit(task, path, text).await,
            Workplace::Leased(ledger) => {
                ledger.note(Note::ReplacesEdit {
                    component: task.component.clone(),
                    path: path.to_owned(),
                });
                Ok(())
            }
        }
    }

    /// Keeps what was said about artifacts of the record of a task.
    pub async fn give_verdicts(
        &self,
        task: &TaskId,
        verdicts: Vec<Verdict>,
    ) -> Result<(), StoreError> {
        match self {
            Workplace::Own { store, dataset, .. } => {
                store.give_verdicts(*dataset, &task.record, verdicts).await
            }
            Workplace::Leased(ledger) => {
                ledger.note(Note::Verdicts(verdicts));
                Ok(())
            }
        }
    }

    /// Everything that was queued is durable, and the run has ended in order.
    pub fn end(&self) {
        if let Workplace::Own { output, .. } = self {
            output.end();
        }
    }

    /// Whether the tasks run for another machine, whose run this is.
    pub fn is_leased(&self) -> bool {
        matches!(self, Workplace::Leased(_))
    }

    /// The run has spent what it may. Whether it is this machine's run.
    pub fn spent_all(&self) -> bool {
        match self {
            Workplace::Own { .. } => true,
            Workplace::Leased(ledger) => {
                ledger.note(Note::SpentAll);
                false
            }
        }
    }
}

impl Workplace {
    /// Writes down what a worker noted of the tasks of a record, in its order, and its name with what it made. The receivers tell when files and their checkpoints
    /// are durable, with the names of their components. Returns whether the run has spent what it may.
    pub async fn write_down(
        &self,
        record: &str,
        (worker, notes): (Option<String>, Vec<Note>),
        read: impl Fn(&str) -> std::io::Result<Vec<u8>>,
    ) -> Result<(Vec<(String, oneshot::Receiver<Written>)>, bool), StoreError> {
        let Workplace::Own { store, dataset, .. } = self else {
            return Ok((Vec::new(), false));
        };
        let task = |component: String| TaskId {
            dataset: *dataset,
            record: record.to_owned(),
            component,
        };
        let mut written = Vec::new();
        let mut spent_all = false;
        for note in notes {
            match note {
                Note::Written {
                    text,
                    mut checkpoint,
                } => {
                    checkpoint.worker.clone_from(&worker);
                    let component = checkpoint.component.clone();
                    written.push((component, self.write(text, *checkpoint, None).await));
                }
                Note::Completed(checkpoint) => self.complete(*checkpoint).await?,
                Note::Transcript {
                    component,
                    fingerprint,
                    generation,
                    entries,
                } => {
                    store
                        .append_transcript_by_keys(
                            task(component),
                            fingerprint,
                            generation,
                            entries,
                        )
                        .await?;
                }
                Note::Billed {
                    component,
                    fingerprint,
                    generation,
                    tries,
                } => {
                    let bill = Bill {
                        task: task(component),
                        fingerprint,
                        generation,
                        tries: tries.into_iter().map(BilledTry::billed).collect(),
                    };
                    store.bill(bill).await?;
                }
                Note::ReplacesEdit { component, path } => {
                    // It may have gone away since, so that there is nothing to keep.
                    if let Ok(text) = read(&path) {
                        store.keep_edit(&task(component), &path, text).await?;
                    }
                }
                Note::Verdicts(verdicts) => {
                    store.give_verdicts(*dataset, record, verdicts).await?;
                }
                Note::SpentAll => spent_all = true,
            }
        }
        Ok((written, spent_all))
    }
}
