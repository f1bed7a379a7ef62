//! A snapshot in the text format of Prometheus. Written from the numbers that everything else shows: a registry of
//! its own would count a second time. `docs/MONITORING.md` lists the names.

use std::fmt::Write as _;

use super::scores::ScoreRow;
use super::snapshot::{Snapshot, State};
use engine::statistics::{ComponentCount, View, WorkerView};
use gateway::lane_view::{BreakerView, LaneView};
use types::shown::harmless;

/// The format.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It rises and falls.
    Gauge,
    /// It only rises.
    Counter,
}

use Kind::{Counter as COUNTER, Gauge as GAUGE};

/// A number of a run, for each set of labels that it has at a moment.
#[derive(Clone, Debug)]
pub struct Metric {
    /// As Prometheus has it, without what all begin with.
    pub name: &'static str,
    pub kind: Kind,
    /// What it counts, in words.
    pub help: &'static str,
    pub rows: Vec<Row>,
}

/// A value with its labels.
#[derive(Clone, Debug)]
pub struct Row {
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

/// All metrics of a moment. It is the same list at each moment, whatever has rows.
pub(super) fn all(snapshot: &Snapshot) -> Vec<Metric> {
    let mut page = Page::default();
    run(&mut page, snapshot);
    records(&mut page, &snapshot.progress);
    tasks(&mut page, &snapshot.progress);
    calls(&mut page, &snapshot.progress);
    bounds(&mut page, snapshot);
    lanes(&mut page, &snapshot.lanes);
    scores(&mut page, &snapshot.scores);
    page.metrics
}

/// All metrics of a moment in that format.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    for metric in all(snapshot) {
        let Metric { name, help, .. } = metric;
        let kind = match metric.kind {
            GAUGE => "gauge",
            COUNTER => "counter",
        };
        let _ = writeln!(text, "# HELP batchgen_{name} {help}");
        let _ = writeln!(text, "# TYPE batchgen_{name} {kind}");
        for Row { labels, value } in metric.rows {
            let labels: Vec<String> = labels
                .iter()
                .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
                .collect();
            let labels = if labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", labels.join(","))
            };
            let _ = writeln!(text, "batchgen_{name}{labels} {value}");
        }
    }
    text
}

fn run(page: &mut Page, snapshot: &Snapshot) {
    let view = &snapshot.progress;
    let is_running = u64::from(snapshot.state == State::Running);
    page.one("running", GAUGE, "1 while the run lasts", is_running);
    page.one(
        "elapsed_seconds",
        GAUGE,
        "Seconds since the run began",
        view.elapsed_seconds,
    );
    let eta = view.eta_seconds;
    page.maybe("eta_seconds", GAUGE, "Expected seconds to the end", eta);
}

fn records(page: &mut Page, view: &View) {
    page.one("records", GAUGE, "Records wanted", view.records);
    page.head(
        "records_ended_total",
        COUNTER,
        "Records that ended, by outcome",
    );
    for (outcome, count) in [
        ("complete", view.complete),
        ("incomplete", view.done - view.complete),
    ] {
        page.row(&[("outcome", outcome)], count);
    }
}

fn tasks(page: &mut Page, view: &View) {
    page.one("tasks", GAUGE, "Tasks wanted", view.tasks);
    page.one(
        "tasks_parked",
        GAUGE,
        "Tasks that failed and are tried again at the end of the run",
        view.parked_tasks,
    );
    page.one(
        "tasks_waiting",
        GAUGE,
        "Tasks whose answers come with a batch",
        view.waiting_tasks,
    );
    page.one(
        "batches_open",
        GAUGE,
        "Batches that have not ended",
        view.batches.len() as u64,
    );
    page.head(
        "batch_questions",
        GAUGE,
        "Questions of a batch that has not ended: all, answered and failed ones",
    );
    for batch in &view.batches {
        for (what, number) in [
            ("all", Some(batch.questions)),
            ("answered", batch.answered),
            ("failed", batch.failed),
        ] {
            let labels = [("batch", batch.name.as_str()), ("what", what)];
            page.row(&labels, number.unwrap_or(0));
        }
    }
    workers(page, view);
    page.head(
        "tasks_ended_total",
        COUNTER,
        "Tasks that ended, by component and outcome",
    );
    for count in &view.components {
        for (outcome, number) in outcomes(count) {
            let labels = [
                ("component", count.component.as_str()),
                ("outcome", outcome),
            ];
            page.row(&labels, number);
        }
    }
    page.head(
        "files_held",
        GAUGE,
        "Files that are there and that a gate holds, by component",
    );
    for count in &view.components {
        let labels = [("component", count.component.as_str())];
        page.row(&labels, count.held);
    }
}

/// The other machines that have part in the run.
fn workers(page: &mut Page, view: &View) {
    type Number = fn(&WorkerView) -> Option<u64>;
    let shown: [(&'static str, Kind, &'static str, Number); 7] = [
        (
            "worker_slots",
            GAUGE,
            "Records that a worker can have in work at once",
            |worker| Some(worker.slots),
        ),
        (
            "worker_records",
            GAUGE,
            "Records that a worker has in work",
            |worker| Some(worker.records),
        ),
        (
            "worker_calls",
            GAUGE,
            "Calls of a worker that are under way",
            |worker| Some(worker.calls),
        ),
        (
            "worker_files_total",
            COUNTER,
            "Files that a worker made",
            |worker| Some(worker.made),
        ),
        (
            "worker_failures_total",
            COUNTER,
            "Tasks that failed with a worker",
            |worker| Some(worker.failed),
        ),
        (
            "worker_memory_bytes",
            GAUGE,
            "Resident memory of a worker",
            |worker| worker.memory,
        ),
        (
            "worker_unheard_seconds",
            GAUGE,
            "Seconds since a worker was heard of",
            |worker| Some(worker.unheard_seconds),
        ),
    ];
    for (name, kind, help, number) in shown {
        page.head(name, kind, help);
        for worker in &view.workers {
            if let Some(number) = number(worker) {
                page.row(&[("worker", worker.name.as_str())], number);
            }
        }
    }
}

fn calls(page: &mut Page, view: &View) {
    let calls = &view.calls;
    for (name, help, number) in [
        (
            "calls_total",
            "Completions obtained from providers",
            calls.calls,
        ),
        (
            "failed_tries_total",
            "Tries of calls that failed",
            calls.failed_tries,
        ),
        (
            "journal_answers_total",
            "Completions taken from the journal",
            calls.journaled,
        ),
    ] {
        page.one(name, COUNTER, help, number);
    }
    page.head(
        "tokens_total",
        COUNTER,
        "Tokens of questions (in) and answers (out)",
    );
    page.row(&[("direction", "in")], calls.input_tokens);
    page.row(&[("direction", "out")], calls.output_tokens);
    page.one(
        "cached_tokens_total",
        COUNTER,
        "Tokens of questions that were read from prompt caches",
        calls.cached_tokens,
    );
    page.one(
        "cost_dollars_total",
        COUNTER,
        "Cost, as far as prices are known",
        dollars(calls.cost_micros),
    );
    page.one(
        "unpriced_calls_total",
        COUNTER,
        "Calls of models whose price is not known",
        calls.unpriced,
    );
    page.maybe(
        "projected_cost_dollars",
        GAUGE,
        "Expected cost of the whole run",
        view.projected_cost_micros.map(dollars),
    );
}

/// What the run may spend, and the memory that it has.
fn bounds(page: &mut Page, snapshot: &Snapshot) {
    page.maybe(
        "budget_cost_dollars",
        GAUGE,
        "Cost that the run may have",
        snapshot.budget.most_cost_micros.map(dollars),
    );
    page.maybe(
        "budget_tokens",
        GAUGE,
        "Tokens that the run may take",
        snapshot.budget.most_tokens,
    );
    page.maybe(
        "resident_memory_bytes",
        GAUGE,
        "Memory of the process",
        snapshot.memory_bytes,
    );
}

fn outcomes(count: &ComponentCount) -> [(&'static str, u64); 6] {
    [
        ("made", count.made),
        ("kept", count.kept),
        ("edited", count.edited),
        ("failed", count.failed),
        ("blocked", count.blocked),
        ("skipped", count.skipped),
    ]
}

fn lanes(page: &mut Page, lanes: &[LaneView]) {
    type Number = fn(&LaneView) -> u64;
    let numbers: [(&'static str, &'static str, Number); 4] = [
        (
            "lane_in_flight",
            "Requests that are being answered",
            |lane| lane.in_flight,
        ),
        (
            "lane_waiting",
            "Requests that wait for their turn",
            |lane| lane.waiting,
        ),
        (
            "lane_backing_off",
            "Requests that failed and are tried again later",
            |lane| lane.backing_off,
        ),
        ("lane_up", "1 while the breaker lets calls pass", |lane| {
            u64::from(lane.breaker == BreakerView::Closed)
        }),
    ];
    for (name, help, number) in numbers {
        page.head(name, GAUGE, help);
        for lane in lanes {
            page.row(&[("lane", lane.model.as_str())], number(lane));
        }
    }
    for (name, help, is_used) in [
        ("lane_limit_used", "Used of a limit, in its unit", true),
        ("lane_limit", "A limit, in its unit", false),
    ] {
        page.head(name, GAUGE, help);
        for lane in lanes {
            for (used, most, limit) in &lane.limits {
                let labels = [("lane", lane.model.as_str()), ("limit", limit)];
                page.row(&labels, if is_used { *used } else { *most });
            }
        }
    }
}

fn scores(page: &mut Page, rows: &[ScoreRow]) {
    page.head(
        "files_judged",
        GAUGE,
        "Files that were decided about as they are, by component, judge, category and what was said",
    );
    for row in rows {
        let [component, by, category] = score_labels(row);
        for (said, files) in [("passes", row.passed), ("fails", row.failed)] {
            let labels = [component, by, category, ("said", said)];
            page.row(&labels, files);
        }
    }
    page.head("score_mean", GAUGE, "Mean score of these files");
    for row in rows {
        if let Some(mean) = row.mean {
            page.row(&score_labels(row), mean);
        }
    }
}

fn score_labels(row: &ScoreRow) -> [(&'static str, &str); 3] {
    [
        ("component", row.component.as_str()),
        ("by", row.by.as_str()),
        ("category", row.category.as_str()),
    ]
}

fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

#[derive(Default)]
struct Page {
    metrics: Vec<Metric>,
}

impl Page {
    fn head(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        self.metrics.push(Metric {
            name,
            kind,
            help,
            rows: Vec::new(),
        });
    }

    /// A value of the metric whose head came last.
    fn row(&mut self, labels: &[(&'static str, &str)], value: impl Value) {
        let labels = labels
            .iter()
            .map(|(label, value)| (*label, harmless(value).into_owned()))
            .collect();
        if let Some(metric) = self.metrics.last_mut() {
            metric.rows.push(Row {
                labels,
                value: value.value(),
            });
        }
    }

    fn one(&mut self, name: &'static str, kind: Kind, help: &'static str, value: impl Value) {
        self.maybe(name, kind, help, Some(value));
    }

    /// A value that is not always there.
    fn maybe(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &'static str,
        value: Option<impl Value>,
    ) {
        self.head(name, kind, help);
        if let Some(value) = value {
            self.row(&[], value);
        }
    }
}

/// A number as Prometheus has it. It is exact up to 2^53.
trait Value {
    fn value(self) -> f64;
}

impl Value for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Value for u64 {
    fn value(self) -> f64 {
        self as f64
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_line() {
        assert_eq!(escaped("a\"} 1\nb\\"), "a\\\"} 1\\nb\\\\");
    }
}
