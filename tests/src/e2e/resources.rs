//! What the machine gives may be little: descriptors, room behind standard output, the size of a file.

use std::fs::OpenOptions;

use crate::commands::{Subject, each};
use crate::scene::{Ran, Scene, program, root};
use simulator::{Config, Fault, FaultKind, Simulator, When};

/// Two records, of which one failed, and one was edited by hand.
fn made(simulator: &Simulator) -> Scene {
    let scene = Scene::new().asking(simulator);
    scene.write("other.csv", "sku,title,kind\na,A,x\nb,B,x\n");
    let built = root().join("target/plugins/tags.wasm");
    std::fs::copy(built, scene.path("tags.wasm")).unwrap();
    let manifest = root().join("plugins/tags/plugin.toml");
    std::fs::copy(manifest, scene.path("plugin.toml")).unwrap();
    scene
        .run(&["--component", "tags", "--record", "oak", "--record", "iron"])
        .ended(3);
    scene.write("content/tags/iron-laser-cleaning.txt", "Edited.\n");
    scene
}

const SUBJECT: Subject<'static> = Subject {
    record: "oak",
    component: "tags",
    plugin: "tags.wasm",
    dataset: "other.csv",
};

#[test]
fn what_cannot_be_written_to_standard_output_is_told_by_every_command() {
    let simulator = Simulator::start(Config {
        faults: vec![Fault {
            kind: FaultKind::ContentFilterFinish,
            when: When::Containing("Oak".to_owned()),
        }],
        ..Config::default()
    })
    .unwrap();
    let scene = made(&simulator);
    let mut wrong = Vec::new();
    for command in each(&scene, SUBJECT) {
        let words: Vec<&str> = command.words.iter().map(String::as_str).collect();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let ran = scene.command(&words).stdout(full).output().unwrap();
        let ran = Ran::from(ran);
        let is_told = ran
            .stderr
            .contains("cannot write to standard output: No space left");
        if is_told != command.prints || command.prints && ran.code == Some(0) {
            wrong.push((words.join(" "), ran));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The host below a limit of `ulimit`.
fn limited(scene: &Scene, limit: &str, arguments: &[&str]) -> Ran {
    let script = format!("ulimit {limit}; exec \"$0\" \"$@\"");
    let mut shell = scene.command_of("sh".as_ref(), &["-c", &script]);
    shell.arg(program("batchgen")).args(arguments);
    Ran::from(shell.output().unwrap())
}

#[test]
fn few_descriptors_are_an_error_or_are_waited_for() {
    let scene = Scene::new().with_plugins("plugins");
    for files in [6, 24, 47] {
        let refused = limited(&scene, &format!("-n {files}"), &["run", "--all"]).ended(2);
        assert!(refused.stderr.contains("open files"), "{}", refused.stderr);
    }
    // Compiled already, as in all but the first run.
    scene.host(&["plan", "--all"]).ended(0);
    let ran = limited(
        &scene,
        "-n 48",
        &["run", "--all", "--limit", "30", "--json"],
    )
    .ended(0);
    assert_eq!(ran.summary().count("failed"), 0);
}
