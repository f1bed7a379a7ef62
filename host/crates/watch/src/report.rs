//! A run as Markdown: the numbers of the page, for where no browser is.

use std::fmt::Write as _;

use super::{SamenessRow, ScoreRow, Snapshot, totals};
use engine::statistics::percent;
use types::shown::harmless;

/// Failures that are listed one by one.
const FAILURES: usize = 20;

/// The report; with a table of the sameness of files, if that was measured.
pub fn markdown(snapshot: &Snapshot, alike: &[SamenessRow]) -> String {
    let mut text = format!(
        "# Run of {}\n\nAs of {}: {}.\n\n| what | |\n|---|---|\n",
        cell(&snapshot.run.started_at),
        cell(&snapshot.at),
        snapshot.standing_with(cell)
    );
    for (what, number) in outcomes(snapshot)
        .into_iter()
        .chain(spending(snapshot))
        .chain(what_is_unusual(snapshot))
    {
        let _ = writeln!(text, "| {} | {number} |", cell(&what));
    }
    categories(&mut text, snapshot);
    scores(&mut text, &snapshot.scores);
    sameness(&mut text, alike);
    failures(&mut text, snapshot);
    lanes(&mut text, snapshot);
    text
}

/// A line of the first table: what is counted, and the number.
type Line = (String, String);

fn outcomes(snapshot: &Snapshot) -> Vec<Line> {
    let view = &snapshot.progress;
    let records = &snapshot.run.records;
    let totals = view.totals();
    let complete = format!(
        "{} of {} ({:.0} %)",
        view.complete,
        view.records,
        percent(view.complete, view.records)
    );
    vec![
        (format!("{records} complete"), complete),
        (
            format!("{records} ended incomplete"),
            (view.done - view.complete).to_string(),
        ),
        line("artifacts made", totals.made),
        line("artifacts kept", totals.kept),
        line("tasks failed", totals.failed),
        line("tasks blocked by these", totals.not_begun),
    ]
}

fn spending(snapshot: &Snapshot) -> Vec<Line> {
    let view = &snapshot.progress;
    let calls = &view.calls;
    let cached = calls.cached_percent().map_or_else(String::new, |percent| {
        format!(" ({percent} % from the prompt cache)")
    });
    vec![
        line("elapsed", format!("{:.0} s", view.elapsed_seconds)),
        line("calls", calls.calls),
        line("tries that failed", calls.failed_tries),
        line("answers from the journal", calls.journaled),
        line(
            "tokens in, out",
            format!("{}{cached}, {}", calls.input_tokens, calls.output_tokens),
        ),
        line("cost", dollars(calls.cost_micros)),
    ]
}

/// What not every run has.
fn what_is_unusual(snapshot: &Snapshot) -> Vec<Line> {
    let view = &snapshot.progress;
    let mut lines = Vec::new();
    if view.unreadable > 0 {
        let what = format!("{} that cannot be read", snapshot.run.records);
        lines.push((what, view.unreadable.to_string()));
    }
    let held = view.totals().held;
    if held > 0 {
        lines.push(line("files that a gate holds", held));
    }
    let authors = view.authors;
    for (what, files) in [
        ("placeholders by the offline stand-in", authors.placeholders),
        (
            "files of a real model, kept from the stand-in",
            authors.kept_from_stand_in,
        ),
        (
            "accepted edits, kept though something changed",
            authors.accepted_kept,
        ),
    ] {
        if files > 0 {
            lines.push(line(what, files));
        }
    }
    if let Some(micros) = view.projected_cost_micros {
        lines.push(line("cost expected in all", dollars(micros)));
    }
    if let Some(bytes) = snapshot.peak_memory_bytes {
        lines.push(line("peak memory", format!("{} MB", bytes / 1_000_000)));
    }
    lines
}

fn line(what: &str, number: impl ToString) -> Line {
    (what.to_owned(), number.to_string())
}

fn categories(text: &mut String, snapshot: &Snapshot) {
    let components = &snapshot.progress.components;
    text.push_str("\n## Categories and components\n\nMade and kept of wanted; failed and not begun behind it.\n\n| category |");
    for component in components {
        let _ = write!(text, " {} |", cell(&component.component));
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(components.len()));
    for row in &snapshot.detail.heat {
        let _ = write!(text, "| {} |", cell(&row.category));
        for count in &row.cells {
            let _ = write!(text, " {}/{}", count.made + count.kept, row.tasks(count));
            let lost = count.failed + count.blocked;
            if lost > 0 {
                let _ = write!(text, " **−{lost}**");
            }
            text.push_str(" |");
        }
        text.push('\n');
    }
}

fn scores(text: &mut String, rows: &[ScoreRow]) {
    if rows.is_empty() {
        return;
    }
    text.push_str(
        "\n## Scores\n\nOf the files as they were at the end of the run.\n\n\
         | component | by | category | files | pass | mean score |\n|---|---|---|---|---|---|\n",
    );
    for row in totals(rows).iter().chain(rows) {
        let mean = row.mean.map(|mean| format!("{mean:.2}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} % | {} |",
            cell(&row.component),
            cell(&row.by),
            cell(&row.category),
            row.files(),
            percent(row.passed, row.files()),
            mean.unwrap_or_default()
        );
    }
}

fn sameness(text: &mut String, alike: &[SamenessRow]) {
    if alike.is_empty() {
        return;
    }
    text.push_str(
        "\n## Sameness\n\nNear-duplicates and shared openings of so many files.\n\n\
         | component | category | files | near-duplicates | shared openings | distinct-2 |\n|---|---|---|---|---|---|\n",
    );
    for row in alike {
        let distinct = row.distinct_2.map(|share| format!("{share:.2}"));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} |",
            cell(&row.component),
            cell(&row.category),
            row.files,
            row.near_duplicates,
            row.shared_openings,
            distinct.unwrap_or_default()
        );
    }
}

fn failures(text: &mut String, snapshot: &Snapshot) {
    text.push_str("\n## Failures\n\n");
    if snapshot.detail.failure_kinds.is_empty() {
        text.push_str("None.\n");
        return;
    }
    text.push_str("| times | component | cause | class | what to do |\n|---|---|---|---|---|\n");
    for kind in &snapshot.detail.failure_kinds {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            kind.count,
            cell(&kind.component),
            cell(&kind.cause),
            cell(&kind.class),
            cell(&kind.advice)
        );
    }
    let left = snapshot.detail.failures.iter();
    let left: Vec<_> = left.filter(|failure| !failure.mended).collect();
    text.push_str("\n| record | component | class | cause |\n|---|---|---|---|\n");
    for failure in left.iter().take(FAILURES) {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            cell(&failure.record),
            cell(&failure.component),
            cell(&failure.class),
            cell(&failure.cause)
        );
    }
    if left.len() > FAILURES {
        let _ = writeln!(text, "\nand {} more.", left.len() - FAILURES);
    }
}

fn lanes(text: &mut String, snapshot: &Snapshot) {
    if snapshot.lanes.is_empty() {
        return;
    }
    text.push_str("\n## Lanes\n\n| lane | limits | breaker |\n|---|---|---|\n");
    for lane in &snapshot.lanes {
        let limits: Vec<String> = lane
            .limits
            .iter()
            .map(|(used, most, limit)| format!("{used}/{most} {limit}"))
            .collect();
        let breaker = match &lane.down {
            Some(down) => format!("{}: {down}", lane.breaker.as_str()),
            None => lane.breaker.as_str().to_owned(),
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            cell(&lane.model),
            cell(&limits.join(", ")),
            cell(&breaker)
        );
    }
}

fn dollars(micros: u64) -> String {
    format!("${:.4}", micros as f64 / 1e6)
}

/// Text that stays in its cell and is no markup.
fn cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for letter in harmless(text).chars() {
        match letter {
            '\n' => cell.push(' '),
            '|' | '<' | '>' | '&' | '`' | '*' | '_' | '[' | ']' | '!' | '\\' => {
                cell.push('\\');
                cell.push(letter);
            }
            other => cell.push(other),
        }
    }
    cell
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_no_markup() {
        assert_eq!(
            cell("<img src=x> | a\n[b](c) `d`"),
            "\\<img src=x\\> \\| a \\[b\\](c) \\`d\\`"
        );
    }
}
