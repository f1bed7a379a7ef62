//! Exported tables as DuckDB, pandas, PyArrow and SQLite read them, and as this program reads them again.
//! `tests/fixtures/read_tables.py` is what they run.

use std::fs;
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::scene::{Ran, Scene, root};

/// Records with values of all kinds, of which some change from one to the next.
const RECORDS: &str = r#"{"id": "a-0", "name": "Lamp", "category": "light", "stock": 3, "long": 9007199254740993, "price": 129.50, "sale": true, "tags": ["new", "brass"], "size": {"w": 20, "unit": "cm"}, "code": "007", "mixed": 1.10}
{"id": "a-1", "name": "=Chair; \"soft\"", "category": "seat", "stock": 0, "long": 1, "price": 99, "sale": false, "tags": [], "size": {"w": 2.5}, "code": "=1+2", "mixed": "n/a"}
{"id": "a-2", "name": "Büro 桌", "category": "seat", "stock": null, "tags": ["a, b", null], "code": "line\nbreak"}
"#;

const FORMATS: [&str; 5] = ["parquet", "arrow", "db", "csv", "jsonl"];

/// A project whose files are texts and data, with an export of each format.
fn exported() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write("records.jsonl", RECORDS);
    scene.write(
        "batchgen.toml",
        "model = \"offline\"\n[dataset]\npath = \"records.jsonl\"\n[plugins]\nimplicit = false\n\
         [component.meta]\nplugin = \"prompt\"\n[component.meta.options]\nmedia-type = \"application/json\"\n\
         [component.meta.options.schema]\ntype = \"object\"\nrequired = [\"title\", \"tags\", \"score\"]\n\
         additionalProperties = false\n[component.meta.options.schema.properties.title]\ntype = \"string\"\n\
         [component.meta.options.schema.properties.score]\ntype = \"integer\"\n\
         [component.meta.options.schema.properties.tags]\ntype = \"array\"\nitems = { type = \"string\" }\n\
         [component.meta.prompts.write]\ntext = \"Write about {{ record.name }}.\"\n\
         [component.note]\nplugin = \"prompt\"\n[component.note.prompts.write]\ntext = \"Note {{ record.name }}.\"\n",
    );
    scene.run(&[]).ended(0);
    for format in FORMATS {
        let file = format!("out.{format}");
        let ran = scene.host(&["export", &file, "--all-fields"]).ended(0);
        assert_eq!(ran.stderr, format!("3 rows are in {file}\n"));
    }
    scene
}

fn read(scene: &Scene) -> Value {
    let python = root().join("target/readers/bin/python");
    let script = root().join("tests/fixtures/read_tables.py");
    let ran = Command::new(python)
        .arg(script)
        .current_dir(scene.path(""))
        .output()
        .expect("`cargo xtask test` installs the readers");
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

/// The rows that everybody has to see.
fn rows(scene: &Scene) -> Vec<Value> {
    let row = |number: usize, mut fields: Value| {
        let meta: Value =
            serde_json::from_str(&scene.read(&format!("content/meta/a-{number}.json"))).unwrap();
        let note = scene.read(&format!("content/note/a-{number}.md"));
        let row = fields.as_object_mut().unwrap();
        row.insert("id".into(), json!(format!("a-{number}")));
        for key in ["title", "tags", "score"] {
            row.insert(format!("meta.{key}"), meta[key].clone());
        }
        row.insert("note".into(), json!(note));
        fields
    };
    vec![
        row(
            0,
            json!({
                "name": "Lamp", "category": "light", "fields.stock": 3, "fields.long": 9_007_199_254_740_993_i64, "fields.price": 129.5,
                "fields.sale": true, "fields.tags": ["new", "brass"], "fields.size": {"w": 20.0, "unit": "cm"}, "fields.code": "007",
                "fields.mixed": "1.10",
            }),
        ),
        row(
            1,
            json!({
                "name": "=Chair; \"soft\"", "category": "seat", "fields.stock": 0, "fields.long": 1, "fields.price": 99.0,
                "fields.sale": false, "fields.tags": [], "fields.size": {"w": 2.5, "unit": null}, "fields.code": "=1+2",
                "fields.mixed": "n/a",
            }),
        ),
        row(
            2,
            json!({
                "name": "Büro 桌", "category": "seat", "fields.stock": null, "fields.long": null, "fields.price": null,
                "fields.sale": null, "fields.tags": ["a, b", null], "fields.size": null, "fields.code": "line\nbreak",
                "fields.mixed": null,
            }),
        ),
    ]
}

/// Equal, where a whole number and one with a fraction of zero are the same.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a == b,
            _ => a.as_f64() == b.as_f64(),
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let has = |other: &Map<String, Value>, (key, value): (&String, &Value)| {
                is_same(value, other.get(key).unwrap_or(&Value::Null))
            };
            a.iter().all(|field| has(b, field)) && b.iter().all(|field| has(a, field))
        }
        _ => one == other,
    }
}

#[test]
fn other_tools_read_the_values_with_their_types() {
    let scene = exported();
    let seen = read(&scene);
    let expected = rows(&scene);
    for tool in ["duckdb", "pyarrow, Parquet", "pyarrow, Arrow"] {
        for (row, expected) in seen[tool].as_array().unwrap().iter().zip(&expected) {
            assert!(is_same(row, expected), "{tool}:\n{row}\n{expected}");
        }
        assert_eq!(seen[tool].as_array().unwrap().len(), 3, "{tool}");
    }
    // pandas has no null among whole numbers, so it makes them numbers with a fraction.
    for tool in ["pandas, Parquet", "pandas, Feather"] {
        for (row, expected) in seen[tool].as_array().unwrap().iter().zip(&expected) {
            for (name, value) in expected.as_object().unwrap() {
                let is_long = name == "fields.long";
                assert!(
                    is_long || is_same(&row[name], value),
                    "{tool}: {name}: {row}"
                );
            }
        }
    }
    // SQLite keeps lists and objects as JSON, and truth as a number.
    for (row, expected) in seen["sqlite3"].as_array().unwrap().iter().zip(&expected) {
        for (name, value) in expected.as_object().unwrap() {
            let found = match (&row[name], value) {
                (Value::String(json), Value::Array(_) | Value::Object(_)) => {
                    serde_json::from_str(json).unwrap()
                }
                (Value::Number(number), Value::Bool(_)) => json!(number.as_i64() == Some(1)),
                (found, _) => found.clone(),
            };
            assert!(is_same(&found, value), "{name}: {row}");
        }
    }
    insta::assert_snapshot!(
        serde_json::to_string_pretty(&json!([seen["types of DuckDB"], seen["types of SQLite"]]))
            .unwrap()
    );
    let text = &seen["pandas, CSV"][1];
    assert_eq!(
        (&text["name"], &text["note"]),
        (&expected[1]["name"], &expected[1]["note"])
    );
    let line = &seen["pandas, JSON Lines"][0];
    assert_eq!(line["components"]["note"]["text"], expected[0]["note"]);
    assert_eq!(line["fields"]["tags"], expected[0]["fields.tags"]);
}

#[test]
fn every_format_is_a_dataset_again() {
    let scene = exported();
    for format in FORMATS {
        let file = format!("out.{format}");
        let again = Scene::new().with_plugins("plugins");
        fs::remove_file(again.path("batchgen.toml")).unwrap();
        fs::copy(scene.path(&file), again.path(&file)).unwrap();
        again.host(&["init", &file]).ended(0);
        let summary = again.run(&[]).ended(0).summary();
        assert_eq!(summary.complete(), 3, "{format}");
        let lines = again.host(&["export", "--all-fields"]).ended(0).stdout;
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        for (line, expected) in lines.iter().zip(&rows(&scene)) {
            assert_eq!(line["name"], expected["name"], "{format}");
            assert_eq!(line["id"], expected["id"], "{format}");
            if format == "jsonl" {
                continue;
            }
            for name in [
                "fields.price",
                "fields.sale",
                "fields.code",
                "note",
                "meta.title",
            ] {
                let found = line["fields"].get(name).unwrap_or(&Value::Null);
                let is_empty = found == "" && expected[name].is_null();
                assert!(
                    is_empty || is_same(found, &expected[name]),
                    "{format}: {name}: {line}"
                );
            }
        }
    }
}

#[test]
fn what_is_no_text_goes_to_a_pipe_and_not_into_a_half_written_file() {
    let scene = exported();
    for format in ["parquet", "arrow", "sqlite"] {
        let script = format!("\"$0\" export --all-fields --format {format} > piped; echo $?");
        let mut shell = scene.command_of("bash".as_ref(), &["-c", &script]);
        let ran = Ran::from(
            shell
                .arg(crate::scene::program("batchgen"))
                .output()
                .unwrap(),
        );
        assert_eq!(ran.stdout, "0\n", "{format}: {}", ran.stderr);
        let ending = if format == "sqlite" { "db" } else { format };
        let piped = fs::read(scene.path("piped")).unwrap();
        assert!(
            piped == fs::read(scene.path(&format!("out.{ending}"))).unwrap(),
            "{format}"
        );
        let full = scene
            .host(&["export", "/dev/full", "--format", format])
            .ended(1);
        assert!(
            full.stderr.contains("No space left"),
            "{format}: {}",
            full.stderr
        );
        // A file of somebody else stays, and an own one is replaced.
        scene.write(&format!("other.{ending}"), "other");
        let other = format!("other.{ending}");
        let refused = scene.host(&["export", &other]).ended(2);
        assert!(refused.stderr.contains("--force"), "{}", refused.stderr);
        assert_eq!(scene.read(&other), "other");
        scene.host(&["export", &format!("out.{ending}")]).ended(0);
    }
    let left: Vec<String> = fs::read_dir(scene.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("tmp"))
        .collect();
    assert_eq!(left, [""; 0]);
}
