//! Rows for a database or a site generator.

use serde_json::Value;

use crate::scene::{Ran, Scene, program};

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

/// A shop whose ids and categories are no file names, with numbers as a spreadsheet writes them.
fn shop() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    scene.write(
        "shop.csv",
        "SKU,Title,Type,Price,Note\nSKU-1000,Lamp,Home & Garden,1.10,\nSKU-2000,Chair,Seats,007,\"größer; \"\"schön\"\"\"\n",
    );
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"shop.csv\"\nid = \"SKU\"\nname = \"Title\"\ncategory = \"Type\"\nsafe-ids = true\n\
         [plugins]\nimplicit = false\n[component.meta]\nplugin = \"prompt\"\n[component.meta.options]\nmedia-type = \"application/json\"\n\
         [component.meta.options.schema]\ntype = \"object\"\nrequired = [\"title\", \"tags\"]\n\
         additionalProperties = false\n[component.meta.options.schema.properties.title]\ntype = \"string\"\n\
         [component.meta.options.schema.properties.tags]\ntype = \"array\"\nitems = { type = \"string\" }\n\
         [component.meta.prompts.write]\ntext = \"Write about {{ record.name }}.\"\n\
         [component.note]\nplugin = \"prompt\"\n[component.note.prompts.write]\ntext = \"Note {{ record.name }}.\"\n",
    );
    scene.run(&[]).ended(0);
    scene
}

#[test]
fn a_table_has_the_ids_of_the_dataset_and_a_column_for_each_key() {
    let scene = shop();
    scene
        .host(&["export", "out.csv", "--all-fields", "--bom"])
        .ended(0);
    let text = scene.read("out.csv");
    let table = text.strip_prefix('\u{feff}').unwrap();
    let mut table = csv::Reader::from_reader(table.as_bytes());
    let names = table.headers().unwrap().clone();
    let names: Vec<&str> = names.iter().collect();
    assert_eq!(
        names,
        [
            "id",
            "name",
            "category",
            "fields.SKU",
            "fields.Type",
            "fields.Price",
            "fields.Note",
            "meta.title",
            "meta.tags",
            "note"
        ]
    );
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let first: Vec<&str> = rows[0].iter().collect();
    assert_eq!(
        first[..7],
        [
            "SKU-1000",
            "Lamp",
            "Home & Garden",
            "SKU-1000",
            "Home & Garden",
            "1.10",
            ""
        ]
    );
    let made: Value = serde_json::from_str(&scene.read("content/meta/sku-1000.json")).unwrap();
    assert_eq!(first[7], made["title"]);
    assert_eq!(
        serde_json::from_str::<Value>(first[8]).unwrap(),
        made["tags"]
    );
    assert_eq!((&rows[1][5], &rows[1][6]), ("007", "größer; \"schön\""));
    // A file that is no object keeps a column of its own.
    scene.write("content/meta/sku-2000.json", "[1, 2]\n");
    scene.host(&["export", "out.csv"]).ended(0);
    let text = scene.read("out.csv");
    assert!(
        text.starts_with("id,name,category,meta,meta.title,meta.tags,note\n"),
        "{text}"
    );
    assert!(
        text.contains("SKU-2000,Chair,Seats,\"[1, 2]\n\",,,"),
        "{text}"
    );
}

#[test]
fn lines_have_all_fields_with_their_digits() {
    let scene = shop();
    let text = scene
        .host(&["export", "--all-fields", "--component", "note"])
        .ended(0)
        .stdout;
    assert_eq!(ids(&text), ["SKU-1000", "SKU-2000"]);
    assert!(text.contains("\"category\":\"Home & Garden\""), "{text}");
    assert!(text.contains("\"Price\":1.10}"), "{text}");
    let text = scene
        .host(&["export", "--field", "Price", "--field", "Note"])
        .ended(0)
        .stdout;
    assert!(
        text.contains("\"fields\":{\"Price\":1.10,\"Note\":null}"),
        "{text}"
    );
    let refused = scene
        .host(&["export", "out.jsonl", "--bom"])
        .ended(2)
        .stderr;
    assert!(refused.contains("--bom"), "{refused}");
}

#[test]
fn texts_that_a_spreadsheet_would_compute_are_escaped_on_demand() {
    let scene = Scene::new();
    scene.write(
        "materials.yaml",
        "materials:\n\
         - {id: a, name: \"=1+2\", category: wood, low: -5, at: \"@SUM(A1)\", tab: \"\\t=1\", text: \"-5.5\", plus: \"+x\", dash: \"-inf\"}\n",
    );
    scene.run(&["--component", "tags"]);
    let export = [
        "export",
        "--format",
        "csv",
        "--component",
        "tags",
        "--all-fields",
    ];
    let plain = scene.host(&export).ended(0).stdout;
    assert!(
        plain.contains("a,=1+2,wood,-5,@SUM(A1),\t=1,-5.5,+x,-inf,"),
        "{plain}"
    );
    let escaped = scene.host(&[&export[..], &["--escape-formulas"]].concat());
    let escaped = escaped.ended(0).stdout;
    assert!(
        escaped.contains("a,'=1+2,wood,-5,'@SUM(A1),'\t=1,-5.5,'+x,'-inf,"),
        "{escaped}"
    );
    let refused = scene.host(&["export", "--escape-formulas"]).ended(2);
    assert!(refused.stderr.contains("JSON Lines"), "{}", refused.stderr);
}

#[test]
fn a_table_whose_reader_goes_away_ends_in_silence_and_a_full_disk_is_told() {
    let scene = made();
    for format in ["csv", "jsonl"] {
        let script =
            format!("\"$0\" export --format {format} 2> said | true; echo ${{PIPESTATUS[0]}}");
        let mut shell = scene.command_of("bash".as_ref(), &["-c", &script]);
        let ran = Ran::from(shell.arg(program("batchgen")).output().unwrap());
        assert_eq!(ran.stdout, "0\n", "{format}");
        assert_eq!(scene.read("said"), "", "{format}");
    }
    let ran = scene
        .host(&["export", "/dev/full", "--format", "csv"])
        .ended(1);
    assert!(ran.stderr.contains("No space left"), "{}", ran.stderr);
}
