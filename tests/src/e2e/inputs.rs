//! Datasets as other tools write them: Parquet, Arrow IPC, workbooks, packed and encoded text, several files, standard input
//! and databases. `tests/fixtures/inputs/make.py` wrote the files.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::json;

use crate::scene::{Ran, Scene, root};

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/inputs").join(name)
}

/// A folder without a configuration, with all plugins and these files.
fn scene(files: &[&str]) -> Scene {
    let scene = Scene::new().with_plugins("plugins");
    fs::remove_file(scene.path("batchgen.toml")).unwrap();
    for file in files {
        fs::copy(fixture(file), scene.path(file)).unwrap();
    }
    scene
}

/// `init` and then `run`: every record has its file.
fn runs_at_once(scene: &Scene, init: &[&str], records: u64) -> Ran {
    let said = scene.host(&[&["init"], init].concat()).ended(0);
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!(
        (summary.complete(), summary.records()),
        (records, records),
        "{init:?}"
    );
    // What is copied is copied once.
    let before = copies(scene);
    scene.run(&[]).ended(0);
    assert_eq!(copies(scene), before, "{init:?}");
    said
}

/// Names of the copies that are kept, with their inodes. Nobody else may read them.
fn copies(scene: &Scene) -> Vec<(String, u64)> {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(scene.path(".batchgen/copies")) else {
        return Vec::new();
    };
    let mut copies: Vec<_> = entries
        .map(Result::unwrap)
        .map(|entry| {
            let name = entry.file_name().into_string().unwrap();
            let metadata = entry.metadata().unwrap();
            assert_eq!(metadata.mode() & 0o777, 0o600, "{name}");
            (name, metadata.ino())
        })
        .collect();
    copies.sort();
    copies
}

#[test]
fn every_kind_of_file_is_set_up_and_runs_at_once() {
    for file in [
        "duckdb.parquet",
        "polars.arrow",
        "pandas.xlsx",
        "products.jsonl.gz",
        "products.jsonl.zst",
        "pandas.csv.gz",
        "utf-16.tsv",
    ] {
        let scene = scene(&[file]);
        runs_at_once(&scene, &[file], 6);
        assert_eq!(copies(&scene).len(), 1, "{file}");
    }
    let scene = scene(&["openpyxl.xlsx"]);
    runs_at_once(&scene, &["openpyxl.xlsx", "--sheet", "Products"], 6);
}

#[test]
fn a_copy_is_made_again_when_its_file_has_changed_and_only_then() {
    let scene = scene(&["products.jsonl.gz"]);
    runs_at_once(&scene, &["products.jsonl.gz"], 6);
    let before = copies(&scene);
    fs::copy(
        fixture("products.jsonl.zst"),
        scene.path("products.jsonl.gz"),
    )
    .unwrap();
    let summary = scene.run(&[]).ended(0).summary();
    assert_eq!((summary.complete(), summary.made().len()), (6, 0));
    let after = copies(&scene);
    assert_eq!(after.len(), 1);
    assert_ne!(after, before);
}

#[test]
fn several_files_are_one_dataset_and_a_record_is_named_with_its_own() {
    let scene = scene(&[]);
    fs::create_dir(scene.path("data")).unwrap();
    let third = "title;sku;kind\nStool;c-1;seat\nBench;c-2;seat\n";
    for (file, text) in [
        (
            "data/a.csv",
            "sku,title,kind,price\na-1,Lamp,light,5\na-2,Torch,light,6\n",
        ),
        (
            "data/b.jsonl",
            "{\"sku\": \"b-1\", \"title\": \"Chair\", \"kind\": \"seat\"}\n",
        ),
        ("data/c.csv", third),
        ("data/empty.csv", ""),
    ] {
        scene.write(file, text);
    }
    runs_at_once(&scene, &["data/*"], 5);
    assert!(scene.read("batchgen.toml").contains("path = \"data/*\""));
    // Another file is another state of the dataset.
    scene.write("data/c.csv", &third.replace("c-2", "a-2"));
    let ran = scene.run(&[]).ended(3);
    assert_eq!(ran.summary().complete(), 4);
    let told = format!("{}{}", ran.stdout, ran.stderr);
    assert!(
        told.contains("c.csv:3: the id `a-2` is taken by line 3 of ") && told.contains("a.csv;"),
        "{told}"
    );
    scene.host(&["why", "b-1", "description"]).ended(0);
}

#[test]
fn standard_input_is_kept_for_the_commands_that_follow() {
    let scene = scene(&[]);
    let lines = fs::read_to_string(fixture("products.jsonl")).unwrap();
    let piped = |arguments: &[&str], text: &str| {
        let mut child = scene
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        child.wait_with_output().unwrap()
    };
    let said = piped(&["init", "-"], &lines);
    assert!(said.status.success(), "{said:?}");
    let ran = piped(&["run"], &lines);
    assert!(ran.status.success(), "{ran:?}");
    assert_eq!(scene.content().len(), 6);
    // They take what came the last time.
    scene.host(&["why", "a-3", "description"]).ended(0);
    scene.host(&["export", "out.jsonl"]).ended(0);
    assert_eq!(scene.read("out.jsonl").lines().count(), 6);
    // What says nothing is no dataset.
    let ran = piped(&["run"], "");
    assert_eq!(ran.status.code(), Some(2), "{ran:?}");
}

#[test]
fn a_query_of_sqlite_gives_records() {
    let sql = "SELECT product.sku, title, kind, price, on_sale, since, pieces, NULL AS empty
        FROM product JOIN sold USING (sku) ORDER BY sku";
    let scene = scene(&["shop.db"]);
    let said = scene.host(&["init", "shop.db"]).ended(2);
    assert!(
        said.stderr.contains("its tables are product, sold"),
        "{}",
        said.stderr
    );
    runs_at_once(&scene, &["shop.db", "--sql", sql], 6);
    // One row changes, and one file is made again.
    let shop = rusqlite::Connection::open(scene.path("shop.db")).unwrap();
    shop.execute("UPDATE product SET price = 1.25 WHERE sku = 'a-4'", [])
        .unwrap();
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 1);
}

#[test]
fn a_query_that_cannot_be_asked_is_told() {
    let scene = scene(&["shop.db"]);
    for (sql, told) in [
        (
            "SELECT unheard_of FROM product",
            "no such column: unheard_of",
        ),
        ("DELETE FROM product", "gives no rows"),
        (
            "SELECT sku, sku FROM product",
            "gives two columns called `sku`",
        ),
        (
            "SELECT sku, X'ff' || '' AS b, CAST(X'ff' AS TEXT) AS t FROM product",
            "has bytes in",
        ),
        ("", "is empty"),
    ] {
        scene.write(
            "batchgen.toml",
            &format!(
                "[dataset]\nurl = \"sqlite:shop.db\"\nsql = {}\n",
                json!(sql)
            ),
        );
        let ran = scene.run(&[]).ended(2);
        assert!(ran.stderr.contains(told), "{sql}: {}", ran.stderr);
        assert!(ran.stderr.contains("shop.db"), "{sql}: {}", ran.stderr);
    }
    let shop = rusqlite::Connection::open(scene.path("shop.db")).unwrap();
    let left: u64 = shop
        .query_row("SELECT count(*) FROM product", [], |row| row.get(0))
        .unwrap();
    assert_eq!(left, 6);
}

const WITH_PRICES: &str = r#"
model = "offline"
[dataset]
path = "products.jsonl"
id = "sku"
name = "title"
category = "kind"
[dataset.lookup.prices]
path = "prices.csv"
key = "article"
[plugins]
implicit = false
[component.description]
plugin = "prompt"
input = { record = ["prices"] }
[component.description.prompts.write]
text = "Describe {{ record.name }}{% if record.prices %} at {{ record.prices.price }}{% endif %}."
"#;

#[test]
fn a_changed_price_makes_only_its_record_stale() {
    let scene = scene(&["products.jsonl"]);
    let prices = "article,price,currency\na-0,10.50,EUR\na-1,7,EUR\nx-9,1,EUR\n";
    scene.write("prices.csv", prices);
    scene.write("batchgen.toml", WITH_PRICES);
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 6);
    let prompts = scene
        .host(&["replay", "a-0", "description", "--prompts"])
        .ended(0);
    assert!(prompts.stdout.contains("at 10.50"), "{}", prompts.stdout);
    let changed = prices.replace("a-1,7", "a-1,8").replace("x-9,1", "x-9,2");
    scene.write("prices.csv", &changed);
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 1);
    assert_eq!(scene.run(&[]).ended(0).summary().count("made"), 0);
}

#[test]
fn damaged_files_of_rows_are_told_by_a_process_that_ends() {
    let scene = scene(&[]);
    for (file, format) in [
        ("pyarrow-gzip.parquet", "Parquet"),
        ("pyarrow.arrow", "Arrow IPC"),
        ("pyarrow.arrows", "Arrow IPC"),
        ("pandas.xlsx", "Excel"),
    ] {
        let whole = fs::read(fixture(file)).unwrap();
        let mut ended_well = 0;
        for place in (0..whole.len()).step_by(whole.len() / 40) {
            let mut damaged = whole.clone();
            damaged[place] ^= 0xff;
            fs::write(scene.path("damaged"), damaged).unwrap();
            let ran = scene
                .command(&["read-rows", format, "1000000"])
                .stdin(fs::File::open(scene.path("damaged")).unwrap())
                .stdout(fs::File::create(scene.path("copy")).unwrap())
                .output()
                .unwrap();
            // 1 is told with cause and remedy; others mean that the reader itself broke.
            if ran.status.code() == Some(1) {
                assert_eq!(
                    ran.stderr.iter().filter(|byte| **byte == b'\n').count(),
                    1,
                    "{ran:?}"
                );
            }
            ended_well += usize::from(matches!(ran.status.code(), Some(0 | 1)));
            assert!(fs::metadata(scene.path("copy")).unwrap().len() <= 1_000_000);
        }
        assert!(ended_well > 15, "{file}: {ended_well}");
    }
    fs::write(
        scene.path("cut.parquet"),
        &fs::read(fixture("pandas.parquet")).unwrap()[..4000],
    )
    .unwrap();
    let ran = scene.host(&["init", "cut.parquet"]).ended(2);
    assert!(
        ran.stderr
            .contains("cut.parquet: its description cannot be read"),
        "{}",
        ran.stderr
    );
}

fn ask(scene: &Scene, url: &str) {
    scene.write(
        "batchgen.toml",
        &format!(
            "model = \"offline\"\n[dataset]\nurl = {}\nsql = \"SELECT 1\"\n",
            json!(url)
        ),
    );
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silent = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = Vec::new();
        // Until the other side is gone.
        let _ = stream.read_to_end(&mut heard);
        heard.len()
    });
    let scene = scene(&[]);
    ask(
        &scene,
        &format!("postgres://me@{address}/shop?connect_timeout=1"),
    );
    let ran = scene.run(&[]).ended(2);
    assert!(
        ran.stderr.contains("the server does not answer"),
        "{}",
        ran.stderr
    );
    assert!(silent.join().unwrap() > 0);
}

#[test]
fn a_server_elsewhere_has_to_be_allowed_and_its_password_is_shown_nowhere() {
    let scene = scene(&[]);
    ask(
        &scene,
        "postgres://me:secret@192.0.2.1/shop?connect_timeout=1",
    );
    for command in [&["run"][..], &["doctor"], &["why", "a", "b"]] {
        let ran = scene.host(command).ended(2);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("batchgen trust"), "{command:?}: {said}");
        assert!(
            said.contains("postgres://192.0.2.1/shop"),
            "{command:?}: {said}"
        );
        assert!(!said.contains("secret"), "{command:?}: {said}");
    }
    assert!(!scene.path(".batchgen/copies").exists());
}
