//! The packages in the program and its plugins as a list for programs that look for known faults: CycloneDX 1.5, as JSON.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, Package};
use serde_json::{Value, json};

use super::packages;
use crate::workspace::Workspace;

/// Name of the file.
pub const FILE: &str = "sbom.cdx.json";

/// The list, for a program of this name and version.
///
/// # Errors
/// When a package is not in `Cargo.lock`.
pub fn collect(
    workspace: &Workspace,
    metadata: &Metadata,
    name: &str,
    version: &str,
) -> Result<String> {
    let checksums = checksums(workspace)?;
    let shipped = packages::shipped(metadata)?;
    let components = shipped
        .iter()
        .map(|package| component(package, &checksums))
        .collect::<Result<Vec<_>>>()?;
    let list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application", "bom-ref": name, "name": name, "version": version,
        }},
        "components": components,
        "dependencies": dependencies(metadata, &shipped)?,
    });
    Ok(format!("{list:#}\n"))
}

/// What names a package in all lists.
fn address(package: &Package) -> String {
    format!("pkg:cargo/{}@{}", package.name, package.version)
}

fn component(package: &Package, checksums: &BTreeMap<String, String>) -> Result<Value> {
    let address = address(package);
    let checksum = checksums
        .get(&address)
        .with_context(|| format!("Cargo.lock has no checksum of {address}"))?;
    let licences = package.license.iter();
    let licences = licences.map(|licence| json!({"expression": licence.replace('/', " OR ")}));
    let repository = package.repository.iter();
    let repository = repository.map(|address| json!({"type": "vcs", "url": address}));
    Ok(json!({
        "type": "library",
        "bom-ref": address,
        "name": package.name,
        "version": package.version,
        "purl": address,
        "hashes": [{"alg": "SHA-256", "content": checksum}],
        "licenses": licences.collect::<Vec<_>>(),
        "externalReferences": repository.collect::<Vec<_>>(),
    }))
}

/// Which of them need which others.
fn dependencies(metadata: &Metadata, shipped: &[&Package]) -> Result<Vec<Value>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved no dependencies")?;
    let addresses: BTreeMap<_, _> = shipped
        .iter()
        .map(|package| (&package.id, address(package)))
        .collect();
    let nodes = resolve.nodes.iter();
    Ok(nodes
        .filter_map(|node| {
            let mut needed: Vec<_> = node
                .deps
                .iter()
                .filter_map(|dependency| addresses.get(&dependency.pkg))
                .collect();
            needed.sort();
            needed.dedup();
            Some(json!({"ref": addresses.get(&node.id)?, "dependsOn": needed}))
        })
        .collect())
}

/// The checksum of each package, as the registry has it.
fn checksums(workspace: &Workspace) -> Result<BTreeMap<String, String>> {
    let lock: toml::Table =
        toml::from_str(&fs::read_to_string(workspace.root().join("Cargo.lock"))?)?;
    let packages = lock.get("package").and_then(toml::Value::as_array);
    Ok(packages
        .into_iter()
        .flatten()
        .filter_map(|package| {
            let text = |key: &str| package.get(key)?.as_str();
            let address = format!("pkg:cargo/{}@{}", text("name")?, text("version")?);
            Some((address, text("checksum")?.to_owned()))
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_what_is_shipped_with_checksums_and_needs() {
        let workspace = Workspace::find().unwrap();
        let metadata = packages::metadata(&workspace).unwrap();
        let text = collect(&workspace, &metadata, "batchgen", "1.2.3").unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        let components = list["components"].as_array().unwrap();
        let of = |name: &str| {
            components
                .iter()
                .find(|component| component["name"] == name)
        };
        let wasmtime = of("wasmtime").unwrap();
        assert_eq!(wasmtime["hashes"][0]["content"].as_str().unwrap().len(), 64);
        assert!(of("insta").is_none() && of("host").is_none());
        let mut dependencies = list["dependencies"].as_array().unwrap().iter();
        let of_wasmtime = dependencies
            .find(|entry| entry["ref"] == wasmtime["bom-ref"])
            .unwrap();
        let needed = of_wasmtime["dependsOn"].as_array().unwrap();
        assert!(
            needed
                .iter()
                .any(|name| name.as_str().unwrap().contains("/wasmparser@"))
        );
    }
}
