//! What is in the way of a run, and what to do about it.

use crate::scene::{KEY, Scene};
use simulator::{Config, Simulator};

/// What is printed, without what differs from machine to machine.
fn shown(scene: &Scene, text: &str) -> String {
    let folder = scene.path("").display().to_string();
    let text = text.replace(&folder, "");
    let lines = text
        .lines()
        .map(|line| match line.split_once(" can be written to, ") {
            // Where it lies differs, and how much is free.
            Some((place, _)) if line.starts_with("cache") => {
                format!("{} [folder] is fine", &place[..19])
            }
            Some((place, _)) => format!("{place} can be written to"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_project_that_is_well_is_told_so() {
    let scene = Scene::new();
    let ran = scene.host(&["doctor"]).ended(0);
    insta::assert_snapshot!(shown(&scene, &ran.stdout));
}

#[test]
fn every_problem_is_told_at_once_with_what_to_do() {
    let scene = Scene::new();
    scene.replace("materials.yaml", "id: aluminum", "id: Alu minum");
    scene.write("plugins/broken.wasm", "no plugin");
    scene.write("content", "a file");
    scene.configure("model = \"openai/gpt-4o-mini\"\n");
    scene.write(
        "batchgen.toml",
        &format!(
            "model = \"openai/gpt-4o-mini\"\n{}",
            scene
                .read("batchgen.toml")
                .replace("model = \"openai/gpt-4o-mini\"\n", "")
        ),
    );
    let ran = scene.host(&["doctor"]).ended(2);
    insta::assert_snapshot!(shown(&scene, &ran.stdout));
}

#[test]
fn a_provider_is_reached_without_asking_a_model() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    let ran = scene.host(&["doctor"]).ended(0);
    assert!(
        ran.stdout.contains("openai answers, and does not list sim"),
        "{}",
        ran.stdout
    );
    let ran = scene
        .host(&["doctor", "--model", "openai/simulated"])
        .ended(0);
    assert!(
        ran.stdout
            .contains("openai answers, takes the key, and has simulated"),
        "{}",
        ran.stdout
    );
    assert!(!ran.stdout.contains(KEY));
    assert_eq!(simulator.ledger().requests, 0);
    let refused = scene.with("OPENAI_API_KEY", "sk-wrong-0123456789");
    let ran = refused.host(&["doctor", "--json"]).ended(5);
    let problem = ran
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|event| event["check"]["state"] == "problem")
        .unwrap();
    assert_eq!(problem["check"]["area"], "provider");
    assert_eq!(problem["check"]["hint"], "check the key");
    assert!(!ran.stdout.contains("sk-wrong"));
}
