//! Components that are made for a sample of the records.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::quality;
use crate::scene::{Ran, Scene};

const RECORDS: u64 = 40;
const SAMPLE: u64 = 5;

/// Forty records, of which `quality` judges the descriptions of five.
fn scene() -> Scene {
    let scene = quality::scene();
    scene.replace(
        "batchgen.toml",
        "path = \"materials.yaml\"\nrecords = \"materials\"",
        "path = \"records.jsonl\"",
    );
    grow(&scene, RECORDS);
    sample(&scene, "", "sample = 5\n");
    scene
}

/// Writes a dataset of so many records.
fn grow(scene: &Scene, records: u64) {
    let mut text = String::new();
    for number in 0..records {
        let category = if number % 2 == 0 { "even" } else { "odd" };
        writeln!(
            text,
            "{{\"id\": \"r{number}\", \"name\": \"Record {number}\", \"category\": \"{category}\", \"size_mm\": {number}}}"
        )
        .unwrap();
    }
    scene.write("records.jsonl", &text);
}

/// Says another sample for `quality`.
fn sample(scene: &Scene, before: &str, now: &str) {
    let settings = |sample: &str| format!("[component.quality]\n{sample}plugin = \"judge\"\n");
    scene.replace("batchgen.toml", &settings(before), &settings(now));
}

/// Ids of the records that have a verdict.
fn judged(scene: &Scene) -> BTreeSet<String> {
    let names = scene.content().into_keys();
    let ids = names.filter_map(|name| {
        let id = name.strip_prefix("quality/")?.strip_suffix(".yaml")?;
        Some(id.to_owned())
    });
    ids.collect()
}

/// The row of a component in a plan.
fn planned(scene: &Scene, arguments: &[&str]) -> Value {
    let ran = scene.host(&[&["plan", "--json"], arguments].concat());
    let plan = ran.events().into_iter().next().unwrap();
    let rows = plan["components"].as_array().unwrap().iter();
    let mut rows = rows.filter(|row| row["component"] == "quality");
    rows.next().unwrap().clone()
}

/// What a person is told of a verdict.
fn why(scene: &Scene, id: &str) -> Ran {
    scene.host(&["why", id, "quality"]).ended(0)
}

#[test]
fn a_component_is_made_for_its_sample_and_every_record_is_complete() {
    let scene = scene();
    let plan = planned(&scene, &[]);
    let ahead = plan["to_make"].as_u64().unwrap() + plan["depends_on_upstream"].as_u64().unwrap();
    assert_eq!(ahead, SAMPLE);
    assert_eq!(plan["not_sampled"], RECORDS - SAMPLE);
    assert_eq!(plan["forecast"]["calls"]["estimated"], SAMPLE);

    let ran = scene.run(&[]).ended(0);
    let summary = ran.summary();
    assert_eq!(summary.complete(), RECORDS);
    assert_eq!(summary.of("quality", "made"), SAMPLE);
    assert_eq!(summary.of("quality", "not_sampled"), RECORDS - SAMPLE);
    assert_eq!(summary.of("description", "made"), RECORDS);
    let first = judged(&scene);
    assert_eq!(first.len() as u64, SAMPLE);

    let again = scene.run(&[]).ended(0);
    assert_eq!(again.summary().calls("calls"), 0);
    assert_eq!(again.summary().of("quality", "kept"), SAMPLE);
    assert_eq!(again.summary().complete(), RECORDS);
    let plan = scene.host(&["plan"]).ended(0).stdout;
    let all = 2 * RECORDS + SAMPLE;
    assert!(
        plan.contains(&format!("all {all} artifacts of 40 records are up to date")),
        "{plan}"
    );

    // The sample is one of all records, and the same in any order.
    let lines = scene.read("records.jsonl");
    let backwards: Vec<&str> = lines.lines().rev().collect();
    scene.write("records.jsonl", &backwards.join("\n"));
    let again = scene.run(&["--category", "odd"]).ended(0).summary();
    assert_eq!(again.calls("calls"), 0);
    assert_eq!(
        again.of("quality", "kept") + again.of("quality", "not_sampled"),
        20
    );
    assert_eq!(judged(&scene), first);

    let outside = (0..RECORDS).map(|number| format!("r{number}"));
    let outside = outside.into_iter().find(|id| !first.contains(id)).unwrap();
    let said = why(&scene, &outside).stdout;
    assert!(said.contains("not in the sample"), "{said}");
    assert!(said.contains("a sample of 5 records"), "{said}");
    let alone = scene.run(&["--record", &outside]).ended(0).summary();
    assert_eq!((alone.complete(), alone.of("quality", "kept")), (1, 0));
    assert_eq!(judged(&scene), first);
}

#[test]
fn a_new_record_takes_the_place_of_one_other_at_most() {
    let scene = scene();
    scene.run(&[]).ended(0);
    let mut before = judged(&scene);
    let mut changes = 0;
    for records in RECORDS + 1..RECORDS + 13 {
        grow(&scene, records);
        let ran = scene.run(&[]).ended(0).summary();
        assert_eq!(ran.complete(), records);
        assert_eq!(
            ran.of("quality", "made") + ran.of("quality", "kept"),
            SAMPLE
        );
        let now = judged(&scene);
        assert!(now.is_superset(&before), "no file is removed");
        assert!(ran.of("quality", "made") <= 1);
        changes += ran.of("quality", "made");
        before = now;
    }
    // What left the sample is not exported, and comes back without a question.
    let verdicts = |scene: &Scene| {
        let export = ["export", "--component", "quality"];
        let rows = scene.host(&export).ended(0).events().into_iter();
        rows.filter(|row| !row["components"]["quality"].is_null())
            .count() as u64
    };
    assert_eq!(verdicts(&scene), SAMPLE);
    grow(&scene, RECORDS);
    let back = scene.run(&[]).ended(0).summary();
    assert_eq!((back.calls("calls"), verdicts(&scene)), (0, SAMPLE));
    assert_eq!(back.of("quality", "kept"), SAMPLE, "{changes} changes");
}

#[test]
fn another_sample_asks_only_for_what_is_new_and_removes_nothing() {
    let scene = scene();
    scene.run(&[]).ended(0);
    let five = judged(&scene);
    sample(&scene, "sample = 5\n", "sample = 8\n");
    let plan = planned(&scene, &[]);
    assert_eq!(
        (&plan["to_make"], &plan["up_to_date"]),
        (&3.into(), &5.into())
    );
    let larger = scene.run(&[]).ended(0).summary();
    assert_eq!(
        (larger.calls("calls"), larger.of("quality", "made")),
        (3, 3)
    );
    let eight = judged(&scene);
    assert!(eight.is_superset(&five));

    sample(&scene, "sample = 8\n", "sample = 5\n");
    let smaller = scene.run(&[]).ended(0).summary();
    assert_eq!(
        (smaller.calls("calls"), smaller.of("quality", "kept")),
        (0, 5)
    );
    assert_eq!(judged(&scene), eight);
    let left = scene.host(&["clean"]).ended(0).stdout;
    assert!(!left.contains("quality"), "{left}");

    let out = eight.difference(&five).next().unwrap();
    assert!(why(&scene, out).stdout.contains("as it was written"));
    let rows = scene
        .host(&["export", "--complete-only"])
        .ended(0)
        .stdout
        .lines()
        .count() as u64;
    assert_eq!(rows, RECORDS, "nobody waits for what is not made");

    sample(&scene, "sample = 5\n", "sample = \"100%\"\n");
    let all = scene.run(&[]).ended(0).summary();
    assert_eq!(all.of("quality", "made"), RECORDS - 8);
    sample(&scene, "sample = \"100%\"\n", "");
    assert_eq!(scene.run(&[]).ended(0).summary().calls("calls"), 0);
}

#[test]
fn a_share_is_the_same_whatever_is_added() {
    let scene = scene();
    sample(&scene, "sample = 5\n", "sample = \"20%\"\n");
    scene.run(&[]).ended(0);
    let before = judged(&scene);
    assert!((3..=16).contains(&before.len()), "{before:?}");
    grow(&scene, 2 * RECORDS);
    let ran = scene.run(&[]).ended(0).summary();
    assert_eq!(ran.of("quality", "kept"), before.len() as u64);
    assert!(judged(&scene).is_superset(&before));
}

/// What a person tries on a few records shows what the judge says of them.
#[test]
fn a_trial_with_few_records_has_judged_ones_and_a_comparison_judges_all_of_its_own() {
    let scene = scene();
    let few = scene.run(&["--sample", "4"]).ended(0).summary();
    let (made, left) = (few.of("quality", "made"), few.of("quality", "not_sampled"));
    assert!(made >= 2, "{made} of 4 are judged");
    assert_eq!(made + left, 4);
    scene.write("b.md", "Describe {{ record.name }} in other words.\n");
    let arguments = [
        "compare",
        "--with",
        "prompt:description=b.md",
        "--sample",
        "12",
        "--json",
    ];
    let said = scene.host(&arguments).ended(0).events();
    let mut said = said.iter();
    let compared = said.find(|line| line["event"] == "comparison").unwrap();
    let rows = compared["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 12);
    let scores = rows
        .iter()
        .flat_map(|row| row["scores"].as_array().unwrap());
    assert!(scores.clone().all(Value::is_number), "{compared}");
    assert_eq!(scores.count(), 24);
}

#[test]
fn what_failed_outside_the_sample_is_neither_told_nor_tried_again() {
    let scene = scene();
    sample(&scene, "sample = 5\n", "limits = { executions = 1 }\n");
    // Few enough that the component is not held for failing alike.
    let ran = scene.run(&["--limit", "8"]).ended(3).summary();
    assert_eq!(ran.of("quality", "failed"), 8);
    let sampled = "sample = 20\n";
    sample(&scene, "limits = { executions = 1 }\n", sampled);
    let left = planned(&scene, &["--limit", "8"]);
    let within = 8 - left["not_sampled"].as_u64().unwrap();
    assert!((1..8).contains(&within), "{left}");
    let told = || scene.host(&["failures"]).ended(0).stdout;
    assert!(told().contains(&format!("{within} failed")), "{}", told());
    let retried = scene.host(&["retry", "--json"]).ended(0).events();
    assert_eq!(retried[0]["tasks"], within);
    assert!(told().starts_with("0 failed\n"), "{}", told());
}

/// A gate and dependents would wait for files that nobody makes.
#[test]
fn what_needs_all_files_of_a_sampled_component_is_refused() {
    let scene = scene();
    let gate = "---\ngate: {judge: quality}\ninput";
    scene.replace("components/description.md", "---\ninput", gate);
    let mut said = vec![scene.host(&["run"]).ended(2).stderr];
    scene.replace("components/description.md", gate, "---\ninput");
    scene.replace(
        "components/description.md",
        "---\ninput",
        "---\nsample: 5%\ninput",
    );
    said.push(scene.host(&["run"]).ended(2).stderr);
    scene.replace(
        "components/description.md",
        "sample: 5%\n",
        "sample: some\n",
    );
    said.push(scene.host(&["run"]).ended(2).stderr);
    scene.replace("components/description.md", "sample: some\n", "");
    for (before, wrong) in [("5", "0"), ("0", "\"5\""), ("\"5\"", "-3")] {
        let line = |value: &str| format!("sample = {value}\n");
        sample(&scene, &line(before), &line(wrong));
        said.push(scene.host(&["run"]).ended(2).stderr);
    }
    let settings = "sample = 5\nplugin = \"judge\"\ndepends-on = [\"description\"]\n\n[component.description]\nplugin = \"prompt\"\n\
        prompts = { write = { text = \"Describe {{ record.name }}.\" } }\n\n[component.description.gate]\nmin-words = 3\njudge = \"quality\"\n";
    scene.replace(
        "batchgen.toml",
        "sample = -3\nplugin = \"judge\"\ndepends-on = [\"description\"]\n",
        settings,
    );
    std::fs::remove_file(scene.path("components/description.md")).unwrap();
    said.push(scene.host(&["run"]).ended(2).stderr);
    insta::assert_snapshot!(said.join("\n"));
}

/// With one sample, a component and the judge of its gate have the same records.
#[test]
fn a_gate_and_its_judge_may_have_one_sample() {
    let scene = scene();
    scene.replace(
        "components/description.md",
        "---\ninput",
        "---\nsample: 5\ngate: {judge: quality}\ninput",
    );
    scene.replace(
        "components/teaser.md",
        "---\ndepends",
        "---\nsample: 5\ndepends",
    );
    let ran = scene.run(&[]).ended(0).summary();
    assert_eq!(ran.complete(), RECORDS);
    for component in ["description", "quality", "teaser"] {
        assert_eq!(ran.of(component, "made"), SAMPLE, "{component}");
    }
    assert_eq!(scene.run(&[]).ended(0).summary().calls("calls"), 0);
}
