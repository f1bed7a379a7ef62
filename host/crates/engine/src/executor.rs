//! The loop of a run: leases records, keeps a bounded window of them in work, sweeps up what failed
//! transiently until a sweep gains nothing, and says how it all ended.

use std::sync::Arc;

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use tokio::task::JoinSet;

use super::batches::Batches;
use super::context::Context;
use super::meter::Event;
use super::neighbour;
use super::pass::Pass;
use super::record;
use super::room::Room;
use super::run::{Run, RunError, RunSummary, Window};
use super::up_to_date;
use dataset::Dataset;
use store::{Lease, StoreError};

/// Runs to the end, or until it is interrupted. In a box, so that the compiler builds it here, and not once in each crate that awaits
/// it.
///
/// # Errors
/// When state or output fail: everything that was acknowledged is safe, and a rerun goes on from there.
pub fn execute(run: Run) -> BoxFuture<'static, Result<RunSummary, RunError>> {
    Box::pin(to_the_end(run))
}

async fn to_the_end(run: Run) -> Result<RunSummary, RunError> {
    let (lease, window) = (run.lease.clone(), run.window);
    let dataset = Arc::clone(&run.dataset);
    let context = Arc::new(Context::begin(run).await?);
    let (output, state) = (&context.staleness.output_root, context.store.file());
    if let Some(other) = neighbour::other(output, state) {
        tracing::warn!(
            "{} was last written by another state, {}: each takes the files of the other for edits; give each its own output",
            output.display(),
            other.display()
        );
    }
    neighbour::remember(output, state);
    if let Some(batches) = &context.batches {
        context.store.forget_waiting(context.indexed.id).await?;
        // What has ended meanwhile is at hand for the tasks that ask for it.
        batches.turn(false).await?;
        batches.take_settled();
    }
    if let Some(elsewhere) = &context.elsewhere {
        elsewhere.begins(context.terms());
    }
    pass(&context, &dataset, lease.clone(), window, Pass::First).await?;
    sweep(&context, &dataset, &lease, window).await?;
    if let Some(batches) = &context.batches {
        rounds(&context, &dataset, batches, &lease, window).await?;
    }
    if let Some(elsewhere) = &context.elsewhere {
        elsewhere.ends().await;
    }
    if let Some(error) = context.fatal() {
        if matches!(error, RunError::Unwritable { .. }) {
            // Nothing was written, so nothing is unclear.
            context.store.end_run(context.run, context.clean).await?;
        }
        return Err(error);
    }
    let settled =
        context.clean || !context.interrupt.is_thrown() && looks_at_all(&context, &lease)?;
    let summary = summary(&context);
    let settled = settled && summary.waiting == 0;
    context.gateway.ends().await?;
    context.store.end_run(context.run, settled).await?;
    context.workplace.end();
    // It may have been made by this run.
    neighbour::remember(output, state);
    Ok(summary)
}

fn summary(context: &Context) -> RunSummary {
    let online = context.gateway.refusal();
    let in_batches = context
        .batches
        .as_ref()
        .and_then(|batches| batches.refusal())
        .filter(|error| error.class.stops_lane());
    // An outage of lanes that ask one by one ends a run, too, and is no interruption.
    let stopped = match online {
        Some(error) if error.class.stops_lane() => Some(error),
        outage => in_batches.or(outage),
    };
    let budget_reached = context.has_spent_all();
    let view = context.meter.view();
    RunSummary {
        waiting: view.waiting_tasks,
        view,
        failures: context.meter.failure_kinds(),
        interrupted: context.interrupt.is_thrown() && stopped.is_none() && !budget_reached,
        stopped,
        budget_reached,
    }
}

/// Whether no file is left out that an earlier run may have written. One whose task fails stays, and counts as edited.
fn looks_at_all(context: &Context, lease: &Lease) -> Result<bool, StoreError> {
    if !lease.is_whole() {
        return Ok(false);
    }
    let components: Vec<&str> = context
        .components
        .iter()
        .map(|component| component.name.as_str())
        .collect();
    let (store, dataset) = (&context.store, context.indexed.id);
    Ok(store.has_only(dataset, &components)? && !context.samples.leave_files(store, dataset)?)
}

/// Tries again what failed for what may have passed, until that gains nothing.
async fn sweep(
    context: &Arc<Context>,
    dataset: &Arc<Dataset>,
    lease: &Lease,
    window: Window,
) -> Result<(), RunError> {
    loop {
        let before = context.meter.view().parked_tasks;
        if before == 0 || context.interrupt.is_thrown() {
            return Ok(());
        }
        if context.gateway.all_refused() {
            return conclude(context);
        }
        let tasks = if before == 1 { "task" } else { "tasks" };
        let note = format!("retrying {before} {tasks} that failed with transient errors");
        context.meter.sweep_begins();
        context.meter.tell(Event::Note(note));
        let parked = context.store.parked(lease, context.run);
        pass(context, dataset, parked, window, Pass::Sweep).await?;
        if context.meter.view().parked_tasks >= before {
            return conclude(context);
        }
    }
}

/// Hands in batches and takes their answers until no task waits for one; or, if the run does not wait, until nothing can be
/// done before a batch ends.
async fn rounds(
    context: &Arc<Context>,
    dataset: &Arc<Dataset>,
    batches: &Batches,
    lease: &Lease,
    window: Window,
) -> Result<(), RunError> {
    let mut stop = context.interrupt.subscribe();
    while !context.interrupt.is_thrown() {
        let turn = batches.turn(true).await?;
        if batches.take_settled() > 0 {
            let settled = context.store.settled(lease);
            pass(context, dataset, settled, window, Pass::Batch).await?;
            sweep(context, dataset, lease, window).await?;
            continue;
        }
        if turn.is_spent && turn.open == 0 {
            context.spent_all();
        }
        let waits = context.waits && context.meter.view().waiting_tasks > 0;
        if turn.open == 0 || !waits {
            return Ok(());
        }
        let look = tokio::time::sleep(turn.next.unwrap_or_default());
        tokio::select! {
            () = look => {}
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }
    Ok(())
}

/// What is still parked has failed for this run.
fn conclude(context: &Context) -> Result<(), RunError> {
    let ends = context.store.parked_ends(context.indexed.id, context.run)?;
    context.meter.parked_failed(&ends);
    Ok(())
}

/// One pass over leased records.
async fn pass(
    context: &Arc<Context>,
    dataset: &Arc<Dataset>,
    mut lease: Lease,
    window: Window,
    pass: Pass,
) -> Result<(), RunError> {
    let mut working: JoinSet<Result<u64, StoreError>> = JoinSet::new();
    let (mut text, mut place) = (0, 0);
    let mut leased = Vec::new().into_iter();
    let mut exhausted = false;
    let mut room = Room::of(context);
    loop {
        while room.is_for(window, working.len(), text)
            && !exhausted
            && !context.interrupt.is_thrown()
        {
            let next = match leased.next() {
                Some(record) => record,
                None => {
                    // Many records may go by without a wait: others get their turn, and Ctrl-C is seen.
                    tokio::task::yield_now().await;
                    leased = context
                        .store
                        .lease(&mut lease, window.most as u64)?
                        .into_iter();
                    match leased.next() {
                        Some(record) => record,
                        None => {
                            exhausted = true;
                            break;
                        }
                    }
                }
            };
            if pass == Pass::First && up_to_date::keep(context, &next) {
                continue;
            }
            let length = next.place.length;
            text += length;
            place += 1;
            let performed =
                record::perform(Arc::clone(context), Arc::clone(dataset), next, place, pass);
            // An `async` block would hold the future twice.
            working.spawn(performed.map_ok(move |()| length));
        }
        if working.is_empty() && !exhausted && !context.interrupt.is_thrown() {
            room.changed(context).await;
            continue;
        }
        let ended = tokio::select! {
            ended = working.join_next() => ended,
            () = room.grows(), if !exhausted => continue,
        };
        match ended {
            None => return Ok(()),
            Some(Ok(Ok(length))) => text = text.saturating_sub(length),
            Some(Ok(Err(error))) => {
                context.interrupt.throw();
                return Err(error.into());
            }
            Some(Err(error)) => {
                context.interrupt.throw();
                return Err(RunError::Panic {
                    cause: error.to_string(),
                });
            }
        }
        if context.gateway.all_refused() {
            context.interrupt.throw();
        }
        if let Some(batches) = context.batches.as_ref().filter(|batches| batches.is_full()) {
            batches.turn(false).await?;
        }
    }
}
