//! Holds published files to what others say of them: parsers that nobody here wrote, and published shapes.

mod json_ld;
mod markdown;
mod meta_tags;

use std::collections::BTreeMap;

use crate::scene::{Scene, root};
use saphyr::{LoadableYamlNode, Yaml};

/// Fails the test unless every file of the bundled components can be read and is what it says it is.
#[track_caller]
pub fn check(files: &BTreeMap<String, String>) {
    let faults = faults(files);
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

fn faults(files: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for (path, text) in files {
        let component = path.split('/').next().unwrap_or_default();
        let mut found = match component {
            "frontmatter" => yaml(front_matter(text))
                .map(|_| ())
                .err()
                .into_iter()
                .collect(),
            "metatags" => match yaml(front_matter(text)) {
                Ok(yaml) => meta_tags::faults(&yaml),
                Err(why) => vec![why],
            },
            "jsonld" => json_ld::faults(text),
            "page" => {
                let body = text.splitn(3, "---\n").nth(2).unwrap_or_default();
                let yaml = yaml(front_matter(text)).map(|_| ()).err();
                yaml.into_iter().chain(markdown::faults(body)).collect()
            }
            "propertiestable" | "table" => markdown::faults_of_tables(text),
            "text" | "bullets" | "caption" | "author" => markdown::faults(text),
            _ => Vec::new(),
        };
        faults.extend(found.drain(..).map(|fault| format!("{path}: {fault}")));
    }
    faults
}

fn front_matter(text: &str) -> &str {
    text.strip_prefix("---\n")
        .and_then(|text| text.split_once("\n---\n"))
        .map_or("", |(yaml, _)| yaml)
}

/// Reads YAML 1.2 that must be one mapping.
fn yaml(text: &str) -> Result<Yaml<'_>, String> {
    let mut documents = Yaml::load_from_str(text).map_err(|why| format!("it is no YAML: {why}"))?;
    match documents.pop() {
        Some(mapping @ Yaml::Mapping(_)) if documents.is_empty() => Ok(mapping),
        _ => Err("it is no YAML mapping".to_owned()),
    }
}

/// Each of these mistakes in a file that is good must be found.
#[test]
fn what_breaks_a_shape_is_found() {
    let scene = Scene::new().with_plugins("plugins");
    scene.run(&["--all", "--record", "oak"]).ended(0);
    let files = scene.content();
    assert_eq!(faults(&files), [""; 0]);
    for (file, from, to, fault) in [
        ("frontmatter", "headline: ", "headline: [", "no YAML"),
        ("metatags", "og:type", "og:kind", "it has no og:type"),
        (
            "metatags",
            "content: article",
            "content: material",
            "og:type may not be",
        ),
        (
            "metatags",
            "summary_large_image",
            "large",
            "twitter:card may not be",
        ),
        (
            "metatags",
            "canonical: \"https",
            "canonical: \"http",
            "canonical is not og:url",
        ),
        (
            "metatags",
            "content: en_US",
            "content: english",
            "og:locale may not be",
        ),
        (
            "jsonld",
            "\"Article\"",
            "\"Artikel\"",
            "`Artikel` is not used",
        ),
        (
            "jsonld",
            "\"headline\"",
            "\"heading\"",
            "Article has no property `heading`",
        ),
        (
            "jsonld",
            "\"datePublished\": \"2026-",
            "\"datePublished\": \"26-",
            "datePublished may not be",
        ),
        (
            "jsonld",
            "\"position\": 1",
            "\"position\": \"first\"",
            "position may not be",
        ),
        ("jsonld", "\n</script>", "", "no script element"),
        ("propertiestable", "| --- |", "| -- ", "it has no table"),
        ("table", "| Density |", "| |", "empty cell"),
        ("bullets", "**", "** ", "`**` is no markup"),
    ] {
        if !root().join("plugins").join(file).is_dir() {
            continue;
        }
        let mut broken = files.clone();
        let (path, text) = files
            .iter()
            .find(|(path, _)| path.starts_with(&format!("{file}/")))
            .unwrap();
        assert!(text.contains(from), "{path} has no {from}:\n{text}");
        broken.insert(path.clone(), text.replacen(from, to, 1));
        let found = faults(&broken).join("\n");
        assert!(found.contains(fault), "{file}: {from} as {to}: {found}");
    }
}
