//! What `plan` says is what `run` does, whatever changed; and `why` says it of one task.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use super::policy;
use crate::scene::{KEY, Scene, root};
use simulator::{Config, Fault, FaultKind, Simulator, When};

/// Four materials.
pub(super) const SELECTION: [&str; 2] = ["--category", "semiconductor"];

/// A scene in which they are done.
fn done() -> Scene {
    let scene = Scene::new();
    let summary = scene.run(&SELECTION).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("made")), (4, 20));
    scene
}

/// `batchgen plan` with these arguments, as text.
fn shown(scene: &Scene, arguments: &[&str]) -> String {
    scene.host(&[&["plan"], arguments].concat()).ended(0).stdout
}

/// `batchgen plan --json` by component.
pub(super) fn planned(scene: &Scene, arguments: &[&str]) -> BTreeMap<String, Value> {
    let ran = scene
        .host(&[&["plan", "--json"], arguments].concat())
        .ended(0);
    components(&ran.events())
}

fn components(events: &[Value]) -> BTreeMap<String, Value> {
    let plan = events.iter().find(|event| event["event"] == "plan");
    let rows = plan.unwrap()["components"].as_array().unwrap();
    rows.iter()
        .map(|row| (row["component"].as_str().unwrap().to_owned(), row.clone()))
        .collect()
}

/// `batchgen why`, without what is another one every time: hashes and times.
fn why(scene: &Scene, record: &str, component: &str) -> String {
    let text = scene.host(&["why", record, component]).ended(0).stdout;
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let bare = word.trim_end_matches([' ', ',', '\n', ':']);
        let is_hash = bare.len() == 12 && bare.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_time = bare.ends_with('Z') && bare.len() == "2026-01-31T12:00:00.000Z".len();
        if is_hash || is_time {
            word.replace(bare, if is_hash { "[hash]" } else { "[time]" })
        } else {
            word.to_owned()
        }
    });
    words.collect()
}

/// Changes the bytes of a plugin, and not what it does: a custom section with id, size, name and nothing.
pub(super) fn touch_plugin(scene: &Scene, name: &str) {
    let plugin = scene.path(&format!("plugins/{name}.wasm"));
    let mut bytes = fs::read(&plugin).unwrap();
    bytes.extend_from_slice(b"\x00\x05\x04note");
    fs::remove_file(&plugin).unwrap();
    fs::write(&plugin, bytes).unwrap();
}

/// A change, and how many tasks of frontmatter, metatags, text, table and tags it makes run, for certain and
/// perhaps.
struct Case {
    name: &'static str,
    edit: fn(&Scene),
    runs: [u64; 5],
    may: [u64; 5],
    /// Whether it is a change to an output file, so that there is none before the first run.
    of_output: bool,
}

const fn case(name: &'static str, edit: fn(&Scene), runs: [u64; 5], may: [u64; 5]) -> Case {
    Case {
        name,
        edit,
        runs,
        may,
        of_output: false,
    }
}

const fn of_output(name: &'static str, edit: fn(&Scene), runs: [u64; 5]) -> Case {
    Case {
        name,
        edit,
        runs,
        may: [0; 5],
        of_output: true,
    }
}

pub(super) const COMPONENTS: [&str; 5] = ["frontmatter", "metatags", "text", "table", "tags"];

fn cases() -> Vec<Case> {
    vec![
        case("nothing", |_| {}, [0; 5], [0; 5]),
        case(
            "a field of one record",
            |scene| {
                scene.replace(
                    "materials.yaml",
                    "density_g_cm3: 2.329\n",
                    "density_g_cm3: 2.33\n",
                );
            },
            [1, 0, 1, 1, 1],
            [0, 1, 0, 0, 0],
        ),
        case(
            "a field that nobody asks for",
            |scene| {
                scene.replace(
                    "materials.yaml",
                    "- id: silicon\n",
                    "- id: silicon\n  remark: x\n",
                )
            },
            [0; 5],
            [0; 5],
        ),
        case(
            "the name of one record",
            |scene| {
                scene.replace(
                    "materials.yaml",
                    "- id: silicon\n  name: Silicon\n",
                    "- id: silicon\n  name: Silicium\n",
                );
            },
            [1; 5],
            [0; 5],
        ),
        // The question about it stays the same, so that its new front matter is known before.
        case(
            "a field of the category",
            |scene| {
                scene.replace(
                    "materials.yaml",
                    "band_gap_ev: {min: 1.04,",
                    "band_gap_ev: {min: 1.05,",
                )
            },
            [4, 4, 4, 4, 0],
            [0; 5],
        ),
        case(
            "a field of the category that nobody asks for",
            |scene| {
                scene.replace(
                    "materials.yaml",
                    "  description: Elemental and compound crystals",
                    "  description: Simple and compound crystals",
                );
            },
            [0; 5],
            [0; 5],
        ),
        case(
            "a prompt",
            |scene| {
                let prompt =
                    fs::read_to_string(root().join("plugins/tags/prompts/write.md")).unwrap();
                scene.write("tags.md", &format!("{prompt}\nPrefer industries.\n"));
                scene.configure("[component.tags]\nprompts = { write = \"tags.md\" }\n");
            },
            [0, 0, 0, 0, 4],
            [0; 5],
        ),
        case(
            "an option",
            |scene| scene.configure("[component.text.options]\nmax-words = 400\n"),
            [0, 0, 4, 0, 0],
            [0; 5],
        ),
        case(
            "an option of what asks no model",
            |scene| scene.configure("[component.metatags.options]\ntheme-color = \"#000000\"\n"),
            [0, 4, 0, 0, 0],
            [0; 5],
        ),
        case(
            "a parameter of the model",
            |scene| scene.configure("[component.tags]\ntemperature = 0.5\n"),
            [0, 0, 0, 0, 4],
            [0; 5],
        ),
        case(
            "the body of a model's requests",
            |scene| scene.configure("[models.offline]\nextra-body = { seed = 7 }\n"),
            [4, 0, 4, 0, 4],
            [0, 4, 0, 0, 0],
        ),
        case(
            "what nothing is made from",
            |scene| scene.configure("[component.tags]\npriority = 1\n[retry]\nmax-tries = 9\n"),
            [0; 5],
            [0; 5],
        ),
        case(
            "a plugin's file",
            |scene| touch_plugin(scene, "table"),
            [0, 0, 0, 4, 0],
            [0; 5],
        ),
        // It makes the same files from the same answers, and that is known before.
        case(
            "the file of a plugin that others depend on",
            |scene| touch_plugin(scene, "frontmatter"),
            [4, 0, 0, 0, 0],
            [0; 5],
        ),
        case(
            "the site",
            |scene| scene.configure("[site]\nname = \"Other\"\n"),
            [4; 5],
            [0; 5],
        ),
        of_output(
            "an upstream's file edited by hand",
            |scene| {
                scene.replace(
                    "content/frontmatter/silicon-laser-cleaning.md",
                    "title: ",
                    "note: checked by hand\ntitle: ",
                );
            },
            [0, 1, 1, 0, 0],
        ),
        of_output(
            "a file removed that others depend on",
            |scene| {
                fs::remove_file(scene.path("content/frontmatter/silicon-laser-cleaning.md"))
                    .unwrap();
            },
            [1, 0, 0, 0, 0],
        ),
        of_output(
            "a file edited that nothing depends on",
            |scene| scene.replace("content/table/silicon-laser-cleaning.md", "2.329", "2.33"),
            [0; 5],
        ),
    ]
}

#[test]
fn run_does_what_plan_says() {
    let mut screens = Vec::new();
    for case in cases() {
        let name = case.name;
        let scene = done();
        (case.edit)(&scene);
        let before = scene.content();
        let answers = scene.query("SELECT count(*) FROM completion");
        let screen = shown(&scene, &SELECTION);
        let plan = planned(&scene, &SELECTION);
        assert_eq!(scene.content(), before, "{name}: a plan writes nothing");
        assert_eq!(
            scene.query("SELECT count(*) FROM completion"),
            answers,
            "{name}"
        );
        let number = |component: &str, key: &str| plan[component][key].as_u64().unwrap();
        let says = |key| COMPONENTS.map(|component| number(component, key));
        assert_eq!(says("to_make"), case.runs, "{name}");
        assert_eq!(says("depends_on_upstream"), case.may, "{name}");

        let summary = scene.run(&SELECTION).ended(0).summary();
        let made = COMPONENTS.map(|component| summary.of(component, "made"));
        for (place, made) in made.iter().enumerate() {
            let (least, more) = (case.runs[place], case.may[place]);
            assert!(
                (least..=least + more).contains(made),
                "{name}: {} made {made}",
                COMPONENTS[place]
            );
        }
        let edited = COMPONENTS.map(|component| summary.of(component, "edited"));
        assert_eq!(says("edited"), edited, "{name}");
        let calls = |component: &str, part: &str| {
            plan[component]["forecast"]["calls"][part]
                .as_u64()
                .unwrap_or(0)
        };
        let sum = |part| COMPONENTS.iter().map(|name| calls(name, part)).sum::<u64>();
        let (counted, estimated) = (sum("counted"), sum("estimated"));
        let asked = summary.calls("calls");
        assert!(
            (counted..=counted + estimated).contains(&asked),
            "{name}: {counted} and {estimated} were said, {asked} were asked"
        );
        let last = "SELECT count(*) FROM task WHERE run = (SELECT max(id) FROM run)";
        assert_eq!(scene.query(last), made.iter().sum::<u64>(), "{name}");
        // Exactly what would come of it all had it been so from the start.
        if !case.of_output {
            let fresh = Scene::new();
            (case.edit)(&fresh);
            fresh.run(&SELECTION).ended(0);
            assert_eq!(fresh.content(), scene.content(), "{name}");
        }
        let again = planned(&scene, &SELECTION);
        for (component, row) in again {
            let left = [&row["to_make"], &row["depends_on_upstream"]];
            assert_eq!(left, [0, 0], "{name}: {component}");
        }
        screens.push(format!("# {name}\n{screen}"));
    }
    insta::assert_snapshot!(screens.join("\n"));
}

#[test]
fn a_first_plan_counts_what_can_be_counted() {
    let scene = Scene::new();
    insta::assert_snapshot!(shown(&scene, &["--model", "openai/gpt-4o-mini"]));
    assert!(!scene.path("content").exists());
    let plan = planned(&scene, &["--sample", "8"]);
    let tags = &plan["tags"]["forecast"];
    assert_eq!(
        (&tags["calls"]["counted"], &tags["basis"]),
        (&8.into(), &"cap".into())
    );
    // What was counted is what is then billed, to the token: the offline writer reckons as the estimate does.
    let counted = tags["input_tokens"]["counted"].as_u64().unwrap();
    scene.run(&["--sample", "8"]).ended(0);
    let billed = scene.query("SELECT sum(input_tokens) FROM task WHERE component = 'tags'");
    assert!(
        counted.abs_diff(billed) <= 8,
        "{counted} counted, {billed} billed"
    );
    let plan = planned(&scene, &["--component", "tags"]);
    let tags = &plan["tags"]["forecast"];
    assert_eq!(
        (&tags["basis"], &tags["observed_tasks"]),
        (&"observed".into(), &8.into())
    );
}

#[test]
fn a_pilot_is_run_first_and_planned_from() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.configure("[models.\"openai/sim\"]\nprice = { input = 1.0, output = 2.0 }\n");
    let ran = scene
        .host(&[&["plan", "--json", "--pilot", "2"], &SELECTION[..]].concat())
        .ended(0);
    let asked = simulator.ledger().requests;
    let plan = components(&ran.events());
    let text = &plan["text"];
    assert_eq!(
        (&text["up_to_date"], &text["to_make"]),
        (&2.into(), &2.into())
    );
    let forecast = &text["forecast"];
    assert_eq!(
        (&forecast["basis"], &forecast["observed_tasks"]),
        (&"observed".into(), &2.into())
    );
    assert!(forecast["cost_micros"].as_u64().unwrap() > 0);
    assert!(forecast["output_tokens_per_task"]["p90"].as_u64().unwrap() < 2000);
    // A plan by itself asks nobody.
    shown(&scene, &SELECTION);
    assert_eq!(simulator.ledger().requests, asked);
    // A pilot that may spend hardly anything ends as such a run does, and there is a plan all the same.
    let poor = scene
        .host(&[
            "plan",
            "--pilot",
            "4",
            "--max-cost",
            "0.000001",
            "--category",
            "metal",
        ])
        .ended(4);
    assert!(poor.stdout.contains("to make"), "{}", poor.stdout);
}

#[test]
fn what_failed_before_is_told_with_its_class() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults: vec![Fault {
            kind: FaultKind::Status(400),
            when: When::Probability(1.0),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    let selection = ["--record", "silicon"];
    scene.run(&selection).ended(3);
    let reasons = |component: &str| {
        let plan = planned(&scene, &selection);
        let reasons = plan[component]["reasons"].as_array().unwrap().clone();
        let text = |reason: &Value| reason["reason"].as_str().unwrap().to_owned();
        reasons.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(reasons("frontmatter"), ["failed before: bad-request"]);
    assert_eq!(reasons("text"), ["blocked before"]);
    insta::assert_snapshot!(
        [
            why(&scene, "silicon", "frontmatter"),
            why(&scene, "silicon", "text")
        ]
        .join("\n")
    );
}

#[test]
fn what_a_failure_means_is_known_before() {
    let arguments = [&policy::RECORDS[..], &["--component", "other"]].concat();
    for policy in ["hold-dependents", "leave-out", "fail-record"] {
        let scene = Scene::new().with_plugins("test-plugins");
        policy::configure(&scene, &format!("on-failure = \"{policy}\"\n"), "oak");
        // First it fails, then it stays failed.
        for round in ["first", "second"] {
            let plan = planned(&scene, &arguments);
            let summary = scene.run(&arguments).ended(3).summary();
            for (component, row) in plan {
                let said = |key: &str| row[key].as_u64().unwrap();
                let expected = [
                    said("to_make") - said("fails"),
                    said("fails") + said("stay_failed"),
                    said("up_to_date"),
                    said("blocked"),
                    said("skipped"),
                    0,
                ];
                let did = ["made", "failed", "kept", "blocked", "skipped"]
                    .map(|key| summary.of(&component, key));
                let did = [&did[..], &[said("depends_on_upstream")]].concat();
                assert_eq!(expected[..], did[..], "{policy}, {round}: {component}");
            }
        }
        let told = why(&scene, "oak", "hostile");
        assert!(
            told.contains("batchgen retry --record oak --component hostile"),
            "{told}"
        );
    }
}

#[test]
fn why_explains_one_task() {
    let scene = Scene::new();
    let mut screens = vec![why(&scene, "silicon", "text")];
    scene.run(&SELECTION).ended(0);
    screens.push(why(&scene, "silicon", "text"));
    scene.configure(
        "[component.text]\ntemperature = 0.4\noptions = { max-words = 400 }\n[component.metatags.options]\nrobots = \"none\"\n",
    );
    scene.replace(
        "content/frontmatter/silicon-laser-cleaning.md",
        "title: ",
        "note: checked by hand\ntitle: ",
    );
    fs::remove_file(scene.path("content/tags/silicon-laser-cleaning.txt")).unwrap();
    for component in ["text", "frontmatter", "metatags", "tags"] {
        screens.push(why(&scene, "silicon", component));
    }
    scene.replace(
        "materials.yaml",
        "density_g_cm3: 3.21\n",
        "density_g_cm3: 3.22\n",
    );
    screens.push(why(&scene, "silicon-carbide", "metatags"));
    insta::assert_snapshot!(screens.join("\n"));
    let report = scene
        .host(&["why", "--json", "silicon", "text"])
        .ended(0)
        .events();
    assert_eq!(report[0]["task"]["action"], "runs");
    assert_eq!(report[0]["task"]["depends_on"][0]["action"], "edited");
}

#[test]
fn why_knows_what_was_meant() {
    let scene = Scene::new();
    let error = |arguments: &[&str]| scene.host(&[&["why"], arguments].concat()).ended(2).stderr;
    assert!(error(&["silicn", "text"]).contains("did you mean `silicon`?"));
    assert!(error(&["silicon", "txt"]).contains("did you mean `text`?"));
}

#[test]
fn help_says_what_there_is() {
    let scene = Scene::new();
    let help = |command| scene.host(&[command, "--help"]).ended(0).stdout;
    insta::assert_snapshot!(format!("{}\n{}", help("plan"), help("why")));
}
