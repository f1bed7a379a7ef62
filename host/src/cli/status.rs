//! `batchgen status`: how a run stands that another process does, or how the last one ended. It takes no lock and
//! needs neither dataset nor plugins.

use std::fmt::Write as _;

use anyhow::anyhow;
use clap::Args;

use super::args::StateArgs;
use super::display::{emit, say, width};
use super::exit::{Exit, Failure};
use super::numbers::{cost, count, counted, dollars, duration, has_pace, records};
use super::progress::{batch_line, lane_line, worker_line};
use super::scores;
use super::store::places;
use super::summary;
use super::summary::cached;
use engine::statistics::{View, percent};
use watch::{Snapshot, Standing, State, standing};

/// Show the progress of a run in another process, or how the last run ended.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  batchgen status\n  batchgen status --json | jq .progress.eta_seconds"
)]
pub(super) struct StatusArgs {
    /// Print everything that is known as one JSON document
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: StateArgs,
}

/// Runs the subcommand.
pub(super) fn perform(args: &StatusArgs) -> Result<Exit, Failure> {
    let snapshot = last(&args.place)?;
    if args.json {
        emit(&snapshot);
    } else {
        say(&render(&snapshot));
    }
    Ok(Exit::Done)
}

/// The last snapshot of the run that goes on, or of the one that ended last.
pub(super) fn last(place: &StateArgs) -> Result<Snapshot, Failure> {
    let (state, _) = places(place)?;
    let found = standing(&state).map_err(|error| {
        Failure::usage(anyhow!(
            "cannot look at the state {}: {error}\nhint: see that you may read its directory",
            state.display()
        ))
    })?;
    match found {
        Standing::Run(snapshot) => Ok(*snapshot),
        Standing::Held(process) => Err(Failure::usage(anyhow!(
            "process {process} holds the state {}, and tells nothing of a run yet\nhint: ask again in a moment",
            state.display()
        ))),
        Standing::Nothing => Err(Failure::usage(anyhow!(
            "nothing was run yet on the state {}\nhint: `batchgen run` starts a run",
            state.display()
        ))),
    }
}

fn render(snapshot: &Snapshot) -> String {
    let runs = snapshot.state == State::Running;
    let mut text = format!("{}\n", snapshot.standing());
    let _ = writeln!(
        text,
        "process {}, started {}, last heard of {}",
        snapshot.run.process, snapshot.run.started_at, snapshot.at
    );
    if let Some(page) = snapshot.run.page.as_ref().filter(|_| runs) {
        let _ = writeln!(text, "dashboard {page}");
    }
    let _ = writeln!(text, "{}", progress(snapshot, runs));
    let _ = writeln!(text, "{}", outcomes(&snapshot.progress));
    let _ = writeln!(text, "{}", spending(snapshot, runs));
    text.push_str(&judged(snapshot));
    if runs {
        for lane in &snapshot.lanes {
            let breaker = lane.breaker.as_str();
            let _ = writeln!(text, "{}, breaker {breaker}", lane_line(lane));
        }
    }
    for worker in &snapshot.progress.workers {
        let _ = writeln!(text, "{}", worker_line(worker));
    }
    for batch in &snapshot.progress.batches {
        let _ = writeln!(text, "{}", batch_line(batch));
    }
    text.push_str(&summary::failures(&snapshot.detail.failure_kinds));
    text
}

/// What judges and persons said of the files, where they said something.
fn judged(snapshot: &Snapshot) -> String {
    if snapshot.scores.is_empty() {
        return String::new();
    }
    let (rows, left) = scores::glance(&snapshot.scores);
    let mut text = scores::table(&rows).render(width());
    if left > 0 {
        let _ = writeln!(
            text,
            "and {} more; `batchgen judge scores` has all of them",
            counted(left as u64, "row")
        );
    }
    text
}

/// How far the run is, in records and in time.
fn progress(snapshot: &Snapshot, runs: bool) -> String {
    let view = &snapshot.progress;
    let mut text = format!(
        "{}/{} ({:.0} %), {} elapsed",
        count(view.done),
        records(view.records, &snapshot.run.records),
        percent(view.done, view.records.max(1)),
        duration(view.elapsed_seconds)
    );
    if runs {
        let eta = view
            .eta_seconds
            .map_or_else(|| "unknown".to_owned(), duration);
        let _ = write!(text, ", eta {eta}");
    }
    text
}

/// How tasks ended.
fn outcomes(view: &View) -> String {
    let totals = view.totals();
    let mut text = String::new();
    if let Some(success) = view.success_percent {
        let _ = write!(text, "success {success:.0} %, ");
    }
    let _ = write!(
        text,
        "{} made, {} kept, {} failed",
        counted(totals.made, "artifact"),
        count(totals.kept),
        count(totals.failed)
    );
    for (number, word) in [
        (totals.held, "held"),
        (totals.not_begun, "blocked"),
        (view.parked_tasks, "to try again"),
        (view.waiting_tasks, "waiting for batches"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {} {word}", count(number));
        }
    }
    text
}

/// Tokens, pace, cost and memory.
fn spending(snapshot: &Snapshot, runs: bool) -> String {
    let view = &snapshot.progress;
    let mut text = format!(
        "tokens {} in{}, {} out",
        count(view.calls.input_tokens),
        cached(&view.calls),
        count(view.calls.output_tokens)
    );
    if runs && has_pace(view) {
        let _ = write!(
            text,
            " ({}/s), {} {}/h",
            count(view.tokens_per_second as u64),
            count(view.records_per_hour as u64),
            snapshot.run.records
        );
    }
    if let Some(cost) = cost(&view.calls) {
        let _ = write!(text, ", {cost}");
        if let Some(projected) = view.projected_cost_micros.filter(|_| runs) {
            let _ = write!(text, " of {} expected", dollars(projected));
        }
    }
    if let Some(bytes) = snapshot.memory_bytes.filter(|_| runs) {
        let _ = write!(text, ", memory {} MB", bytes / 1_000_000);
    }
    text
}
