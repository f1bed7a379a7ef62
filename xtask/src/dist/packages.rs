//! Which packages the program and its plugins are made of.

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

use crate::workspace::Workspace;

/// What cargo knows of all packages, in the versions of `Cargo.lock`.
///
/// # Errors
/// When cargo does not describe them.
pub fn metadata(workspace: &Workspace) -> Result<Metadata> {
    Ok(MetadataCommand::new()
        .current_dir(workspace.root())
        .other_options(["--locked".to_owned()])
        .exec()?)
}

/// The packages from elsewhere that the program or a plugin is made of, by name. Packages that are needed only to build or
/// to test are not among them.
///
/// # Errors
/// When cargo resolved no dependencies.
pub fn shipped(metadata: &Metadata) -> Result<Vec<&Package>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved no dependencies")?;
    let is_root = |package: &&Package| {
        let manifest = package.manifest_path.as_str();
        package.source.is_none()
            && (manifest.ends_with("/host/Cargo.toml") || manifest.contains("/plugins/"))
            && !manifest.contains("/tests/")
    };
    let roots = metadata.packages.iter().filter(is_root);
    let mut ahead: Vec<_> = roots.map(|package| &package.id).collect();
    let mut reached = BTreeSet::new();
    while let Some(next) = ahead.pop() {
        if reached.insert(next) {
            let node = resolve.nodes.iter().find(|node| node.id == *next);
            let needed = node.into_iter().flat_map(|node| &node.deps);
            let needed = needed.filter(|dependency| {
                let mut kinds = dependency.dep_kinds.iter();
                kinds.any(|kind| kind.kind == DependencyKind::Normal)
            });
            ahead.extend(needed.map(|dependency| &dependency.pkg));
        }
    }
    let shipped = metadata.packages.iter();
    Ok(shipped
        .filter(|package| package.source.is_some() && reached.contains(&package.id))
        .collect())
}
