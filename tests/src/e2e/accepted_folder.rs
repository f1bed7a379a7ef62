//! `[output] publish`: accepted files lie in a folder of their own, and leave it when that ends.

use std::fs;
use std::path::PathBuf;

use reqwest::Method;
use serde_json::json;

use super::review_page::{parts, scene};
use crate::scene::{Ran, Scene};
use crate::watched::Viewing;
use crate::web::Web;

/// Three things with a notice each, whose accepted files go to `public`.
fn publishing() -> Scene {
    let scene = scene(3, false);
    scene.replace(
        "batchgen.toml",
        "[output]\n",
        "[output]\npublish = \"public\"\n",
    );
    scene.run(&[]).ended(0);
    scene
}

fn copy(scene: &Scene, thing: &str) -> PathBuf {
    scene.path(&format!("public/notice/{thing}.md"))
}

fn text(scene: &Scene, thing: &str) -> String {
    scene.read(&format!("content/notice/{thing}.md"))
}

fn review(scene: &Scene, thing: &str, arguments: &[&str]) -> Ran {
    let arguments = [&["review", "--decided", "--record", thing][..], arguments].concat();
    scene.host(&arguments).ended(0)
}

#[test]
fn a_copy_is_there_as_long_as_its_file_is_accepted_as_it_is() {
    let scene = publishing();
    assert!(!scene.path("public").exists());
    review(&scene, "t000", &["--accept"]);
    review(&scene, "t001", &["--refuse", "no"]);
    assert_eq!(
        fs::read_to_string(copy(&scene, "t000")).unwrap(),
        text(&scene, "t000")
    );
    assert!(!copy(&scene, "t001").exists());

    // A refusal takes it away; the folder goes with its last file.
    review(&scene, "t000", &["--refuse", "Say more."]);
    assert!(!scene.path("public/notice").exists());
    scene.run(&[]).ended(0);
    assert!(!copy(&scene, "t000").exists(), "nobody saw the new text");
    review(&scene, "t000", &["--accept"]);
    assert_eq!(
        fs::read_to_string(copy(&scene, "t000")).unwrap(),
        text(&scene, "t000")
    );

    // An edit ends the acceptance, adopted or not.
    scene.write("content/notice/t000.md", "Mine.\n");
    scene.host(&["accept", "--record", "t000"]).ended(0);
    assert!(!copy(&scene, "t000").exists());
    review(&scene, "t000", &["--accept"]);
    scene.write("content/notice/t000.md", "Still mine.\n");
    let ran = scene.run(&[]).ended(0);
    assert!(!copy(&scene, "t000").exists());
    let told = ran.stderr;
    assert!(
        told.contains("0 accepted files put into public, 1 taken away"),
        "{told}"
    );
}

#[test]
fn what_is_missing_comes_back_and_what_somebody_changed_there_stays() {
    let scene = publishing();
    for thing in ["t000", "t001", "t002"] {
        review(&scene, thing, &["--accept"]);
    }
    // As a kill between the decision and the copy leaves it.
    fs::remove_file(copy(&scene, "t000")).unwrap();
    fs::write(copy(&scene, "t001"), "By hand.\n").unwrap();
    scene.write("public/notice/other.md", "Other.\n");
    let ran = scene.run(&[]).ended(0);
    assert_eq!(
        fs::read_to_string(copy(&scene, "t000")).unwrap(),
        text(&scene, "t000")
    );
    assert!(
        ran.stderr
            .contains("notice/t001.md was changed in the folder"),
        "{}",
        ran.stderr
    );
    review(&scene, "t001", &["--refuse", "no"]);
    assert_eq!(
        fs::read_to_string(copy(&scene, "t001")).unwrap(),
        "By hand.\n"
    );

    // The record is no more, and so is its copy.
    let things = scene.read("things.jsonl");
    let left: Vec<&str> = things
        .lines()
        .filter(|line| !line.contains("t002"))
        .collect();
    scene.write("things.jsonl", &(left.join("\n") + "\n"));
    scene.run(&[]).ended(0);
    assert!(!copy(&scene, "t002").exists());
    assert_eq!(scene.read("public/notice/other.md"), "Other.\n");

    // A folder in the place of a file is an error that the next run looks at again.
    fs::remove_file(copy(&scene, "t000")).unwrap();
    fs::create_dir(copy(&scene, "t000")).unwrap();
    let ran = scene.run(&[]).ended(3);
    assert!(
        ran.stderr.contains("notice/t000.md cannot be published"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_decision_on_the_page_is_answered_with_its_copy_in_place() {
    let scene = publishing();
    let view = Viewing::reviewing(&scene, &[]);
    let (page, key) = parts(&view);
    let web = Web::new();
    let file = web.json(&format!("{page}review/files"))["files"][0].clone();
    let decision = json!({"record": "t000", "component": "notice", "content": file["content"], "accepts": true});
    let post = |path: &str| {
        let reply = web.ask(
            Method::POST,
            &format!("{page}{path}"),
            &[("x-batchgen-key", key)],
            Some(&decision),
        );
        assert_eq!(reply.unwrap().status, 200);
    };
    post("review/decide");
    assert!(copy(&scene, "t000").exists());
    post("review/undo");
    assert!(!copy(&scene, "t000").exists());
}

#[test]
fn the_folder_lies_apart_from_the_output_directory() {
    for folder in ["content", "content/public", "."] {
        let scene = scene(1, false);
        let key = format!("[output]\npublish = \"{folder}\"\n");
        scene.replace("batchgen.toml", "[output]\n", &key);
        let ran = scene.run(&[]).ended(2);
        assert!(ran.stderr.contains("`publish`"), "{folder}: {}", ran.stderr);
    }
}
