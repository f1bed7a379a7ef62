//! Variants side by side, and golden texts: which is better, and what it costs to know.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use simulator::{Config, Quality, Simulator};

use super::quality::{gated, lines, scene};
use crate::scene::{KEY, Scene, root};

/// A server with a model `bad`, a fifth of whose texts have a wrong number.
pub(super) fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        quality: Quality {
            wrong: BTreeMap::from([("bad".to_owned(), 0.2)]),
            ..Quality::default()
        },
        ..Config::default()
    })
    .unwrap()
}

fn compare(scene: &Scene, more: &[&str]) -> Value {
    let arguments = [&["compare", "--json"], more].concat();
    let ran = scene.host(&arguments).ended(0);
    let mut lines = lines(&ran);
    assert_eq!(lines.len(), 1, "{}", ran.stdout);
    lines.remove(0)
}

/// The scene in which numbers that the facts do not have are no fault that is repaired.
pub(super) fn unchecked() -> Scene {
    let scene = scene();
    scene.replace(
        "components/description.md",
        "min-words: 60",
        "min-words: 60, numbers-from-facts: false",
    );
    scene
}

const DESCRIPTION: [&str; 2] = ["--component", "description"];

#[test]
fn the_model_that_writes_wrong_facts_is_named_and_nothing_is_paid_for_twice() {
    let simulator = simulator();
    let scene = unchecked().asking(&simulator);
    let with_bad = [&DESCRIPTION[..], &["--with", "model=openai/bad"]].concat();
    let found = compare(&scene, &with_bad);
    let against = &found["against"][0];
    assert_eq!(against["better"], "first", "{against}");
    assert_eq!(against["measure"], "pairs");
    let says = against["says"].as_str().unwrap();
    assert!(says.starts_with("A (as it is) is better than B"), "{says}");
    assert_eq!(found["judge"], "quality");
    assert_eq!(found["rows"].as_array().unwrap().len(), 50);
    let variants = &found["variants"];
    for variant in [&variants[0], &variants[1]] {
        assert_eq!(
            (&variant["files"], &variant["failed"]),
            (&50.into(), &0.into())
        );
        assert!(variant["output_tokens"].as_u64().unwrap() > 0);
    }
    let faithfulness = |place: usize| variants[place]["scores"]["faithfulness"].as_f64().unwrap();
    assert!(faithfulness(0) > faithfulness(1), "{variants}");
    assert!(
        !scene.path("content").exists(),
        "no file of the project is made"
    );

    // Again, and the project's own run: only what is new is asked.
    let asked = simulator.ledger().calls.len();
    let again = compare(&scene, &with_bad);
    assert_eq!(again["against"], found["against"]);
    assert_eq!(simulator.ledger().calls.len(), asked);
    let ran = scene.run(&DESCRIPTION).ended(0).summary();
    assert_eq!(ran.calls("calls"), 109 - 50);
    assert_eq!(ran.calls("journaled"), 50);
    // What is left of the comparison may go, and the state is whole.
    fs::remove_dir_all(scene.path(".batchgen/compare")).unwrap();
    scene.host(&["store", "verify"]).ended(0);
    scene.host(&["clean"]).ended(0);
    let again = compare(&scene, &with_bad);
    assert_eq!(again["against"], found["against"]);
    assert_eq!(simulator.ledger().calls.len(), asked + 59);
}

#[test]
fn each_comparison_has_its_records_and_those_of_an_earlier_one_are_paid_for() {
    let simulator = simulator();
    let scene = unchecked().asking(&simulator);
    let of = |record: &str| {
        let chosen = ["--with", "model=openai/other", "--record", record];
        let found = compare(&scene, &[&DESCRIPTION[..], &chosen].concat());
        let rows = found["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 1);
        rows[0]["record"].as_str().unwrap().to_owned()
    };
    assert_eq!(of("oak"), "oak");
    assert_eq!(of("walnut"), "walnut");
    let asked = simulator.ledger().calls.len();
    assert_eq!(of("oak"), "oak");
    assert_eq!(simulator.ledger().calls.len(), asked);
    let page = scene.path("compared.html").display().to_string();
    let chosen = ["--with", "model=openai/other", "--record", "oak"];
    compare(
        &scene,
        &[&DESCRIPTION[..], &chosen, &["--page", &page]].concat(),
    );
    assert!(
        fs::read_to_string(page)
            .unwrap()
            .starts_with("<!doctype html>")
    );
    let both = [
        "compare",
        "--json",
        "--page",
        "-",
        "--with",
        "model=openai/other",
    ];
    let refused = scene.host(&both).ended(2);
    assert!(
        refused.stderr.contains("both go to standard output"),
        "{}",
        refused.stderr
    );
}

#[test]
fn two_models_that_are_equally_good_are_not_told_apart() {
    let simulator = simulator();
    let scene = unchecked().asking(&simulator);
    let arguments = [&DESCRIPTION[..], &["--with", "model=openai/other"]].concat();
    let found = compare(&scene, &arguments);
    let against = &found["against"][0];
    assert_eq!(against["better"], "neither", "{against}");
    let says = against["says"].as_str().unwrap();
    assert!(
        says.contains("there is no difference that 50 records can show"),
        "{says}"
    );
    // They did write different texts.
    let differ = fs::read_dir(scene.path(".batchgen/compare/A/description"))
        .unwrap()
        .map(|file| file.unwrap().file_name())
        .filter(|name| {
            let text = |variant: &str| {
                let folder = scene.path(&format!(".batchgen/compare/{variant}/description"));
                fs::read_to_string(folder.join(name)).unwrap()
            };
            text("A") != text("B")
        });
    assert!(differ.count() > 25);
}

#[test]
fn records_are_compared_whose_own_tasks_stand_so() {
    let simulator = simulator();
    let scene = unchecked().asking(&simulator);
    let with = ["--with", "model=openai/other", "--component", "state:done"];
    let with = [&DESCRIPTION[..], &with].concat();
    let arguments = [&["compare"], &with[..]].concat();
    let refused = scene.host(&arguments).ended(2).stderr;
    assert!(refused.contains("no record has a task"), "{refused}");
    let two = ["--record", "oak", "--record", "iron"];
    scene.run(&[&DESCRIPTION[..], &two].concat()).ended(0);
    let found = compare(&scene, &with);
    let rows = found["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    let failed = [&arguments[..], &["--component", "category:stone"]].concat();
    let refused = scene.host(&failed).ended(2).stderr;
    assert!(refused.contains("no record has a task"), "{refused}");
}

#[test]
fn prompts_are_compared_by_the_rules_of_the_gate_where_nobody_judges() {
    let scene = gated("min-words: 80, otherwise: again");
    scene.replace(
        "batchgen.toml",
        "[component.quality]\nplugin = \"judge\"\ndepends-on = [\"description\"]\n",
        "",
    );
    // A copy of the component's file, as one edits it.
    let copy = scene.read("components/description.md");
    scene.write(
        "b.md",
        &copy.replace("Describe {{", "Describe at length {{"),
    );
    scene.replace(
        "components/description.md",
        "min-words: 60",
        "min-words: 85",
    );
    let found = compare(
        &scene,
        &["--with", "prompt:description=b.md", "--sample", "6"],
    );
    let against = &found["against"][0];
    assert_eq!(against["measure"], "rules");
    assert_eq!(against["neither"], 6, "{against}");
    assert_eq!(found["judge"], Value::Null);
    assert_eq!(found["variants"][0]["rules_kept"], 6);
    let says = against["says"].as_str().unwrap();
    assert!(says.contains("nobody judges it"), "{says}");
    let shown = scene.host(&[
        "compare",
        "--with",
        "prompt:description=b.md",
        "--sample",
        "6",
    ]);
    let shown = shown.ended(0).stdout;
    assert!(shown.contains("prompt:description=b.md"), "{shown}");
}

#[test]
fn what_cannot_be_compared_is_told_before_anything_is_asked() {
    let scene = scene();
    for (arguments, said) in [
        (
            vec!["--with", "prompt:descripton=b.md"],
            "did you mean `description`?",
        ),
        (
            vec!["--with", "prompt:description=nowhere.md"],
            "cannot read the prompt nowhere.md",
        ),
        (
            vec!["--with", "prompt:description.x=materials.yaml"],
            "has no prompt `x`",
        ),
        (
            vec!["--with", "prompt:quality=materials.yaml"],
            "a judge is not compared",
        ),
        (
            vec!["--with", "model=offline", "--judge", "teaser"],
            "`teaser` judges none",
        ),
        (
            vec!["--with", "temperature=1"],
            "`temperature` cannot be varied",
        ),
        (
            vec!["--with", "model=offline", "--page", "batchgen.toml"],
            "batchgen.toml",
        ),
    ] {
        let arguments = [&["compare"], &arguments[..]].concat();
        let ran = scene.host(&arguments).ended(2);
        assert!(ran.stderr.contains(said), "{arguments:?}: {}", ran.stderr);
        assert!(ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(!scene.path(".batchgen/compare").exists());
    }
}

#[test]
fn another_build_of_a_plugin_is_run_over_the_answers_that_were_paid_for() {
    let scene = scene();
    scene
        .run(&["--component", "description", "--sample", "4"])
        .ended(0);
    let own = root().join("target/plugins/prompt.wasm");
    let own = own.to_str().unwrap();
    let same = scene.host(&["diff", own]).ended(0);
    assert!(same.stdout.contains("4 files"), "{}", same.stdout);
    let other = root().join("target/plugins/judge.wasm");
    let refused = scene.host(&["diff", own, other.to_str().unwrap()]).ended(2);
    assert!(
        refused.stderr.contains("two builds of one plugin"),
        "{}",
        refused.stderr
    );
    let refused = scene.host(&["diff", "nowhere.wasm"]).ended(2);
    assert!(
        refused.stderr.contains("nowhere.wasm"),
        "{}",
        refused.stderr
    );
}

/// A project with a golden text of oak and one of aluminum.
fn golden(simulator: &Simulator) -> Scene {
    let scene = unchecked().asking(simulator);
    scene
        .run(&[
            "--component",
            "description",
            "--record",
            "oak",
            "--record",
            "aluminum",
        ])
        .ended(0);
    let refused = scene
        .host(&["golden", "add", "oak", "description"])
        .ended(2);
    assert!(
        refused.stderr.contains("nobody accepted"),
        "{}",
        refused.stderr
    );
    for record in ["oak", "aluminum"] {
        let accepted = [
            "review",
            "--record",
            record,
            "--component",
            "description",
            "--accept",
            "--by",
            "ada",
        ];
        scene.host(&accepted).ended(0);
        scene
            .host(&["golden", "add", record, "description"])
            .ended(0);
    }
    assert_eq!(
        scene.read("golden/description/oak.md"),
        scene.content()["description/oak.md"]
    );
    scene
}

#[test]
fn golden_texts_tell_where_prompts_and_models_got_worse() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        quality: Quality {
            wrong: BTreeMap::from([("worst".to_owned(), 1.0)]),
            ..Quality::default()
        },
        ..Config::default()
    })
    .unwrap();
    let none = scene().asking(&simulator);
    let none = none.host(&["golden", "check"]).ended(2);
    assert!(
        none.stderr.contains("there is no golden text"),
        "{}",
        none.stderr
    );

    let scene = golden(&simulator);
    let before = scene.content();
    let asked = simulator.ledger().calls.len();
    let fine = scene.host(&["golden", "check"]).ended(0).stdout;
    assert!(
        fine.contains("description: 0 of 2 golden texts got worse, by quality; 0 changed"),
        "{fine}"
    );
    // The texts are in the journal, and equal ones need not be compared: only their scores are new.
    assert_eq!(simulator.ledger().calls.len(), asked + 2);
    let check = |category| scene.host(&["golden", "check", "--component", category]);
    let wood = check("category:wood").ended(0);
    assert!(
        wood.stdout.contains("0 of 1 golden text"),
        "{}",
        wood.stdout
    );
    let stone = check("category:stone").ended(2);
    assert!(stone.stderr.contains("no golden text"), "{}", stone.stderr);

    let scene = scene.with("BATCHGEN_MODEL", "openai/worst");
    let worse = scene.host(&["golden", "check"]).ended(3).stdout;
    assert!(
        worse.contains(
            "worse: oak description\n  Say only numbers that the facts have.\n  \"It was measured"
        ),
        "{worse}"
    );
    assert!(worse.contains("of 2 golden texts got worse"), "{worse}");
    scene.host(&["golden", "check", "--at-most", "2"]).ended(0);
    let told = scene.host(&["golden", "check", "--json"]).ended(3);
    let told = lines(&told);
    assert_eq!(told[0]["event"], "worse");
    assert!(told.last().unwrap()["worse"].as_u64().unwrap() >= 1);
    assert_eq!(scene.content(), before);
}
