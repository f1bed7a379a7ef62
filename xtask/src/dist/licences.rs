//! The licences of all that is compiled into the program and its plugins, as their packages carry them.

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result, bail};
use cargo_metadata::Metadata;

use super::packages;
use crate::workspace::Workspace;

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
pub fn collect(workspace: &Workspace, metadata: &Metadata) -> Result<String> {
    let mut text = String::from(
        "batchgen and its plugins contain these packages. Each is followed by its licence; a text that several share stands \
         with the first of them.\n",
    );
    let mut before: BTreeMap<String, String> = BTreeMap::new();
    for package in packages::shipped(metadata)? {
        let name = format!("{} {}", package.name, package.version);
        let _ = write!(text, "\n{}\n{name}\n", "=".repeat(80));
        if let Some(licence) = &package.license {
            let _ = writeln!(text, "licence: {licence}");
        }
        if let Some(repository) = &package.repository {
            let _ = writeln!(text, "from: {repository}");
        }
        let files = files(package.manifest_path.as_std_path())?;
        if files.is_empty() && package.license.is_none() {
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

    #[test]
    fn packages_of_the_program_and_of_plugins_are_listed_and_those_of_tests_are_not() {
        let workspace = Workspace::find().unwrap();
        let metadata = packages::metadata(&workspace).unwrap();
        let text = collect(&workspace, &metadata).unwrap();
        let has = |package: &str| text.contains(&format!("\n{package} "));
        assert!(has("wasmtime") && has("wit-bindgen"));
        assert!(!has("insta") && !has("proptest") && !has("cc") && !has("host"));
    }
}
