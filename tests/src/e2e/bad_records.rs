//! A record that cannot be read costs itself: it is told with its line and its cause, and the others run.

use crate::scene::Scene;

/// Three good records among bad ones of many kinds.
const LINES: &str = r#"{"id": "oak", "name": "Oak", "category": "wood"}
{"id": "elm", "name": "Elm", "category": "wood"
{"name": "Ash", "category": "wood"}
{"id": "oak", "name": "Oak again", "category": "wood"}
["fir"]
{"id": "Red Oak", "name": "Red oak", "category": "wood"}
{"id": "yew", "name": ["Yew"], "category": "wood"}
{"id": "iron", "name": "Iron", "category": "metal"}
{"id": "zinc", "name": "Zinc", "category": "metal"}
"#;
const BAD: [u64; 6] = [2, 3, 4, 5, 6, 7];

fn scene() -> Scene {
    let scene = Scene::new();
    scene.replace(
        "batchgen.toml",
        "path = \"materials.yaml\"",
        "path = \"materials.jsonl\"",
    );
    scene.write("materials.jsonl", LINES);
    scene
}

fn names_all_lines(text: &str) {
    for line in BAD {
        let place = format!("materials.jsonl:{line}:");
        assert!(text.contains(&place), "{place} is missing in {text}");
    }
}

const TAGS: [&str; 2] = ["--component", "tags"];

#[test]
fn the_others_run_and_every_command_knows_the_bad_ones() {
    let scene = scene();
    let doctor = scene.host(&["doctor"]).ended(0).stdout;
    names_all_lines(&doctor);
    let plan = scene.host(&[&["plan"], &TAGS[..]].concat()).ended(0);
    names_all_lines(&plan.stderr);
    let ran = scene.host(&[&["run"], &TAGS[..]].concat()).ended(3);
    names_all_lines(&ran.stderr);
    assert!(
        ran.stdout
            .contains("6 records of the dataset cannot be read"),
        "{}",
        ran.stdout
    );
    let made: Vec<String> = scene.content().into_keys().collect();
    assert_eq!(
        made,
        [
            "tags/iron-laser-cleaning.txt",
            "tags/oak-laser-cleaning.txt",
            "tags/zinc-laser-cleaning.txt"
        ]
    );
    let failures = scene.host(&["failures"]).ended(0);
    names_all_lines(&failures.stderr);
    scene.host(&["failures", "--export", "dead.jsonl"]).ended(0);
    names_all_lines(&scene.read("dead.jsonl"));
    let report = scene.host(&["report", "--markdown"]).ended(0).stdout;
    assert!(report.contains("cannot be read | 6 |"), "{report}");
    let export = scene.host(&[&["export"], &TAGS[..]].concat()).ended(3);
    assert_eq!(export.stdout.lines().count(), 3, "{}", export.stdout);
    names_all_lines(&export.stderr);
    // Nothing changed: it is told again, and what is there is kept.
    let summary = scene.run(&TAGS).ended(3).summary();
    assert_eq!((summary.count("made"), summary.count("kept")), (0, 3));
    let named = scene.host(&["run", "--record", "yew"]).ended(2).stderr;
    assert!(named.contains("materials.jsonl:7:"), "{named}");
    scene
        .host(&[&["run", "--record", "oak"], &TAGS[..]].concat())
        .ended(0);
    let events = scene.run(&TAGS).ended(3).events();
    let told = events.iter().filter(|event| event["event"] == "unreadable");
    assert_eq!(told.count(), 6);
}

#[test]
fn a_record_that_became_bad_is_not_gone() {
    let scene = Scene::new();
    scene.replace(
        "batchgen.toml",
        "path = \"materials.yaml\"",
        "path = \"materials.jsonl\"",
    );
    let line =
        |id: &str| format!("{{\"id\": \"{id}\", \"name\": \"{id}\", \"category\": \"wood\"}}\n");
    scene.write(
        "materials.jsonl",
        &[line("oak"), line("elm"), line("ash")].concat(),
    );
    scene.run(&TAGS).ended(0);
    let before = scene.content();
    // One with its id, one without, and a file that was cut off.
    let cut = line("elm").replace("\"elm\", \"cat", "[], \"cat");
    for broken in [cut, "{\"id\": \"el\n".to_owned()] {
        scene.write(
            "materials.jsonl",
            &[line("oak"), broken, line("ash")].concat(),
        );
        scene.run(&TAGS).ended(3);
        scene.host(&["clean", "--deleted", "--force"]).ended(0);
        assert_eq!(scene.content(), before);
    }
    scene.write("materials.jsonl", &[line("oak"), line("ash")].concat());
    scene.run(&TAGS).ended(0);
    scene.host(&["clean", "--deleted"]).ended(0);
    assert_eq!(scene.content().len(), 2);
}

#[test]
fn a_dataset_of_which_nothing_can_be_read_is_an_error() {
    let scene = scene();
    for text in ["{\"a\": 1}\n{\"b\": 2}\n{\n", "[1, 2]\n", "\n\n"] {
        scene.write("materials.jsonl", text);
        for command in ["run", "plan"] {
            let ran = scene.host(&[command]);
            assert_eq!(ran.code, Some(2), "{command} {text}: {}", ran.stderr);
            assert!(ran.stderr.contains("materials.jsonl"), "{}", ran.stderr);
        }
    }
}

#[test]
fn numbers_reach_templates_and_facts_as_they_are_written() {
    let scene = Scene::new().with_plugins("plugins");
    scene.write(
        "things.jsonl",
        "{\"id\": \"a\", \"title\": \"Thing\", \"name\": \"own\", \"category\": \"x\", \"price\": 1.10, \"large\": 1E5, \
         \"ean\": 123456789012345678901, \"ratio\": 0.1234567890123456789}\n",
    );
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"things.jsonl\"\nname = \"title\"\n[plugins]\nimplicit = false\n[component.note]\nplugin = \
         \"prompt\"\ninput = { record = \"all\" }\n[component.note.prompts.write]\ntext = \"\"\"Costs {{ record.price }} of \
         {{ record.large }}, {{ record.ean }}, {{ record.ratio }}{% if record.price > 1 and record.large > 99999 %}, much{% endif %}; \
         {{ record.name }} and {{ record.fields.name }}.\"\"\"\n",
    );
    scene.run(&[]).ended(0);
    let asked = scene
        .host(&["replay", "a", "note", "--prompts"])
        .ended(0)
        .stdout;
    for said in [
        "Costs 1.10 of 1E5, 123456789012345678901, 0.1234567890123456789, much; Thing and own.",
        "\"price\":\"1.10\"",
        "\"large\":\"1E5\"",
    ] {
        assert!(asked.contains(said), "{said} is missing in {asked}");
    }
}
