//! The conformance kit: every plugin that is built here passes it, and every check can fail.

use std::fs;
use std::path::Path;

use crate::core_guest::CoreGuest;
use crate::scene::{Ran, Scene, root};

fn check(scene: &Scene, file: &Path, more: &[&str]) -> Ran {
    let file = file.display().to_string();
    scene.host(&[&["plugins", "check", file.as_str()], more].concat())
}

/// Fails unless every check of every plugin passed.
fn pass(folder: &str) {
    let scene = Scene::new().with_plugins(folder);
    let files = scene.plugins();
    assert!(!files.is_empty(), "nothing was built into target/{folder}");
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy();
        let answers = root().join(format!("plugins/{name}/answers.toml"));
        let answers = answers.display().to_string();
        let more: &[&str] = match Path::new(&answers).is_file() {
            true => &["--answers", &answers],
            false => &[],
        };
        let ran = check(&scene, &file, more).ended(0);
        assert!(ran.stdout.contains(" ok, 0 failed, "), "{}", ran.stdout);
    }
}

#[test]
fn every_bundled_plugin_passes() {
    pass("plugins");
}

#[test]
fn every_example_passes_whatever_it_is_written_in() {
    pass("example-plugins");
}

#[test]
fn the_components_that_need_no_code_pass() {
    for folder in fs::read_dir(root().join("plugins")).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(examples) = fs::read_to_string(folder.join("examples.toml")) else {
            continue;
        };
        let scene = Scene::new().with_plugins("plugins");
        scene.configure(&examples);
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let file = root().join(format!("target/plugins/{name}.wasm"));
        let ran = check(&scene, &file, &[]).ended(0);
        assert!(ran.stdout.contains(" ok, 0 failed, "), "{}", ran.stdout);
    }
}

/// One that breaks one law at a time.
#[test]
fn each_check_fails_for_what_breaks_its_law_and_for_nothing_else() {
    let scene = Scene::new().with_plugins("test-plugins");
    let lawless = root().join("target/test-plugins/lawless.wasm");
    let more = ["--record", "iron"];
    check(&scene, &lawless, &more).ended(0);
    let mut shown = Vec::new();
    for law in [
        "contract",
        "artifact",
        "input",
        "refusals",
        "cut-off",
        "answers",
        "missing",
        "awkward",
        "oversized",
        "edited",
    ] {
        scene.configure(&format!("[component.lawless.options]\nlaw = \"{law}\"\n"));
        let ran = check(&scene, &lawless, &more).ended(3);
        let failed: Vec<&str> = ran
            .stdout
            .lines()
            .filter_map(|line| line.strip_prefix("  FAILED   "))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        // A field that is null counts as missing.
        let wanted = match law {
            "missing" => vec!["missing", "awkward"],
            law => vec![law],
        };
        assert_eq!(failed, wanted, "{}", ran.stdout);
        let from = ran.stdout.find("  FAILED").unwrap();
        let lines = ran.stdout[from..].lines().take(4);
        shown.push(lines.collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(shown.join("\n"));
}

#[test]
fn what_cannot_be_loaded_fails_with_what_is_wrong() {
    let scene = Scene::new();
    let guest = CoreGuest {
        imports: &["evil:host/shell@1.0.0"],
        ..CoreGuest::new(
            "imports-a-shell",
            r#"(import "evil:host/shell@1.0.0" "execute" (func (param i32 i32)))"#,
            "(call $make)",
        )
    };
    fs::write(scene.path("shell.wasm"), guest.build()).unwrap();
    let ran = scene.host(&["plugins", "check", "shell.wasm"]).ended(3);
    insta::assert_snapshot!(ran.stdout);
}

/// Outside any project there are no records, so one is invented.
#[test]
fn a_plugin_is_checked_without_a_project() {
    let scene = Scene::new();
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    let summary = root().join("target/example-plugins/summary.wasm");
    fs::copy(summary, scene.path("summary.wasm")).unwrap();
    let ran = scene.host(&["plugins", "check", "summary.wasm"]).ended(0);
    insta::assert_snapshot!(ran.stdout);
    let ran = scene
        .host(&["plugins", "check", "summary.wasm", "--record", "oak"])
        .ended(2);
    assert!(
        ran.stderr.contains("name one with --data FILE"),
        "{}",
        ran.stderr
    );
}

/// What it depends on has to be there.
#[test]
fn a_dependency_that_is_missing_is_named() {
    let scene = Scene::new().with_plugin("test-plugins/hostile");
    let dependent = root().join("target/test-plugins/dependent.wasm");
    fs::copy(dependent, scene.path("dependent.wasm")).unwrap();
    fs::remove_file(scene.path("plugin/plugin.wasm")).unwrap();
    fs::copy(
        root().join("target/example-plugins/summary.wasm"),
        scene.path("plugin/summary.wasm"),
    )
    .unwrap();
    let ran = scene.host(&["plugins", "check", "dependent.wasm"]).ended(2);
    assert!(
        ran.stderr
            .contains("`dependent` depends on `hostile`, and there is no such component"),
        "{}",
        ran.stderr
    );
}

/// Components whose rule no stand-in for a model can know.
const QUESTIONS: &str = r#"
[component.faq]
plugin = "prompt"
input = { record = ["applications"] }
prompts = { write = { text = "Ask a question on {{ record.name }}." } }
options = { must-match = ['\?$'], max-words = 12 }
"#;

/// A project with such a component, and its plugin in a folder of its own.
fn questions(more: &str) -> Scene {
    let scene = Scene::new();
    scene.configure(&format!("{QUESTIONS}{more}"));
    let built = root().join("target/plugins/prompt.wasm");
    fs::create_dir(scene.path("own")).unwrap();
    fs::copy(built, scene.path("own/prompt.wasm")).unwrap();
    scene
}

#[test]
fn answers_that_the_author_recorded_are_used_in_place_of_the_stand_in_s() {
    let scene = questions("");
    let file = Path::new("own/prompt.wasm");
    let without = check(&scene, file, &[]).ended(3).stdout;
    let hint = "record an answer that obeys it, in answers.toml beside the plugin";
    assert!(without.contains(hint), "{without}");
    assert!(
        without.contains("  skipped  cut-off      no sample gives an artifact"),
        "{without}"
    );

    scene.write(
        "own/answers.toml",
        "[[answer]]\nrecord = \"alumina\"\ntext = \"What is Alumina?\"\n\n\
         [[answer]]\ntext = '''\nWhat is it used for?\n'''\n",
    );
    let with = check(&scene, file, &[]).ended(0);
    let told = "own/answers.toml: 2 recorded answers\n";
    assert!(with.stdout.contains(told), "{}", with.stdout);
    let end = "11 ok, 0 failed, 1 skipped\n";
    assert!(with.stdout.ends_with(end), "{}", with.stdout);
    assert_eq!(with.stderr, "");

    // One that breaks the rule is named by its place, and one that fits nothing is told.
    scene.replace("own/answers.toml", "What is Alumina?", "Alumina is hard.");
    scene.replace(
        "own/answers.toml",
        "text = '''",
        "question = \"no such words\"\ntext = '''",
    );
    let wrong = check(&scene, file, &["--record", "alumina"]).ended(3);
    let hint = "the answer is the one at own/answers.toml:1: correct it, or the component";
    assert!(wrong.stdout.contains(hint), "{}", wrong.stdout);
    let warning = "own/answers.toml:5: this answer fits no question";
    assert!(wrong.stderr.contains(warning), "{}", wrong.stderr);

    let missing = check(&scene, file, &["--answers", "elsewhere.toml"]).ended(2);
    let cause = "cannot read the recorded answers elsewhere.toml";
    assert!(missing.stderr.contains(cause), "{}", missing.stderr);
}

/// What a component depends on may need recorded answers, too. They are told apart by component, and by words of the question.
#[test]
fn recorded_answers_say_which_component_and_which_question_they_are_for() {
    let scene = questions(
        r#"
[component.page]
plugin = "prompt"
depends-on = ["faq"]
prompts = { write = { text = "Say {{ 'yes' if record.id == 'brick' else 'no' }} to {{ upstream.faq.text }}" } }
options = { must-match = ['^(Yes|No)\.$'] }
"#,
    );
    let file = Path::new("own/prompt.wasm");
    let arguments = [
        "--answers",
        "mine.toml",
        "--record",
        "brick",
        "--record",
        "oak",
    ];
    let of_faq = "[[answer]]\ncomponent = \"faq\"\ntext = \"Is it hard?\"\n";
    scene.write("mine.toml", of_faq);
    let without = check(&scene, file, &arguments).ended(3);
    assert!(
        without.stdout.contains("FAILED   artifact"),
        "{}",
        without.stdout
    );
    let of_page = "[[answer]]\nquestion = \"Say\\nyes  to Is it\"\ntext = \"Yes.\"\n\
                   [[answer]]\ncomponent = \"page\"\ntext = \"No.\"\n";
    scene.write("mine.toml", &format!("{of_faq}{of_page}"));
    let with = check(&scene, file, &arguments).ended(0);
    assert!(with.stdout.contains(" ok, 0 failed, "), "{}", with.stdout);
    assert_eq!(with.stderr, "");

    // Without an answer for it, what is depended on makes nothing.
    scene.write("mine.toml", of_page);
    let stuck = check(&scene, file, &arguments).ended(2);
    let hint = "in answers.toml beside the plugin, with component = \"faq\"";
    assert!(
        stuck.stderr.contains(hint),
        "{}{}",
        stuck.stdout,
        stuck.stderr
    );
}
