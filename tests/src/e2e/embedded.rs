//! The program by itself, with the plugins that it carries; and plugins that a run does not use.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::core_guest::{CoreGuest, append_section};
use crate::scene::{Ran, Scene, program, root};

const PRODUCTS: &str = "sku,title,kind\na-1,Lamp,light\na-2,Torch,light\n";
/// It asks nothing and makes a file of one letter.
const CALM: CoreGuest = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");

/// A folder without plugins, in which compiled code is kept as well.
fn alone() -> Scene {
    let scene = Scene::new();
    fs::remove_dir_all(scene.path("plugins")).unwrap();
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    scene.write("products.csv", PRODUCTS);
    // A home directory that is a project may hold its owner's cache.
    let home = scene.path("").display().to_string();
    scene
        .with("BATCHGEN_CACHE_DIR", "cache")
        .with("HOME", &home)
}

/// A project that `init` wrote, with `calm` in a plugin folder of its own.
fn with_own_plugin() -> Scene {
    let scene = alone();
    scene.host(&["init", "products.csv"]).ended(0);
    scene.write("plugins/README", "");
    fs::write(scene.path("plugins/calm.wasm"), CALM.build()).unwrap();
    plugins_directory(&scene);
    scene
}

fn plugins_directory(scene: &Scene) {
    let config = scene.read("batchgen.toml");
    let config = match config.contains("[plugins]\n") {
        true => config.replacen("[plugins]\n", "[plugins]\ndirectory = \"plugins\"\n", 1),
        false => format!("{config}\n[plugins]\ndirectory = \"plugins\"\n"),
    };
    scene.write("batchgen.toml", &config);
}

fn plugins(scene: &Scene) -> Vec<Value> {
    let ran = scene.host(&["plugins", "list", "--json"]).ended(0);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    list["plugins"].as_array().unwrap().clone()
}

/// How many plugins were compiled into the scene's cache.
fn compiled(scene: &Scene) -> usize {
    fn count(folder: &Path) -> usize {
        let Ok(entries) = fs::read_dir(folder) else {
            return 0;
        };
        let paths = entries.map(|entry| entry.unwrap().path());
        paths
            .map(|path| match path.is_dir() {
                true => count(&path),
                false => usize::from(path.extension().is_some_and(|end| end == "code")),
            })
            .sum()
    }
    count(&scene.path("cache"))
}

#[test]
fn a_copied_program_alone_makes_a_configuration_and_runs_it() {
    let scene = alone();
    let copy = scene.path("elsewhere");
    fs::create_dir(&copy).unwrap();
    let copy = copy.join("batchgen");
    fs::copy(program("batchgen"), &copy).unwrap();
    let start = |arguments: &[&str]| {
        Ran::from(scene.command_of(&copy, arguments).output().unwrap()).ended(0)
    };
    let said = start(&["init", "products.csv"]);
    assert_eq!(said.stderr, "");
    start(&["run"]);
    assert_eq!(scene.content().len(), 2);
    let doctor = start(&["doctor"]);
    assert!(doctor.stdout.contains("prompt"), "{}", doctor.stdout);
}

#[test]
fn a_folder_of_ones_own_plugins_keeps_the_one_in_the_program() {
    let scene = with_own_plugin();
    scene.host(&["run"]).ended(0);
    let names: Vec<Value> = plugins(&scene)
        .iter()
        .map(|plugin| plugin["name"].clone())
        .collect();
    assert_eq!(names, ["calm", "judge", "prompt"]);

    // What to write into the configuration is said where the plugin is asked for, and in the list.
    let asked = scene.host(&["run", "--component", "calm"]).ended(2);
    let listed = scene.host(&["plugins", "list"]).ended(0);
    assert!(
        asked.stderr.contains("[component.calm]"),
        "{}",
        asked.stderr
    );
    assert!(
        listed.stderr.contains("no component uses calm"),
        "{}",
        listed.stderr
    );
    let config = scene.read("batchgen.toml");
    scene.write("batchgen.toml", &format!("{config}\n[component.calm]\n"));
    scene.host(&["run", "--component", "calm"]).ended(0);
}

#[test]
fn a_file_of_its_name_wins_over_the_plugin_in_the_program() {
    let scene = with_own_plugin();
    let built = fs::read(root().join("target/plugins/prompt.wasm")).unwrap();
    let embedded = plugins(&scene).remove(2);
    assert_eq!(embedded["file"], Value::Null);
    let mut other = built;
    append_section(&mut other, "changed", b"by somebody");
    fs::write(scene.path("plugins/prompt.wasm"), other).unwrap();
    let found = plugins(&scene).remove(2);
    assert_eq!(found["name"], "prompt");
    assert_eq!(found["file"], "plugins/prompt.wasm");
    assert_ne!(found["digest"], embedded["digest"]);
    // One that is broken is not replaced behind its owner's back.
    fs::write(scene.path("plugins/prompt.wasm"), "not wasm").unwrap();
    let ran = scene.host(&["run"]).ended(2);
    assert!(
        ran.stderr.contains("plugins/prompt.wasm cannot be used"),
        "{}",
        ran.stderr
    );
}

#[test]
fn a_lock_holds_the_plugin_in_the_program_where_a_component_uses_it() {
    let scene = with_own_plugin();
    let locked = scene.host(&["plugins", "lock"]).ended(0);
    assert_eq!(locked.stderr, "locked 2 plugins in plugins.lock\n");
    scene.host(&["run"]).ended(0);
    let lock = scene.read("plugins.lock");
    let prompt = lock.find("name = \"prompt\"").unwrap();
    let (before, of_prompt) = lock.split_at(prompt);
    let digest = of_prompt.split("digest = \"").nth(1).unwrap();
    let (digest, _) = digest.split_once('"').unwrap();
    let other = of_prompt.replacen(digest, &"0".repeat(64), 1);
    scene.write("plugins.lock", &format!("{before}{other}"));
    let refused = scene.host(&["run"]).ended(2);
    assert!(
        refused.stderr.contains("prompt has changed"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_run_compiles_what_it_uses_and_a_list_compiles_nothing() {
    let scene = with_own_plugin();
    fs::copy(
        root().join("target/plugins/tags.wasm"),
        scene.path("plugins/tags.wasm"),
    )
    .unwrap();
    assert_eq!(plugins(&scene).len(), 4);
    assert_eq!(compiled(&scene), 0);
    scene.host(&["plan"]).ended(0);
    scene.host(&["run"]).ended(0);
    scene.host(&["status"]).ended(0);
    assert_eq!(compiled(&scene), 1);
}

#[test]
fn a_broken_plugin_stops_only_the_run_that_uses_it() {
    // Its manifest is well, and its code is not: that shows when it is compiled.
    let mut code = CALM.build();
    let body = code
        .windows(3)
        .position(|window| window == [0x41, 0xcf, 0x00])
        .unwrap();
    code[body] = 0xff;
    for (broken, cause) in [
        (b"not wasm".to_vec(), "it is not a WASM component"),
        (code, "it is not valid WASM"),
    ] {
        let scene = with_own_plugin();
        let config = scene.read("batchgen.toml");
        scene.write(
            "batchgen.toml",
            &format!("{config}\n[component.calm]\nenabled = false\n[component.after]\nplugin = \"prompt\"\nenabled = false\ndepends-on = [\"calm\"]\nprompts = {{ write = {{ text = \"Go on.\" }} }}\n"),
        );
        fs::write(scene.path("plugins/calm.wasm"), broken).unwrap();
        scene.host(&["run"]).ended(0);
        assert_eq!(scene.content().len(), 2);
        for name in ["calm", "after"] {
            let ran = scene.host(&["run", "--component", name]).ended(2);
            assert!(ran.stderr.contains(cause), "{name}: {}", ran.stderr);
        }
    }
}

#[test]
fn a_component_takes_the_place_of_the_plugin_whose_name_it_has() {
    let scene = Scene::new();
    scene.configure(
        "[component.tags]\nplugin = \"prompt\"\nprompts = { write = { text = \"Write about {{ record.name }}.\" } }\n",
    );
    let run = ["run", "--component", "tags", "--record", "oak"];
    scene.host(&run).ended(0);
    let made: Vec<String> = scene.content().into_keys().collect();
    assert_eq!(made, ["tags/oak-laser-cleaning.md"]);
}
