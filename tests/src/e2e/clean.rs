//! Files that nothing makes any more are noticed, listed, and removed only on request.

use std::collections::BTreeSet;
use std::fs;

use crate::scene::{Ran, Scene};

const GLASS: [&str; 3] = ["--category", "glass", "--all"];

/// A scene with plugins that need no model for most of what is made.
fn done() -> Scene {
    let scene = Scene::new();
    scene.run(&GLASS).ended(0);
    scene
}

/// Takes a record out of the dataset.
fn delete(scene: &Scene, id: &str) {
    let text = scene.read("materials.yaml");
    let start = text.find(&format!("- id: {id}\n")).unwrap();
    let end = text[start + 1..].find("\n- id: ").unwrap() + start + 2;
    scene.write(
        "materials.yaml",
        &format!("{}{}", &text[..start], &text[end..]),
    );
}

fn names(scene: &Scene) -> BTreeSet<String> {
    scene.content().into_keys().collect()
}

/// Records of the category, by the files that they have.
fn glass(scene: &Scene) -> Vec<String> {
    let names = names(scene).into_iter();
    names
        .filter_map(|name| {
            Some(
                name.strip_prefix("table/")?
                    .strip_suffix("-laser-cleaning.md")?
                    .to_owned(),
            )
        })
        .collect()
}

fn orphans(ran: &Ran) -> String {
    let events = ran.events();
    let summary = events
        .iter()
        .find(|event| event["event"] == "summary")
        .unwrap();
    summary["orphans"].to_string()
}

#[test]
fn files_of_a_deleted_record_are_told_and_removed_on_request_only() {
    let scene = done();
    let records = glass(&scene);
    delete(&scene, &records[0]);
    delete(&scene, &records[1]);
    let edited = format!("content/text/{}-laser-cleaning.md", records[0]);
    scene.write(&edited, "By hand.\n");
    let before = names(&scene);

    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(orphans(&ran), r#"{"deleted":{"files":10,"records":2}}"#);
    let said = scene.host(&["plan", "--category", "glass"]).ended(0).stdout;
    let expected = "10 files of 2 records that are no longer in the dataset: \
                    `batchgen clean` lists them, `batchgen clean --deleted` removes them";
    assert!(said.contains(expected), "{said}");
    let listed = scene.host(&["clean"]).ended(0).stdout;
    assert!(
        listed.contains("9 kept; 1 kept, edited by hand\n"),
        "{listed}"
    );
    let moved = scene
        .host(&["clean", "--moved", "--dropped", "--force"])
        .ended(0)
        .stdout;
    assert!(
        moved.contains("nothing") || moved.contains("9 kept"),
        "{moved}"
    );
    assert_eq!(names(&scene), before, "nothing is removed unasked");

    let removed = scene.host(&["clean", "--deleted"]).ended(0).stdout;
    assert!(
        removed.contains("1 kept, edited by hand; 9 removed"),
        "{removed}"
    );
    let left: Vec<String> = names(&scene)
        .into_iter()
        .filter(|name| {
            records[..2]
                .iter()
                .any(|id| name.contains(&format!("/{id}-laser")))
        })
        .collect();
    assert_eq!(left, [edited.strip_prefix("content/").unwrap()]);
    let removed = scene
        .host(&["clean", "--deleted", "--force"])
        .ended(0)
        .stdout;
    assert!(removed.ends_with("1 removed\n"), "{removed}");
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(
        (orphans(&ran).as_str(), ran.summary().count("made")),
        ("{}", 0)
    );
    assert_eq!(
        scene.host(&["clean"]).ended(0).stdout,
        "no file is left over\n"
    );
}

#[test]
fn a_record_that_comes_back_costs_nothing() {
    let scene = done();
    let dataset = scene.read("materials.yaml");
    delete(&scene, &glass(&scene)[0]);
    scene.host(&["clean", "--deleted"]).ended(0);
    scene.write("materials.yaml", &dataset);
    let summary = scene.run(&GLASS).ended(0).summary();
    assert_eq!((summary.count("made"), summary.calls("calls")), (5, 0));
}

#[test]
fn a_path_that_changed_leaves_files_that_are_told() {
    let scene = done();
    scene.configure("[component.text]\noutput = \"articles/{shard}/{id}.{extension}\"\n");
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(ran.summary().of("text", "made"), 8);
    assert_eq!(orphans(&ran), r#"{"moved":{"files":8,"records":8}}"#);
    assert!(
        names(&scene)
            .iter()
            .filter(|name| name.starts_with("articles/"))
            .count()
            == 8
    );
    let removed = scene.host(&["clean", "--moved"]).ended(0).stdout;
    assert!(removed.ends_with("8 removed\n"), "{removed}");
    assert!(
        !scene.path("content/text").exists(),
        "an empty folder goes, too"
    );
    // And back: what is written again is left over no longer.
    scene.configure("");
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(orphans(&ran), r#"{"moved":{"files":8,"records":8}}"#);
    scene.configure("[component.text]\noutput = \"articles/{shard}/{id}.{extension}\"\n");
    let kept = scene.host(&["clean", "--moved"]).ended(0).stdout;
    assert_eq!(
        kept, "no file is left over\n",
        "the configuration writes there now"
    );
}

#[test]
fn a_component_that_is_gone_leaves_files_that_are_told() {
    let scene = done();
    fs::remove_file(scene.path("plugins/tags.wasm")).unwrap();
    let ran = scene.run(&GLASS).ended(0);
    assert_eq!(orphans(&ran), r#"{"dropped":{"files":8,"records":8}}"#);
    // Of a plugin that is only broken nothing is left over.
    scene.write("plugins/tags.wasm", "no plugin");
    let listed = scene.host(&["clean", "--dropped"]).ended(0).stdout;
    assert_eq!(listed, "no file is left over\n");
    fs::remove_file(scene.path("plugins/tags.wasm")).unwrap();
    let removed = scene.host(&["clean", "--dropped"]).ended(0).stdout;
    assert!(removed.ends_with("8 removed\n"), "{removed}");
}

/// A component that has another name now and writes to the same places: its files are in use.
#[test]
fn a_file_that_another_component_writes_now_stays() {
    let scene = Scene::new();
    scene.configure("[component.text]\noutput = \"articles/{id}.md\"\n");
    scene.run(&GLASS).ended(0);
    scene.configure("[component.article]\nplugin = \"text\"\noutput = \"articles/{id}.md\"\n");
    let removed = scene.host(&["clean", "--dropped"]).ended(0).stdout;
    assert_eq!(removed, "no file is left over\n");
    assert_eq!(
        fs::read_dir(scene.path("content/articles"))
            .unwrap()
            .count(),
        8
    );
}
