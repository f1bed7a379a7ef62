//! How a file looks that a person decides about.

use std::fmt::Write as _;

use serde_json::{Value, json};
use similar::TextDiff;

use crate::cli::table::Table;
use crate::cli::verdict;
use engine::ReviewedFile;

/// What the letters mean.
pub(super) const HELP: &str = "\
a         accept the file as it is
r NOTE    refuse it: the next run makes it anew, and the note goes to the model
e         edit it in $EDITOR
s         skip it
u         take back the last decision
q         quit
";

/// A table of files.
pub(super) fn table() -> Table {
    Table::new([
        "record",
        "component",
        "category",
        "score",
        "decided",
        "held",
    ])
}

/// The row of a file.
pub(super) fn row(file: &ReviewedFile) -> [String; 6] {
    [
        file.record.clone(),
        file.component.clone(),
        file.category.clone(),
        file.score
            .map_or_else(String::new, |score| score.to_string()),
        decided(file).to_owned(),
        file.held.clone().unwrap_or_default(),
    ]
}

/// A file in a line of JSON.
pub(super) fn as_json(file: &ReviewedFile) -> Value {
    json!({
        "event": "file",
        "record": file.record,
        "component": file.component,
        "category": file.category,
        "path": file.path,
        "content": file.content.to_string(),
        "score": file.score,
        "accepted": file.accepted,
        "held": file.held,
        "verdicts": file.verdicts.iter().map(verdict::as_json).collect::<Vec<_>>(),
    })
}

fn decided(file: &ReviewedFile) -> &'static str {
    match file.accepted {
        None => "",
        Some(true) => "accepted",
        Some(false) => "refused",
    }
}

/// A file with all that was said of it; where another text was accepted before, what differs from it.
pub(super) fn file(file: &ReviewedFile) -> String {
    let mut text = format!(
        "\n=== {} {} ({}), {}\n",
        file.record, file.component, file.category, file.path
    );
    for verdict in &file.verdicts {
        let _ = writeln!(text, "{}", verdict::in_words(verdict));
    }
    if let Some(held) = &file.held {
        let _ = writeln!(text, "held: {held}");
    }
    text.push('\n');
    match &file.accepted_text {
        None => text.push_str(&file.text),
        Some(before) => {
            text.push_str("an earlier text was accepted; this is what changed since then:\n");
            let diff = TextDiff::from_lines(before.as_str(), &file.text);
            let _ = write!(text, "{}", diff.unified_diff().header("accepted", "now"));
        }
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.push('\n');
    text
}
