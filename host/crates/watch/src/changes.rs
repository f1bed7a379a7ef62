//! What a round of `batchgen dev` changed, as its page shows it.

use serde::{Deserialize, Serialize};

use super::difference::{DiffLine, difference, gap};

/// Files whose difference is shown; of others the page has the number.
const FILES: usize = 50;
/// Lines of a difference that are shown.
const LINES: usize = 400;

/// What the last round changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Rounds that have ended.
    pub rounds: u64,
    /// Whether another one goes on.
    pub is_under_way: bool,
    /// Why the last one could not begin or go on, if so.
    pub error: Option<String>,
    /// Files that it changed.
    pub changed: u64,
    /// Files that it might have made.
    pub wanted: u64,
    /// The first of those that changed.
    pub files: Vec<ChangedFile>,
}

/// A file that a round changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangedFile {
    pub record: String,
    pub component: String,
    pub path: String,
    /// Whether it was not there before.
    pub is_new: bool,
    pub difference: Vec<DiffLine>,
}

impl Changes {
    /// Notes that a file has another text now.
    pub fn add(&mut self, record: &str, component: &str, path: &str, texts: (Option<&str>, &str)) {
        self.changed += 1;
        if self.files.len() == FILES {
            return;
        }
        let (was, now) = texts;
        let mut lines = difference(was.unwrap_or_default(), now);
        if lines.len() > LINES {
            lines.truncate(LINES);
            lines.push(gap());
        }
        self.files.push(ChangedFile {
            record: record.to_owned(),
            component: component.to_owned(),
            path: path.to_owned(),
            is_new: was.is_none(),
            difference: lines,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_and_long_files_a_bounded_part_is_shown() {
        let mut changes = Changes::default();
        let long = "line\n".repeat(3 * LINES);
        for number in 0..2 * FILES {
            changes.add(&format!("r{number}"), "text", "text/r.md", (None, &long));
        }
        assert_eq!(changes.changed, 2 * FILES as u64);
        assert_eq!(changes.files.len(), FILES);
        let lines = changes.files.iter().map(|file| file.difference.len());
        assert!(lines.clone().all(|lines| lines == LINES + 1));
        assert!(changes.files.iter().all(|file| file.is_new));
    }
}
