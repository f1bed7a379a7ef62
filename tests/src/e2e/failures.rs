//! What failed is told with its cause and what to do about it, and runs again when that can help, or when a
//! person says so.

use std::time::Duration;

use serde_json::Value;

use crate::scene::{KEY, Ran, Scene, until};
use simulator::{Answers, Config, Fault, FaultKind, Latency, Simulator, When};

/// A provider whose filter withholds every answer on titanium.
fn filtering() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults: vec![Fault {
            kind: FaultKind::ContentFilterFinish,
            when: When::Containing("\"Titanium\"".to_owned()),
        }],
        ..Config::default()
    })
    .unwrap()
}

const RECORDS: [&str; 4] = ["--record", "titanium", "--record", "iron"];

/// One run over two materials, of which one fails.
fn failed(simulator: &Simulator) -> Scene {
    let scene = Scene::new().asking(simulator);
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    let summary = scene.run(&RECORDS).ended(3).summary();
    assert_eq!((summary.complete(), summary.count("failed")), (1, 2));
    scene
}

/// A scene in which the test plugin fails on the oak.
fn hostile(behaviour: &str) -> Scene {
    let scene = Scene::new().with_plugins("test-plugins");
    scene.configure(&format!(
        "[component.hostile.options]\nbehaviour = \"{behaviour}\"\n"
    ));
    scene.run(&["--record", "oak"]).ended(3);
    scene
}

fn shown(scene: &Scene, arguments: &[&str]) -> String {
    let ran = scene.host(arguments).ended(0);
    let command = format!("$ batchgen {}\n", arguments.join(" "));
    format!("{command}{}{}", ran.stderr, ran.stdout)
        .replace(&scene.path("").display().to_string(), "")
}

#[test]
fn what_failed_is_told_with_what_to_do_about_it() {
    let simulator = filtering();
    let scene = failed(&simulator);
    let screens = [
        shown(&scene, &["failures"]),
        shown(
            &scene,
            &["failures", "--newest", "1", "--component", "tags"],
        ),
        shown(&scene, &["failures", "--class", "trap"]),
        shown(&scene, &["failures", "--category", "stone"]),
    ];
    insta::with_settings!({filters => vec![
        (r"\d{4}-\d\d-\d\dT[\d:.]+Z", "[time]"),
        (r"[\d.]+k? tokens, \$0\.\d+", "[n] tokens, [cost]"),
    ]}, {
        insta::assert_snapshot!(screens.join("\n"));
    });
    let line = scene.host(&["failures", "--json"]).ended(0).stdout;
    let line: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&line["blocked"], &line["groups"][0]["tasks"]),
        (&2.into(), &1.into())
    );
    let wrong = scene.host(&["failures", "--class", "invalid"]).ended(2);
    assert!(wrong.stderr.contains("invalid-output"), "{}", wrong.stderr);
}

#[test]
fn a_dead_letter_has_all_that_is_known() {
    let simulator = filtering();
    let scene = failed(&simulator);
    let ran = scene.host(&["failures", "--export", "dead.jsonl"]).ended(0);
    assert!(
        ran.stderr.contains("2 failed tasks are in dead.jsonl"),
        "{}",
        ran.stderr
    );
    let rows: Vec<Value> = scene
        .read("dead.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(rows.len(), 2);
    for (row, component) in rows.iter().zip(["frontmatter", "tags"]) {
        assert_eq!(row["record"], "titanium");
        assert_eq!(row["category"], "metal");
        assert_eq!(row["component"], component);
        assert_eq!(row["class"], "content-filter");
        assert_eq!(row["attempts"], 1);
        assert_eq!(row["last_answer"]["kind"], "content-filtered");
        assert!(row["calls"].as_u64().unwrap() >= 1, "{row}");
        assert!(row["cost_micros"].as_u64().unwrap() > 0, "{row}");
        assert_eq!(
            row["prompts"],
            format!("batchgen replay titanium {component} --prompts")
        );
    }
    let to_stdout = scene.host(&["failures", "--export", "-"]).ended(0).stdout;
    assert_eq!(to_stdout, scene.read("dead.jsonl"));
}

#[test]
fn faulty_answers_are_asked_anew_three_times_and_then_only_on_request() {
    let simulator = filtering();
    let scene = failed(&simulator);
    let asked = || simulator.ledger().requests;
    for attempt in 2..=3 {
        let before = asked();
        scene.run(&RECORDS).ended(3);
        assert!(asked() > before, "attempt {attempt}");
    }
    let before = asked();
    let ran = scene.run(&RECORDS).ended(3);
    assert_eq!(asked(), before, "a fourth time nothing is asked");
    let told = ran.events();
    let told: Vec<_> = told
        .iter()
        .filter(|event| event["event"] == "failure")
        .collect();
    assert!(told.len() == 2 && told.iter().all(|event| event["failed_before"] == true));
    scene
        .run(&["--record", "titanium", "--component", "tags"])
        .ended(3);
    assert_eq!(asked(), before);

    scene
        .host(&["retry", "--component", "tags", "--json"])
        .ended(3);
    assert!(asked() > before, "a person may");
    assert_eq!(
        scene.query("SELECT attempts * 100 + generation FROM task WHERE record = 'titanium' AND component = 'tags'"),
        403
    );
    simulator.set_faults(Vec::new());
    let summary = scene
        .host(&["retry", "--class", "content-filter", "--json"])
        .ended(0)
        .summary();
    assert_eq!(
        (summary.records(), summary.complete(), summary.count("made")),
        (1, 1, 4),
        "what failed, and what waited for it"
    );
    let again = scene.host(&["retry"]).ended(0);
    assert!(
        again.stderr.contains("nothing runs again"),
        "{}",
        again.stderr
    );
}

#[test]
fn what_fails_by_its_plugin_or_record_alone_is_left_until_something_changes() {
    for behaviour in ["panic", "fail", "loop", "many-executions", "empty"] {
        let scene = hostile(behaviour);
        let attempts = || scene.query("SELECT attempts FROM task WHERE component = 'hostile'");
        let summary = scene.run(&["--record", "oak"]).ended(3).summary();
        assert_eq!((summary.count("failed"), attempts()), (1, 1), "{behaviour}");
        let again = scene.host(&["retry", "--json"]);
        assert_eq!(again.code, Some(3), "{behaviour}: {}", again.stdout);
        assert_eq!(attempts(), 2, "{behaviour}");
        // Something changed.
        scene.replace(
            "materials.yaml",
            "- id: oak\n  name: Oak",
            "- id: oak\n  name: Old oak",
        );
        scene.run(&["--record", "oak"]).ended(3);
        assert_eq!(attempts(), 1, "{behaviour}");
    }
}

#[test]
fn a_retry_runs_what_was_chosen_and_nothing_else() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults: vec![Fault {
            kind: FaultKind::Unprocessable,
            when: When::Probability(1.0),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.run(&["--category", "glass"]).ended(3);
    simulator.set_faults(Vec::new());
    let retry = |arguments: &[&str]| {
        let ran = scene.host(&[&["retry", "--json"], arguments].concat());
        (
            ran.summary().records(),
            ran.summary().made().join(" "),
            ran.summary().count("made"),
        )
    };
    let record =
        scene.query("SELECT count(*) FROM task WHERE outcome = 'failed' AND component = 'tags'");
    assert_eq!(record, 8);
    assert_eq!(
        retry(&["--component", "tags", "--record", "quartz-glass"]),
        (1, "tags".to_owned(), 1)
    );
    assert_eq!(retry(&["--component", "tags"]), (7, "tags".to_owned(), 7));
    assert_eq!(
        retry(&["--category", "glass"]),
        (8, "frontmatter metatags text".to_owned(), 24)
    );
    let wrong = scene.host(&["retry", "--component", "tgs"]).ended(2);
    assert!(
        wrong.stderr.contains("did you mean `tags`"),
        "{}",
        wrong.stderr
    );
}

#[test]
fn a_fresh_retry_asks_anew_for_what_is_done() {
    let scene = Scene::new();
    scene.run(&["--record", "oak"]).ended(0);
    let wrong = scene.host(&["retry", "--fresh"]).ended(2);
    assert!(
        wrong.stderr.contains("pay for everything again"),
        "{}",
        wrong.stderr
    );
    let summary = scene
        .host(&[
            "retry",
            "--fresh",
            "--component",
            "frontmatter",
            "--record",
            "oak",
            "--json",
        ])
        .ended(0)
        .summary();
    assert_eq!(summary.of("frontmatter", "made"), 1);
    assert!(summary.calls("calls") >= 1);
    assert_eq!(
        scene.query("SELECT generation FROM task WHERE component = 'frontmatter'"),
        1
    );
    let summary = scene.run(&["--record", "oak"]).ended(0).summary();
    assert_eq!((summary.count("made"), summary.count("kept")), (0, 5));
}

/// The choice is durable: a retry that is killed is gone on with by a run, in the generation that was chosen.
#[test]
fn a_retry_that_is_killed_is_gone_on_with_by_a_run() {
    let simulator = filtering();
    let scene = failed(&simulator);
    let slow = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_secs(60),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = scene.asking(&slow);
    let mut child = scene.command(&["retry"]).spawn().unwrap();
    until("a question", || slow.ledger().requests > 0);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(
        scene.query("SELECT count(*) FROM task WHERE outcome = 'due' AND generation = 1"),
        2
    );
    simulator.set_faults(Vec::new());
    let scene = scene.asking(&simulator);
    let summary = scene.run(&RECORDS).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("made")), (2, 4));
    assert_eq!(scene.query("SELECT max(generation) FROM task"), 1);
}

#[test]
fn failures_are_told_while_a_host_runs() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        latency: Latency {
            first_token: Duration::from_secs(60),
            answer: Duration::ZERO,
        },
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().with_plugins("test-plugins").asking(&simulator);
    scene.configure(
        "[component.asking]\nplugin = \"hostile\"\noptions = { behaviour = \"many-executions\" }\n\
         [component.hostile]\noptions = { behaviour = \"fail\" }\n",
    );
    let mut child = scene.start(&["--record", "oak"]);
    until("a failure and a question", || {
        simulator.ledger().requests > 0
            && scene.query("SELECT count(*) FROM task WHERE outcome = 'failed'") > 0
    });
    let ran: Ran = scene.host(&["failures"]).ended(0);
    assert!(
        ran.stdout.contains("unsuitable-record  hostile: 1 task"),
        "{}",
        ran.stdout
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn without_a_state_there_is_nothing_to_tell() {
    let scene = Scene::new();
    for command in [&["failures"][..], &["export"], &["replay", "oak", "tags"]] {
        let ran = scene.host(command).ended(2);
        assert!(
            ran.stderr.contains("nothing was run yet"),
            "{command:?}: {}",
            ran.stderr
        );
    }
    assert!(!scene.path(".batchgen").exists());
}

/// Tasks that failed are failed and those that were not begun are blocked, in a run and in a retry, on every screen.
#[test]
fn a_component_that_is_held_counts_the_same_everywhere() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        answers: Answers::Echo,
        latency: Latency {
            answer: Duration::from_millis(20),
            ..Latency::default()
        },
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new()
        .with_plugins("plugins")
        .asking(&simulator)
        .with("BATCHGEN_CONCURRENCY", "4");
    let things = (1..=60).map(|number| {
        format!("{{\"id\": \"t{number}\", \"name\": \"T{number}\", \"category\": \"x\"}}\n")
    });
    scene.write("things.jsonl", &things.collect::<String>());
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"things.jsonl\"\n[plugins]\nimplicit = false\n[component.note]\nplugin = \"prompt\"\n\
         prompts.write.text = \"Write on {{ record.name }}.\"\noptions = { min-words = 50 }\n",
    );
    let told = || {
        let said = scene.host(&["failures", "--json"]).ended(0).stdout;
        let told: Value = serde_json::from_str(&said).unwrap();
        let groups = told["groups"].as_array().unwrap().clone();
        let failed: u64 = groups
            .iter()
            .map(|group| group["tasks"].as_u64().unwrap())
            .sum();
        let causes = groups
            .iter()
            .map(|group| group["causes"].as_array().unwrap().len());
        assert_eq!(causes.sum::<usize>(), 1, "{said}");
        (
            failed,
            told["blocked"].as_u64().unwrap(),
            told["due"].as_u64().unwrap(),
        )
    };
    let summary = scene.run(&[]).ended(3).summary();
    let (failed, blocked) = (summary.count("failed"), summary.count("blocked"));
    assert!(failed >= 10 && blocked > 0, "{failed}, {blocked}");
    assert_eq!(failed + blocked, 60);
    assert_eq!(told(), (failed, blocked, 0));

    let again = scene.host(&["retry", "--json"]).ended(3).summary();
    assert_eq!((again.count("failed"), again.count("blocked")), (failed, 0));
    assert_eq!(told(), (failed, blocked, 0));

    let after = scene.run(&[]).ended(3).summary();
    assert!(after.count("failed") >= failed);
    assert_eq!(after.count("failed") + after.count("blocked"), 60);
    assert_eq!(told(), (after.count("failed"), after.count("blocked"), 0));
}
