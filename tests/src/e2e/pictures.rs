//! Components whose questions show pictures of the records.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::scene::{Scene, root};

const CONFIGURATION: &str = r#"
[dataset]
path = "data/products.csv"
[component.alt-text]
plugin = "prompt"
images = ["photo"]
prompts.write = { text = "Say what is to be seen." }
output = "{component}/{id}.txt"
[component.alt-text.options]
media-type = "text/plain"
max-words = 40
numbers-from-facts = false
"#;

const PRODUCTS: &str = "id,name,category,photo\n\
    chair,Chair,furniture,photos/chair.png\n\
    lamp,Lamp,furniture,photos/lamp.jpg\n\
    table,Table,furniture,photos/table.webp\n\
    shelf,Shelf,furniture,photos/shelf.gif\n";

/// A picture that Pillow made.
fn picture(name: &str) -> PathBuf {
    root().join("tests/fixtures/pictures").join(name)
}

/// A project with a picture of each format.
fn scene() -> Scene {
    let scene = Scene::new().with_plugin("plugins/prompt");
    scene.write("batchgen.toml", CONFIGURATION);
    scene.write("data/products.csv", PRODUCTS);
    fs::create_dir(scene.path("data/photos")).unwrap();
    for name in ["chair.png", "lamp.jpg", "table.webp", "shelf.gif"] {
        put(&scene, name, name);
    }
    scene
}

/// Puts a picture among those of the project.
fn put(scene: &Scene, name: &str, place: &str) {
    fs::copy(picture(name), scene.path("data/photos").join(place)).unwrap();
}

/// Lays records behind those that are there.
fn add(scene: &Scene, records: &str) {
    scene.write("data/products.csv", &format!("{PRODUCTS}{records}"));
}

#[test]
fn ten_lines_make_alt_texts_of_photos_and_a_rerun_asks_nothing() {
    let scene = scene();
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!((summary.complete(), summary.count("made")), (4, 4));
    for (id, said) in [
        ("chair", "The PNG picture chair.png has 64 by 48 pixels."),
        ("lamp", "The JPEG picture lamp.jpg has 48 by 64 pixels."),
        ("table", "The WebP picture table.webp has 40 by 40 pixels."),
        ("shelf", "The GIF picture shelf.gif has 32 by 20 pixels."),
    ] {
        let text = scene.read(&format!("content/alt-text/{id}.txt"));
        assert!(text.contains(said), "{text}");
    }
    let again = scene.run(&[]).ended(0).summary();
    assert_eq!((again.count("made"), again.count("kept")), (0, 4));
}

#[test]
fn a_picture_that_changes_makes_its_record_again_and_one_that_moves_asks_nothing() {
    let scene = scene();
    scene.run(&[]).ended(0);
    put(&scene, "chair-blue.png", "chair.png");
    let plan = scene.host(&["plan"]).ended(0).stdout;
    assert!(plan.contains("1 × picture changed: photo"), "{plan}");
    let why = scene.host(&["why", "chair", "alt-text"]).ended(0).stdout;
    assert!(why.contains("picture changed: photo"), "{why}");
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!((summary.count("made"), summary.count("kept")), (1, 3));
    let text = scene.read("content/alt-text/chair.txt");
    assert!(text.contains("80 by 60 pixels"), "{text}");

    let replay = scene.host(&["replay", "chair", "alt-text", "--prompts"]);
    let told = replay.ended(0).stdout;
    assert!(
        told.contains("--- picture\nphotos/chair.png: image/png, 80 by 60 pixels"),
        "{told}"
    );

    put(&scene, "chair-blue.png", "moved.png");
    scene.replace("data/products.csv", "photos/chair.png", "photos/moved.png");
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!((summary.count("made"), summary.calls("calls")), (0, 0));
}

#[test]
fn a_picture_that_cannot_be_shown_fails_its_record_alone_and_says_why() {
    let scene = scene();
    fs::write(scene.path("data/photos/text.png"), "Not a picture at all.").unwrap();
    fs::write(scene.path("data/photos/cut.png"), b"\x89PNG\r\n\x1a\n0123").unwrap();
    let large = fs::File::create(scene.path("data/photos/large.png")).unwrap();
    large.set_len(21 << 20).unwrap();
    fs::create_dir(scene.path("data/photos/folder.png")).unwrap();
    let outside = tempfile::tempdir().unwrap();
    fs::copy(picture("chair.png"), outside.path().join("secret.png")).unwrap();
    symlink(outside.path(), scene.path("data/photos/link")).unwrap();
    let secret = outside.path().join("secret.png").display().to_string();
    add(
        &scene,
        &format!(
            "none,None,furniture,\n\
             gone,Gone,furniture,photos/gone.png\n\
             text,Text,furniture,photos/text.png\n\
             cut,Cut,furniture,photos/cut.png\n\
             large,Large,furniture,photos/large.png\n\
             folder,Folder,furniture,photos/folder.png\n\
             linked,Linked,furniture,photos/link/secret.png\n\
             outside,Outside,furniture,{secret}\n"
        ),
    );
    let ran = scene.run(&[]).ended(3);
    let summary = ran.summary();
    assert_eq!((summary.count("made"), summary.count("failed")), (4, 8));
    for said in [
        "the record has no field `photo`, whose picture is to be shown",
        "the field `photo`: there is no file `photos/gone.png` in ",
        "`photos/text.png` is no picture that models look at: PNG, JPEG, WebP and GIF are",
        "`photos/cut.png` is broken: it begins as image/png does",
        "`photos/large.png` has 22020096 bytes, and 20971520 are allowed: make the picture smaller",
        "photos/folder.png is no file",
        "`photos/link/secret.png` lies outside of ",
        "secret.png` lies outside of ",
    ] {
        assert!(ran.stdout.contains(said), "{said}\n{}", ran.stdout);
    }

    // What was wrong is mended, so its record is made.
    put(&scene, "chair.png", "gone.png");
    let summary = scene.run(&[]).ended(3).summary();
    assert_eq!((summary.count("made"), summary.count("failed")), (1, 7));
}

#[test]
fn a_list_shows_several_pictures() {
    let scene = scene();
    scene.replace("batchgen.toml", "products.csv", "products.jsonl");
    scene.write(
        "data/products.jsonl",
        r#"{"id": "set", "name": "Set", "category": "furniture", "photo": ["photos/chair.png", "photos/lamp.jpg"]}"#,
    );
    scene.run(&[]).ended(0);
    let text = scene.read("content/alt-text/set.txt");
    assert!(
        text.contains("chair.png") && text.contains("lamp.jpg"),
        "{text}"
    );
    let many = vec!["photos/chair.png"; 17];
    scene.write(
        "data/products.jsonl",
        &serde_json::json!({"id": "set", "name": "Set", "category": "furniture", "photo": many})
            .to_string(),
    );
    let told = scene.run(&[]).ended(3).stdout;
    let said = "a question shows more than 16 pictures of the record";
    assert!(told.contains(said), "{told}");
}

#[test]
fn fields_with_pictures_are_named_by_the_configuration_once() {
    let scene = scene();
    let refused = |configuration: &str| {
        scene.write("batchgen.toml", configuration);
        scene.run(&[]).ended(2).stderr
    };
    let twice = CONFIGURATION.replace(
        "images = [\"photo\"]",
        "images = [\"photo\"]\ninput = { images = [\"photo\"] }",
    );
    let twice = refused(&twice);
    assert!(
        twice.contains("component.alt-text.input.images") && twice.contains("says the same"),
        "{twice}"
    );
}
