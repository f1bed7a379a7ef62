//! What is found, as tables.

use super::survey::{Alike, Sameness};
use crate::cli::numbers::count;
use crate::cli::table::Table;
use quality::Phrase;

/// The tables, no wider than this as far as that can be had.
pub(super) fn render(found: &[Sameness], width: usize) -> String {
    let mut counts = Table::new([
        "component",
        "category",
        "files",
        "near-duplicates",
        "shared openings",
        "distinct-2",
    ]);
    for row in found.iter().flat_map(Sameness::rows) {
        let distinct = row.distinct_2.map(|share| format!("{share:.2}"));
        counts.row([
            row.component,
            row.category,
            count(row.files.into()),
            count(row.near_duplicates.into()),
            count(row.shared_openings.into()),
            distinct.unwrap_or_default(),
        ]);
    }
    if counts.is_empty() {
        return "no file has words that could be compared\n".to_owned();
    }
    let mut text = counts.render(width);
    for sameness in found {
        let component = &sameness.component;
        let parts = [
            ("files that are nearly the same", pairs(&sameness.pairs)),
            (
                "openings of more than one file in fifty",
                phrases("opening", &sameness.openings),
            ),
            (
                "phrases of more than one file in twenty",
                phrases("phrase", &sameness.phrases),
            ),
        ];
        for (title, table) in parts {
            if !table.is_empty() {
                text.push_str(&format!("\n{component}: {title}\n{}", table.render(width)));
            }
        }
    }
    text
}

fn pairs(pairs: &[Alike]) -> Table {
    let mut table = Table::new(["same", "files alike", "one", "other"]);
    for pair in pairs {
        // What differs is never 100 %.
        let percent = (pair.similarity * 100.0).floor();
        table.row([
            format!("{percent:.0} %"),
            count(pair.group.into()),
            pair.one.path.clone(),
            pair.other.path.clone(),
        ]);
    }
    table
}

fn phrases(head: &str, phrases: &[Phrase]) -> Table {
    let mut table = Table::new(["files", head]);
    for phrase in phrases {
        table.row([count(phrase.texts.into()), phrase.words.clone()]);
    }
    table.wrapping_last()
}
