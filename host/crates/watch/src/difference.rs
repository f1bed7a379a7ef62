//! What changed between two texts, line by line, as the page shows it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use super::evidence::shown;

/// Lines around those that changed.
const AROUND: usize = 3;
/// Longer than this nobody waits for a difference; what is left then is shown as replaced.
const PATIENCE: Duration = Duration::from_millis(500);

/// A line of a difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiffLine {
    pub kind: LineKind,
    pub text: String,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LineKind {
    Same,
    Old,
    New,
    /// Lines are left out here.
    Gap,
}

/// The lines that differ, and a few around them.
pub(super) fn difference(before: &str, now: &str) -> Vec<DiffLine> {
    let (before, now) = (shown(before), shown(now));
    let diff = TextDiff::configure()
        .timeout(PATIENCE)
        .diff_lines(&before, &now);
    let mut lines = Vec::new();
    for (place, group) in diff.grouped_ops(AROUND).iter().enumerate() {
        if place > 0 {
            lines.push(gap());
        }
        for change in group.iter().flat_map(|part| diff.iter_changes(part)) {
            lines.push(DiffLine {
                kind: match change.tag() {
                    ChangeTag::Equal => LineKind::Same,
                    ChangeTag::Delete => LineKind::Old,
                    ChangeTag::Insert => LineKind::New,
                },
                text: change.value().trim_end_matches('\n').to_owned(),
            });
        }
    }
    lines
}

/// Stands for lines that are left out.
pub(super) fn gap() -> DiffLine {
    DiffLine {
        kind: LineKind::Gap,
        text: String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_shows_what_changed_and_a_little_around_it() {
        let line = |number: usize| format!("line {number}\n");
        let before: String = (0..30).map(line).collect();
        let now = before
            .replace("line 3\n", "line three\n")
            .replace("line 20\n", "");
        let lines = difference(&before, &now);
        let of = |kind: LineKind| -> Vec<&str> {
            let some = lines.iter().filter(|line| line.kind == kind);
            some.map(|line| line.text.as_str()).collect()
        };
        assert_eq!(of(LineKind::Old), ["line 3", "line 20"]);
        assert_eq!(of(LineKind::New), ["line three"]);
        assert_eq!(of(LineKind::Gap).len(), 1);
        assert_eq!(of(LineKind::Same).len(), 4 * AROUND);
    }
}
