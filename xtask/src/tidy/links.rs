//! Checks that links between Markdown files lead somewhere, and that the book has every page of its folder.

use std::{collections::BTreeSet, path::Path};

use super::{Fault, Files};

/// The folder of the book, and its table of contents.
const BOOK: &str = "docs/";
const SUMMARY: &str = "docs/SUMMARY.md";

/// The faults of all Markdown files, and of the book.
pub fn check(files: &Files) -> Vec<Fault> {
    let names: BTreeSet<&str> = files.all().map(|(name, _)| name).collect();
    let mut faults = Vec::new();
    for (name, text) in files.ending("md") {
        for (line, target) in targets(text) {
            if let Some(message) = broken(files, &names, name, &target) {
                faults.push(Fault {
                    file: name.to_owned(),
                    line: Some(line),
                    message,
                });
            }
        }
    }
    let summary = files.all().find(|(name, _)| *name == SUMMARY);
    let linked: BTreeSet<String> = summary
        .map(|(name, text)| {
            targets(text)
                .iter()
                .map(|(_, target)| resolved(name, target))
                .collect()
        })
        .unwrap_or_default();
    let pages = files
        .ending("md")
        .map(|(name, _)| name)
        .filter(|name| name.starts_with(BOOK) && *name != SUMMARY);
    for page in pages.filter(|page| !linked.contains(*page)) {
        faults.push(Fault {
            file: page.to_owned(),
            line: None,
            message: format!("the page is not in the book: add it to {SUMMARY}"),
        });
    }
    faults
}

/// What is wrong with a link, if something is.
fn broken(files: &Files, names: &BTreeSet<&str>, from: &str, target: &str) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let file = if path.is_empty() {
        from.to_owned()
    } else {
        resolved(from, path)
    };
    let is_folder = || {
        names
            .iter()
            .any(|name| name.starts_with(&format!("{file}/")))
    };
    if !names.contains(file.as_str()) && !is_folder() {
        return Some(format!("the link leads nowhere: there is no {file}"));
    }
    let text = files
        .all()
        .find(|(name, _)| *name == file)
        .map(|(_, text)| text)?;
    let has = anchor.is_empty() || !file.ends_with(".md") || anchors(text).contains(anchor);
    (!has).then(|| format!("the link leads nowhere: {file} has no heading `#{anchor}`"))
}

/// A path as seen from the root of the repository.
fn resolved(from: &str, target: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let folder = Path::new(from).parent().unwrap_or(Path::new(""));
    let mut parts: Vec<&str> = folder.iter().filter_map(|part| part.to_str()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// Lines outside blocks of code, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut in_code = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence && !line.starts_with("    ")
    })
}

/// Targets of links, with their lines.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut targets = Vec::new();
    for (number, line) in prose(text) {
        // What stands in backquotes is no link.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in plain.split("](").skip(1) {
            if let Some((target, _)) = part.split_once(')') {
                targets.push((number, target.to_owned()));
            }
        }
    }
    targets
}

/// Anchors of a page's headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|(_, line)| {
        let heading = line.trim_start_matches('#');
        (heading.len() < line.len()).then(|| heading.trim())
    });
    headings
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|character| character.is_alphanumeric() || " -_".contains(*character));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(files: &[(&str, &str)]) -> Vec<String> {
        let files = files
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        check(&Files(files.collect()))
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let summary = "[a](A.md)\n[b](sub/B.md)\n";
        let a = "# A\n\n[b](sub/B.md#two-words) [up](../README.md) [web](https://x.example/y) `[no](link)`\n\n    [nor](this)\n";
        let b = "## Two words\n\n[a](../A.md) [here](#two-words)\n";
        let files = [
            ("docs/SUMMARY.md", summary),
            ("docs/A.md", a),
            ("docs/sub/B.md", b),
            ("README.md", "[docs](docs/) [d](docs)\n"),
        ];
        assert_eq!(faults(&files), [""; 0]);
    }

    #[test]
    fn links_that_lead_nowhere_and_pages_without_a_place_are_found() {
        let files = [
            ("docs/SUMMARY.md", "[a](A.md)\n"),
            ("docs/A.md", "# A\n[x](X.md)\n[y](A.md#z)\n"),
            ("docs/B.md", ""),
        ];
        assert_eq!(
            faults(&files),
            [
                "docs/A.md:2: the link leads nowhere: there is no docs/X.md",
                "docs/A.md:3: the link leads nowhere: docs/A.md has no heading `#z`",
                "docs/B.md: the page is not in the book: add it to docs/SUMMARY.md",
            ]
        );
    }
}
