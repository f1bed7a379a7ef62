//! `batchgen plugins`: what a person sees of plugins, and plugins that are not those that were locked.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::core_guest::{CoreGuest, append_section};
use crate::scene::{Ran, Scene, root};

/// Two plugins of the tests, whose manifests no plugin of the product changes.
fn scene() -> Scene {
    let scene = Scene::new();
    let plugins = scene.path("two");
    fs::create_dir(&plugins).unwrap();
    for name in ["hostile.wasm", "dependent.wasm"] {
        symlink(
            root().join("target/test-plugins").join(name),
            plugins.join(name),
        )
        .unwrap();
    }
    scene.with("BATCHGEN_PLUGINS", "two")
}

/// Compares what does not depend on how a plugin was compiled.
macro_rules! assert_shown {
    ($ran:expr $(, $inline:literal)? $(,)?) => {{
        let ran: &Ran = &$ran;
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        insta::with_settings!({filters => vec![
            (r"\b\d+ kB", "[..] kB"),
            (r"\b([0-9a-f]{64}|[0-9a-f]{12})\b", "[digest]"),
        ]}, {
            insta::assert_snapshot!(shown $(, @$inline)?);
        });
    }};
}

#[test]
fn a_list_says_what_there_is_and_what_is_broken() {
    let scene = scene();
    fs::write(scene.path("two/broken.wasm"), "not wasm").unwrap();
    scene.configure(
        "[component.hostile]\nenabled = false\npriority = 7\n[component.hostile.limits]\ncalls = 3\n",
    );
    assert_shown!(scene.host(&["plugins", "list"]).ended(0));
    let ran = scene.host(&["plugins", "list", "--json"]).ended(0);
    let list: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(list["plugins"][1]["name"], "hostile");
    assert_eq!(list["plugins"][1]["limits"]["calls"], 3);
    assert_eq!(list["plugins"][1]["locked"], Value::Null);
    let digest = list["plugins"][1]["digest"].as_str().unwrap();
    assert_eq!(digest.len(), 64);
    let broken = list["broken"][0].as_str().unwrap();
    assert!(
        broken.contains("broken.wasm cannot be used: it is not a WASM component"),
        "{broken}"
    );
}

#[test]
fn a_plugin_is_shown_whole_by_name_or_by_file() {
    let scene = scene();
    let shown = scene.host(&["plugins", "inspect", "hostile"]).ended(0);
    assert_shown!(shown);
    let file = scene
        .host(&["plugins", "inspect", "two/hostile.wasm"])
        .ended(0);
    assert_eq!(file.stdout, shown.stdout);
    let json = scene
        .host(&["plugins", "inspect", "hostile", "--json"])
        .ended(0);
    let json: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["manifest"]["limits"]["cpu-ms"], 200);
    assert_eq!(json["exports"][0]["name"], "generate");
    let unknown = scene.host(&["plugins", "inspect", "hostil"]).ended(2);
    insta::assert_snapshot!(unknown.stderr, @r"
    error: there is no plugin `hostil` in two
    hint: did you mean `hostile`? The plugins are: dependent, hostile, judge, prompt. A file is named with its ending, .wasm
    ");
}

#[test]
fn what_is_not_as_it_was_locked_is_refused_by_every_command_that_loads_plugins() {
    let scene = scene();
    scene.configure("[component.hostile.options]\nrecord = \"nobody\"\n");
    let run = ["run", "--all", "--record", "oak"];
    let locked = scene.host(&["plugins", "lock"]).ended(0);
    assert_eq!(locked.stderr, "locked 2 plugins in plugins.lock\n");
    scene.host(&run).ended(0);
    let list = scene.host(&["plugins", "list", "--json"]).ended(0);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list["plugins"][0]["locked"], "yes");

    // One is changed, one is new, one is gone.
    let mut bytes = fs::read(scene.path("two/hostile.wasm")).unwrap();
    append_section(&mut bytes, "changed", b"by somebody");
    fs::remove_file(scene.path("two/hostile.wasm")).unwrap();
    fs::write(scene.path("two/hostile.wasm"), bytes).unwrap();
    let new = CoreGuest::new("calm", "", "(call $put (i32.const 79)) (call $make)");
    fs::write(scene.path("two/calm.wasm"), new.build()).unwrap();
    fs::remove_file(scene.path("two/dependent.wasm")).unwrap();
    let refused = scene.host(&run).ended(2);
    assert_shown!(refused);
    for command in [
        &["plan"][..],
        &["why", "oak", "hostile"],
        &["failures"],
        &["retry", "--record", "oak"],
        &["replay", "oak", "hostile"],
        &["export", "site.jsonl"],
        &["plugins", "list"],
    ] {
        let ran = scene.host(command).ended(2);
        assert!(
            ran.stderr.contains("so none is used"),
            "{command:?}: {}",
            ran.stderr
        );
    }
    // A folder below the project is in it.
    fs::create_dir(scene.path("below")).unwrap();
    let below = scene
        .command(&run)
        .current_dir(scene.path("below"))
        .env("BATCHGEN_PLUGINS", "../two")
        .output()
        .unwrap();
    Ran::from(below).ended(2);

    // Accepted, it runs again.
    scene.host(&["plugins", "lock"]).ended(0);
    scene.host(&run).ended(0);
}

#[test]
fn a_lock_that_is_none_is_refused_and_a_broken_plugin_is_not_locked() {
    let scene = scene();
    scene.write(
        "plugins.lock",
        "format = 1\n[[plugin]]\nname = \"hostile\"\n",
    );
    let ran = scene.host(&["run", "--record", "oak"]).ended(2);
    insta::assert_snapshot!(ran.stderr, @r#"
    error: plugins.lock: TOML parse error at line 2, column 1
      |
    2 | [[plugin]]
      | ^^^^^^^^^^
    missing field `version`
    hint: restore it, or let `batchgen plugins lock` write it again, without the plugins that come from elsewhere
    "#);
    let again = scene.host(&["plugins", "lock"]).ended(0).stderr;
    assert!(again.starts_with("warning: plugins.lock: TOML"), "{again}");
    assert!(
        again.ends_with("locked 2 plugins in plugins.lock\n"),
        "{again}"
    );
    scene.write("plugins.lock", "broken");
    fs::write(scene.path("two/broken.wasm"), "not wasm").unwrap();
    let ran = scene.host(&["plugins", "lock"]).ended(2);
    let (_, told) = ran.stderr.split_once("error: ").unwrap();
    insta::assert_snapshot!(told, @r"
    nothing was locked: plugin two/broken.wasm cannot be used: it is not a WASM component
    hint: build it again with `cargo xtask build-plugins`; or remove the file
    ");
}

#[test]
fn what_depends_on_a_plugin_that_is_missing_is_left_out_and_the_others_run() {
    let scene = Scene::new();
    fs::remove_file(scene.path("plugins/frontmatter.wasm")).unwrap();
    let ran = scene.host(&["run", "--record", "oak"]).ended(3);
    let warnings = ran
        .stderr
        .lines()
        .take_while(|line| !line.contains("materials"));
    insta::assert_snapshot!(warnings.collect::<Vec<_>>().join("\n"));
    assert!(scene.path("content/table/oak-laser-cleaning.md").exists());
    // One that was named is an error.
    let named = ["run", "--record", "oak", "--component", "text"];
    let named = scene.host(&named).ended(2);
    assert!(
        named
            .stderr
            .contains("error: component `text` depends on `frontmatter`"),
        "{}",
        named.stderr
    );
}
