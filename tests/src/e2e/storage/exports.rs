//! Exports and reports as objects.

use std::fs;

use super::{GLASS, project};
use crate::moto::Moto;
use crate::scene::until;

#[test]
fn an_export_is_an_object_that_is_there_whole_or_not_at_all() {
    let moto = Moto::start();
    let scene = project(&moto);
    scene.run(&GLASS).ended(0);
    scene.host(&["export", "rows.jsonl"]).ended(0);
    let said = scene
        .host(&["export", "s3://team/out/rows.jsonl"])
        .ended(0)
        .stderr;
    assert!(said.contains("are in s3://team/out/rows.jsonl"), "{said}");
    assert!(moto.object("out/rows.jsonl") == scene.read("rows.jsonl").into_bytes());
    // Its own object is replaced, and that of somebody else is not.
    scene
        .host(&["export", "s3://team/out/rows.jsonl", "--all-fields"])
        .ended(0);
    moto.put("out/rows.jsonl", b"by hand");
    let refused = scene
        .host(&["export", "s3://team/out/rows.jsonl"])
        .ended(2)
        .stderr;
    assert!(
        refused.contains("is there already") && refused.contains("--force"),
        "{refused}"
    );
    assert_eq!(moto.object("out/rows.jsonl"), b"by hand");
    scene
        .host(&["export", "s3://team/out/rows.jsonl", "--force"])
        .ended(0);
    assert!(moto.object("out/rows.jsonl") == scene.read("rows.jsonl").into_bytes());
    for file in ["rows.csv", "rows.parquet", "rows.arrow", "rows.db"] {
        let address = format!("s3://team/out/{file}");
        scene.host(&["export", file]).ended(0);
        scene.host(&["export", &address]).ended(0);
        let bytes = moto.object(&format!("out/{file}"));
        assert!(bytes == fs::read(scene.path(file)).unwrap(), "{file}");
    }
    scene
        .host(&["report", "-o", "s3://team/out/report.html"])
        .ended(0);
    assert!(
        moto.object("out/report.html")
            .starts_with(b"<!doctype html>")
    );
    let pages = scene
        .host(&["export", "--as", "hugo", "s3://team/site"])
        .ended(2)
        .stderr;
    assert!(
        pages.contains("pages need a folder of this machine"),
        "{pages}"
    );
    let none = scene
        .host(&["export", "s3://team/", "--format", "csv"])
        .ended(2)
        .stderr;
    assert!(none.contains("names no object"), "{none}");
}

/// A dataset of so many long fields is larger than a part of an upload.
#[test]
fn a_large_export_goes_up_in_parts_and_one_that_is_cut_off_leaves_nothing() {
    let moto = Moto::start();
    let scene = project(&moto);
    let filler = "long and plain text ".repeat(500);
    let rows: String = (0..2500)
        .map(|row| format!("{{\"id\":\"r{row}\",\"name\":\"R{row}\",\"category\":\"c\",\"text\":\"{filler}\"}}\n"))
        .collect();
    scene.write("rows.jsonl", &rows);
    let first = [
        "run",
        "--data",
        "rows.jsonl",
        "--limit",
        "1",
        "--component",
        "tags",
    ];
    scene.host(&first);
    let export = |address: &str| {
        [
            "export",
            address,
            "--data",
            "rows.jsonl",
            "--all-fields",
            "--component",
            "tags",
        ]
        .map(str::to_owned)
    };
    let run = |address: &str| {
        let words = export(address);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        scene.host(&words)
    };
    run("out.jsonl").ended(0);
    run("s3://team/out.jsonl").ended(0);
    let (there, here) = (
        moto.object("out.jsonl"),
        fs::read(scene.path("out.jsonl")).unwrap(),
    );
    assert!(
        here.len() > 20 << 20 && there == here,
        "{} {}",
        here.len(),
        there.len()
    );
    assert_eq!(moto.unfinished_uploads(), 0);
    // Killed in the middle.
    let words = export("s3://team/cut.jsonl");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut cut = scene.command(&words).spawn().unwrap();
    until("a part of an upload", || moto.unfinished_uploads() > 0);
    let _ = cut.kill();
    cut.wait().unwrap();
    assert!(!moto.keys().contains(&"cut.jsonl".to_owned()));
}
