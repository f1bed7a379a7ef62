//! The conformance kit: every plugin that is built here passes it, and every check can fail.

use std::fs;
use std::path::Path;

use crate::core_guest::CoreGuest;
use crate::scene::{Ran, Scene, root};

fn check(scene: &Scene, file: &Path, more: &[&str]) -> Ran {
    let file = file.display().to_string();
    scene.host(&[&["plugins", "check", file.as_str()], more].concat())
}

/// Fails unless every check of every plugin passed.
fn pass(folder: &str) {
    let scene = Scene::new().with_plugins(folder);
    let files = scene.plugins();
    assert!(!files.is_empty(), "nothing was built into target/{folder}");
    for file in files {
        let ran = check(&scene, &file, &[]).ended(0);
        assert!(ran.stdout.contains(" ok, 0 failed, "), "{}", ran.stdout);
    }
}

#[test]
fn every_bundled_plugin_passes() {
    pass("plugins");
}

#[test]
fn every_example_passes_whatever_it_is_written_in() {
    pass("example-plugins");
}

#[test]
fn the_components_that_need_no_code_pass() {
    for folder in fs::read_dir(root().join("plugins")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(examples) = fs::read_to_string(folder.join("examples.toml")) else {
            continue;
        };
        let scene = Scene::new().with_plugins("plugins");
        scene.configure(&examples);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let file = root().join(format!("target/plugins/{name}.wasm"));
        let ran = check(&scene, &file, &[]).ended(0);
        assert!(ran.stdout.contains(" ok, 0 failed, "), "{}", ran.stdout);
    }
}

/// One that breaks one law at a time.
#[test]
fn each_check_fails_for_what_breaks_its_law_and_for_nothing_else() {
    let scene = Scene::new().with_plugins("test-plugins");
    let lawless = root().join("target/test-plugins/lawless.wasm");
    let more = ["--record", "iron"];
    check(&scene, &lawless, &more).ended(0);
    let mut shown = Vec::new();
    for law in [
        "contract",
        "artifact",
        "input",
        "refusals",
        "cut-off",
        "answers",
        "missing",
        "awkward",
        "oversized",
        "edited",
    ] {
        scene.configure(&format!("[component.lawless.options]\nlaw = \"{law}\"\n"));
        let ran = check(&scene, &lawless, &more).ended(3);
        let failed: Vec<&str> = ran
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  FAILED   "))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        // A field that is null counts as missing.
        let wanted = match law {
            "missing" => vec!["missing", "awkward"],
            law => vec![law],
        };
        assert_eq!(failed, wanted, "{}", ran.stdout);
        let from = ran.stdout.find("  FAILED").unwrap();
        let lines = ran.stdout[from..].lines().take(4);
        shown.push(lines.collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_cannot_be_loaded_fails_with_what_is_wrong() {
    let scene = Scene::new();
    let guest = CoreGuest {
        imports: &["evil:host/shell@1.0.0"],
        ..CoreGuest::new(
            "imports-a-shell",
            r#"(import "evil:host/shell@1.0.0" "execute" (func (param i32 i32)))"#,
            "(call $make)",
        )
    };
    fs::write(scene.path("shell.wasm"), guest.build()).unwrap();
    let ran = scene.host(&["plugins", "check", "shell.wasm"]).ended(3);
    insta::assert_snapshot!(ran.stdout);
}

/// Outside any project there are no records, so one is invented.
#[test]
fn a_plugin_is_checked_without_a_project() {
    let scene = Scene::new();
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    let summary = root().join("target/example-plugins/summary.wasm");
    fs::copy(summary, scene.path("summary.wasm")).unwrap();
    let ran = scene.host(&["plugins", "check", "summary.wasm"]).ended(0);
    insta::assert_snapshot!(ran.stdout);
    let ran = scene
        .host(&["plugins", "check", "summary.wasm", "--record", "oak"])
        .ended(2);
    assert!(
        ran.stderr.contains("name one with --data FILE"),
        "{}",
        ran.stderr
    );
}

/// What it depends on has to be there.
#[test]
fn a_dependency_that_is_missing_is_named() {
    let scene = Scene::new().with_plugin("test-plugins/hostile");
    let dependent = root().join("target/test-plugins/dependent.wasm");
    fs::copy(dependent, scene.path("dependent.wasm")).unwrap();
    fs::remove_file(scene.path("plugin/plugin.wasm")).unwrap();
    fs::copy(
        root().join("target/example-plugins/summary.wasm"),
        scene.path("plugin/summary.wasm"),
    )
    .unwrap();
    let ran = scene.host(&["plugins", "check", "dependent.wasm"]).ended(2);
    assert!(
        ran.stderr
            .contains("`dependent` depends on `hostile`, and there is no such component"),
        "{}",
        ran.stderr
    );
}
