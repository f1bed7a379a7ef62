//! One record through all its components: each starts when what it depends on has ended; a failure
//! blocks its dependents and nobody else.

mod leasing;
mod without_run;

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::sync::SetOnce;

use super::context::Context;
use super::meter::Event;
use super::pass::{End, Pass};
use super::task::{Ended, Ready, Task};
use crate::statistics::RecordEnd;
use config::component::Component;
use dataset::{Dataset, DatasetError, Record};
use plan::decision::TaskEnd;
use plan::upstreams::{Hold, Loss, Upstreams};
use plan::verdict::Verdict;
use store::{Checkpoint, RecordRef, Seen, StoreError};
use types::class::FailureClass;

use leasing::Leasing;
use without_run::{failed_whole, not_begun, stays_failed, unreadable};

/// What dependents wait for.
#[derive(Clone, Debug)]
enum Signal {
    Ready(Ready),
    /// There is a file, which only its judge gets.
    Held(Ready, Loss),
    /// There is no file.
    Lost(Loss),
    /// The record is not in its sample.
    NotSampled,
    /// It comes with a batch.
    Waits,
    Interrupted,
}

/// Runs one record; its questions go after those of records with a lower place.
///
/// # Errors
/// Only when the state fails: then the run cannot go on. Anything else costs the record alone.
pub(super) async fn perform(
    context: Arc<Context>,
    dataset: Arc<Dataset>,
    reference: RecordRef,
    place: u64,
    pass: Pass,
) -> Result<(), StoreError> {
    let read = || {
        let record = dataset
            .read(reference.place)
            .map_err(|error| error.to_string())?;
        // A file that was changed in place may have another record there.
        if record.id == reference.id {
            return Ok(record);
        }
        let changed = DatasetError::Changed {
            file: dataset.file_of(reference.place).to_owned(),
            line: reference.place.line,
        };
        Err(changed.to_string())
    };
    let read = std::panic::catch_unwind(AssertUnwindSafe(read));
    let record = match read.unwrap_or_else(|panic| Err(panic_cause(panic.as_ref()))) {
        Ok(record) => record,
        Err(cause) => {
            let failed = unreadable(&context, &reference, &cause, pass);
            // Boxed, so that what is rare takes no memory of the many tasks that wait.
            return Box::pin(failed).await;
        }
    };
    let verdicts = context.verdicts(&record.id)?;
    if let Some(elsewhere) = &context.elsewhere
        && let Leasing::Leased(leased) =
            leasing::lease(&context, &reference, &record, (place, pass), &verdicts)?
    {
        // Boxed, so that a run on one machine has no room for it.
        let performed = leasing::perform(&context, &**elsewhere, *leased, &record, pass);
        Box::pin(performed).await?;
        context.gateway.record_ended(place);
        return Ok(());
    }
    let looked_at = Reference {
        seen: reference.seen,
        checkpoints: &reference.checkpoints,
        verdicts: &verdicts,
    };
    let performed = perform_tasks(&context, &record, looked_at, place, pass).await;
    context.gateway.record_ended(place);
    conclude(&context, &reference.category, &performed?);
    Ok(())
}

/// What is known of a record beside itself.
#[derive(Clone, Copy)]
pub(super) struct Reference<'a> {
    pub seen: Seen,
    pub checkpoints: &'a [Checkpoint],
    /// What was said about its artifacts.
    pub verdicts: &'a [Verdict],
}

/// Performs the tasks of a record; how each of its components ended.
pub(super) async fn perform_tasks(
    context: &Arc<Context>,
    record: &Record,
    reference: Reference<'_>,
    place: u64,
    pass: Pass,
) -> Result<Vec<End>, StoreError> {
    let (checkpoints, verdicts) = (reference.checkpoints, reference.verdicts);
    let waiting = match (&context.batches, pass) {
        (None, _) | (_, Pass::First) => Vec::new(),
        _ => context.store.waiting(context.indexed.id, &record.id)?,
    };
    let signals: Vec<SetOnce<Signal>> = context.components.iter().map(|_| SetOnce::new()).collect();
    let seen = reference.seen;
    let runs = context
        .components
        .iter()
        .zip(&signals)
        .map(|(component, signal)| {
            let checkpoint = checkpoints
                .iter()
                .find(|point| point.component == component.name);
            let signals = &signals;
            let waits = waiting.contains(&component.name);
            // Made inside, for one that is captured would be held twice.
            Box::pin(async move {
                let task = Task {
                    context,
                    component,
                    record,
                    seen,
                    place,
                    checkpoint,
                    judges_for: None,
                    verdicts,
                };
                let end = run_component(task, signal, signals, pass, waits).await?;
                if !context.workplace.is_leased() {
                    count(context, record, &component.name, pass, end);
                }
                Ok::<End, StoreError>(end)
            })
        });
    let mut ends = Vec::with_capacity(context.components.len());
    for end in join_all(runs).await {
        ends.push(end?);
    }
    Ok(ends)
}

/// Waits for dependencies, performs the task, tells dependents, and waits until it is durable.
async fn run_component(
    task: Task<'_>,
    signal: &SetOnce<Signal>,
    signals: &[SetOnce<Signal>],
    pass: Pass,
    waits: bool,
) -> Result<End, StoreError> {
    let tell = |said: Signal| {
        // Set once, by this function only.
        let _ = signal.set(said);
    };
    if !task.context.is_made_for(task.component, &task.record.id) {
        tell(Signal::NotSampled);
        return Ok(End::NotSampled);
    }
    if pass == Pass::Sweep && waits {
        // It was counted when it began to wait.
        tell(Signal::Waits);
        return Ok(End::Interrupted);
    }
    if pass == Pass::Batch && waits {
        // If it waits again, that is noted anew.
        task.context.store.stop_waiting(task.id()).await?;
    }
    let is_wanted = match pass {
        Pass::First => true,
        Pass::Sweep => task.checkpoint.is_some_and(|point| point.parked),
        Pass::Batch => waits,
    };
    if !is_wanted {
        let there = before(&task);
        let done = there.is_some();
        let is_parked = task.checkpoint.is_some_and(|point| point.parked);
        tell(match there {
            Some(ready) => held_or_ready(&task, ready),
            None => Signal::Lost(lost_by(task.component.name.clone(), is_parked)),
        });
        return Ok(End::Before(done));
    }
    if let Some(cause) = &task.context.deadly {
        let class = FailureClass::Machine;
        let by = format!("{} ({class})", task.component.name);
        tell(Signal::Lost(lost_by(by, false)));
        return Box::pin(failed_whole(&task, class, cause)).await;
    }
    let upstreams = match gather(&task, signals).await {
        Gathered::All(upstreams) => upstreams,
        Gathered::Interrupted => {
            tell(Signal::Interrupted);
            return Ok(End::Interrupted);
        }
        Gathered::Waits => {
            tell(Signal::Waits);
            task.context.store.wait(task.id(), None).await?;
            return Ok(End::Waits);
        }
    };
    let is_stopped = upstreams.is_stopped();
    let (files, hold) = upstreams.finish();
    if let Some(hold) = hold.as_ref().filter(|_| is_stopped) {
        tell(Signal::Lost(hold.loss.clone()));
        return Box::pin(not_begun(&task, hold)).await;
    }
    let performed = AssertUnwindSafe(task.perform(files, hold.is_some()))
        .catch_unwind()
        .await;
    match performed {
        Ok(Ok(ended)) => conclude_task(&task, ended, hold, tell).await,
        Err(panic) => {
            let by = format!("{} ({})", task.component.name, FailureClass::Defect);
            tell(Signal::Lost(lost_by(by, false)));
            let class = FailureClass::Defect;
            Box::pin(failed_whole(&task, class, &panic_cause(panic.as_ref()))).await
        }
        Ok(Err(error)) => {
            // Dependents must not wait for ever while the run is being given up.
            tell(Signal::Interrupted);
            Err(error)
        }
    }
}

/// What the components before a task have come to.
enum Gathered<'a> {
    All(Upstreams<'a, &'a Component, Ready>),
    /// One of them comes with a batch.
    Waits,
    Interrupted,
}

/// Waits for the components that matter for a task, as far as they do.
async fn gather<'a>(task: &Task<'a>, signals: &[SetOnce<Signal>]) -> Gathered<'a> {
    let mut upstreams = Upstreams::new(&task.component.depends_on);
    for (component, signal) in task.context.components.iter().zip(signals) {
        if component.name == task.component.name || upstreams.is_stopped() {
            break;
        }
        let policy = component.on_failure;
        if !upstreams.waits_for(&component.name, policy) {
            continue;
        }
        let judges = task.component.judges.as_ref() == Some(&component.name);
        let end = match signal.wait().await.clone() {
            Signal::Ready(ready) => Ok(ready),
            Signal::Held(ready, _) if judges => Ok(ready),
            Signal::Held(_, loss) => Err(loss),
            Signal::Lost(loss) => Err(loss),
            // Nothing that is made for this record depends on it.
            Signal::NotSampled => continue,
            Signal::Waits => return Gathered::Waits,
            Signal::Interrupted => return Gathered::Interrupted,
        };
        upstreams.ended(component, &component.name, policy, end);
    }
    Gathered::All(upstreams)
}

/// Tells dependents how a task ended, and waits until that is durable.
async fn conclude_task(
    task: &Task<'_>,
    ended: Ended,
    hold: Option<Hold>,
    tell: impl Fn(Signal),
) -> Result<End, StoreError> {
    let (context, name) = (task.context, &task.component.name);
    match ended {
        Ended::Interrupted => {
            tell(Signal::Interrupted);
            Ok(End::Interrupted)
        }
        Ended::Waits => {
            tell(Signal::Waits);
            Ok(End::Waits)
        }
        Ended::HeldBack => {
            if let (None, Some(class)) = (&hold, task.failed_before()) {
                tell(Signal::Lost(lost_by(format!("{name} ({class})"), false)));
                return Box::pin(stays_failed(task, class)).await;
            }
            // Only what is held back ends so.
            let Some(hold) = hold.or_else(|| held(task)) else {
                tell(Signal::Interrupted);
                return Ok(End::Interrupted);
            };
            tell(Signal::Lost(hold.loss.clone()));
            Box::pin(not_begun(task, &hold)).await
        }
        Ended::Failed {
            class,
            parked,
            written,
        } => {
            tell(Signal::Lost(lost_by(format!("{name} ({class})"), parked)));
            if let Some(written) = written {
                durable(context, written.await);
            }
            Ok(if parked {
                End::Parked
            } else {
                End::Final(TaskEnd::Failed)
            })
        }
        Ended::Ready {
            ready,
            end,
            by_stand_in,
            held,
            written,
        } => {
            tell(match held {
                None => Signal::Ready(ready),
                Some(cause) => {
                    context.meter.task_held(task.record, name, &cause);
                    Signal::Held(ready, lost_by(held_by(name, &cause), false))
                }
            });
            let durable = match written {
                Some(written) => durable(context, written.await),
                None => true,
            };
            Ok(match end {
                TaskEnd::Made if durable => End::Made { by_stand_in },
                end if durable => End::Final(end),
                _ => End::Final(TaskEnd::Failed),
            })
        }
    }
}

/// What dependents hear of a file that an earlier pass decided: its gate may be shut.
fn held_or_ready(task: &Task<'_>, ready: Ready) -> Signal {
    let component = task.component;
    let gate = component.gate.as_ref();
    let shut = gate.and_then(|gate| gate.holds(task.verdicts, &component.name, ready.content));
    match shut {
        None => Signal::Ready(ready),
        Some(shut) => {
            let by = held_by(&component.name, &shut.in_words());
            Signal::Held(ready, lost_by(by, false))
        }
    }
}

/// What dependents of a held file are told.
pub(super) fn held_by(component: &str, cause: &str) -> String {
    format!("{component} (held: {cause})")
}

/// A file that is lost because of what `by` names.
fn lost_by(by: String, is_parked: bool) -> Loss {
    Loss { by, is_parked }
}

/// Whether a file and its checkpoint reached the disk; if not, tells why.
fn durable(
    context: &Context,
    written: Result<super::output::Written, tokio::sync::oneshot::error::RecvError>,
) -> bool {
    let (message, fatal) = match written {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => (error.message, error.fatal),
        Err(_) => ("the output writer has stopped".to_owned(), true),
    };
    if fatal {
        context.give_up(message);
    } else {
        context.meter.tell(Event::Note(message));
    }
    false
}

/// The file of a task that an earlier pass decided, as it lies there now.
fn before(task: &Task<'_>) -> Option<Ready> {
    let path = task
        .component
        .output
        .path(&task.record.id, &task.record.category);
    let content = task.context.staleness.usable(
        &path,
        (&task.record.id, &task.component.name),
        task.checkpoint,
    )?;
    Some(Ready {
        path,
        content,
        text: None,
    })
}

/// Why a task does not begin although nothing that it depends on stands in its way: its component is held.
fn held(task: &Task<'_>) -> Option<Hold> {
    let component = &task.component.name;
    let (_, cause) = task.context.repeated.held_for(component)?;
    let by = format!("the first tasks of {component}, which all failed for one cause: {cause}");
    Some(Hold {
        loss: lost_by(by, false),
        is_needed: false,
        is_skipped: false,
    })
}

/// What is known of a panic, in one line.
fn panic_cause(panic: &(dyn Any + Send)) -> String {
    let words = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let words = words.unwrap_or("no words");
    format!("batchgen itself failed: {words}")
}

/// Counts how one component ended in this pass.
fn count(context: &Context, record: &Record, component: &str, pass: Pass, end: End) {
    let meter = &context.meter;
    if matches!(end, End::Interrupted | End::Before(_) | End::NotSampled) {
        return;
    }
    match pass {
        Pass::First => {}
        Pass::Sweep => meter.tasks_parked(-1),
        Pass::Batch => meter.tasks_waiting(-1),
    }
    let (end, made) = match end {
        End::Final(end) => (end, None),
        End::Made { by_stand_in } => (TaskEnd::Made, Some(by_stand_in)),
        End::Parked => return meter.tasks_parked(1),
        End::Waits => return meter.tasks_waiting(1),
        End::Interrupted | End::Before(_) | End::NotSampled => return,
    };
    meter.task_ended(&record.category, component, end);
    if let Some(by_stand_in) = made {
        meter.artifact_made(&record.id, component, by_stand_in, pass == Pass::Sweep);
    }
}

/// Counts the record, if all of it ended.
fn conclude(context: &Context, category: &str, ends: &[End]) {
    let mut complete = true;
    for end in ends {
        match end {
            End::Final(end) => {
                complete &= matches!(end, TaskEnd::Made | TaskEnd::Kept | TaskEnd::Edited);
            }
            End::Made { .. } | End::NotSampled => {}
            End::Parked | End::Waits | End::Interrupted => return,
            End::Before(done) => complete &= done,
        }
    }
    let end = if complete {
        RecordEnd::Complete
    } else {
        RecordEnd::Incomplete
    };
    context.meter.record_ended(category, end);
}
