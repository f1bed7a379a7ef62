//! How alike files are: `batchgen sameness`, and the table of a report that is asked for it.

use std::fmt::Write as _;

use serde_json::Value;

use crate::scene::Scene;

/// Records, of which every third is a metal.
const RECORDS: usize = 60;

/// A text that shares no three words with that of another number.
fn own(number: usize) -> String {
    let word = |place: usize| format!("w{number}x{place}");
    (0..40).map(word).collect::<Vec<_>>().join(" ")
}

/// The text of a record: most are their own, a few begin alike, two are twins and three the same.
fn text(number: usize) -> String {
    let body = match number {
        10 => format!("{} and so on", own(1)),
        20..=22 => own(20),
        number => own(number),
    };
    let opening = if number % 12 == 5 {
        "In today’s fast-paced world "
    } else {
        ""
    };
    let phrase = if number % 10 == 3 {
        "It is important to note that this holds."
    } else {
        ""
    };
    format!("---\ntitle: Record {number}\n---\n# Record *{number}*\n\n{opening}{body}. {phrase}\n")
}

/// Files that somebody wrote in place of the ones that were made.
fn scene() -> Scene {
    let scene = Scene::new();
    let mut dataset = "materials:\n".to_owned();
    for number in 0..RECORDS {
        let category = if number % 3 == 0 { "metal" } else { "wood" };
        let _ = writeln!(
            dataset,
            "- {{id: r{number}, name: R {number}, category: {category}}}"
        );
    }
    scene.write("materials.yaml", &dataset);
    scene.run(&["--component", "text"]).ended(0);
    for number in 0..RECORDS {
        let file = format!("content/text/r{number}-laser-cleaning.md");
        assert!(scene.path(&file).is_file());
        scene.write(&file, &text(number));
    }
    scene
}

fn lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn near_duplicates_openings_and_phrases_are_told() {
    let scene = scene();
    let shown = scene.host(&["sameness", "text"]).ended(0);
    insta::assert_snapshot!(shown.stdout);

    let told = lines(&scene.host(&["sameness", "text", "--json"]).ended(0).stdout);
    assert_eq!(told.len(), 1);
    let told = &told[0];
    let all = &told["all"];
    assert_eq!(
        (
            &all["files"],
            &all["near_duplicates"],
            &all["shared_openings"]
        ),
        (&60.into(), &5.into(), &10.into())
    );
    let pair = |place: usize| {
        let pair = &told["pairs"][place];
        let record = |which: &str| pair[which]["record"].as_str().unwrap().to_owned();
        let mut records = [record("one"), record("other")];
        records.sort();
        (records, pair["files_alike"].as_u64().unwrap())
    };
    assert_eq!(pair(0), (["r20".to_owned(), "r21".to_owned()], 3));
    assert_eq!(pair(1), (["r1".to_owned(), "r10".to_owned()], 2));
    assert_eq!(told["pairs"].as_array().unwrap().len(), 2);
    let path = told["pairs"][1]["one"]["path"].as_str().unwrap();
    assert!(scene.path(path).is_file(), "{path}");
    assert_eq!(told["openings"][0]["words"], "in today's fast paced");
    assert_eq!(told["openings"][0]["files"], 5);
    let phrase = told["phrases"][0]["words"].as_str().unwrap();
    assert!(
        phrase.contains("it is important to note that this holds"),
        "{phrase}"
    );

    // 5 of 60 files are 8.3 %.
    scene.host(&["sameness", "text", "--at-most", "9"]).ended(0);
    scene.host(&["sameness", "text", "--at-most", "8"]).ended(3);
    scene
        .host(&["sameness", "text", "--at-most", "101"])
        .ended(2);

    let one = scene.host(&["sameness", "text", "--worst", "1", "--json"]);
    let one = lines(&one.ended(0).stdout);
    assert_eq!(one[0]["pairs"].as_array().unwrap().len(), 1);
    assert_eq!(one[0]["pairs"][0], told["pairs"][0]);
}

#[test]
fn files_of_a_category_are_compared_with_each_other_alone() {
    let scene = scene();
    let told = scene.host(&["sameness", "--category", "metal", "--json"]);
    let told = lines(&told.ended(0).stdout);
    let text = told.iter().find(|one| one["component"] == "text").unwrap();
    let categories = text["categories"].as_array().unwrap();
    assert_eq!(categories.len(), 1);
    assert_eq!(
        (&categories[0]["category"], &categories[0]["files"]),
        (&"metal".into(), &20.into())
    );
    // Of the three that are the same, one is a metal.
    assert_eq!(text["all"]["near_duplicates"], 0);

    let unknown = scene.host(&["sameness", "--category", "metals"]).ended(2);
    assert!(
        unknown.stderr.contains("did you mean `metal`?"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn what_is_not_there_or_no_text_is_said() {
    let scene = Scene::new();
    scene.configure(
        r#"[component.card]
plugin = "prompt"
prompts = { write = { text = "Summarize {{ record.name }}." } }
options.media-type = "application/json"
[component.card.options.schema]
type = "object"
required = ["summary"]
properties.summary = { type = "string" }
"#,
    );
    let json = scene.host(&["sameness", "card"]).ended(2).stderr;
    assert!(
        json.contains("the files of `card` are no text")
            && json.contains("these make text: frontmatter, metatags, "),
        "{json}"
    );
    let nothing = scene.host(&["sameness", "text"]).ended(2).stderr;
    assert!(nothing.contains("nothing was run yet"), "{nothing}");
    scene
        .run(&["--component", "frontmatter", "--limit", "2"])
        .ended(0);
    let without_words = scene.host(&["sameness", "frontmatter"]).ended(0).stdout;
    assert_eq!(without_words, "no file has words that could be compared\n");
}

#[test]
fn a_report_has_the_table_when_it_is_asked_for() {
    let scene = scene();
    let markdown = |arguments: &[&str]| {
        let words = [&["report", "--markdown"], arguments].concat();
        scene.host(&words).ended(0).stdout
    };
    assert!(!markdown(&[]).contains("Sameness"));
    let told = markdown(&["--sameness"]);
    assert!(
        told.contains("\n| text | (all) | 60 | 5 | 10 | 0."),
        "{told}"
    );

    scene.host(&["report"]).ended(0);
    let embedded = "\"near_duplicates\":5";
    assert!(!scene.read("report.html").contains(embedded));
    scene.host(&["report", "--sameness"]).ended(0);
    assert!(scene.read("report.html").contains(embedded));
    let refused = scene
        .host(&["report", "--sameness", "--json"])
        .ended(2)
        .stderr;
    assert!(refused.contains("cannot be used with"), "{refused}");
}
