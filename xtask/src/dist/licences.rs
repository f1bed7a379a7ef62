//! The licences of all that is compiled into the program and its plugins, as their packages carry them.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::Path,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace::{self, Workspace};

/// How the files begin in which packages keep their licences.
const NAMES: [&str; 6] = [
    "license",
    "licence",
    "copying",
    "notice",
    "unlicense",
    "copyright",
];

/// One text about all of them; equal texts stand in it once.
///
/// # Errors
/// When cargo does not describe the packages, or one has no licence.
pub fn collect(workspace: &Workspace) -> Result<String> {
    let metadata =
        workspace::output(
            workspace
                .cargo()
                .args(["metadata", "--format-version=1", "--locked"]),
        )?;
    let metadata: Value = serde_json::from_str(&metadata)?;
    let packages = shipped(&metadata)?;
    let mut text = String::from(
        "batchgen and its plugins contain these packages. Each is followed by its licence; a text that several share stands \
         with the first of them.\n",
    );
    let mut before: BTreeMap<String, String> = BTreeMap::new();
    for package in packages {
        let field = |name: &str| package.get(name).and_then(Value::as_str);
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            bail!("cargo describes a package without name or version");
        };
        let name = format!("{name} {version}");
        let licence = field("license");
        let _ = write!(text, "\n{}\n{name}\n", "=".repeat(80));
        if let Some(licence) = licence {
            let _ = writeln!(text, "licence: {licence}");
        }
        if let Some(repository) = field("repository") {
            let _ = writeln!(text, "from: {repository}");
        }
        let manifest = field("manifest_path").context("cargo names no manifest")?;
        let files = files(Path::new(manifest))?;
        if files.is_empty() && licence.is_none() {
            bail!("the package {name} has neither a licence nor a file of one");
        }
        for (file, content) in files {
            match before.get(&content) {
                Some(other) => {
                    let _ = writeln!(text, "\n{file}: as that of {other}");
                }
                None => {
                    let _ = writeln!(text, "\n{file}:\n\n{}", content.trim_end());
                    before.insert(content, name.clone());
                }
            }
        }
    }
    for (name, content) in vendored(&workspace.root().join("host/crates"))? {
        let _ = write!(
            text,
            "\n{}\n{name}\n\n{}\n",
            "=".repeat(80),
            content.trim_end()
        );
    }
    Ok(text)
}

/// Names and licences of what lies in the sources as it came from elsewhere: each has `NAME.LICENSE` beside it.
fn vendored(folder: &Path) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(vendored(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "LICENSE") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            found.push((name.into_owned(), fs::read_to_string(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// The packages from elsewhere that the program or a plugin is made of, by name.
fn shipped(metadata: &Value) -> Result<Vec<&Value>> {
    let list = |value: &'static str, of: &'static str| {
        let found = if of.is_empty() {
            metadata.get(value)
        } else {
            metadata.get(of).and_then(|of| of.get(value))
        };
        found
            .and_then(Value::as_array)
            .with_context(|| format!("cargo's metadata has no `{value}`"))
    };
    let packages = list("packages", "")?;
    let id = |value: &Value| value.get("id").and_then(Value::as_str).map(str::to_owned);
    let is_own = |package: &Value| package.get("source").is_none_or(Value::is_null);
    let is_root = |package: &Value| {
        let manifest = package.get("manifest_path").and_then(Value::as_str);
        let manifest = manifest.unwrap_or_default();
        is_own(package)
            && (manifest.ends_with("/host/Cargo.toml") || manifest.contains("/plugins/"))
            && !manifest.contains("/tests/")
    };
    let below: BTreeMap<String, Vec<String>> = list("nodes", "resolve")?
        .iter()
        .filter_map(|node| Some((id(node)?, normal(node))))
        .collect();
    let mut reached = BTreeSet::new();
    let mut ahead: Vec<String> = packages
        .iter()
        .filter(|package| is_root(package))
        .filter_map(id)
        .collect();
    while let Some(next) = ahead.pop() {
        if reached.insert(next.clone()) {
            ahead.extend(below.get(&next).cloned().unwrap_or_default());
        }
    }
    Ok(packages
        .iter()
        .filter(|package| !is_own(package) && id(package).is_some_and(|id| reached.contains(&id)))
        .collect())
}

/// What a package needs when it runs: neither for its build nor for its tests.
fn normal(node: &Value) -> Vec<String> {
    let dependencies = node.get("deps").and_then(Value::as_array);
    let is_normal = |dependency: &&Value| {
        let kinds = dependency.get("dep_kinds").and_then(Value::as_array);
        kinds.is_some_and(|kinds| {
            kinds
                .iter()
                .any(|kind| kind.get("kind").is_none_or(Value::is_null))
        })
    };
    dependencies
        .into_iter()
        .flatten()
        .filter(is_normal)
        .filter_map(|dependency| dependency.get("pkg")?.as_str().map(str::to_owned))
        .collect()
}

/// Names and texts of a package's licences.
fn files(manifest: &Path) -> Result<Vec<(String, String)>> {
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)
        .with_context(|| format!("cannot read {}; run `cargo fetch`", folder.display()))?
    {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let lower = name.to_ascii_lowercase();
        if path.is_file() && NAMES.iter().any(|prefix| lower.starts_with(prefix)) {
            let content = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
            files.push((name.into_owned(), content));
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_shipped_counts() {
        let package = |id: &str, source: Option<&str>, manifest: &str| json!({"id": id, "source": source, "manifest_path": manifest});
        let needs =
            |id: &str, kind: Option<&str>| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [
                package("host", None, "/r/host/Cargo.toml"),
                package("tests", None, "/r/tests/Cargo.toml"),
                package("a", Some("registry"), "/c/a/Cargo.toml"),
                package("b", Some("registry"), "/c/b/Cargo.toml"),
                package("c", Some("registry"), "/c/c/Cargo.toml"),
                package("d", Some("registry"), "/c/d/Cargo.toml"),
            ],
            "resolve": {"nodes": [
                {"id": "host", "deps": [needs("a", None), needs("c", Some("dev"))]},
                {"id": "tests", "deps": [needs("d", None)]},
                {"id": "a", "deps": [needs("b", None)]},
            ]},
        });
        let shipped = shipped(&metadata).unwrap();
        let ids: Vec<&str> = shipped
            .iter()
            .map(|package| package["id"].as_str().unwrap())
            .collect();
        assert_eq!(ids, ["a", "b"]);
    }
}
