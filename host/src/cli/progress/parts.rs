//! What a run says of itself while it runs, in parts of a line: they are joined for logs and laid out for terminals.

use crate::cli::numbers::{cost, count, dollars, duration, has_pace, record};
use crate::cli::summary;
use engine::statistics::{BatchView, FailureKind, View, WorkerView, percent};
use gateway::found::unix_time;
use gateway::lane::LaneView;
use gateway::lane_view::BreakerView;
use types::shown::harmless;

/// A worker that was not heard of for longer than so many seconds is told of.
const UNHEARD: u64 = 2;

/// How much attention a part wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// None.
    Plain,
    /// Something waits, or is tried again.
    Waits,
    Failed,
}

/// A piece of a line that is not broken.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub text: String,
    pub tone: Tone,
}

fn plain(text: impl Into<String>) -> Part {
    Part {
        text: text.into(),
        tone: Tone::Plain,
    }
}

fn waits(text: impl Into<String>) -> Part {
    Part {
        text: text.into(),
        tone: Tone::Waits,
    }
}

fn failed(text: impl Into<String>) -> Part {
    Part {
        text: text.into(),
        tone: Tone::Failed,
    }
}

/// How far it is and when it ends.
pub(super) fn stand(view: &View, noun: &str) -> Vec<Part> {
    let eta = match view.eta_seconds {
        Some(seconds) => format!("eta {}", duration(seconds)),
        None => "eta unknown".to_owned(),
    };
    vec![
        plain(format!(
            "{}/{} {} ({:.0} %)",
            count(view.done),
            count(view.records),
            record(view.records, noun),
            percent(view.done, view.records.max(1))
        )),
        plain(format!("{} elapsed", duration(view.elapsed_seconds))),
        plain(eta),
    ]
}

/// What came of it.
pub(super) fn outcome(view: &View) -> Vec<Part> {
    let totals = view.totals();
    let mut parts = Vec::new();
    let asked = view.calls.calls + view.calls.journaled;
    if asked == 0 && totals.made + totals.kept == 0 {
        parts.push(waits("no answer yet"));
    } else if let Some(success) = view.success_percent {
        parts.push(plain(format!("success {success:.0} %")));
    }
    parts.push(plain(format!("made {}", count(totals.made))));
    parts.push(plain(format!("kept {}", count(totals.kept))));
    let failures = format!("failed {}", count(totals.failed));
    parts.push(if totals.failed > 0 {
        failed(failures)
    } else {
        plain(failures)
    });
    if totals.not_begun > 0 {
        parts.push(waits(format!("blocked {}", count(totals.not_begun))));
    }
    if view.parked_tasks > 0 {
        parts.push(waits(format!("to try again {}", count(view.parked_tasks))));
    }
    if view.waiting_tasks > 0 {
        let tasks = format!("waiting for batches {}", count(view.waiting_tasks));
        parts.push(waits(tasks));
    }
    if view.calls.failed_tries > 0 {
        let tries = format!("failed tries {}", count(view.calls.failed_tries));
        parts.push(waits(tries));
    }
    parts
}

/// How fast it is, and what it takes.
pub(super) fn pace(view: &View, memory: Option<u64>, noun: &str) -> Vec<Part> {
    let calls = &view.calls;
    let has_pace = has_pace(view);
    let tokens = |name: &str, all: u64, a_second: f64| {
        let mut text = format!("{name} {}", count(all));
        if has_pace {
            text.push_str(&format!(" ({}/s)", count(a_second as u64)));
        }
        plain(text)
    };
    let mut parts = Vec::new();
    if has_pace {
        parts.push(plain(format!(
            "{} {noun}/h",
            count(view.records_per_hour as u64)
        )));
    }
    parts.extend([
        tokens(
            "tokens in",
            calls.input_tokens,
            view.input_tokens_per_second,
        ),
        tokens("out", calls.output_tokens, view.output_tokens_per_second),
    ]);
    if let Some(percent) = calls.cached_percent() {
        parts.push(plain(format!("{percent} % of in cached")));
    }
    if let Some(cost) = cost(calls) {
        parts.push(plain(format!("cost {cost}")));
    }
    if let Some(projected) = view
        .projected_cost_micros
        .filter(|projected| *projected > 0)
    {
        parts.push(plain(format!("at its end {}", dollars(projected))));
    }
    if let Some(bytes) = memory {
        parts.push(plain(format!("memory {} MB", bytes / 1_000_000)));
    }
    parts
}

/// What failed, by component and cause, each on a line of its own.
pub(super) fn failures(kinds: &[FailureKind]) -> Vec<Part> {
    let part = |kind: &FailureKind| {
        let text = summary::failure(kind);
        if kind.tried_again > 0 {
            waits(text)
        } else {
            failed(text)
        }
    };
    kinds.iter().map(part).collect()
}

/// What a lane is doing, and what it waits for until when.
pub(super) fn lane(lane: &LaneView) -> Vec<Part> {
    let mut parts = vec![plain(lane.model.clone())];
    let mut under_way = format!("{} in flight", lane.in_flight);
    if lane.allowed < u64::MAX {
        under_way.push_str(&format!(" of {}", lane.allowed));
    }
    parts.push(plain(under_way));
    for (used, most, what) in &lane.limits {
        parts.push(plain(format!("{}/{} {what}", count(*used), count(*most))));
    }
    let left = |span: std::time::Duration| duration(span.as_secs_f64().ceil());
    match (&lane.down, lane.breaker) {
        (Some(down), _) => parts.push(failed(down.clone())),
        (None, BreakerView::Closed) => {}
        (None, breaker) => parts.push(waits(format!("breaker {}", breaker.as_str()))),
    }
    if let Some(wait) = &lane.wait {
        let mut text = format!("{} wait for {}", lane.waiting, wait.reason);
        if let Some(span) = wait.left {
            text.push_str(&format!(", {} left", left(span)));
        }
        parts.push(waits(text));
    }
    if let Some(next) = lane.next_try {
        let text = format!("{} failed, tried again in {}", lane.backing_off, left(next));
        parts.push(waits(text));
    }
    parts
}

/// How a batch stands at a moment, in seconds since 1970.
pub(super) fn batch(batch: &BatchView, now: u64) -> Vec<Part> {
    let span = |seconds: u64| duration(seconds as f64);
    let mut parts = vec![plain(format!(
        "batch of {} {}",
        count(batch.questions),
        batch.model
    ))];
    let word = batch.word.as_ref().filter(|_| batch.state == "open");
    parts.push(plain(harmless(word.unwrap_or(&batch.state)).into_owned()));
    if let Some(answered) = batch.answered {
        parts.push(plain(format!("{} answered", count(answered))));
    }
    if let Some(failures) = batch.failed.filter(|failures| *failures > 0) {
        parts.push(failed(format!("{} failed", count(failures))));
    }
    let since = batch.sent_at.unwrap_or(batch.formed_at);
    parts.push(plain(format!("for {}", span(now.saturating_sub(since)))));
    let expires = batch.expires_at.filter(|_| batch.ended_at.is_none());
    if let Some(left) = expires.and_then(|end| end.checked_sub(now)) {
        parts.push(plain(format!("at most {} more", span(left))));
    }
    if let Some(left) = batch.next_look_at.map(|at| at.saturating_sub(now)) {
        parts.push(plain(format!("next look in {}", span(left))));
    }
    if let Some(note) = &batch.note {
        parts.push(waits(harmless(note).into_owned()));
    }
    parts
}

/// How a worker stands.
pub(super) fn worker(worker: &WorkerView) -> Vec<Part> {
    let mut parts = vec![
        plain(format!("worker {}", harmless(&worker.name))),
        plain(format!(
            "{} of {} records in work",
            count(worker.records),
            count(worker.slots)
        )),
        plain(format!("{} calls", count(worker.calls))),
        plain(format!("{} made", count(worker.made))),
    ];
    if worker.failed > 0 {
        parts.push(failed(format!("{} failed", count(worker.failed))));
    }
    if let Some(bytes) = worker.memory {
        parts.push(plain(format!("{} MB", count(bytes / 1_000_000))));
    }
    if worker.drains {
        parts.push(waits("leaving".to_owned()));
    }
    if worker.unheard_seconds > UNHEARD {
        parts.push(failed(format!(
            "not heard of for {}",
            duration(worker.unheard_seconds as f64)
        )));
    }
    parts
}

/// Parts as they are said one after the other.
pub(super) fn words(parts: Vec<Part>) -> String {
    let texts: Vec<String> = parts.into_iter().map(|part| part.text).collect();
    texts.join(", ")
}

/// The line for logs.
pub(super) fn line(view: &View, lanes: &[LaneView], memory: Option<u64>, noun: &str) -> String {
    let mut text = words([stand(view, noun), outcome(view), pace(view, memory, noun)].concat());
    for shown in lanes {
        text.push_str("; ");
        text.push_str(&words(lane(shown)));
    }
    for shown in &view.batches {
        text.push_str("; ");
        text.push_str(&words(batch(shown, unix_time())));
    }
    text
}
