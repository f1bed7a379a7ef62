//! A first configuration for a dataset of one's own, which runs at once.

use std::fs;

use crate::scene::{Ran, Scene};

/// A folder without a configuration, with all plugins.
fn scene() -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    // What a person types is remembered there.
    let home = scene.path("home").display().to_string();
    scene.with("HOME", &home)
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
fn a_name_that_one_record_lacks_is_still_the_name() {
    let scene = scene();
    scene.write(
        "lamps.csv",
        "sku,name,kind\nA-1,Nordic Lamp,lamp\nA-2,Desk Lamp,lamp\nA-3,,lamp\n",
    );
    let said = scene.host(&["init", "lamps.csv"]).ended(0);
    assert!(
        said.stdout
            .contains("name      `name`: called so; one record has none, and fails"),
        "{}",
        said.stdout
    );
    scene.run(&[]).ended(3);
    let files: Vec<String> = scene.content().into_keys().collect();
    assert_eq!(files, ["description/a-1.md", "description/a-2.md"]);
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
    scene.write("map.json", r#"{"oak": {"name": "Oak"}, "ash": 7}"#);
    scene.write("empty.jsonl", "\n");
    scene.write("broken.jsonl", "{\"id\": 1\n{\"id\": 2\n");
    scene.write("table.ods", "PK");
    scene.write("products.csv", PRODUCTS);
    scene.write(
        "titled.csv",
        "Woods in stock,,\n,,\nid,name,kind\n1,Oak,hard\n",
    );
    let notes = "# made by the shop\n# on Monday\nid,name\n1,Oak\n2,Elm\n";
    scene.write("noted.csv", notes);
    let cases: [&[&str]; 10] = [
        &["nowhere.csv"],
        &["same.csv"],
        &["map.json"],
        &["empty.jsonl"],
        &["broken.jsonl"],
        &["table.ods"],
        &["titled.csv"],
        &["noted.csv"],
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

/// What `init` says and writes of a file, and the names of the files of a run.
fn proposed(file: &str, text: &[u8], more: &[&str]) -> (String, String, Vec<String>) {
    let scene = scene();
    let path = scene.path(file);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    let said = scene.host(&[&["init", file], more].concat()).ended(0);
    let written = scene.read("batchgen.toml");
    let ran = scene.run(&["--model", "offline"]);
    let is_bad = said.stdout.contains("cannot be read");
    ran.ended(if is_bad { 3 } else { 0 });
    let files = scene.content().into_keys().collect();
    (shown(&scene, &said), written, files)
}

#[test]
fn separator_encoding_and_types_are_told_by_the_file() {
    let text = "EAN;Name;Kategorie;Preis\n4006381333931; Größe ;Möbel;12,50 €\n0012345678905;Kleiner;Möbel;7\n\
        4006381333932;Dritter;Möbel;8\n";
    let western: Vec<u8> = text
        .chars()
        .map(|letter| match letter {
            '€' => 0x80,
            letter => u8::try_from(u32::from(letter)).unwrap(),
        })
        .collect();
    let (said, written, files) = proposed("products.csv", &western, &[]);
    assert!(
        said.starts_with("products.csv: CSV with semicolons in Windows-1252, 3 records, 4 fields"),
        "{said}"
    );
    assert!(said.contains("texts     Preis"), "{said}");
    assert!(written.contains("texts = [\"Preis\"]"), "{written}");
    assert_eq!(files.len(), 3, "{files:?}");
}

#[test]
fn what_was_passed_over_is_said_with_its_reason() {
    let text = "sku,name,Status,Product Category\na,Lamp,on,Light & More\nb,Chair,on,Seats\nb,Stool,off,\nc,Torch,on,Light / More\n";
    let (said, _, files) = proposed("things.csv", text.as_bytes(), &[]);
    assert!(
        said.contains("not `sku`: lines 3 and 4 have the same, \"b\""),
        "{said}"
    );
    assert!(said.contains("`Product Category`"), "{said}");
    assert!(
        said.contains("\"Light & More\" and \"Light / More\" become one, light-more"),
        "{said}"
    );
    assert_eq!(files.len(), 4);
}

#[test]
fn records_that_stand_under_their_keys_are_found() {
    let json = r#"{"version": 2, "trees": {"Oak": {"latin": "Quercus"}, "Ash tree": {"latin": "Fraxinus"}}}"#;
    let yaml = "Oak:\n  latin: Quercus\nAsh tree:\n  latin: Fraxinus\n";
    for (file, text) in [("trees.json", json), ("trees.yaml", yaml)] {
        let (said, written, files) = proposed(file, text.as_bytes(), &[]);
        assert!(said.contains("2 records, 2 fields"), "{said}");
        assert!(written.contains("key-field = \"key\""), "{written}");
        assert_eq!(files, ["description/ash-tree.md", "description/oak.md"]);
    }
}

#[test]
fn rows_of_the_same_product_are_one_record() {
    let text = "Handle,Title,Type,Variant SKU,Size\nshirt,Shirt,Tops,,S\nshirt,,,,M\nshirt,,,,L\nhat,Hat,Hats,,\ncap,Cap,Hats,,\n";
    let (said, written, files) = proposed("shop.csv", text.as_bytes(), &[]);
    assert!(written.contains("repeated = \"first\""), "{written}");
    assert!(said.contains("3 records"), "{said}");
    assert_eq!(
        files,
        [
            "description/cap.md",
            "description/hat.md",
            "description/shirt.md"
        ]
    );
}

#[test]
fn ids_of_other_scripts_make_files_of_their_own() {
    let text = "{\"id\": \"стол\", \"name\": \"Стол\"}\n{\"id\": \"стул\", \"name\": \"Стул\"}\n{\"id\": \"日本\", \"name\": \"日本\"}\n\
        {\"id\": \"Größe\", \"name\": \"Größe\"}\n";
    let (_, _, files) = proposed("things.jsonl", text.as_bytes(), &[]);
    assert_eq!(
        files,
        [
            "description/groesse.md",
            "description/ri-ben.md",
            "description/stol.md",
            "description/stul.md"
        ]
    );
}

#[test]
fn rows_of_questions_and_answers_are_told_by_their_questions() {
    let text = r#"[{"instruction": "Name a tree.", "input": "", "output": "Oak."}, {"instruction": "Name a metal.", "input": "", "output": "Iron."}]"#;
    let (said, _, files) = proposed("alpaca.json", text.as_bytes(), &[]);
    assert!(said.contains("id        `instruction`"), "{said}");
    assert_eq!(
        files,
        ["description/name-a-metal.md", "description/name-a-tree.md"]
    );
}

#[test]
fn the_model_is_named_and_paths_are_relative() {
    let scene = scene();
    scene.write("data/products.csv", PRODUCTS);
    scene.write("shop/.keep", "");
    let init = [
        "init",
        "data/products.csv",
        "--config",
        "shop/batchgen.toml",
    ];
    scene
        .host(&[&init[..], &["--model", "nonsense"]].concat())
        .ended(2);
    scene
        .host(&[&init[..], &["--model", "openai/gpt-4o-mini"]].concat())
        .ended(0);
    let written = scene.read("shop/batchgen.toml");
    assert!(
        written.contains("model = \"openai/gpt-4o-mini\""),
        "{written}"
    );
    assert!(
        written.contains("path = \"../data/products.csv\""),
        "{written}"
    );
}

#[test]
fn a_bad_row_stops_no_first_configuration() {
    let text = "id,name,kind\n1,Oak,wood\n2,Elm\n3,Ash,wood\n";
    let (said, _, files) = proposed("trees.csv", text.as_bytes(), &[]);
    assert!(said.contains("1 record cannot be read"), "{said}");
    assert!(said.contains("trees.csv:3:"), "{said}");
    assert_eq!(files.len(), 2);
}

#[test]
fn a_table_that_seems_to_lack_its_names_is_told() {
    let scene = scene();
    scene.write("trees.csv", "1,Oak,2.5\n2,Elm,3.5\n");
    let ran = scene.host(&["init", "trees.csv"]).ended(0);
    let said = shown(&scene, &ran);
    assert!(said.contains("`1` looks like a value"), "{said}");
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

#[test]
fn a_row_without_an_id_stops_no_first_configuration() {
    let mut text = "Handle,Title,Vendor,Option\n".to_owned();
    for product in 0..5 {
        text += &format!(
            "prod-{product},Product {product},Acme,red\nprod-{product},,,blue\nprod-{product},,,green\n"
        );
    }
    text += ",Lost,Acme,red\n";
    let (said, written, files) = proposed_with(&text, 3);
    assert!(said.contains("id        `Handle`"), "{said}");
    assert!(said.contains("one has none, and fails"), "{said}");
    assert!(written.contains("repeated = \"first\""), "{written}");
    assert_eq!(files.len(), 5, "{files:?}");
}

/// The same of a table whose run ends with this code.
fn proposed_with(text: &str, code: i32) -> (String, String, Vec<String>) {
    let scene = scene();
    scene.write("shop.csv", text);
    let said = scene.host(&["init", "shop.csv"]).ended(0);
    let written = scene.read("batchgen.toml");
    scene.run(&["--model", "offline"]).ended(code);
    let files = scene.content().into_keys().collect();
    (shown(&scene, &said), written, files)
}
