//! Holds published files to what others say of them: parsers that nobody here wrote, and published shapes.

mod json_ld;
mod markdown;
mod meta_tags;

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Yaml};

/// Fails the test unless every file of the bundled components can be read and is what it says it is.
#[track_caller]
pub fn check(files: &BTreeMap<String, String>) {
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
    assert!(
        faults.is_empty(),
        "{} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
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
