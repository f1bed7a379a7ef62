//! What a run says at its end, and what a dry run would do: on standard output, as a table or as JSON.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::json;

use super::display::{Display, say};
use super::numbers::{cost, count, dollars, duration};
use super::progress::events;
use super::{authors, clean};
use crate::core::class::FailureClass;
use crate::core::statistics::View;
use crate::run::{RunSummary, peak_memory};
use crate::store::LeftoverCount;

/// What of a summary is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Tables.
    All,
    /// One line of JSON.
    Json,
    /// Only why the run ended before its end.
    End,
}

/// Prints how a run ended. `meant` is the name of a model that may have been meant by one that is not known.
pub(super) fn print(
    summary: &RunSummary,
    noun: &str,
    output: &Path,
    leftovers: &[LeftoverCount],
    shown: Shown,
    meant: Option<&str>,
    display: &Display,
) {
    let memory = peak_memory();
    if shown == Shown::Json {
        let event = json!({
            "summary": summary.view,
            "stopped": summary.stopped.as_ref().map(|error| json!({"class": error.class.as_str(), "cause": error.message})),
            "interrupted": summary.interrupted,
            "budget_reached": summary.budget_reached,
            "leftovers": clean::counts(leftovers),
            "peak_memory_bytes": memory,
        });
        events::event("summary", event);
        return;
    }
    let end = if summary.budget_reached {
        "stopped: the run has spent what it may; run again with more to go on\n".to_owned()
    } else if let Some(error) = &summary.stopped {
        let meant = match meant {
            Some(model) if error.class == FailureClass::NotFound => {
                format!("did you mean `{model}`? ")
            }
            _ => String::new(),
        };
        format!("stopped: {error}\nhint: {meant}{}\n", remedy(error.class))
    } else if summary.interrupted {
        "interrupted: run the same command again to go on\n".to_owned()
    } else {
        String::new()
    };
    if shown == Shown::End {
        if !end.is_empty() {
            display.print(end.trim_end());
        }
        return;
    }
    let text = render(&summary.view, noun, output, memory)
        + &authors::after_run(&summary.view.authors)
        + &clean::notice(leftovers);
    say(&format!("{text}{end}"));
}

fn remedy(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Auth => "check the key; run the same command again to go on",
        FailureClass::Quota => "add credit or raise the quota; run the same command again to go on",
        FailureClass::NotFound => {
            "check the name of the model; run the same command again to go on"
        }
        _ => "see whether the provider is up; run the same command again to go on",
    }
}

fn render(view: &View, noun: &str, output: &Path, memory: Option<u64>) -> String {
    let (made, kept, failed) = view.totals();
    let edited: u64 = view.components.iter().map(|count| count.edited).sum();
    if made == 0 && failed == 0 && edited == 0 && view.complete == view.records {
        return format!(
            "nothing to do: all {kept} artifacts of {} {noun} are up to date ({:.2} s)\n",
            view.records, view.elapsed_seconds
        );
    }
    let mut text = String::new();
    let name_width = view
        .components
        .iter()
        .map(|count| count.component.len())
        .max()
        .unwrap_or(0)
        .max(9);
    let skipped = view.components.iter().any(|row| row.skipped > 0);
    let _ = writeln!(
        text,
        "{:name_width$}  {:>7} {:>7} {:>7} {:>7} {:>7}{}",
        "component",
        "made",
        "kept",
        "edited",
        "failed",
        "blocked",
        if skipped { " skipped" } else { "" }
    );
    for row in &view.components {
        let last = if skipped {
            format!(" {:>7}", row.skipped)
        } else {
            String::new()
        };
        let _ = writeln!(
            text,
            "{:name_width$}  {:>7} {:>7} {:>7} {:>7} {:>7}{last}",
            row.component, row.made, row.kept, row.edited, row.failed, row.blocked
        );
    }
    let name_width = view
        .categories
        .iter()
        .map(|count| count.category.len())
        .max()
        .unwrap_or(0)
        .max(9);
    let _ = writeln!(
        text,
        "\n{:name_width$}  {:>8} {:>7}",
        "category", "complete", "of"
    );
    for row in &view.categories {
        let _ = writeln!(
            text,
            "{:name_width$}  {:>8} {:>7}",
            row.category, row.complete, row.total
        );
    }
    let unfinished = view.records - view.done;
    let _ = writeln!(
        text,
        "\n{} of {} {noun} complete, {} incomplete, {unfinished} not finished",
        view.complete,
        view.records,
        view.done - view.complete,
    );
    let calls = &view.calls;
    let _ = writeln!(
        text,
        "{made} artifacts made, {kept} kept, {failed} failed{}, in {} ({} {noun}/h)",
        if skipped {
            ", blocked or skipped"
        } else {
            " or blocked"
        },
        elapsed(view.elapsed_seconds),
        count(hourly(view)),
    );
    let _ = writeln!(
        text,
        "{} calls ({} tries failed), {} answers from the journal, {} tokens in and {} out{}",
        calls.calls,
        calls.failed_tries,
        calls.journaled,
        count(calls.input_tokens),
        count(calls.output_tokens),
        memory.map_or_else(String::new, |bytes| format!(
            ", peak memory {} MB",
            bytes / 1_000_000
        )),
    );
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
    let _ = writeln!(text, "files are in {}", output.display());
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
