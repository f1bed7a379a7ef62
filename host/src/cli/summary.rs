//! What a run says at its end, and what a dry run would do: on standard output, as a table or as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::display::{Display, say, width};
use super::numbers::{cost, count, counted, dollars, duration, has_pace, nothing_to_do, records};
use super::progress::events;
use super::table::Table;
use super::{authors, clean, program, unreadable};
use engine::statistics::{CallCount, CategoryCount, FailureKind, View};
use engine::{RunSummary, peak_memory};
use store::OrphanCount;
use types::class::FailureClass;

/// What of a summary is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    All,
    /// One line of JSON.
    Json,
    /// Only what failed, and why the run ended before its end.
    End,
}

/// What the words about a run's end depend on, beside the run.
pub(super) struct Told<'a> {
    /// It was allowed to ask nothing, and what came of that is said.
    pub frozen: bool,
    /// The name of a model that may have been meant by one that is not known.
    pub meant: Option<&'a str>,
}

/// Prints how a run ended.
pub(super) fn print(
    summary: &RunSummary,
    noun: &str,
    output: &Path,
    orphans: &[OrphanCount],
    shown: Shown,
    told: &Told<'_>,
    display: &Display,
) {
    let memory = peak_memory();
    if shown == Shown::Json {
        let event = json!({
            "summary": summary.view,
            "stopped": summary.stopped.as_ref().map(|error| json!({"class": error.class.as_str(), "cause": error.message})),
            "interrupted": summary.interrupted,
            "budget_reached": summary.budget_reached,
            "waiting": summary.waiting,
            "orphans": clean::counts(orphans),
            "peak_memory_bytes": memory,
        });
        events::event("summary", event);
        return;
    }
    let end = if summary.budget_reached && told.frozen {
        String::new()
    } else if summary.budget_reached {
        "stopped: the run has spent what it may; run again with more to go on\n".to_owned()
    } else if let Some(error) = &summary.stopped {
        let meant = match told.meant {
            Some(model) if error.class == FailureClass::NotFound => {
                format!("did you mean `{model}`? ")
            }
            _ => String::new(),
        };
        format!("stopped: {error}\nhint: {meant}{}\n", remedy(error.class))
    } else if summary.interrupted && !summary.view.batches.is_empty() {
        "interrupted: the batches go on at their provider; run the same command again to collect them, or end them with \
         `batchgen batches cancel`\n"
            .to_owned()
    } else if summary.interrupted {
        "interrupted: run the same command again to go on\n".to_owned()
    } else if summary.waiting > 0 && !display.is_quiet() {
        format!(
            "waiting: {} for answers that come with a batch; run the same command again later to collect them\n",
            counted_verb(summary.waiting)
        )
    } else {
        String::new()
    };
    if shown == Shown::End {
        let wrong = failures(&summary.failures) + &end;
        if !wrong.is_empty() {
            display.print(wrong.trim());
        }
        return;
    }
    let text = render(summary, noun, output, memory, width())
        + &unreadable(&summary.view)
        + &authors::after_run(&summary.view.authors)
        + &clean::notice(orphans);
    say(&format!("{text}{end}"));
}

fn unreadable(view: &View) -> String {
    match view.unreadable {
        0 => String::new(),
        count => format!(
            "{}: `{} failures` says which\n",
            unreadable::sentence(count),
            program::name()
        ),
    }
}

/// "3 tasks wait".
fn counted_verb(tasks: u64) -> String {
    let verb = if tasks == 1 { "waits" } else { "wait" };
    format!("{} {verb}", counted(tasks, "task"))
}

fn remedy(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Auth => "check the key; run the same command again to go on",
        FailureClass::Quota => "add credit or raise the quota; run the same command again to go on",
        FailureClass::NotFound => {
            "check the name of the model and its provider's base-url; run the same command again to go on"
        }
        _ => "see whether the provider is up; run the same command again to go on",
    }
}

/// Categories of which each has a line; of more, only those that are not complete.
const CATEGORIES: usize = 12;
/// Kinds of failures that have a line.
const KINDS: usize = 10;

fn render(
    summary: &RunSummary,
    noun: &str,
    output: &Path,
    memory: Option<u64>,
    width: usize,
) -> String {
    let view = &summary.view;
    let totals = view.totals();
    let edited: u64 = view.components.iter().map(|count| count.edited).sum();
    let held = totals.held;
    if totals.made == 0 && totals.failed == 0 && edited + held == 0 && view.complete == view.records
    {
        let text = nothing_to_do(totals.kept, view.records, noun);
        return format!("{text} ({:.2} s)\n", view.elapsed_seconds);
    }
    let mut text = components(view).render(width);
    text.push_str(&categories(view, width));
    text.push_str(&failures(&summary.failures));
    let _ = writeln!(text, "\n{}", outcome(view, noun));
    text.push_str(&spent(view, memory));
    let _ = writeln!(text, "files are in {}", output.display());
    if held > 0 {
        let _ = writeln!(
            text,
            "{} held by a gate: `{} review` shows them and why",
            if held == 1 {
                "1 file is".to_owned()
            } else {
                format!("{} files are", count(held))
            },
            program::name()
        );
    }
    text
}

fn components(view: &View) -> Table {
    let heads = [
        "component",
        "made",
        "kept",
        "edited",
        "held",
        "failed",
        "blocked",
        "skipped",
    ];
    let mut table = Table::new(heads);
    for row in &view.components {
        let numbers = [
            row.made,
            row.kept,
            row.edited,
            row.held,
            row.failed,
            row.blocked,
            row.skipped,
        ];
        let numbers = numbers.iter().map(u64::to_string);
        table.row(std::iter::once(row.component.clone()).chain(numbers));
    }
    table.without_empty_columns(&["edited", "held", "blocked", "skipped"])
}

/// What became of each category, where there are several.
fn categories(view: &View, width: usize) -> String {
    let [_, _, ..] = view.categories.as_slice() else {
        return String::new();
    };
    let all = view.categories.len();
    let is_told = |row: &&CategoryCount| all <= CATEGORIES || row.complete < row.total;
    let mut table = Table::new(["category", "complete", "of"]);
    for row in view.categories.iter().filter(is_told).take(CATEGORIES) {
        let numbers = [row.complete, row.total].map(|number| number.to_string());
        table.row(std::iter::once(row.category.clone()).chain(numbers));
    }
    let mut text = String::new();
    if !table.is_empty() {
        let _ = write!(text, "\n{}", table.render(width));
    }
    let told = view
        .categories
        .iter()
        .filter(is_told)
        .count()
        .min(CATEGORIES);
    let hidden = (all - told) as u64;
    let complete = view
        .categories
        .iter()
        .filter(|row| row.complete == row.total)
        .count() as u64;
    if hidden > 0 {
        let whole = complete == hidden;
        let _ = writeln!(
            text,
            "{}{}{}",
            if told > 0 { "and " } else { "\n" },
            counted(
                hidden,
                if told > 0 {
                    "other category"
                } else {
                    "category"
                }
            ),
            if whole { ", complete" } else { "" }
        );
    }
    text
}

/// What failed, gathered by component and cause.
pub(super) fn failures(kinds: &[FailureKind]) -> String {
    let mut text = String::new();
    for kind in kinds.iter().take(KINDS) {
        if text.is_empty() {
            text.push_str("\nfailed\n");
        }
        let _ = writeln!(text, "  {}", failure(kind));
    }
    if let Some(more) = kinds.len().checked_sub(KINDS).filter(|more| *more > 0) {
        let _ = writeln!(text, "  and {}", counted(more as u64, "other kind"));
    }
    if !text.is_empty() {
        text.push_str("`batchgen failures` says what to do\n");
    }
    text
}

/// `67 × description: the field "Vendor" is empty`.
pub(super) fn failure(kind: &FailureKind) -> String {
    let later = if kind.tried_again > 0 {
        " (to be tried again)"
    } else {
        ""
    };
    format!(
        "{} × {}: {}{later}",
        count(kind.count),
        kind.component,
        kind.cause
    )
}

/// How many records are complete, and what was made for them.
fn outcome(view: &View, noun: &str) -> String {
    let totals = view.totals();
    let mut text = format!(
        "{} of {} complete",
        count(view.complete),
        records(view.records, noun)
    );
    for (number, word) in [
        (view.done - view.complete, "incomplete"),
        (view.records - view.done, "not finished"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {} {word}", count(number));
        }
    }
    let _ = write!(
        text,
        "\n{} made, {} kept",
        counted(totals.made, "artifact"),
        count(totals.kept)
    );
    if totals.failed + totals.not_begun > 0 {
        let _ = write!(text, ", {} failed", count(totals.failed));
    }
    for (number, word) in [
        (
            view.components.iter().map(|row| row.blocked).sum::<u64>(),
            "blocked",
        ),
        (
            view.components.iter().map(|row| row.skipped).sum(),
            "skipped",
        ),
        (view.parked_tasks, "to be tried again"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {} {word}", count(number));
        }
    }
    let _ = write!(text, ", in {}", elapsed(view.elapsed_seconds));
    if has_pace(view) {
        let _ = write!(text, " ({} {noun}/h)", count(hourly(view)));
    }
    text
}

/// What it took.
/// How much of the questions was read from prompt caches, in brackets.
pub(super) fn cached(calls: &CallCount) -> String {
    let percent = calls.cached_percent();
    percent.map_or_else(String::new, |percent| {
        format!(" ({percent} % from the prompt cache)")
    })
}

fn spent(view: &View, memory: Option<u64>) -> String {
    let calls = &view.calls;
    let mut text = counted(calls.calls, "call");
    if calls.failed_tries > 0 {
        let _ = write!(text, " ({} failed)", counted(calls.failed_tries, "try"));
    }
    let _ = write!(
        text,
        ", {} from the journal, {} tokens in{} and {} out",
        counted(calls.journaled, "answer"),
        count(calls.input_tokens),
        cached(calls),
        count(calls.output_tokens),
    );
    if let Some(bytes) = memory {
        let _ = write!(text, ", peak memory {} MB", bytes / 1_000_000);
    }
    text.push('\n');
    if calls.again_tokens > 0 {
        let _ = write!(
            text,
            "of these, retries and repairs took {} tokens",
            count(calls.again_tokens)
        );
        if calls.again_cost_micros > 0 {
            let _ = write!(text, " and {}", dollars(calls.again_cost_micros));
        }
        text.push('\n');
    }
    if let Some(cost) = cost(calls) {
        let _ = writeln!(text, "cost {cost}");
    }
    text
}

fn elapsed(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.2} s")
    } else {
        duration(seconds)
    }
}

/// Records an hour over the whole run: what a summary is about, unlike the recent pace of a live view.
fn hourly(view: &View) -> u64 {
    if view.elapsed_seconds > 0.0 {
        (view.done as f64 * 3600.0 / view.elapsed_seconds) as u64
    } else {
        0
    }
}
