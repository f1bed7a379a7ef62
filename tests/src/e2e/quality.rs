//! Verdicts: judges, gates, and what persons decide.

use std::fs;
use std::io::{Read, Write};
use std::process::Stdio;

use serde_json::{Value, json};
use simulator::{Answers, BatchScript, Config, Simulator};

use crate::scene::{KEY, Ran, Scene};
use crate::watched::Viewing;
use crate::web::Web;

const DESCRIPTION: &str = "---
input: {record: all}
options: {min-words: 60}
---

Describe {{ record.name }}.
";

const TEASER: &str = "---
depends-on: [description]
---

Write a teaser for this: {{ upstream.description.text }}
";

/// More than the batches that any test here hands in.
const ROUNDS: usize = 20;
const TWO: [&str; 4] = ["--record", "aluminum", "--record", "oak"];

/// A description, which `quality` judges, and a teaser, which is made of it.
pub(super) fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write("components/description.md", DESCRIPTION);
    scene.write("components/teaser.md", TEASER);
    scene.configure("[component.quality]\nplugin = \"judge\"\ndepends-on = [\"description\"]\n");
    scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
    scene.replace(
        "batchgen.toml",
        "path = \"{component}/{id}-laser-cleaning.{extension}\"",
        "path = \"{component}/{id}.{extension}\"",
    );
    scene
}

/// No text of the stand-in reaches this score, since 5 is the best.
fn never(otherwise: &str) -> String {
    format!("judge: quality, at-least: 6, otherwise: {otherwise}")
}

/// The scene with a gate at its description.
pub(super) fn gated(keys: &str) -> Scene {
    let scene = scene();
    scene.replace(
        "components/description.md",
        "---\ninput",
        &format!("---\ngate: {{{keys}}}\ninput"),
    );
    scene
}

pub(super) fn lines(ran: &Ran) -> Vec<Value> {
    let lines = ran.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs `batchgen review` on what a person types.
pub(super) fn typed(scene: &Scene, arguments: &[&str], lines: &str) -> Ran {
    let arguments: Vec<&str> = ["review"].iter().chain(arguments).copied().collect();
    let mut child = scene
        .command(&arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(lines.as_bytes()).unwrap();
    drop(input);
    Ran::from(child.wait_with_output().unwrap())
}

#[test]
fn a_judge_says_each_thing_once_and_its_prompt_makes_only_verdicts_anew() {
    let scene = scene();
    let ran = scene.run(&TWO).ended(0);
    assert_eq!(ran.summary().of("quality", "made"), 2);
    let verdict = scene.content().remove("quality/aluminum.yaml").unwrap();
    for line in ["passes: true\n", "score: 5\n", "  faithfulness: 5\n"] {
        assert!(verdict.contains(line), "{verdict}");
    }
    let again = scene.run(&TWO).ended(0);
    assert_eq!(again.summary().calls("calls"), 0);

    scene.replace(
        "batchgen.toml",
        "[component.quality]\nplugin = \"judge\"\n",
        "[component.quality]\nplugin = \"judge\"\nprompts = { judge = { text = \"From {{ lowest }} to {{ highest }}:\\n{{ criteria }}\" } }\n",
    );
    let edited = scene.run(&TWO).ended(0).summary();
    assert_eq!(edited.made(), ["quality"]);
    assert_eq!(edited.calls("calls"), 2);
}

#[test]
fn a_name_with_a_plus_stands_for_all_that_depends_on_it_too() {
    let scene = scene();
    let all = ["--record", "oak", "--component", "description+"];
    let ran = scene.run(&all).ended(0).summary();
    assert_eq!(ran.made(), ["description", "quality", "teaser"]);
    let one = ["--record", "oak", "--component", "teaser+"];
    let ran = scene.run(&one).ended(0).summary();
    assert_eq!(ran.of("teaser", "kept"), 1);
    let unknown = scene.host(&["run", "--component", "descripton+"]).ended(2);
    assert!(
        unknown.stderr.contains("did you mean `description`?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_gate_holds_a_file_back_until_a_person_accepts_it() {
    let scene = gated(&never("hold"));
    let ran = scene.run(&TWO).ended(3);
    let summary = ran.summary();
    assert_eq!(summary.of("description", "made"), 2);
    assert_eq!(summary.of("description", "held"), 2);
    assert_eq!(summary.of("teaser", "blocked"), 2);
    let mut held = ran.events();
    held.retain(|event| event["event"] == "held");
    assert_eq!(held.len(), 2);
    assert_eq!(held[0]["component"], "description");
    let exported = scene.host(&["export", "--component", "description", "--format", "jsonl"]);
    let exported = exported.ended(0);
    assert!(
        exported
            .stderr
            .contains("2 files left out that a gate holds"),
        "{}",
        exported.stderr
    );
    assert!(
        lines(&exported)
            .iter()
            .all(|row| row["components"]["description"].is_null())
    );

    // The same again: nothing is asked, and nothing is made.
    let again = scene.run(&TWO).ended(3).summary();
    assert_eq!(again.calls("calls"), 0);
    assert_eq!(again.of("description", "held"), 2);

    let listed = scene
        .host(&["review", "--held", "--list", "--json"])
        .ended(0);
    let listed = lines(&listed);
    assert_eq!(listed.len(), 2);
    assert_eq!(listed[0]["score"], 5.0);
    let accepted = [
        "review", "--held", "--record", "aluminum", "--accept", "--by", "ada",
    ];
    scene.host(&accepted).ended(0);
    let ran = scene.run(&TWO).ended(3).summary();
    assert_eq!(ran.made(), ["teaser"]);
    assert_eq!(ran.of("description", "held"), 1);
    let exported = scene
        .host(&["export", "--component", "description", "--accepted"])
        .ended(0);
    let texts = lines(&exported)
        .into_iter()
        .filter(|row| !row["components"]["description"].is_null());
    assert_eq!(texts.count(), 1);
    // The verdict goes with its text, so the record is complete, and what is left out is told once.
    let whole = ["export", "--accepted", "--complete-only", "--component"];
    let whole = [
        &whole[..],
        &["description", "--component", "quality", "whole.csv"],
    ]
    .concat();
    let exported = scene.host(&whole).ended(0).stderr;
    assert!(exported.contains("1 row is in whole.csv"), "{exported}");
    let told = exported.matches("2 files left out that nobody accepted");
    assert_eq!(told.count(), 1, "{exported}");
    let why = scene
        .host(&["why", "aluminum", "description"])
        .ended(0)
        .stdout;
    assert!(why.contains("ada accepts it"), "{why}");
    assert!(
        why.contains("quality lets it pass (faithfulness 5"),
        "{why}"
    );
}

#[test]
fn what_a_judge_refuses_is_asked_for_anew_with_its_reason_and_then_held() {
    let scene = gated(&never("again"));
    let planned = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(
        planned.contains("Gates may ask for files anew: at most 4 calls more."),
        "{planned}"
    );
    let ran = scene.run(&["--record", "oak"]).ended(3).summary();
    assert_eq!(ran.of("description", "held"), 1);
    assert_eq!(ran.of("teaser", "blocked"), 1);
    // Three texts, each with its verdict.
    assert_eq!(ran.calls("calls"), 6);
    let asked = scene
        .host(&["replay", "oak", "description", "--prompts"])
        .ended(0)
        .stdout;
    assert!(
        asked.contains("An editor refused 2 earlier versions."),
        "{asked}"
    );
    assert!(asked.contains("identical to description/oak.md"), "{asked}");
    assert_eq!(
        scene.query("SELECT count(*) FROM verdict WHERE asked_again IS NOT NULL"),
        2
    );
    let again = scene.run(&["--record", "oak"]).ended(3).summary();
    assert_eq!(again.calls("calls"), 0);
}

#[test]
fn a_gate_that_warns_lets_everything_pass_and_says_so() {
    let scene = gated(&never("warn"));
    let ran = scene.run(&["--record", "oak"]).ended(0);
    assert_eq!(ran.summary().of("teaser", "made"), 1);
    let notes = ran.notes().join("\n");
    assert!(
        notes.contains("description/oak.md is not good enough: quality (5) refuses it"),
        "{notes}"
    );
}

#[test]
fn what_breaks_a_rule_is_asked_for_anew_without_a_judge() {
    let scene = gated("forbidden-words: [placeholder], otherwise: again, retries: 1");
    let ran = scene.run(&["--record", "oak", "--component", "description"]);
    let ran = ran.ended(0).summary();
    // The stand-in always says it.
    assert_eq!(ran.of("description", "held"), 1);
    assert_eq!(ran.calls("calls"), 2);
    let asked = ["replay", "oak", "description", "--prompts"];
    let asked = scene.host(&asked).ended(0).stdout;
    assert!(
        asked.contains("An editor refused an earlier version."),
        "{asked}"
    );
    assert!(asked.to_lowercase().contains("`placeholder`"), "{asked}");
    scene.replace("components/description.md", "[placeholder]", "[nonsense]");
    let opened = scene.run(&["--record", "oak", "--component", "description"]);
    let opened = opened.ended(0).summary();
    assert_eq!(opened.of("description", "held"), 0);
    assert_eq!(opened.calls("calls"), 0);
    scene.replace(
        "components/description.md",
        "[nonsense]",
        "[nonsense], max-words: 5",
    );
    let held = scene.run(&["--record", "oak", "--component", "description"]);
    assert_eq!(held.ended(0).summary().of("description", "held"), 1);
}

/// The model gives one text for all records.
#[test]
fn of_files_that_say_the_same_the_first_stays_and_the_others_are_asked_for_anew_and_held() {
    let simulator = Simulator::start(Config {
        answers: Answers::Long,
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = gated("max-similarity: 0.7, otherwise: again, retries: 1").asking(&simulator);
    let three = [
        "--record",
        "oak",
        "--record",
        "walnut",
        "--record",
        "aluminum",
        "--component",
        "description",
    ];
    let ran = scene.run(&three).ended(0).summary();
    assert_eq!(ran.of("description", "made"), 3);
    assert_eq!(ran.of("description", "held"), 2);
    assert_eq!(ran.calls("calls"), 5);
    let listed = scene.host(&["review", "--held", "--list"]).ended(0).stdout;
    assert!(
        listed.contains("100 % of it is word for word in the text of another record, `"),
        "{listed}"
    );

    let again = scene.run(&three).ended(0).summary();
    assert_eq!(again.of("description", "held"), 2);
    assert_eq!(again.calls("calls"), 0);

    // A file that somebody writes anew is like no other one.
    let held = scene.host(&["review", "--held", "--list", "--json"]);
    let held = lines(&held.ended(0))[0]["record"]
        .as_str()
        .unwrap()
        .to_owned();
    let own = format!("content/description/{held}.md");
    scene.write(&own, "Nothing that is written here stands anywhere else.\n");
    let edited = scene.run(&three).ended(0).summary();
    assert_eq!(edited.of("description", "held"), 1);

    // And one that is made to say what another one says is held.
    let others = ["oak", "walnut", "aluminum"];
    let other = others.into_iter().find(|record| *record != held).unwrap();
    let text = fs::read_to_string(scene.path(&format!("content/description/{other}.md"))).unwrap();
    scene.write(&own, &text);
    let copied = scene.run(&three).ended(0).summary();
    assert_eq!(copied.of("description", "held"), 2);
}

#[test]
fn a_note_of_a_person_goes_to_the_model_and_the_file_is_made_anew() {
    let scene = scene();
    scene.run(&TWO).ended(0);
    let before = scene.content();
    let refuse = [
        "review",
        "--record",
        "aluminum",
        "--component",
        "description",
        "--refuse",
        "Say more of rust.",
    ];
    scene.host(&refuse).ended(0);
    let ran = scene.run(&TWO).ended(0).summary();
    assert_eq!(ran.made(), ["description", "quality", "teaser"]);
    assert_eq!(ran.of("description", "made"), 1);
    let after = scene.content();
    assert_ne!(
        before["description/aluminum.md"],
        after["description/aluminum.md"]
    );
    let asked = scene
        .host(&["replay", "aluminum", "description", "--prompts"])
        .ended(0)
        .stdout;
    assert!(asked.contains("- Say more of rust."), "{asked}");
    // What was refused is gone, so the new file awaits a decision.
    let listed = scene.host(&["review", "--component", "description", "--list", "--json"]);
    assert_eq!(lines(&listed.ended(0)).len(), 2);
    let again = scene.run(&TWO).ended(0).summary();
    assert_eq!(again.calls("calls"), 0);
}

#[test]
fn a_judge_is_measured_by_what_persons_say() {
    let scene = scene();
    scene.run(&TWO).ended(0);
    let nothing = scene.host(&["judge", "check"]).ended(0).stdout;
    assert!(nothing.contains("`batchgen review`"), "{nothing}");
    for (record, decision) in [
        ("aluminum", ["--accept", "--by=ada"]),
        ("oak", ["--refuse=Dull.", "--by=bob"]),
    ] {
        let mut arguments = vec!["review", "--component", "description", "--record", record];
        arguments.extend(decision);
        scene.host(&arguments).ended(0);
    }
    let checked = scene.host(&["judge", "check", "--json"]).ended(0);
    let checked = lines(&checked).remove(0);
    assert_eq!(
        (&checked["judge"], &checked["texts"]),
        (&"quality".into(), &2.into())
    );
    assert_eq!(
        (&checked["percent"], &checked["too_kind"]),
        (&50.0.into(), &1.into())
    );
    let low = scene
        .host(&["judge", "check", "--at-least-agreement", "80"])
        .ended(3)
        .stdout;
    assert!(
        low.contains(
            "oak description: quality accepts it: Nothing has to change.; bob refuses it: Dull."
        ),
        "{low}"
    );
    let scores = scene.host(&["judge", "scores"]).ended(0).stdout;
    assert!(
        scores.contains("persons") && scores.contains("5.00"),
        "{scores}"
    );
}

#[test]
fn scores_are_on_every_screen() {
    let scene = scene();
    scene.run(&TWO).ended(0);
    let row = |component: &str, by: &str, category: &str, passed: u64, mean: Value| json!({"component": component, "by": by, "category": category, "passed": passed, "failed": 0, "scored": passed, "mean": mean});
    let status = scene.host(&["status", "--json"]).ended(0);
    let status: Value = serde_json::from_str(&status.stdout).unwrap();
    assert_eq!(
        status["scores"],
        json!([
            row("description", "quality", "metal", 1, 5.0.into()),
            row("description", "quality", "wood", 1, 5.0.into()),
        ])
    );
    let accept = [
        "review",
        "--accept",
        "--component",
        "description",
        "--record",
        "oak",
    ];
    scene.host(&accept).ended(0);
    scene.run(&TWO).ended(0);
    let told = scene.host(&["status"]).ended(0).stdout;
    insta::assert_snapshot!(
        told.lines()
            .filter(|line| line.contains("description") || line.contains("mean"))
            .collect::<Vec<_>>()
            .join("\n")
    );
    let report = scene.host(&["report", "--markdown"]).ended(0).stdout;
    for line in [
        "| description | quality | (all) | 2 | 100 % | 5.00 |",
        "| description | persons | wood | 1 | 100 % |  |",
    ] {
        assert!(report.contains(line), "{report}");
    }
    let view = Viewing::start(&scene);
    let metrics = Web::new().get(&format!("{}metrics", view.page)).body;
    for line in [
        "batchgen_files_judged{component=\"description\",by=\"quality\",category=\"wood\",said=\"passes\"} 1",
        "batchgen_files_judged{component=\"description\",by=\"persons\",category=\"wood\",said=\"fails\"} 0",
        "batchgen_score_mean{component=\"description\",by=\"quality\",category=\"metal\"} 5",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
}

#[test]
fn a_person_decides_file_by_file_takes_back_and_quits() {
    let scene = scene();
    scene
        .run(&["--limit", "3", "--component", "description"])
        .ended(0);
    let ran = typed(
        &scene,
        &["--component", "description", "--by", "ada"],
        "what?\na\nr too dry\nu\ns\nq\n",
    );
    assert_eq!(ran.code, Some(0));
    assert!(
        ran.stdout.contains("take back the last decision"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("taken back:"), "{}", ran.stdout);
    assert!(
        ran.stderr.contains("1 file accepted, 0 refused by ada"),
        "{}",
        ran.stderr
    );
    assert_eq!(scene.query("SELECT count(*) FROM verdict WHERE passes"), 1);
    assert_eq!(scene.query("SELECT count(*) FROM verdict"), 1);
    let again = scene
        .run(&["--limit", "3", "--component", "description"])
        .ended(0);
    assert_eq!(
        again.summary().made(),
        [""; 0],
        "what was taken back is not due"
    );
}

#[test]
fn while_a_person_reviews_the_last_run_is_told_and_no_run_begins() {
    let scene = scene();
    scene.run(&TWO).ended(0);
    let mut child = scene
        .command(&["review"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut shown = String::new();
    let mut output = child.stderr.take().unwrap();
    while !shown.contains("[q]uit") {
        let mut byte = [0];
        output.read_exact(&mut byte).unwrap();
        shown.push(byte[0].into());
    }
    let status = scene.host(&["status"]).ended(0).stdout;
    assert!(status.contains("6 artifacts made"), "{status}");
    let report = scene.host(&["report", "--markdown"]).ended(0).stdout;
    assert!(report.contains("quality"), "{report}");
    let refused = scene.host(&["run"]);
    let holder = format!("another batchgen (review in process {})", child.id());
    assert!(refused.stderr.contains(&holder), "{}", refused.stderr);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_edit_is_adopted_accepted_and_shown_as_what_changed() {
    let scene = scene().with("EDITOR", "sed -i s/Aluminum/Alu/");
    let arguments = ["--component", "description", "--record", "aluminum"];
    scene.run(&arguments).ended(0);
    let accepted = typed(&scene, &arguments, "a\n");
    assert_eq!(accepted.code, Some(0));
    let text = fs::read_to_string(scene.path("content/description/aluminum.md")).unwrap();
    assert!(text.contains("Aluminum"), "{text}");
    // An edit ends the acceptance.
    scene.write(
        "content/description/aluminum.md",
        &format!("{text}\nMore.\n"),
    );
    let edited = typed(&scene, &arguments, "e\na\n");
    assert!(
        edited.stdout.contains("an earlier text was accepted"),
        "{}",
        edited.stdout
    );
    assert!(edited.stdout.contains("+More."), "{}", edited.stdout);
    let text = fs::read_to_string(scene.path("content/description/aluminum.md")).unwrap();
    assert!(
        text.contains("Describe Alu.") && text.contains("More."),
        "{text}"
    );
    let listed = ["review", "--decided", "--list", "--json"];
    let listed: Vec<&str> = listed.iter().chain(&arguments).copied().collect();
    assert_eq!(lines(&scene.host(&listed).ended(0))[0]["accepted"], true);
    let ran = scene.run(&arguments).ended(0).summary();
    assert_eq!(ran.of("description", "kept"), 1, "an accepted edit stays");
}

#[test]
fn a_gate_that_cannot_be_is_told_with_its_place() {
    for (keys, said) in [
        ("judge: qualty", "did you mean `quality`?"),
        ("judge: teaser", "`teaser` gives no verdicts"),
        ("at-least: 4", "it asks for nothing"),
        ("min-words: 9, max-words: 8", "it is more than `max-words`"),
        ("min-words: 9, at-least: 3", "nobody gives a score"),
        ("judge: quality, retries: 3", "nothing is asked for anew"),
        ("max-similarity: 0.4", "write a share from 0.6 to 0.99"),
        ("max-similarity: 70", "write a share from 0.6 to 0.99"),
        (
            "judge: quality, otherwise: again, retries: 99",
            "write a number from 1 to 10",
        ),
        ("judge: quality, otherwise: perhaps", "perhaps"),
    ] {
        let scene = gated(keys);
        let ran = scene.run(&["--record", "oak"]);
        assert_eq!(ran.code, Some(2), "{keys}: {}", ran.stderr);
        assert!(ran.stderr.contains(said), "{keys}: {}", ran.stderr);
        assert!(
            ran.stderr.contains("components/description.md"),
            "{keys}: {}",
            ran.stderr
        );
    }
    let scene = scene();
    scene.replace(
        "batchgen.toml",
        "depends-on = [\"description\"]",
        "depends-on = [\"description\", \"teaser\"]",
    );
    let ran = scene.run(&["--record", "oak"]).ended(2);
    assert!(
        ran.stderr.contains("it judges the files of one component"),
        "{}",
        ran.stderr
    );
}

/// The judge's questions are in batches too, so that a text waits for its verdict before anything else goes on.
#[test]
fn a_gate_waits_for_a_judge_whose_answer_comes_with_a_batch() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        batch: BatchScript::default(),
        ..Config::default()
    })
    .unwrap();
    let batched = gated(&never("again")).asking(&simulator);
    let arguments = [&TWO[..], &["--mode", "batch", "--no-wait"]].concat();
    // As cron would, until no batch is waited for.
    let mut ran = batched.run(&arguments);
    for _ in 0..ROUNDS {
        if ran.code == Some(6) {
            ran = batched.run(&arguments);
        }
    }
    let ran = ran.ended(3).summary();
    assert_eq!(ran.of("description", "held"), 2);
    assert_eq!(ran.of("teaser", "blocked"), 2);
    let alone = simulator.ledger().calls;
    assert!(
        alone.iter().all(|call| call.batch.is_some()),
        "nothing is asked alone"
    );
    let lines = simulator.billed_lines();
    assert!(
        lines.values().all(|line| line.billed == 1),
        "nothing is paid for twice"
    );
    let again = batched.run(&arguments).ended(3).summary();
    assert_eq!(again.calls("calls"), 0);
}
