//! Runs that a pipeline makes: flags under a name, a plan in a file, and runs that ask nobody.

use crate::scene::{KEY, Scene};
use simulator::{Config, Simulator};

fn simulator() -> Simulator {
    Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap()
}

#[test]
fn a_profile_is_flags_that_typed_ones_beat() {
    let scene = Scene::new();
    scene.configure("[profile.ci]\ncomponent = [\"frontmatter\"]\nrecord = [\"oak\"]\n");
    scene.run(&["--profile", "ci"]).ended(0);
    let files = |scene: &Scene| scene.content().into_keys().collect::<Vec<_>>();
    assert_eq!(files(&scene), ["frontmatter/oak-laser-cleaning.md"]);
    scene
        .run(&["--profile", "ci", "--record", "bamboo"])
        .ended(0);
    assert_eq!(scene.content().len(), 2);
    let plan = scene.host(&["plan", "--profile", "ci", "--json"]).ended(0);
    assert!(plan.stdout.contains("\"records\":1"), "{}", plan.stdout);
    // What is chosen of the components is chosen as a whole.
    scene.run(&["--profile", "ci", "--all"]).ended(0);
    assert!(scene.content().len() > 3);
    let missing = scene.run(&["--profile", "cl"]).ended(2).stderr;
    assert!(
        missing.contains("there is no profile `cl`") && missing.contains("did you mean `ci`?"),
        "{missing}"
    );
    scene.configure("[profile.ci]\nmodle = \"offline\"\n");
    let unknown = scene.run(&["--profile", "ci"]).ended(2).stderr;
    assert!(unknown.contains("unknown field `modle`"), "{unknown}");
    scene.configure("[profile.ci]\nmode = \"sometimes\"\n");
    let wrong = scene.run(&["--profile", "ci"]).ended(2).stderr;
    assert!(
        wrong.contains("--mode") && wrong.contains("sometimes"),
        "{wrong}"
    );
}

/// The stand-in replaces paid text only if a person types its name.
#[test]
fn a_profile_lets_the_stand_in_replace_nothing() {
    let simulator = simulator();
    let scene = Scene::new().asking(&simulator);
    let one = ["--record", "oak", "--component", "frontmatter"];
    scene.run(&one).ended(0);
    let before = scene.content();
    scene.write(
        "batchgen.toml",
        &format!(
            "{}\n[profile.ci]\nmodel = \"offline\"\n",
            scene.read("batchgen.toml")
        ),
    );
    let ran = scene
        .run(&[&["--profile", "ci"], &one[..]].concat())
        .ended(0);
    assert_eq!(ran.summary().count("made"), 0);
    assert_eq!(scene.content(), before);
}

#[test]
fn a_frozen_run_asks_nobody() {
    let simulator = simulator();
    let scene = Scene::new().asking(&simulator);
    let one = ["--record", "oak", "--component", "frontmatter"];
    let frozen = [&["--frozen"], &one[..]].concat();
    let refused = scene.run(&frozen).ended(4).stderr;
    assert!(
        refused.contains("--frozen lets nothing be asked"),
        "{refused}"
    );
    assert_eq!(simulator.totals().requests, 0);
    // It has spent nothing, so no larger budget would help.
    let report = scene.host(&["report", "--markdown"]).ended(0).stdout;
    assert!(
        report.contains("stopped: it was let ask nothing"),
        "{report}"
    );
    assert!(!report.contains("spent what it may"), "{report}");
    scene.run(&one).ended(0);
    let requests = simulator.totals().requests;
    std::fs::remove_dir_all(scene.path("content")).unwrap();
    // The journal has the answers.
    scene.run(&frozen).ended(0);
    assert_eq!(scene.content().len(), 1);
    assert_eq!(simulator.totals().requests, requests);
}

#[test]
fn a_plan_of_one_record_leaves_room_for_its_call() {
    let simulator = simulator();
    let scene = Scene::new().with_plugins("plugins").asking(&simulator);
    // The first answer may be much longer than those that the plan was made from.
    scene.configure(
        "[models.\"openai/sim\"]\nprice = { input = 10.0, output = 20.0 }\n[component.tags]\nmax-output-tokens = 4000\n",
    );
    let some = ["--component", "tags", "--sample", "4"];
    scene.run(&some).ended(0);
    scene
        .run(&["--component", "tags", "--record", "oak"])
        .ended(0);
    scene.replace("materials.yaml", "name: Oak", "name: Red oak");
    let one = [
        "plan",
        "--component",
        "tags",
        "--record",
        "oak",
        "--out",
        "plan.json",
    ];
    scene.host(&one).ended(0);
    scene.run(&["--plan", "plan.json"]).ended(0);
}

#[test]
fn a_plan_in_a_file_is_carried_out_while_nothing_has_changed() {
    let scene = Scene::new();
    let one = ["--record", "oak", "--component", "frontmatter"];
    let plan = |code, more: &[&str]| {
        scene
            .host(&[&["plan"], &one[..], more].concat())
            .ended(code)
    };
    plan(8, &["--exit-code"]);
    plan(8, &["--exit-code", "--out", "plan.json"]);
    scene.run(&["--plan", "plan.json"]).ended(0);
    assert_eq!(scene.content().len(), 1);
    plan(0, &["--exit-code"]);
    let old = scene.run(&["--plan", "plan.json"]).ended(2).stderr;
    assert!(
        old.contains("plan.json is out of date: it was to make 1 file")
            && old.contains("hint: look at a new one, `batchgen plan --out plan.json`"),
        "{old}"
    );
    plan(0, &["--out", "plan.json"]);
    scene.run(&["--plan", "plan.json"]).ended(0);
    scene.replace("materials.yaml", "name: Oak", "name: Red oak");
    scene.run(&["--plan", "plan.json"]).ended(2);
    let both = scene.run(&["--plan", "plan.json", "--all"]).ended(2).stderr;
    assert!(both.contains("--plan"), "{both}");
    scene.write("other.json", "{}");
    let none = scene.run(&["--plan", "other.json"]).ended(2).stderr;
    assert!(none.contains("other.json is no plan"), "{none}");
    let kept = plan(2, &["--out", "other.json"]).stderr;
    assert!(kept.contains("other.json"), "{kept}");
    assert_eq!(scene.read("other.json"), "{}");
}
