//! What authors of plugins use: a project of their own, one record at a time, and the packing of what a compiler made.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::scene::{Ran, Scene, program, root};
use simulator::{Answers, Config, Simulator};

/// Runs a script of a project that was made in the scene, with the tools of this machine and without a network.
fn script(scene: &Scene, project: &str, name: &str) -> Ran {
    let mut command = Command::new(format!("./{name}"));
    command
        .current_dir(scene.path(project))
        .env("BATCHGEN_HOST", program("batchgen"))
        .env("BATCHGEN_CACHE_DIR", root().join("target/wasm-cache"))
        .env("CARGO_TARGET_DIR", root().join("target/new-plugin"))
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "PATH",
            format!("tools:{}", std::env::var("PATH").unwrap_or_default()),
        )
        .env_remove("RUSTFLAGS");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_ENCODED")) {
        command.env_remove(name);
    }
    Ran::from(command.output().unwrap())
}

/// Everything that is made, by language.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("sdk/src") {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_new_plugin_in_rust_builds_and_passes() {
    let scene = Scene::new();
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    let made = scene.host(&["plugins", "new", "safety-notes"]).ended(0);
    insta::assert_snapshot!(format!(
        "{}{}",
        made.stderr,
        files(&scene.path("safety-notes")).join("\n")
    ));
    let built = script(&scene, "safety-notes", "build.sh").ended(0);
    assert!(
        built.stderr.contains("packed safety-notes.wasm"),
        "{}",
        built.stderr
    );
    let file = "safety-notes/safety-notes.wasm";
    let checked = scene.host(&["plugins", "check", file]).ended(0);
    assert!(checked.stdout.contains(" 0 failed"), "{}", checked.stdout);
    let shown = scene.host(&["plugins", "inspect", file]).ended(0).stdout;
    assert!(!shown.contains("wasi:"), "{shown}");
    with_a_typed_answer(&scene);
    let again = scene.host(&["plugins", "new", "safety-notes"]).ended(2);
    assert!(
        again.stderr.contains("safety-notes exists already"),
        "{}",
        again.stderr
    );
}

/// Builds and checks the project again as its README says: an answer of a type of its own, and one that is recorded for the
/// check, since no stand-in for a model knows the rule.
fn with_a_typed_answer(scene: &Scene) {
    let readme = scene.read("safety-notes/README.md");
    let block = |language: &str| {
        let start = format!("```{language}\n");
        let (_, rest) = readme.split_once(&start).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let source = scene.read("safety-notes/src/lib.rs");
    let (before, rest) = source.split_once("impl Component").unwrap();
    let (_, after) = rest.split_once("\n}\n").unwrap();
    let source = format!("{before}{}{after}", block("rust"));
    scene.write("safety-notes/src/lib.rs", &source);
    scene.write("safety-notes/src/answer.json", &block("json"));
    script(scene, "safety-notes", "build.sh").ended(0);
    let check = || scene.host(&["plugins", "check", "safety-notes/safety-notes.wasm"]);
    let broken = check().ended(3).stdout;
    assert!(broken.contains("must end with a question mark"), "{broken}");
    scene.write("safety-notes/answers.toml", &block("toml"));
    let checked = check().ended(0).stdout;
    assert!(checked.contains("11 ok, 0 failed, 1 skipped"), "{checked}");
}

/// In place of the tools, which take long: what they made of the same source for the examples.
#[test]
fn new_plugins_in_other_languages_build() {
    for (language, tool, example) in [
        ("python", ".tools/bin/componentize-py", "summary-python"),
        ("js", "tools/node", "summary-javascript"),
    ] {
        let component = root().join(format!("target/guest-tools/{example}.wasm"));
        if !component.exists() {
            // Its language is not installed here; the build said so.
            continue;
        }
        let scene = Scene::new();
        let name = format!("notes-{language}");
        scene
            .host(&["plugins", "new", "--lang", language, &name])
            .ended(0);
        scene.write(
            &format!("{name}/{tool}"),
            &format!(
                "#!/bin/sh\nfor last; do :; done\ncp {} \"$last\"\n",
                component.display()
            ),
        );
        let tool = scene.path(&format!("{name}/{tool}"));
        fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
        fs::create_dir_all(scene.path(&format!("{name}/node_modules"))).unwrap();
        script(&scene, &name, "build.sh").ended(0);
        let plugin = fs::read(scene.path(&format!("{name}/{name}.wasm"))).unwrap();
        assert!(plugin.starts_with(&fs::read(&component).unwrap()));
        let source = format!(
            "{name}/component.{}",
            if language == "js" { "js" } else { "py" }
        );
        let of_example = root().join("plugins/examples").join(example);
        let of_example = of_example.join(Path::new(&source).file_name().unwrap());
        assert_eq!(scene.read(&source), fs::read_to_string(of_example).unwrap());
    }
}

#[test]
fn one_record_is_shown_with_all_that_was_asked_and_nothing_is_stored() {
    let scene = Scene::new();
    let summary = root().join("target/example-plugins/summary.wasm");
    symlink(summary, scene.path("summary.wasm")).unwrap();
    let shown = scene
        .host(&["plugins", "dev", "summary.wasm", "--record", "oak"])
        .ended(0);
    insta::assert_snapshot!(shown.stdout);
    assert!(!scene.path(".batchgen").exists());
    assert!(!scene.path("content").exists());
}

/// What goes back to the model says what was wrong with its answer.
#[test]
fn a_real_model_is_asked_and_the_rules_that_it_broke_are_shown() {
    let simulator = Simulator::start(Config {
        answers: Answers::Echo,
        ..Config::default()
    })
    .unwrap();
    let scene = Scene::new().asking(&simulator);
    let tags = root().join("target/plugins/tags.wasm");
    symlink(tags, scene.path("tags.wasm")).unwrap();
    let ran = scene
        .host(&["plugins", "dev", "tags.wasm", "--record", "oak"])
        .ended(3);
    assert!(ran.stdout.contains("=== question 2"), "{}", ran.stdout);
    assert!(
        ran.stdout.contains("Your answer breaks these rules"),
        "{}",
        ran.stdout
    );
    assert!(ran.stdout.contains("=== failed: "), "{}", ran.stdout);
    assert!(!scene.path(".batchgen").exists());
}

#[test]
fn a_plugin_that_is_watched_runs_again_after_each_build_and_after_a_broken_one() {
    let scene = Scene::new();
    let built = |name: &str| root().join("target").join(name);
    let file = scene.path("own.wasm");
    fs::copy(built("example-plugins/summary.wasm"), &file).unwrap();
    let arguments = ["plugins", "dev", "own.wasm", "--record", "oak", "--watch"];
    let mut child = scene.command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut until = |wanted: &str| {
        let found = lines.find(|line| line.as_ref().unwrap().contains(wanted));
        assert!(found.is_some(), "the output ended before {wanted:?}");
    };
    until("=== summary/oak");
    until("waiting until own.wasm is built again");
    fs::write(&file, "half a file").unwrap();
    until("error: plugin own.wasm cannot be used");
    until("waiting until own.wasm is built again");
    fs::copy(built("plugins/tags.wasm"), &file).unwrap();
    until("=== tags/oak");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_panic_shows_its_message_and_its_place() {
    let scene = Scene::new().with_plugins("test-plugins");
    let hostile = root().join("target/test-plugins/hostile.wasm");
    let hostile = hostile.display().to_string();
    let ran = scene
        .host(&["plugins", "dev", &hostile, "--record", "oak"])
        .ended(3);
    insta::assert_snapshot!(ran.stdout);
}

#[test]
fn what_cannot_be_packed_says_why() {
    let scene = Scene::new();
    let manifest = "[plugin]\nname = \"bare\"\nversion = \"1\"\ndescription = \"\"\n[output]\nextension = \"md\"\nmedia-type = \"text/markdown\"\n";
    let pack = |binary: &[u8], manifest: &str| {
        fs::write(scene.path("bare.wat.wasm"), binary).unwrap();
        scene.write("plugin.toml", manifest);
        scene
            .host(&["plugins", "pack", "bare.wat.wasm"])
            .ended(2)
            .stderr
    };
    let component = b"\0asm\x0d\0\x01\0";
    let shown = [
        pack(b"no wasm", manifest),
        pack(component, &manifest.replace("name", "nme")),
        pack(component, &manifest.replace("bare", "Bare")),
        pack(
            &wat::parse_str("(module (import \"env\" \"f\" (func)))").unwrap(),
            manifest,
        ),
        pack(component, manifest),
    ];
    insta::assert_snapshot!(shown.join("\n"));
    let packed = root().join("target/plugins/text.wasm");
    let packed = packed.to_str().unwrap();
    let refused = scene.host(&["plugins", "pack", packed]).ended(2);
    assert!(
        refused.stderr.contains("it has a manifest already"),
        "{}",
        refused.stderr
    );
}
