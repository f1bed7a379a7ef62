//! A component in one Markdown file: found by itself, and treated like one of the configuration.

use std::io::Write;
use std::process::Stdio;

use crate::scene::{Scene, program};

const NOTICE: &str = "---
input: {record: [contaminants]}
options:
  min-words: 20
  max-words: 70
---

Write a safety notice for {{ record.name }}.
";

/// A project with this one component.
fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write("components/safety-notice.md", NOTICE);
    scene.replace("batchgen.toml", "[plugins]", "[plugins]\nimplicit = false");
    scene
}

#[test]
fn it_is_found_and_made_again_after_a_change() {
    let scene = scene();
    scene.run(&["--record", "oak"]).ended(0);
    let files: Vec<String> = scene.content().into_keys().collect();
    assert_eq!(files, ["safety-notice/oak-laser-cleaning.md"]);
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.contains("nothing to do"), "{plan}");
    let doctor = scene.host(&["doctor"]).ended(0).stdout;
    assert!(
        doctor.contains("with 0 [component.NAME] and 1 in components"),
        "{doctor}"
    );
    scene.replace("components/safety-notice.md", "for {{", "on {{");
    let why = ["why", "oak", "safety-notice"];
    let why = scene.host(&why).stdout;
    assert!(why.contains("prompt changed: write"), "{why}");
    scene.replace("components/safety-notice.md", "on {{", "for {{");
    scene.replace("components/safety-notice.md", "70", "60");
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.contains("option changed: max-words"), "{plan}");
}

/// The same settings in the configuration give the same fingerprint.
#[test]
fn a_component_that_moves_into_the_configuration_is_not_made_again() {
    let scene = scene();
    scene.run(&["--record", "oak"]).ended(0);
    std::fs::remove_file(scene.path("components/safety-notice.md")).unwrap();
    let before = scene.read("batchgen.toml");
    scene.write(
        "batchgen.toml",
        &format!(
            "{before}\n[component.safety-notice]\nplugin = \"prompt\"\ninput = {{ record = [\"contaminants\"] }}\n\
             options = {{ min-words = 20, max-words = 70 }}\n\
             prompts = {{ write = {{ text = \"Write a safety notice for {{{{ record.name }}}}.\\n\" }} }}\n"
        ),
    );
    let plan = scene.host(&["plan", "--record", "oak"]).ended(0).stdout;
    assert!(plan.contains("nothing to do"), "{plan}");
}

#[test]
fn faults_name_file_and_line() {
    let scene = scene();
    let file = "components/safety-notice.md";
    let mut said = Vec::new();
    for (from, to) in [
        ("record.name", "recrod.name"),
        ("record.name", "record.laser"),
        ("max-words: 70", "max-word: 70"),
        ("min-words: 20", "min-words: few"),
        ("min-words: 20", "min-words: 80"),
        ("input:", "priority: high\ninput:"),
        ("input:", "temprature: 1\ninput:"),
        ("input:", "temperature: 3\ninput:"),
        ("input:", "plugin: promt\ninput:"),
        ("input:", "output: '{nme}.md'\ninput:"),
        ("input:", "depends-on: [txt]\ninput:"),
        ("input:", "input"),
    ] {
        scene.write(file, NOTICE);
        scene.replace(file, from, to);
        let ran = scene.host(&["run", "--limit", "1"]).ended(2);
        said.push(ran.stderr);
    }
    scene.write(file, NOTICE);
    scene.replace(file, "[contaminants]", "[contaminant]");
    said.push(scene.host(&["run", "--limit", "1", "-q"]).stderr);
    let section = format!(
        "{}[component.safety-notice]\nplugin = \"prompt\"\n",
        scene.read("batchgen.toml")
    );
    scene.write("batchgen.toml", &section);
    said.push(scene.host(&["run", "--limit", "1"]).ended(2).stderr);
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn add_writes_one_that_runs() {
    let scene = scene();
    let add = [
        "add",
        "component",
        "teaser",
        "--prompt",
        "Write a teaser on {{ record.name }}.",
        "--field",
        "contaminants",
        "--max-words",
        "40",
    ];
    let said = scene.host(&add).ended(0).stdout;
    insta::assert_snapshot!(format!("{said}\n{}", scene.read("components/teaser.md")));
    scene
        .run(&["--component", "teaser", "--limit", "2"])
        .ended(0);
    assert_eq!(scene.content().len(), 2);
    // Nothing said: what may be taken for granted.
    scene.host(&["add", "component", "faq"]).ended(0);
    scene.run(&["--component", "faq", "--limit", "1"]).ended(0);
    let mut said = Vec::new();
    for wrong in [
        &["teaser"][..],
        &["Big Teaser"],
        &["other", "--field", "contaminant"],
        &["other", "--prompt", "{{ recrod }}", "--max-words", "0"],
    ] {
        let before = scene.read("components/teaser.md");
        let words = [&["add", "component"], wrong].concat();
        said.push(scene.host(&words).ended(2).stderr);
        assert_eq!(scene.read("components/teaser.md"), before);
        assert!(!scene.path("components/other.md").exists());
    }
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn at_a_terminal_add_asks_three_questions() {
    let scene = scene();
    let host = program("batchgen").display().to_string();
    let line = format!("exec {host} add component teaser");
    let mut child = scene
        .command_of("script".as_ref(), &["-qec", &line, "/dev/null"])
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .spawn()
        .expect("`script` of util-linux is installed");
    let mut keys = child.stdin.take().unwrap();
    keys.write_all(b"Write a teaser.\ncontaminants, laser\n33\n")
        .unwrap();
    keys.flush().unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    let written = scene.read("components/teaser.md");
    assert!(
        written.contains("record: [\"contaminants\",\"laser\"]")
            && written.contains("max-words: 33\n")
            && written.ends_with("---\n\nWrite a teaser.\n"),
        "{said}\n{written}"
    );
}
