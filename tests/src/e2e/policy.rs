//! What the failure of one component means for the others of its record.

use crate::scene::{Ran, Scene};

pub(super) const RECORDS: [&str; 6] = [
    "--component",
    "dependent",
    "--record",
    "oak",
    "--record",
    "iron",
];

pub(super) fn configure(scene: &Scene, policy: &str, record: &str) {
    scene.configure(&format!(
        "[component.hostile]\n{policy}options = {{ behaviour = \"fail\", record = \"{record}\" }}\n\
         [component.other]\nplugin = \"hostile\"\npriority = 90\noptions = {{ record = \"nobody\" }}\n"
    ));
}

fn run(policy: &str, more: &[&str]) -> (Scene, Ran) {
    let scene = Scene::new().with_plugins("test-plugins");
    configure(&scene, policy, "oak");
    let ran = scene.run(&[&RECORDS, more].concat());
    (scene, ran)
}

fn outcome(scene: &Scene, component: &str, outcome: &str) -> bool {
    scene.query(&format!(
        "SELECT count(*) FROM task WHERE record = 'oak' AND component = '{component}' AND outcome = '{outcome}'"
    )) == 1
}

#[test]
fn dependents_are_held_where_nothing_else_is_said() {
    let (scene, ran) = run("", &["--component", "other"]);
    let summary = ran.ended(3).summary();
    assert_eq!(
        (
            summary.count("made"),
            summary.count("failed"),
            summary.count("blocked")
        ),
        (4, 1, 1)
    );
    assert!(outcome(&scene, "dependent", "blocked"));
    assert!(outcome(&scene, "other", "done"));
}

#[test]
fn dependents_are_made_without_what_is_left_out_and_again_when_it_is_there() {
    let (scene, ran) = run("on-failure = \"leave-out\"\n", &[]);
    let summary = ran.ended(3).summary();
    assert_eq!((summary.count("made"), summary.complete()), (3, 1));
    let file = |id: &str| scene.read(&format!("content/dependent/{id}-laser-cleaning.md"));
    assert_eq!(
        (file("oak"), file("iron")),
        ("without\n".to_owned(), "with # Iron\n".to_owned())
    );
    let summary = scene.run(&RECORDS).ended(3).summary();
    assert_eq!(
        (summary.count("made"), summary.of("dependent", "kept")),
        (0, 2)
    );

    configure(&scene, "on-failure = \"leave-out\"\n", "nobody");
    let summary = scene.run(&RECORDS).ended(0).summary();
    assert_eq!(
        (
            summary.of("hostile", "made"),
            summary.of("dependent", "made")
        ),
        (2, 1)
    );
    assert_eq!(file("oak"), "with # Oak\n");

    // And away again.
    configure(&scene, "on-failure = \"leave-out\"\n", "oak");
    scene.run(&RECORDS).ended(3);
    assert_eq!(file("oak"), "without\n");
}

#[test]
fn a_record_is_given_up_with_the_reason() {
    let (scene, ran) = run("on-failure = \"fail-record\"\n", &["--component", "other"]);
    let summary = ran.ended(3).summary();
    assert_eq!(
        (
            summary.count("made"),
            summary.count("failed"),
            summary.count("skipped")
        ),
        (3, 1, 2)
    );
    assert!(outcome(&scene, "dependent", "skipped"));
    assert!(
        outcome(&scene, "other", "skipped"),
        "it depends on nobody, and had not begun"
    );
    assert_eq!(
        scene.query("SELECT count(*) FROM task WHERE cause = 'skipped because of hostile (unsuitable-record)'"),
        2
    );
    let shown = scene.host(&["failures"]).ended(0).stdout;
    assert!(
        shown.contains("1 failed, 2 skipped because of these"),
        "{shown}"
    );
    let told = scene
        .host(&[&["run"], &RECORDS[..]].concat())
        .ended(3)
        .stdout;
    assert!(told.contains("failed  skipped\n"), "{told}");

    // It is made once the reason is gone.
    configure(&scene, "on-failure = \"fail-record\"\n", "nobody");
    let summary = scene
        .run(&[&RECORDS[..], &["--component", "other"]].concat())
        .ended(0)
        .summary();
    assert_eq!(summary.complete(), 2);
    // What is done stays done when the record is given up later.
    configure(&scene, "on-failure = \"fail-record\"\n", "oak");
    let summary = scene
        .run(&[&RECORDS[..], &["--component", "other"]].concat())
        .ended(3)
        .summary();
    assert_eq!(
        (summary.of("other", "kept"), summary.of("other", "skipped")),
        (2, 0)
    );
}
