//! A first configuration for a dataset of one's own, which runs at once.

use std::fs;

use crate::scene::{Ran, Scene};

/// A folder without a configuration, with all plugins.
fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    scene
}

/// What is printed, without the folder's name.
fn shown(scene: &Scene, ran: &Ran) -> String {
    let folder = scene.path("").display().to_string();
    format!("{}{}", ran.stdout, ran.stderr).replace(&folder, "")
}

/// `init` and then `run --limit 3`: every record of these has its file, and the names of the files are returned.
fn made(file: &str, text: &str) -> (String, Vec<String>) {
    let scene = scene();
    scene.write(file, text);
    let said = scene.host(&["init", file]).ended(0);
    let summary = scene.run(&["--limit", "3"]).ended(0).summary();
    assert_eq!(summary.complete(), summary.records());
    let content = scene.content();
    assert!(
        content
            .values()
            .all(|text| text.split_whitespace().count() >= 20)
    );
    (shown(&scene, &said), content.into_keys().collect())
}

const PRODUCTS: &str = "SKU,Product Title,Department,Price,In Stock,Image URL
A 100,\"Oak Table, large\",Home & Garden,129.5,true,http://x/1.png
A 101,Ash Chair,Home & Garden,59,false,http://x/2.png
B 7,Circular Saw,Tools,89.9,true,http://x/3.png
B 8,Hammer,Tools,9,true,http://x/4.png
";

#[test]
fn a_table_of_products_runs_at_once() {
    let (said, files) = made("products.csv", PRODUCTS);
    insta::assert_snapshot!(said);
    assert_eq!(
        files,
        [
            "description/a-100.md",
            "description/a-101.md",
            "description/b-7.md"
        ]
    );
}

#[test]
fn what_is_written_is_commented() {
    let scene = scene();
    scene.write("products.csv", PRODUCTS);
    scene.host(&["init", "products.csv"]).ended(0);
    insta::assert_snapshot!(scene.read("batchgen.toml"));
}

#[test]
fn odd_shapes_run_at_once() {
    let lines = r#"{"isbn": 9780141036144, "title": "1984", "authors": ["George Orwell"], "genre": "Dystopia"}
{"isbn": 9780060850524, "title": "Brave New World", "authors": ["Aldous Huxley"], "genre": "Dystopia"}
{"isbn": 9780261103573, "title": "The Hobbit", "authors": [], "genre": null, "note": {"read": true}}
"#;
    let json = r#"{"meta": {"page": 1}, "tags": ["x"], "results":
        [{"uid": "x1", "nested": {"a": 1, "b": [1, 2]}}, {"uid": "x2", "nested": {"a": 2}}]}"#;
    let documents = "Name: Pancakes\nIngredients: [flour, milk]\n---\nName: Crème brûlée\nIngredients: [cream]\n";
    let list = "- {id: a, text: \"\", category: [x, y]}\n- {id: b, text: null, category: [x]}\n";
    let cases = [
        ("books.jsonl", lines, "description/9780060850524.md"),
        ("api.json", json, "description/x1.md"),
        ("recipes.yaml", documents, "description/pancakes.md"),
        ("list.yml", list, "description/a.md"),
        (
            "people.csv",
            "\u{feff}name,city\r\nAnn,Bonn\r\nBob,Bonn\r\n",
            "description/ann.md",
        ),
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|(file, text, expected)| {
            let (said, files) = made(file, text);
            assert!(files.contains(&(*expected).to_owned()), "{files:?}");
            said.split("\n\n").next().unwrap_or_default().to_owned()
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
}

#[test]
fn what_cannot_be_used_is_said_with_what_to_do_and_nothing_is_written() {
    let scene = scene();
    scene.write("same.csv", "sku,title\na,Lamp\na,Chair\nb,Lamp\n");
    scene.write("semicolons.csv", "sku;title\n1;Lamp\n2;Chair\n");
    scene.write(
        "map.json",
        r#"{"oak": {"name": "Oak"}, "ash": {"name": "Ash"}}"#,
    );
    scene.write("empty.jsonl", "\n");
    scene.write("broken.jsonl", "{\"id\": 1}\n{\"id\": 2\n");
    scene.write("table.xlsx", "PK");
    scene.write("products.csv", PRODUCTS);
    let cases: [&[&str]; 9] = [
        &["nowhere.csv"],
        &["same.csv"],
        &["semicolons.csv"],
        &["map.json"],
        &["empty.jsonl"],
        &["broken.jsonl"],
        &["table.xlsx"],
        &["products.csv", "--id", "Departement"],
        &["products.csv", "--id", "Department"],
    ];
    let said: Vec<String> = cases
        .iter()
        .map(|case| {
            let ran = scene.host(&[&["init"], *case].concat()).ended(2);
            format!(
                "$ batchgen init {}\n{}",
                case.join(" "),
                shown(&scene, &ran)
            )
        })
        .collect();
    insta::assert_snapshot!(said.join("\n"));
    assert!(!scene.path("batchgen.toml").exists());
}

#[test]
fn a_configuration_that_is_there_is_never_overwritten() {
    let scene = scene();
    scene.write("products.csv", PRODUCTS);
    scene.write("batchgen.toml", "# mine\n");
    let ran = scene.host(&["init", "products.csv"]).ended(2);
    assert!(ran.stderr.contains("is not overwritten"), "{}", ran.stderr);
    assert_eq!(scene.read("batchgen.toml"), "# mine\n");
    scene
        .host(&["init", "products.csv", "--config", "shop/batchgen.toml"])
        .ended(0);
    let run = ["run", "--limit", "1", "--config", "shop/batchgen.toml"];
    scene.host(&run).ended(0);
    assert!(scene.path("shop/content/description/a-100.md").exists());
}
