//! Every wait of the program has an end, and a test that sees it end: `ARCHITECTURE.md` lists both.

use std::fs;
use std::path::Path;

use crate::scene::root;

/// The text of all sources below a folder.
fn sources(folder: &Path, text: &mut String) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|end| end == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_wait_that_is_listed_has_a_test() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let section = page.split("## Waits").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let mut code = String::new();
    for folder in ["host", "tests/src"] {
        sources(&root().join(folder), &mut code);
    }
    let rows: Vec<&str> = section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
        .collect();
    assert!(rows.len() > 20, "{rows:#?}");
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [_, _, _, test] = cells.as_slice() else {
            panic!("a wait, its end, what comes then and a test: {row}");
        };
        let name = test.trim_matches('`');
        let is_there = code.contains(&format!("fn {name}()"));
        assert!(is_there, "there is no test `{name}` of the wait: {row}");
    }
}
