//! The main job: all components over all 109 materials.

use super::published;
use crate::scene::{KEY, Scene};
use simulator::{Answers, Config, Simulator};

/// Components that are enabled by default, and those of them that ask a model.
const DEFAULT: u64 = 5;

#[test]
fn all_components_over_all_materials_offline() {
    let scene = Scene::new().with_plugins("plugins");
    let ran = scene.run(&["--all"]).ended(0);
    let summary = ran.summary();
    assert_eq!((summary.complete(), summary.records()), (109, 109));
    assert!(summary.count("made") >= 109 * DEFAULT);
    let content = scene.content();
    assert_eq!(content.len() as u64, summary.count("made"));
    published::check(&content);
    for path in [
        "frontmatter/oak-laser-cleaning.md",
        "tags/silicon-laser-cleaning.txt",
    ] {
        assert!(scene.path("content").join(path).exists(), "{path}");
    }
    let offline = scene.query("SELECT count(*) FROM completion WHERE provider = 'offline'");
    assert_eq!(
        offline,
        summary.calls("calls"),
        "what was written offline is marked"
    );

    let again = scene.run(&["--all"]).ended(0).summary();
    assert_eq!((again.count("made"), again.calls("calls")), (0, 0));
    let shown = scene.host(&["run", "--all"]).ended(0).stdout;
    assert!(shown.starts_with("nothing to do: all "), "{shown}");
}

#[test]
fn a_model_over_http_writes_it_all() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().with_plugins("plugins").asking(&simulator);
    let summary = scene.run(&["--all"]).ended(0).summary();
    assert_eq!(summary.complete(), 109);
    let ledger = simulator.ledger();
    assert_eq!(ledger.billed(), summary.calls("calls"));
    assert_eq!(ledger.billed_again(), 0);
    let journaled = scene.query("SELECT count(*) FROM completion WHERE provider = 'openai'");
    assert_eq!(journaled, ledger.billed());
    scene.run(&["--all"]).ended(0);
    assert_eq!(
        simulator.ledger().requests,
        ledger.requests,
        "a rerun asks nothing"
    );
}

#[test]
fn a_model_that_cannot_stream_will_do() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().with_plugins("plugins").asking(&simulator);
    scene.configure("[provider.openai]\nstream = false\n");
    let summary = scene.run(&["--sample", "8"]).ended(0).summary();
    assert_eq!(summary.complete(), 8);
}

/// At least 99 % of artifacts valid, at most 1.3 calls per artifact that a model writes.
#[test]
fn a_sloppy_writer_is_mended_and_repaired() {
    let config = Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Sloppy,
        ..Config::default()
    };
    let simulator = Simulator::start(config).unwrap();
    let scene = Scene::new().with_plugins("plugins").asking(&simulator);
    let ran = scene.run(&["--all"]);
    let summary = ran.summary();
    let (made, lost) = (
        summary.count("made"),
        summary.count("failed") + summary.count("blocked"),
    );
    assert!(
        made * 100 >= (made + lost) * 99,
        "{made} made, {lost} lost: {:?}",
        ran.failures()
    );
    let written = scene.query("SELECT count(*) FROM task WHERE outcome = 'done' AND calls > 0");
    let calls = summary.calls("calls");
    assert!(
        calls * 10 <= written * 13,
        "{calls} calls for {written} artifacts"
    );
    assert_eq!(simulator.ledger().billed_again(), 0);
    let content = scene.content();
    published::check(&content);
    for (path, text) in content {
        assert!(
            !text.contains("```") && !text.contains("Certainly"),
            "{path}:\n{text}"
        );
    }
}

#[test]
fn a_part_of_the_work_can_be_chosen() {
    let scene = Scene::new();
    let by = |arguments: &[&str]| {
        let summary = scene.run(arguments).ended(0).summary();
        (summary.records(), summary.count("made"))
    };
    assert_eq!(
        by(&["--component", "tags", "--record", "oak", "--record", "iron"]),
        (2, 2)
    );
    assert_eq!(
        by(&["--component", "table", "--category", "semiconductor"]),
        (4, 4)
    );
    assert_eq!(by(&["--component", "table", "--limit", "3"]), (3, 3));
    assert_eq!(by(&["--component", "tags", "--sample", "8"]).0, 8);
    assert_eq!(
        scene.query("SELECT count(DISTINCT category) FROM record JOIN task ON record = record.id AND task.component = 'tags' AND record.id NOT IN ('oak', 'iron')"),
        8,
        "a sample is spread over the categories"
    );
    // A component that is asked for brings those that it depends on.
    let summary = scene
        .run(&["--component", "text", "--record", "granite"])
        .ended(0)
        .summary();
    assert_eq!(summary.made(), ["frontmatter", "text"]);
}

#[test]
fn other_formats_give_the_same_run() {
    let scene = Scene::new().with_plugin("example-plugins/summary");
    let rows = [
        ("ruby", "Ruby", "gem"),
        ("opal", "Opal", "gem"),
        ("teak", "Teak", "wood"),
    ];
    let jsonl: Vec<String> = rows
        .iter()
        .map(|(id, name, kind)| {
            format!(r#"{{"key": "{id}", "title": "{name}", "kind": "{kind}"}}"#)
        })
        .collect();
    scene.write("rows.jsonl", &jsonl.join("\n"));
    scene.write("rows.json", &format!("[{}]", jsonl.join(",")));
    let csv: Vec<String> = rows
        .iter()
        .map(|(id, name, kind)| format!("{id},{name},{kind}"))
        .collect();
    scene.write("rows.csv", &format!("key,title,kind\n{}\n", csv.join("\n")));
    let mut contents = Vec::new();
    for file in ["rows.jsonl", "rows.json", "rows.csv"] {
        scene.write(
            "batchgen.toml",
            &format!("[dataset]\npath = \"{file}\"\nid = \"key\"\nname = \"title\"\ncategory = \"kind\"\n"),
        );
        let _ = std::fs::remove_dir_all(scene.path("content"));
        let summary = scene.run(&[]).ended(0).summary();
        assert_eq!((summary.complete(), summary.records()), (3, 3), "{file}");
        contents.push(scene.content());
    }
    assert!(contents.iter().all(|content| *content == contents[0]));
}
