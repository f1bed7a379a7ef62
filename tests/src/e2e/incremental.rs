//! A rerun makes exactly what depends on what changed.

use std::fs;

use crate::scene::{Scene, root};

/// A scene in which a few materials are done.
fn done() -> Scene {
    let scene = Scene::new();
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.complete(), 34);
    scene
}

#[test]
fn a_deleted_file_is_made_again_without_a_call() {
    let scene = done();
    let path = "content/text/iron-laser-cleaning.md";
    let before = scene.read(path);
    fs::remove_file(scene.path(path)).unwrap();
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(
        (summary.count("made"), summary.made()),
        (1, vec!["text".to_owned()])
    );
    assert_eq!(summary.calls("calls"), 0, "its answers are in the journal");
    assert_eq!(scene.read(path), before);
}

#[test]
fn an_edited_record_remakes_what_reads_the_field_and_what_depends_on_that() {
    let scene = done();
    scene.replace(
        "materials.yaml",
        "density_g_cm3: 2.7\n",
        "density_g_cm3: 2.71\n",
    );
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    for component in ["frontmatter", "text", "table"] {
        assert_eq!(summary.of(component, "made"), 1, "{component}");
    }
    assert!(
        scene
            .read("content/table/aluminum-laser-cleaning.md")
            .contains("2.71")
    );
}

#[test]
fn a_field_that_nobody_asks_for_remakes_nothing() {
    let scene = done();
    scene.replace(
        "materials.yaml",
        "- id: iron\n",
        "- id: iron\n  remark: nobody reads this\n",
    );
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.count("made"), 0);
}

#[test]
fn an_edited_prompt_remakes_its_component_and_what_depends_on_it() {
    let scene = done();
    let prompt = fs::read_to_string(root().join("plugins/tags/prompts/write.md")).unwrap();
    scene.write("tags.md", &format!("{prompt}\nPrefer industries.\n"));
    scene.configure("[component.tags]\nprompts = { write = \"tags.md\" }\n");
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.made(), ["tags"]);
    assert_eq!(summary.of("tags", "made"), 34);
}

#[test]
fn a_changed_plugin_remakes_its_component() {
    let scene = done();
    // A custom section changes the bytes and not what the plugin does: id, size, name, nothing.
    let plugin = scene.path("plugins/table.wasm");
    let mut bytes = fs::read(&plugin).unwrap();
    bytes.extend_from_slice(b"\x00\x05\x04note");
    fs::remove_file(&plugin).unwrap();
    fs::write(&plugin, bytes).unwrap();
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.made(), ["table"]);
}

#[test]
fn a_hand_edit_is_kept_reported_and_what_dependents_see() {
    let scene = done();
    let path = "content/frontmatter/iron-laser-cleaning.md";
    scene.replace(path, "title: ", "note: checked by hand\ntitle: ");
    let ran = scene.run(&["--category", "metal"]).ended(0);
    let summary = ran.summary();
    assert_eq!(summary.of("frontmatter", "edited"), 1);
    assert_eq!(summary.of("frontmatter", "made"), 0);
    assert_eq!(
        (summary.of("text", "made"), summary.of("metatags", "made")),
        (1, 1)
    );
    assert!(ran.events().iter().any(|event| {
        event["event"] == "edited" && event["path"] == "frontmatter/iron-laser-cleaning.md"
    }));
    assert!(scene.read(path).contains("checked by hand"));
    // And it stays so when the record changes too.
    scene.replace(
        "materials.yaml",
        "- id: iron\n  name: Iron",
        "- id: iron\n  name: Pure iron",
    );
    let summary = scene.run(&["--category", "metal"]).ended(0).summary();
    assert_eq!(summary.of("frontmatter", "edited"), 1);
    assert!(scene.read(path).contains("checked by hand"));
}

#[test]
fn the_project_can_be_moved_and_entered_from_below() {
    let scene = done();
    fs::create_dir(scene.path("below")).unwrap();
    let output = scene
        .command(&["run", "--json", "--category", "metal"])
        .current_dir(scene.path("below"))
        .output()
        .unwrap();
    let summary = crate::scene::Ran::from(output).ended(0).summary();
    assert_eq!((summary.count("made"), summary.count("kept")), (0, 170));
}
