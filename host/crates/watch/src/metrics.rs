//! A snapshot in the text format of Prometheus. Written from the numbers that everything else shows: a registry of
//! its own would count a second time. `docs/MONITORING.md` lists the names.

use std::fmt::{Display, Write as _};

use super::scores::ScoreRow;
use super::snapshot::{Snapshot, State};
use engine::statistics::{ComponentCount, View, WorkerView};
use gateway::lane_view::{BreakerView, LaneView};
use types::shown::harmless;

/// The format.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics of a moment.
pub(super) fn text(snapshot: &Snapshot) -> String {
    let mut page = Page::default();
    run(&mut page, snapshot);
    records(&mut page, &snapshot.progress);
    tasks(&mut page, &snapshot.progress);
    calls(&mut page, &snapshot.progress);
    bounds(&mut page, snapshot);
    lanes(&mut page, &snapshot.lanes);
    scores(&mut page, &snapshot.scores);
    page.text
}

fn run(page: &mut Page, snapshot: &Snapshot) {
    let view = &snapshot.progress;
    let is_running = u8::from(snapshot.state == State::Running);
    page.one("running", GAUGE, "1 while the run lasts", is_running);
    page.one(
        "elapsed_seconds",
        GAUGE,
        "Seconds since the run began",
        view.elapsed_seconds,
    );
    if let Some(eta) = view.eta_seconds {
        page.one("eta_seconds", GAUGE, "Expected seconds to the end", eta);
    }
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
        page.row("records_ended_total", &[("outcome", outcome)], count);
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
        view.batches.len(),
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
            page.row("batch_questions", &labels, number.unwrap_or(0));
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
            page.row("tasks_ended_total", &labels, number);
        }
    }
    page.head(
        "files_held",
        GAUGE,
        "Files that are there and that a gate holds, by component",
    );
    for count in &view.components {
        let labels = [("component", count.component.as_str())];
        page.row("files_held", &labels, count.held);
    }
}

/// The other machines that have part in the run.
fn workers(page: &mut Page, view: &View) {
    type Number = fn(&WorkerView) -> Option<u64>;
    let shown: [(&str, &str, &str, Number); 7] = [
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
                page.row(name, &[("worker", worker.name.as_str())], number);
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
    page.row("tokens_total", &[("direction", "in")], calls.input_tokens);
    page.row("tokens_total", &[("direction", "out")], calls.output_tokens);
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
    if let Some(micros) = view.projected_cost_micros {
        page.one(
            "projected_cost_dollars",
            GAUGE,
            "Expected cost of the whole run",
            dollars(micros),
        );
    }
}

/// What the run may spend, and the memory that it has.
fn bounds(page: &mut Page, snapshot: &Snapshot) {
    if let Some(micros) = snapshot.budget.most_cost_micros {
        page.one(
            "budget_cost_dollars",
            GAUGE,
            "Cost that the run may have",
            dollars(micros),
        );
    }
    if let Some(tokens) = snapshot.budget.most_tokens {
        page.one(
            "budget_tokens",
            GAUGE,
            "Tokens that the run may take",
            tokens,
        );
    }
    if let Some(bytes) = snapshot.memory_bytes {
        page.one(
            "resident_memory_bytes",
            GAUGE,
            "Memory of the process",
            bytes,
        );
    }
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
    let numbers: [(&str, &str, Number); 4] = [
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
            page.row(name, &[("lane", &lane.model)], number(lane));
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
                page.row(name, &labels, if is_used { used } else { most });
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
            page.row("files_judged", &labels, files);
        }
    }
    page.head("score_mean", GAUGE, "Mean score of these files");
    for row in rows {
        if let Some(mean) = row.mean {
            page.row("score_mean", &score_labels(row), mean);
        }
    }
}

fn score_labels(row: &ScoreRow) -> [(&str, &str); 3] {
    [
        ("component", row.component.as_str()),
        ("by", row.by.as_str()),
        ("category", row.category.as_str()),
    ]
}

fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}

const GAUGE: &str = "gauge";
const COUNTER: &str = "counter";

#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP batchgen_{name} {help}");
        let _ = writeln!(self.text, "# TYPE batchgen_{name} {kind}");
    }

    fn row(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        let labels = if labels.is_empty() {
            String::new()
        } else {
            format!("{{{}}}", labels.join(","))
        };
        let _ = writeln!(self.text, "batchgen_{name}{labels} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.head(name, kind, help);
        self.row(name, &[], value);
    }
}

fn escaped(text: &str) -> String {
    harmless(text)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_break_out_of_their_line() {
        let mut page = Page::default();
        page.row("tasks_ended_total", &[("component", "a\"} 1\nb\\")], 2);
        assert_eq!(
            page.text,
            "batchgen_tasks_ended_total{component=\"a\\\"} 1\\nb\\\\\"} 2\n"
        );
    }
}
