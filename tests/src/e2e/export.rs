//! Rows for a database or a site generator.

use serde_json::Value;

use crate::scene::Scene;

/// Four records in an order of their own, of which one has lost a file.
fn made() -> Scene {
    let scene = Scene::new();
    scene.write(
        "materials.yaml",
        "materials:\n\
         - {id: oak, name: Oak, category: wood, density: 0.7}\n\
         - {id: iron, name: \"Iron, pure\", category: metal, density: 7.8}\n\
         - {id: teak, name: Teak, category: wood}\n\
         - {id: zinc, name: Zinc, category: metal}\n",
    );
    scene
        .run(&["--component", "tags", "--component", "frontmatter"])
        .ended(0);
    std::fs::remove_file(scene.path("content/tags/teak-laser-cleaning.txt")).unwrap();
    scene
}

fn rows(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn ids(text: &str) -> Vec<String> {
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    rows(text).iter().map(id).collect()
}

const CHOSEN: [&str; 5] = [
    "export",
    "--component",
    "tags",
    "--component",
    "frontmatter",
];

#[test]
fn one_line_of_json_for_each_record_in_the_order_of_the_dataset() {
    let scene = made();
    let text = scene.host(&CHOSEN).ended(0).stdout;
    assert_eq!(ids(&text), ["oak", "iron", "teak", "zinc"]);
    let rows = rows(&text);
    let front = &rows[0]["components"]["frontmatter"];
    assert_eq!(
        front["text"],
        scene.read("content/frontmatter/oak-laser-cleaning.md")
    );
    assert!(front["json"]["title"].is_string(), "{front}");
    assert_eq!(rows[0]["components"]["tags"].as_object().unwrap().len(), 1);
    assert_eq!(rows[2]["components"]["tags"], Value::Null);

    let complete = scene
        .host(&[&CHOSEN[..], &["--complete-only"]].concat())
        .ended(0)
        .stdout;
    assert_eq!(ids(&complete), ["oak", "iron", "zinc"]);
    let metals = scene.host(&[
        "export",
        "--category",
        "metal",
        "--field",
        "density",
        "--component",
        "tags",
    ]);
    let metals = metals.ended(0).stdout;
    assert_eq!(ids(&metals), ["iron", "zinc"]);
    assert_eq!(
        metals
            .lines()
            .next()
            .unwrap()
            .matches("\"density\":7.8")
            .count(),
        1
    );

    let ran = scene
        .host(&[&CHOSEN[..], &["rows.jsonl"]].concat())
        .ended(0);
    assert_eq!(ran.stderr, "4 rows are in rows.jsonl\n");
    assert_eq!(scene.read("rows.jsonl"), text);
    // An edit counts, and a file from before a failure does not.
    scene.write("content/tags/teak-laser-cleaning.txt", "- by hand\n");
    let complete = scene
        .host(&[&CHOSEN[..], &["--complete-only"]].concat())
        .ended(0)
        .stdout;
    assert_eq!(ids(&complete).len(), 4);
}

#[test]
fn a_table_by_the_name_of_the_file() {
    let scene = made();
    let arguments = [
        "--component",
        "tags",
        "--field",
        "density",
        "--complete-only",
        "rows.csv",
    ];
    scene.host(&[&["export"], &arguments[..]].concat()).ended(0);
    let mut table = csv::Reader::from_path(scene.path("rows.csv")).unwrap();
    assert_eq!(
        table.headers().unwrap(),
        vec!["id", "name", "category", "fields.density", "tags"]
    );
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 3);
    assert_eq!(
        (&rows[1][1], &rows[1][3], &rows[2][3]),
        ("Iron, pure", "7.8", "")
    );
    assert_eq!(
        &rows[0][4],
        scene.read("content/tags/oak-laser-cleaning.txt")
    );
}

#[test]
fn a_file_that_cannot_be_finished_leaves_the_old_one() {
    let scene = made();
    scene.write("rows.jsonl", "old\n");
    scene.write("materials.yaml", "materials:\n- {id: oak, name: 5}\n");
    scene.host(&["export", "rows.jsonl"]).ended(2);
    assert_eq!(scene.read("rows.jsonl"), "old\n");
    let left = std::fs::read_dir(scene.path("")).unwrap();
    assert!(
        !left
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"))
    );
}
