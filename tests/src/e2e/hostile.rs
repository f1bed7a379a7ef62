//! A component that misbehaves on one record costs that task, with a cause that a person understands.

use crate::scene::Scene;
use simulator::{Config, Simulator};

/// Runs it over three records, on one of which it misbehaves.
fn misbehave(behaviour: &str) -> (Scene, String) {
    let scene = Scene::new().with_plugins("test-plugins");
    scene.configure(&format!(
        "[component.hostile.options]\nbehaviour = \"{behaviour}\"\n"
    ));
    let records = ["--record", "oak", "--record", "iron", "--record", "granite"];
    let ran = scene.host(&[&["run"], &records[..]].concat()).ended(3);
    assert!(
        ran.stdout.contains("2 of 3 materials complete"),
        "{behaviour}: {}",
        ran.stdout
    );
    let line = ran
        .stderr
        .lines()
        .find(|line| line.starts_with("oak hostile: "))
        .unwrap_or_else(|| panic!("{behaviour}: no cause in {}", ran.stderr))
        .to_owned();
    (scene, line)
}

#[test]
fn every_misbehaviour_ends_as_one_failed_task_with_its_cause() {
    let behaviours = [
        "panic",
        "panic-later",
        "loop",
        "allocate",
        "recurse",
        "long-artifact",
        "long-question",
        "many-questions",
        "many-executions",
        "broken-front-matter",
        "empty",
        "fail",
    ];
    let causes: Vec<String> = behaviours
        .iter()
        .map(|behaviour| format!("{behaviour}: {}", misbehave(behaviour).1))
        .collect();
    insta::assert_snapshot!(causes.join("\n"));
}

/// The configuration may allow less than the manifest, for one component or for all.
#[test]
fn what_the_configuration_allows_counts() {
    let simulator = Simulator::start(Config::default()).unwrap();
    let mut causes = Vec::new();
    for limits in [
        "[component.hostile.limits]\ntokens = 1\n",
        "[component.hostile.limits]\ncost = 0.001\n",
        "[component.hostile.limits]\nexecutions = 2\n",
        "[plugins.limits]\ncalls = 1\n",
    ] {
        let scene = Scene::new().with_plugins("test-plugins").asking(&simulator);
        scene.configure(&format!(
            "[component.hostile.options]\nbehaviour = \"many-executions\"\n\
             [models.\"openai/sim\"]\nprice = {{ input = 1000, output = 1000 }}\n{limits}"
        ));
        let ran = scene.host(&["run", "--record", "oak"]).ended(3);
        let cause = ran
            .stderr
            .lines()
            .find(|line| line.starts_with("oak hostile: "));
        causes.push(cause.unwrap_or(&ran.stderr).to_owned());
    }
    insta::assert_snapshot!(causes.join("\n"));
}

#[test]
fn questions_of_all_kinds_take_little_memory() {
    const RECORDS: u64 = 20;
    /// Most memory that they may make the host take.
    const GROWTH: u64 = 64 << 20;
    let scene = Scene::new().with_plugin("test-plugins/hostile");
    let lines: String = (0..RECORDS)
        .map(|number| format!(r#"{{"id": "r{number}", "name": "R", "category": "c"}}"#) + "\n")
        .collect();
    scene.write("records.jsonl", &lines);
    let peak = |options: &str| {
        scene.write(
            "batchgen.toml",
            &format!(
                "[dataset]\npath = \"records.jsonl\"\n[component.hostile.options]\n{options}\n"
            ),
        );
        for made in [".batchgen", "content"] {
            let _ = std::fs::remove_dir_all(scene.path(made));
        }
        let ran = scene.run(&[]).ended(0);
        assert_eq!(ran.summary().complete(), RECORDS, "{options}");
        ran.summary().peak_memory()
    };
    let baseline = peak("record = \"nobody\"");
    for behaviour in [
        "many-facts",
        "many-keys",
        "large-schema",
        "many-messages",
        "many-rules",
        "large-questions",
    ] {
        let peak = peak(&format!("record = \"\"\nbehaviour = \"{behaviour}\""));
        let growth = peak.saturating_sub(baseline);
        eprintln!("{behaviour}: {} MB more", growth >> 20);
        assert!(
            growth < GROWTH,
            "{behaviour} made the host grow by {growth} bytes"
        );
    }
}

#[test]
fn an_endless_log_is_cut_off_and_harms_nothing() {
    let scene = Scene::new().with_plugins("test-plugins");
    scene.configure("[component.hostile.options]\nbehaviour = \"log\"\n");
    let ran = scene.host(&["run", "--record", "oak"]).ended(0);
    assert!(
        ran.stderr.contains("log cut off at 65536 bytes"),
        "{}",
        &ran.stderr[..2000]
    );
    assert!(ran.stderr.len() < 300_000);
}

#[test]
fn what_trapped_is_tried_again_by_a_rerun_and_made_once_it_is_mended() {
    let (scene, _) = misbehave("panic");
    scene.configure("[component.hostile.options]\nrecord = \"nobody\"\n");
    let summary = scene.run(&["--record", "oak"]).ended(0).summary();
    assert_eq!(summary.count("made"), 1);
}

#[test]
fn files_that_are_no_plugins_are_refused_by_name_and_the_others_run() {
    let scene = Scene::new();
    let plugins = scene.path("plugins");
    let table = std::fs::read(plugins.join("table.wasm")).unwrap();
    std::fs::remove_file(plugins.join("text.wasm")).unwrap();
    std::fs::write(plugins.join("text.wasm"), "not wasm").unwrap();
    std::fs::write(plugins.join("cut.wasm"), &table[..table.len() / 2]).unwrap();
    std::fs::write(plugins.join("empty.wasm"), "").unwrap();
    std::fs::write(plugins.join("bare.wasm"), b"\0asm\x0d\0\x01\0").unwrap();
    let ran = scene.host(&["run", "--record", "oak"]).ended(0);
    let warnings: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| !line.contains("materials"))
        .collect();
    insta::with_settings!({filters => vec![(r"offset 0x[0-9a-f]+", "offset [..]"), (r"\(at offset [^)]*\)", "(at [..])")]}, {
        insta::assert_snapshot!(warnings.join("\n"));
    });
    assert!(scene.path("content/table/oak-laser-cleaning.md").exists());
}
