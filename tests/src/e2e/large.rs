//! A dataset is read by place, and never as a whole: memory does not depend on its size.
//!
//! `LARGE_DATASET_MB=200 cargo xtask test large` takes files of that size.

use std::fs::File;
use std::io::{BufWriter, Write};

use crate::scene::Scene;

/// Megabytes of a file in CI.
const SIZE: u64 = 12;
/// So much more may be taken for all that is larger than a few records, bytes: caches that have a bound.
const MARGIN: u64 = 24 << 20;

/// Writes a record in one way.
type Write1 = fn(&mut dyn Write, u64, &str) -> std::io::Result<()>;

const FORMATS: [(&str, &str, Write1); 6] = [
    ("records.jsonl", "", |to, number, text| {
        writeln!(
            to,
            r#"{{"id": "r{number}", "name": "R", "category": "c", "note": "{text}"}}"#
        )
    }),
    ("records.json", "[", |to, number, text| {
        let comma = if number == 0 { "" } else { "," };
        write!(
            to,
            r#"{comma}{{"id": "r{number}", "name": "R", "category": "c", "note": "{text}"}}"#
        )
    }),
    (
        "records.csv",
        "id,name,category,note\n",
        |to, number, text| writeln!(to, "r{number},R,c,\"{text}\""),
    ),
    ("records.yaml", "records:\n", |to, number, text| {
        write!(
            to,
            "- id: r{number}\n  name: R\n  category: c\n  note: {text}\n"
        )
    }),
    ("documents.yaml", "", |to, number, text| {
        write!(
            to,
            "---\nid: r{number}\nname: R\ncategory: c\nnote: {text}\n"
        )
    }),
    ("list.yaml", "", |to, number, text| {
        writeln!(
            to,
            "- {{id: r{number}, name: R, category: c, note: {text}}}"
        )
    }),
];

fn peak(scene: &Scene, (name, head, record): (&str, &str, Write1), bytes: u64) -> u64 {
    let file = File::create(scene.path(name)).unwrap();
    let mut file = BufWriter::new(file);
    file.write_all(head.as_bytes()).unwrap();
    let text = "Text without end ".repeat(60);
    for number in 0..bytes / 1100 {
        record(&mut file, number, text.trim_end()).unwrap();
    }
    if head == "[" {
        file.write_all(b"]").unwrap();
    }
    drop(file);
    let _ = std::fs::remove_dir_all(scene.path(".batchgen"));
    let ran = scene.run(&["--data", name, "--limit", "3"]).ended(0);
    assert_eq!(ran.summary().complete(), 3, "{name}");
    assert_eq!(
        scene.query("SELECT count(*) FROM record"),
        bytes / 1100,
        "{name}"
    );
    ran.summary().peak_memory()
}

#[test]
fn memory_is_the_same_for_a_large_file() {
    let size = std::env::var("LARGE_DATASET_MB").ok();
    let size = size.and_then(|size| size.parse().ok()).unwrap_or(SIZE);
    let scene = Scene::new().with_plugin("example-plugins/summary");
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"records.jsonl\"\nrecords = \"records\"\n",
    );
    for format in FORMATS {
        let small = peak(&scene, format, 50_000);
        let large = peak(&scene, format, size * 1_000_000);
        eprintln!(
            "{}: {size} MB take {large} bytes, a few records {small}",
            format.0
        );
        assert!(
            large < small + MARGIN,
            "{}: {small}, then {large}",
            format.0
        );
    }
}

/// One after the other, and not all at once.
#[test]
fn memory_is_the_same_for_many_large_records() {
    let scene = Scene::new().with_plugin("example-plugins/summary");
    scene.write(
        "batchgen.toml",
        "[dataset]\npath = \"records.jsonl\"\nrecords = \"records\"\n",
    );
    let text = "x".repeat(1_000_000);
    let peak = |records: u64| {
        let lines: String = (0..records)
            .map(|number| {
                format!(r#"{{"id": "r{number}", "name": "R", "category": "c", "note": "{text}"}}"#)
                    + "\n"
            })
            .collect();
        scene.write("records.jsonl", &lines);
        let _ = std::fs::remove_dir_all(scene.path(".batchgen"));
        let ran = scene.run(&["--data", "records.jsonl"]).ended(0);
        assert_eq!(ran.summary().complete(), records);
        ran.summary().peak_memory()
    };
    let (few, many) = (peak(20), peak(80));
    eprintln!("80 large records take {many} bytes, 20 of them {few}");
    assert!(many < few + MARGIN, "{few}, then {many}");
}
