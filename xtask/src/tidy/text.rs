//! Rules for every text file: white space, line ends, no path of somebody's machine, and one name of the program.

use super::{Fault, Files};

/// What tools write and reviews accept as it is.
const WRITTEN_BY_TOOLS: [&str; 3] = [".snap", ".json", ".lock"];

/// Input of tests that is kept byte by byte.
const BYTES: &str = "tests/corpus/";

/// Folders that hold people's homes.
const HOMES: [&str; 3] = ["/home/", "/Users/", "/root/"];

/// How a quoted command begins that calls the program by the name of its crate.
const BY_CRATE: &str = "`host ";

/// The faults of all files.
pub fn check(files: &Files) -> Vec<Fault> {
    files
        .all()
        .flat_map(|(name, text)| check_file(name, text))
        .collect()
}

fn check_file(name: &str, text: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut fault = |line, message: &str| {
        faults.push(Fault {
            file: name.to_owned(),
            line,
            message: message.to_owned(),
        });
    };
    let white_space_counts =
        !name.starts_with(BYTES) && !WRITTEN_BY_TOOLS.iter().any(|ending| name.ends_with(ending));
    for (number, line) in (1..).zip(text.split('\n')) {
        if white_space_counts && line.ends_with(char::is_whitespace) {
            fault(Some(number), "white space at the end of the line");
        }
        if HOMES.iter().any(|home| names_folder_in(line, home)) {
            fault(
                Some(number),
                "a path of somebody's home; say where it is relative to the checkout",
            );
        }
        if quotes_the_crate(line) {
            fault(
                Some(number),
                "a command of the program begins with `batchgen`",
            );
        }
    }
    if white_space_counts && !text.is_empty() && !text.ends_with('\n') {
        fault(None, "no newline at the end of the file");
    }
    if white_space_counts && text.ends_with("\n\n") {
        fault(None, "blank lines at the end of the file");
    }
    faults
}

/// Whether `line` has an absolute path to something in `home`: `x/home/y` is none.
fn names_folder_in(line: &str, home: &str) -> bool {
    line.match_indices(home).any(|(place, found)| {
        let before = line
            .get(..place)
            .and_then(|before| before.chars().next_back());
        let after = line
            .get(place + found.len()..)
            .and_then(|after| after.chars().next());
        before.is_none_or(|letter| !letter.is_alphanumeric() && !"._-}".contains(letter))
            && after.is_some_and(char::is_alphanumeric)
    })
}

/// Whether a command is quoted that begins with the name of the crate.
fn quotes_the_crate(line: &str) -> bool {
    line.split(BY_CRATE)
        .skip(1)
        .any(|rest| rest.starts_with(|letter: char| letter.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(name: &str, text: &str) -> Vec<(Option<usize>, String)> {
        check_file(name, text)
            .into_iter()
            .map(|fault| (fault.line, fault.message))
            .collect()
    }

    #[test]
    fn clean_text_passes() {
        assert_eq!(messages("a.md", "one\n\ntwo\n"), []);
        assert_eq!(messages("a.md", "https://example.org/home/page\n"), []);
    }

    #[test]
    fn each_fault_is_found_in_its_line() {
        let lines = |text| {
            messages("a.md", text)
                .into_iter()
                .map(|(line, _)| line)
                .collect::<Vec<_>>()
        };
        assert_eq!(lines("one \ntwo\t\n"), [Some(1), Some(2)]);
        assert_eq!(lines("one\r\n"), [Some(1)]);
        assert_eq!(lines("one"), [None]);
        assert_eq!(lines("one\n\n"), [None]);
        assert_eq!(lines(&format!("see {}ada/x\n", HOMES[0])), [Some(1)]);
    }

    #[test]
    fn a_command_has_the_name_of_the_program() {
        assert_eq!(messages("a.md", "`batchgen run` on the `host`\n"), []);
        let line = format!("first {BY_CRATE}run`\n");
        assert_eq!(messages("a.md", &line).len(), 1);
    }

    #[test]
    fn white_space_in_a_snapshot_is_as_it_was_reviewed() {
        assert_eq!(messages("a.snap", "one \n\n"), []);
    }
}
