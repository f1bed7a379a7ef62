//! Pages for generators of sites: what is laid out where, and what is replaced.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::scene::Scene;

const CONFIG: &str = r#"
model = "offline"
[dataset]
path = "records.jsonl"
records = "things"
[plugins]
implicit = false
[component.meta]
plugin = "prompt"
[component.meta.options]
media-type = "application/json"
[component.meta.options.schema]
type = "object"
required = ["title", "description", "tags"]
additionalProperties = false
[component.meta.options.schema.properties.title]
type = "string"
[component.meta.options.schema.properties.description]
type = "string"
[component.meta.options.schema.properties.tags]
type = "array"
items = { type = "string" }
[component.meta.prompts.write]
text = "Describe {{ record.name }}."
[component.intro]
plugin = "prompt"
[component.intro.prompts.write]
text = "Introduce {{ record.name }}."
[component.label]
plugin = "prompt"
[component.label.options]
media-type = "text/plain"
[component.label.prompts.write]
text = "Label {{ record.name }}."
"#;

/// Names that mean something to a generator.
pub const RECORDS: &str = r#"{"id": "oak", "name": "Oak: \"hard\"", "category": "wood", "price": 1.5, "on": true}
{"id": "1.5", "name": "{{< ref \"x\" >}} and {{ b }} {% c %}", "category": "wood"}
{"id": "_index", "name": "Index & {braces}", "category": "Metal"}
"#;

/// A project with all of its files.
pub fn made() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write("records.jsonl", RECORDS);
    scene.write(
        "batchgen.toml",
        &CONFIG.replace("path =", "safe-ids = true\npath ="),
    );
    scene.run(&[]).ended(0);
    scene
}

/// All files of a folder, by their paths in it.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn each_generator_finds_its_pages_where_it_looks_for_them() {
    let scene = made();
    let mut all = String::new();
    for generator in ["hugo", "astro", "eleventy", "docusaurus"] {
        let ran = scene.host(&["export", "--as", generator, generator, "--field", "price"]);
        assert!(ran.ended(0).stderr.contains("3 pages for "));
        for (path, text) in files(&scene.path(generator)) {
            // What makes a page its own is the same for all.
            let is_short = generator == "hugo" || !path.contains("1.5");
            all.push_str(&format!("=== {generator}/{path}\n"));
            if is_short {
                all.push_str(&text);
            }
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn edits_and_files_of_others_stay_and_what_has_gone_is_named() {
    let scene = made();
    let export = |more: &[&str]| {
        let ran = scene.host(&[&["export", "--as", "hugo", "site"], more].concat());
        ran.ended(0).stderr
    };
    export(&[]);
    let inode = |page: &str| fs::metadata(scene.path(page)).unwrap().ino();
    let (oak, other) = ("site/content/things/oak.md", "site/content/things/1.5.md");
    let before = (inode(oak), inode(other));
    assert!(export(&[]).contains("0 files written, 4 unchanged"));
    // A page that changes is written, and no other.
    scene.write("content/intro/oak.md", "Changed by hand.\n");
    assert!(export(&[]).contains("1 file written, 3 unchanged"));
    assert_ne!(inode(oak), before.0);
    assert_eq!(inode(other), before.1);
    assert!(scene.read(oak).ends_with("\nChanged by hand.\n"));

    let edited = scene.read(oak).replace("Changed", "Edited");
    scene.write(oak, &edited);
    scene.write("content/intro/oak.md", "Changed again.\n");
    let told = export(&[]);
    assert!(told.contains("1 file, edited, and kept"), "{told}");
    assert!(told.contains("content/things/oak.md"), "{told}");
    assert_eq!(scene.read(oak), edited);
    assert!(export(&["--overwrite-edited"]).contains("1 file written"));
    assert!(scene.read(oak).ends_with("\nChanged again.\n"));

    // Something else wrote it: only force replaces it. One that is empty was cut off.
    scene.write(oak, "---\ntitle: mine\n---\n");
    scene.write(other, "");
    let told = export(&["--overwrite-edited"]);
    assert!(told.contains("1 file, written by something else"), "{told}");
    assert!(told.contains("1 file written"), "{told}");
    assert_eq!(scene.read(oak), "---\ntitle: mine\n---\n");
    export(&["--force"]);
    assert!(scene.read(oak).ends_with("\nChanged again.\n"));

    let without = scene.read("records.jsonl");
    let without: String = without.split_inclusive('\n').skip(1).collect();
    scene.write("records.jsonl", &without);
    scene.write("site/content/things/own.md", "A page of mine.\n");
    let part = export(&["--record", "1.5"]);
    assert!(!part.contains("of no record"), "{part}");
    let told = export(&[]);
    let gone = told.split("of no record of this export any more").nth(1);
    let gone = gone.unwrap_or_else(|| panic!("{told}"));
    assert!(
        gone.contains("oak.md") && !gone.contains("own.md"),
        "{told}"
    );
    assert!(scene.path(oak).exists());
}

#[test]
fn pages_need_a_folder_of_their_own() {
    let scene = made();
    scene.write("file", "");
    for (arguments, told) in [
        (&["--as", "hugo"][..], "pages are many files"),
        (&["--as", "hugo", "-"], "pages are many files"),
        (&["--as", "hugo", "file"], "file is a file"),
        (&["--as", "hugo", "."], "lies in the output directory"),
        (
            &["--as", "eleventy", "content/site"],
            "lies in the output directory",
        ),
        (&["--as", "jekyll", "site"], "possible values"),
        (&["--as", "hugo", "--bom", "site"], "cannot be used with"),
        (&["--overwrite-edited", "rows.csv"], "--as"),
    ] {
        let ran = scene.host(&[&["export"], arguments].concat()).ended(2);
        assert!(ran.stderr.contains(told), "{arguments:?}: {}", ran.stderr);
    }
    // A link that leads out of the site is not followed.
    fs::create_dir_all(scene.path("site")).unwrap();
    fs::create_dir_all(scene.path("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", scene.path("site/content")).unwrap();
    let ran = scene.host(&["export", "--as", "hugo", "site"]).ended(1);
    assert!(ran.stderr.contains("a link leads out"), "{}", ran.stderr);
    assert_eq!(fs::read_dir(scene.path("elsewhere")).unwrap().count(), 0);
}
