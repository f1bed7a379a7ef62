//! The schema of the configuration with Taplo, as editors use it. Where it cannot be had, `cargo xtask test` leaves this out and says so.

use std::process::Command;

use crate::scene::{Scene, root};

/// Whether Taplo takes a file, and what it says.
fn check(scene: &Scene, file: &std::path::Path) -> (bool, String) {
    let schema = root().join("docs/batchgen.schema.json");
    let output = Command::new(root().join("target/taplo/bin/taplo"))
        .current_dir(scene.path(""))
        .args(["check", "--schema"])
        .arg(format!("file://{}", schema.display()))
        .arg(file)
        .output()
        .expect("taplo, which `cargo xtask test` installs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

#[test]
fn an_editor_takes_the_shipped_configuration_and_tells_what_is_wrong_with_another() {
    let scene = Scene::new();
    scene.write(
        "batchgen.toml",
        &std::fs::read_to_string(root().join("batchgen.toml")).unwrap(),
    );
    let (is_valid, said) = check(&scene, &scene.path("batchgen.toml"));
    assert!(is_valid, "{said}");
    scene.write(
        "wrong.toml",
        "modle = \"x\"\n[dataset]\nrepeated = \"last\"\n",
    );
    let (is_valid, said) = check(&scene, &scene.path("wrong.toml"));
    assert!(
        !is_valid && said.contains("modle") && said.contains("last"),
        "{said}"
    );
}
