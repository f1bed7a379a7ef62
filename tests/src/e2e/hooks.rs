//! The command after a run: what it is told, who allows it, and what its failure means.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::scene::Scene;

const RECORDS: &str = "id,name,category\na,Lamp,light\nb,Chair,seat\n";

/// A project with two records and this command.
fn scene(hooks: &str) -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    let scene = scene.with("HOME", &home.display().to_string());
    scene.write("records.csv", RECORDS);
    scene.write(
        "batchgen.toml",
        &format!(
            "model = \"offline\"\n[dataset]\npath = \"records.csv\"\n[plugins]\nimplicit = false\n[component.note]\nplugin = \"prompt\"\n\
             [component.note.prompts.write]\ntext = \"Note {{{{ record.name }}}}.\"\n[hooks]\n{hooks}\n"
        ),
    );
    scene
}

/// What the command wrote to `got.jsonl`: record, component and what happened.
fn got(scene: &Scene) -> Vec<String> {
    let text = fs::read_to_string(scene.path("got.jsonl")).unwrap_or_default();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let path = line["path"].as_str().unwrap().to_owned();
        assert!(fs::read_to_string(&path).is_ok(), "{path}");
        let of = |key: &str| line[key].as_str().unwrap().to_owned();
        format!("{} {} {}", of("record"), of("component"), of("what"))
    };
    text.lines().map(line).collect()
}

#[test]
fn it_gets_what_was_made_once_it_is_allowed() {
    let scene = scene("after-run = 'cat >> got.jsonl; echo said'");
    let ran = scene.host(&["run"]).ended(2);
    assert!(
        ran.stderr.contains("[hooks] after-run starts `cat"),
        "{}",
        ran.stderr
    );
    assert!(ran.stderr.contains("batchgen trust"), "{}", ran.stderr);
    assert!(!scene.path("content").exists());
    let check = scene.host(&["doctor"]).ended(2).stdout;
    assert!(check.contains("[hooks] after-run starts"), "{check}");
    let told = scene.host(&["trust"]).ended(0).stderr;
    assert!(told.contains("[hooks] after-run"), "{told}");
    let check = scene.host(&["doctor"]).ended(0).stdout;
    assert!(check.contains("echo said` after a run"), "{check}");

    // Standard output has nothing but events.
    let ran = scene.run(&[]).ended(0);
    assert_eq!(ran.summary().complete(), 2);
    assert!(!ran.stdout.contains("said") && ran.stderr.contains("said"));
    assert_eq!(got(&scene), ["a note made", "b note made"]);
    // Nothing was made, so there is nothing to tell.
    scene.run(&[]).ended(0);
    assert_eq!(got(&scene).len(), 2);
    scene.write("records.csv", &RECORDS.replace("Chair", "Stool"));
    scene.run(&[]).ended(0);
    assert_eq!(got(&scene)[2..], ["b note made"]);

    // Another command, or the same one in another folder, is another choice.
    scene.write(
        "batchgen.toml",
        &scene.read("batchgen.toml").replace("said", "told"),
    );
    scene.run(&[]).ended(2);
    let scene = scene.with("BATCHGEN_TRUST", "1");
    scene.run(&[]).ended(0);
}

#[test]
fn what_a_failed_command_was_told_is_told_again() {
    let scene = scene("after-run = 'cat >> got.jsonl; test -e ready'").with("BATCHGEN_TRUST", "1");
    let ran = scene.run(&["--record", "a"]).ended(7);
    assert_eq!(ran.summary().complete(), 1);
    assert!(
        ran.stderr.contains("failed: exit status: 1"),
        "{}",
        ran.stderr
    );
    assert!(
        ran.stderr.contains("starts the command again"),
        "{}",
        ran.stderr
    );
    scene.write("ready", "");
    scene.run(&[]).ended(0);
    assert_eq!(got(&scene), ["a note made", "a note made", "b note made"]);
    scene.run(&[]).ended(0);
    assert_eq!(got(&scene).len(), 3);
}

/// Whether a process runs; one that nobody has asked about since it ended does not.
fn runs(process: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/stat"));
    status.is_ok_and(|status| !status.contains(") Z "))
}

/// Waits until none of these runs. The end of one that was killed comes a moment later.
fn all_have_ended(scene: &Scene) {
    let processes = scene.read("processes");
    assert_eq!(processes.lines().count(), 2);
    let deadline = Instant::now() + Duration::from_secs(60);
    while processes.lines().any(runs) {
        assert!(Instant::now() < deadline, "{processes}");
        std::thread::yield_now();
    }
}

#[test]
fn a_command_that_never_ends_is_ended() {
    let hooks = "timeout-seconds = 1\nafter-run = 'tail -f /dev/null & echo $! >> processes; echo $$ >> processes; wait'";
    let scene = scene(hooks).with("BATCHGEN_TRUST", "1");
    let ran = scene.run(&[]).ended(7);
    assert!(
        ran.stderr.contains("did not end within 1 s"),
        "{}",
        ran.stderr
    );
    all_have_ended(&scene);
}
