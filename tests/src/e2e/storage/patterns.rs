//! Datasets of many objects: a pattern in an address.

use super::project;
use crate::moto::{BUCKET, Moto};
use crate::scene::Scene;

const CONFIG: &str = r#"
[dataset]
path = "s3://team/in/**/part-*.csv"
[plugins]
implicit = false
[component.intro]
plugin = "prompt"
prompts = { write = { text = "Introduce {{ record.name }}." } }
"#;

fn rows(ids: &[&str]) -> String {
    let rows = ids.iter().map(|id| format!("{id},Thing {id},wood\n"));
    format!("id,name,category\n{}", rows.collect::<String>())
}

fn scene(moto: &Moto) -> Scene {
    let scene = project(moto)
        .with_plugins("plugins")
        .with("BATCHGEN_TRUST", "1");
    scene.write("batchgen.toml", CONFIG);
    scene
}

fn made(scene: &Scene) -> Vec<String> {
    scene.content().into_keys().collect()
}

#[test]
fn all_objects_of_a_pattern_are_read_and_what_is_new_or_gone_is_seen() {
    let mut moto = Moto::start();
    moto.put("in/part-1.csv", rows(&["a"]).as_bytes());
    moto.put("in/2025/part-2.csv", rows(&["b"]).as_bytes());
    moto.put("in/other.csv", rows(&["x"]).as_bytes());
    moto.put("inner/part-1.csv", rows(&["y"]).as_bytes());
    let scene = scene(&moto);
    scene.run(&[]).ended(0);
    assert_eq!(made(&scene), ["intro/a.md", "intro/b.md"]);

    // One is new, one has changed, and one is gone.
    moto.put("in/part-3.csv", rows(&["c"]).as_bytes());
    moto.put("in/part-1.csv", rows(&["a", "d"]).as_bytes());
    moto.ask("DELETE", &format!("{BUCKET}/in/2025/part-2.csv"), b"");
    let ran = scene.run(&[]).ended(0);
    assert_eq!(ran.summary().count("made"), 2);
    let status = scene.host(&["export", "-", "--format", "jsonl"]).ended(0);
    let ids: Vec<&str> = ["\"a\"", "\"b\"", "\"c\"", "\"d\""]
        .into_iter()
        .filter(|id| status.stdout.contains(&format!("\"id\":{id}")))
        .collect();
    assert_eq!(ids, ["\"a\"", "\"c\"", "\"d\""], "{}", status.stdout);

    // A command that takes in no records asks nobody.
    moto.kill();
    scene.host(&["export", "-", "--format", "jsonl"]).ended(0);
    let told = scene.run(&[]).ended(2).stderr;
    assert!(told.contains("s3://team/in/**/part-*.csv"), "{told}");
}

#[test]
fn a_pattern_that_matches_nothing_or_a_bucket_that_is_none_is_told_with_the_pattern() {
    let moto = Moto::start();
    moto.put("in/a.csv", rows(&["a"]).as_bytes());
    let scene = scene(&moto);
    for (address, told) in [
        ("s3://team/in/*.parquet", "no object matches this pattern"),
        ("s3://team/on/*", "no object matches this pattern"),
        ("s3://nobody/in/*.csv", "there is no such bucket"),
        ("s3://te*m/in/a.csv", "the bucket is no pattern"),
    ] {
        let refused = scene.run(&["--data", address]).ended(2).stderr;
        assert!(
            refused.contains(told) && refused.contains(address),
            "{refused}"
        );
    }
    for number in 0..=500 {
        moto.put(&format!("many/{number}.csv"), rows(&["a"]).as_bytes());
    }
    let refused = scene.run(&["--data", "s3://team/many/*.csv"]).ended(2);
    assert!(
        refused.stderr.contains("at most 500 are read"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_configuration_is_proposed_for_a_pattern() {
    let moto = Moto::start();
    moto.put("in/part-1.csv", rows(&["a", "b"]).as_bytes());
    moto.put("in/part-2.csv", rows(&["c"]).as_bytes());
    let scene = scene(&moto);
    std::fs::remove_file(scene.path("batchgen.toml")).unwrap();
    scene.host(&["init", "s3://team/in/part-*.csv"]).ended(0);
    let written = scene.read("batchgen.toml");
    assert!(written.contains("s3://team/in/part-*.csv"), "{written}");
    scene.run(&[]).ended(0);
    assert_eq!(made(&scene).len(), 3);
}
