//! Events of `--json`: every one is as `docs/events.schema.json` says.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::scene::{Scene, root};
use simulator::{Config, Simulator};

/// Kinds of the events in a text, each of which must be valid.
fn kinds(text: &str) -> BTreeSet<String> {
    let schema = std::fs::read_to_string(root().join("docs/events.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let events = text.lines().map(|line| {
        let event: Value = serde_json::from_str(line).unwrap();
        let faults: Vec<String> = schema
            .iter_errors(&event)
            .map(|fault| fault.to_string())
            .collect();
        assert!(faults.is_empty(), "{line}\n{}", faults.join("\n"));
        event["event"].as_str().unwrap().to_owned()
    });
    events.collect()
}

#[test]
fn every_event_is_as_the_schema_says() {
    let simulator = Simulator::start(Config {
        faults: vec![
            "503@30%".parse().unwrap(),
            "content-filter-finish@20%".parse().unwrap(),
        ],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    let all = scene.run(&["--category", "stone", "--category", "wood"]);
    let mut seen = kinds(&all.stdout);
    let content = scene.content();
    let (edited, _) = content.first_key_value().unwrap();
    scene.write(
        &format!("content/{edited}"),
        "---\ntitle: mine\n---\nMine.\n",
    );
    seen.extend(kinds(
        &scene
            .run(&["--category", "stone", "--category", "wood"])
            .stdout,
    ));
    seen.extend(kinds(&scene.host(&["retry", "--json"]).stdout));
    for kind in ["chosen", "progress", "failure", "edited", "summary"] {
        assert!(seen.contains(kind), "no {kind} among {seen:?}");
    }
}
