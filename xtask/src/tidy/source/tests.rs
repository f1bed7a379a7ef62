use super::*;

fn paths(source: &str) -> Vec<String> {
    named_paths(source)
        .into_iter()
        .map(|path| path.segments.join("::"))
        .collect()
}

#[test]
fn comments_and_literals_are_no_code() {
    let source = "a // std::fs\n/* x /* y */ std::fs */ b \"std::\\\"fs\" r#\"std\"fs\"# '\"' '\\'' 'a c br\"q\"";
    let code = code_only(source);
    assert_eq!(
        code.split_whitespace().collect::<Vec<_>>(),
        ["a", "b", "'a", "c", "b"]
    );
    assert_eq!(code.lines().count(), source.lines().count());
}

#[test]
fn a_raw_name_is_code() {
    assert_eq!(code_only("r#type r"), "r#type r");
}

#[test]
fn paths_are_found_wherever_they_stand() {
    assert_eq!(
        paths("fn f() -> std::io::Result<()> { fs::read(a.b) }"),
        ["std::io::Result", "fs::read"]
    );
    assert_eq!(
        paths("println!(\"{x}\"); tokio::select! {} a != b"),
        ["println!", "tokio::select!"]
    );
}

#[test]
fn uses_are_taken_apart() {
    assert_eq!(
        paths("use std::{self as s, fs::{File, read}, env};\nuse tokio;\nuse a::*; x::y"),
        [
            "std::self",
            "std::fs::File",
            "std::fs::read",
            "std::env",
            "tokio",
            "a::*",
            "x::y"
        ]
    );
}

#[test]
fn a_path_is_matched_by_whole_segments() {
    let path = NamedPath {
        line: 1,
        segments: ["std", "fs", "read"].map(String::from).to_vec(),
    };
    assert!(path.contains("std::fs") && path.contains("read"));
    assert!(!path.contains("std::f") && !path.contains("std::read"));
}
