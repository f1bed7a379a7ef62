//! What `--component` takes, in all commands that have it: a component with those around it, a state of tasks, a category.

use crate::scene::{KEY, Scene};
use simulator::{Config, Fault, FaultKind, Simulator, When};

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

const RECORDS: [&str; 6] = [
    "--record", "titanium", "--record", "iron", "--record", "oak",
];

#[test]
fn a_run_takes_the_records_that_have_such_a_task() {
    let simulator = filtering();
    let scene = Scene::new().asking(&simulator);
    let summary = scene.run(&RECORDS).ended(3).summary();
    assert_eq!((summary.records(), summary.complete()), (3, 2));
    // Of these components, and of this category.
    let done = ["--component", "metatags", "--component", "state:done"];
    let done = scene.run(&done).ended(0).summary();
    assert_eq!((done.records(), done.of("metatags", "kept")), (2, 2));
    let wood = ["--component", "category:wood", "--component", "state:done"];
    assert_eq!(scene.run(&wood).ended(0).summary().records(), 1);
    let both = [&wood[..], &["--category", "metal"]].concat();
    assert_eq!(scene.run(&both).summary().records(), 3);

    simulator.set_faults(Vec::new());
    let failed = ["--component", "state:failed"];
    let summary = scene.run(&failed).ended(0).summary();
    assert_eq!((summary.records(), summary.complete()), (1, 1));
    assert_eq!(scene.run(&failed).ended(0).summary().records(), 0);
}

#[test]
fn a_retry_takes_the_failed_tasks_that_are_meant() {
    let simulator = filtering();
    let scene = Scene::new().asking(&simulator);
    scene.run(&RECORDS).ended(3);
    simulator.set_faults(Vec::new());
    let wood = scene.host(&["retry", "--component", "category:wood"]);
    assert!(wood.ended(0).stderr.contains("no failed task is chosen"));
    let metal = [
        "retry",
        "--json",
        "--component",
        "category:metal",
        "--component",
        "+metatags",
    ];
    let summary = scene.host(&metal).ended(0).summary();
    // With what waits for them, and without `tags`, which failed as well.
    assert_eq!(summary.made(), ["frontmatter", "metatags", "text"]);
}

#[test]
fn a_plus_brings_what_is_on_its_side_wherever_a_component_is_named() {
    let simulator = filtering();
    let scene = Scene::new().asking(&simulator);
    scene.run(&RECORDS).ended(3);
    let export = |selectors: &[&str]| -> Vec<String> {
        let flags = selectors.iter().flat_map(|one| ["--component", one]);
        let all: Vec<&str> = ["export", "--complete-only"]
            .into_iter()
            .chain(flags)
            .collect();
        let ran = scene.host(&all).ended(0);
        let mut names = Vec::new();
        for line in ran.stdout.lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            names.push(row["id"].as_str().unwrap().to_owned());
            let files = row["components"].as_object().unwrap();
            names.extend(files.keys().cloned());
        }
        names
    };
    assert_eq!(export(&["metatags", "category:wood"]), ["oak", "metatags"]);
    let brought = export(&["+metatags", "category:wood"]);
    assert_eq!(brought, ["oak", "frontmatter", "metatags"]);
    let done = export(&["metatags", "state:done"]);
    assert_eq!(done, ["iron", "metatags", "oak", "metatags"]);

    // Failures of what it depends on are found from it.
    let of = |selector: &str| {
        let ran = scene.host(&["failures", "--json", "--component", selector]);
        let said: serde_json::Value = serde_json::from_str(&ran.ended(0).stdout).unwrap();
        said["groups"].as_array().unwrap().len()
    };
    assert_eq!((of("metatags"), of("+metatags")), (0, 1));
    assert_eq!((of("frontmatter+"), of("state:blocked")), (1, 0));
    assert_eq!(
        (of("category:wood"), of("category:metal")),
        (0, of("state:failed"))
    );
}

#[test]
fn every_command_says_what_was_meant() {
    let scene = Scene::new();
    for command in [
        &["run"][..],
        &["plan"],
        &["dev", "--record", "oak"],
        &["accept"],
        &["review", "--list"],
        &["compare", "--with", "model=offline"],
        &["diff", "plugin.wasm"],
        &["failures"],
        &["retry"],
        &["export"],
        &["golden", "check"],
    ] {
        for (selector, told) in [
            ("state:faild", "did you mean `state:failed`?"),
            ("categry:wood", "did you mean `category`?"),
            ("+", "it names no component"),
        ] {
            let arguments = [command, &["--component", selector]].concat();
            let refused = scene.host(&arguments).ended(2).stderr;
            assert!(refused.contains(told), "{arguments:?}: {refused}");
        }
    }
    let refused = scene.host(&["sameness", "state:faild"]).ended(2).stderr;
    assert!(
        refused.contains("did you mean `state:failed`?"),
        "{refused}"
    );
    for (selector, told) in [
        ("+metatgs", "did you mean `metatags`?"),
        ("category:wod", "did you mean `wood`?"),
    ] {
        let refused = scene.run(&["--component", selector]).ended(2).stderr;
        assert!(refused.contains(told), "{refused}");
    }
    let both = scene.run(&["--all", "--component", "tags"]).ended(2).stderr;
    assert!(both.contains("--all and `--component tags`"), "{both}");
    scene
        .run(&["--all", "--component", "category:wood", "--limit", "1"])
        .ended(0);
}

#[test]
fn a_plan_that_is_kept_has_the_selectors() {
    let simulator = filtering();
    let scene = Scene::new().asking(&simulator);
    scene.run(&RECORDS).ended(3);
    let plan = [
        "plan",
        "--component",
        "+metatags",
        "--component",
        "category:stone",
    ];
    scene
        .host(&[&plan[..], &["--limit", "1", "--out", "plan.json"]].concat())
        .ended(0);
    let ran = scene.run(&["--plan", "plan.json"]).ended(0).summary();
    assert_eq!((ran.records(), ran.made().len()), (1, 2));
}
