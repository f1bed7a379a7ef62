//! One task again, offline, from what it was told.

use crate::scene::{KEY, Scene};
use simulator::{Config, Fault, FaultKind, Simulator, When};

fn shown(scene: &Scene, arguments: &[&str], code: i32) -> String {
    let ran = scene.host(&[&["replay"], arguments].concat()).ended(code);
    format!(
        "$ batchgen replay {}\n{}{}",
        arguments.join(" "),
        ran.stderr,
        ran.stdout
    )
}

#[test]
fn every_task_gives_the_same_bytes_without_a_network() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    scene.run(&["--record", "oak"]).ended(0);
    let asked = simulator.ledger().requests;
    let before = scene.query("SELECT count(*) FROM run");
    for component in ["frontmatter", "metatags", "text", "table", "tags"] {
        let text = shown(&scene, &["oak", component], 0);
        assert!(text.contains("identical to"), "{text}");
    }
    assert_eq!(simulator.ledger().requests, asked);
    assert_eq!(
        scene.query("SELECT count(*) FROM run"),
        before,
        "it only reads"
    );
}

#[test]
fn what_differs_what_was_asked_and_what_failed_is_shown() {
    let scene = Scene::new().with_plugins("test-plugins");
    scene.configure("[component.hostile.options]\nbehaviour = \"panic\"\n");
    scene.run(&["--record", "oak", "--record", "iron"]).ended(3);
    let mut screens = vec![
        shown(&scene, &["oak", "hostile"], 3),
        shown(&scene, &["iron", "hostile"], 0),
    ];
    scene.write(
        "content/hostile/iron-laser-cleaning.md",
        "# Iron, by hand\n",
    );
    screens.push(shown(&scene, &["iron", "hostile"], 3));
    scene.replace(
        "materials.yaml",
        "- id: iron\n  name: Iron",
        "- id: iron\n  name: Pure iron",
    );
    screens.push(shown(&scene, &["iron", "hostile"], 3));
    screens.push(shown(&scene, &["irn", "hostile"], 2));
    screens.push(shown(&scene, &["iron", "hostil"], 2));
    screens.push(shown(&scene, &["granite", "hostile"], 2));
    insta::assert_snapshot!(screens.join("\n"));
}

#[test]
fn prompts_and_answers_are_shown_on_request() {
    let simulator = Simulator::start(Config {
        key: Some(KEY.to_owned()),
        faults: vec![Fault {
            kind: FaultKind::Unprocessable,
            when: When::Request(2),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().with_plugins("test-plugins").asking(&simulator);
    scene.configure("[component.hostile.options]\nbehaviour = \"many-executions\"\n");
    scene.run(&["--record", "oak"]).ended(3);
    insta::assert_snapshot!(shown(&scene, &["oak", "hostile", "--prompts"], 3));
}
