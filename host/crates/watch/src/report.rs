//! A run as Markdown: the numbers of the page, for where no browser is.

use std::fmt::Write as _;

use super::Snapshot;
use engine::statistics::percent;

/// Failures that are listed one by one.
const FAILURES: usize = 20;

/// The report.
pub fn markdown(snapshot: &Snapshot) -> String {
    let view = &snapshot.progress;
    let calls = &view.calls;
    let records = &snapshot.run.records;
    let totals = view.totals();
    let mut text = format!(
        "# Run of {}\n\nAs of {}: {}.\n\n",
        snapshot.run.started_at,
        snapshot.at,
        snapshot.standing()
    );
    let mut numbers = vec![
        (
            format!("{records} complete"),
            format!(
                "{} of {} ({:.0} %)",
                view.complete,
                view.records,
                percent(view.complete, view.records)
            ),
        ),
        (
            format!("{records} ended incomplete"),
            (view.done - view.complete).to_string(),
        ),
        ("artifacts made".to_owned(), totals.made.to_string()),
        ("artifacts kept".to_owned(), totals.kept.to_string()),
        ("tasks failed".to_owned(), totals.failed.to_string()),
        (
            "tasks blocked by these".to_owned(),
            totals.not_begun.to_string(),
        ),
        (
            "elapsed".to_owned(),
            format!("{:.0} s", view.elapsed_seconds),
        ),
        ("calls".to_owned(), calls.calls.to_string()),
        (
            "tries that failed".to_owned(),
            calls.failed_tries.to_string(),
        ),
        (
            "answers from the journal".to_owned(),
            calls.journaled.to_string(),
        ),
        (
            "tokens in, out".to_owned(),
            format!("{}, {}", calls.input_tokens, calls.output_tokens),
        ),
        ("cost".to_owned(), dollars(calls.cost_micros)),
    ];
    if view.unreadable > 0 {
        let what = format!("{records} that cannot be read");
        numbers.push((what, view.unreadable.to_string()));
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
            numbers.push((what.to_owned(), files.to_string()));
        }
    }
    if let Some(micros) = view.projected_cost_micros {
        numbers.push(("cost expected in all".to_owned(), dollars(micros)));
    }
    if let Some(bytes) = snapshot.peak_memory_bytes {
        numbers.push((
            "peak memory".to_owned(),
            format!("{} MB", bytes / 1_000_000),
        ));
    }
    text.push_str("| what | |\n|---|---|\n");
    for (what, number) in numbers {
        let _ = writeln!(text, "| {} | {number} |", cell(&what));
    }
    text.push_str("\n## Categories and components\n\nMade and kept of wanted; failed and not begun behind it.\n\n| category |");
    for component in &view.components {
        let _ = write!(text, " {} |", cell(&component.component));
    }
    let _ = writeln!(text, "\n|---|{}", "---|".repeat(view.components.len()));
    for row in &snapshot.detail.heat {
        let _ = write!(text, "| {} |", cell(&row.category));
        for count in &row.cells {
            let _ = write!(text, " {}/{}", count.made + count.kept, row.records);
            let lost = count.failed + count.blocked;
            if lost > 0 {
                let _ = write!(text, " **−{lost}**");
            }
            text.push_str(" |");
        }
        text.push('\n');
    }
    failures(&mut text, snapshot);
    lanes(&mut text, snapshot);
    text
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
    for letter in text.chars() {
        match letter {
            '\n' | '\r' => cell.push(' '),
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
