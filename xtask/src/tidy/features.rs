//! Checks that wasmtime is built once: that every way in which the tasks build the host gives the same wasmtime.
//!
//! cargo turns on the features that *any* package of a selection asks for, so that one more member can change a crate
//! deep below wasmtime, and all that is above it is built again: minutes. The units that cargo would build are compared,
//! dependencies included. Listing them is unstable in cargo; nothing is built with unstable features.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use super::Fault;
use crate::{
    run, runner, snapshots,
    workspace::{self, Workspace},
};

/// The faults of all selections against the widest one.
///
/// # Errors
/// When cargo does not list its units.
pub fn check(workspace: &Workspace) -> Result<Vec<Fault>> {
    let list = |arguments: &[&str]| list(workspace, arguments);
    let everything = list(&[&["test"], &runner::EVERYTHING[..]].concat())?;
    let mut faults = Vec::new();
    for arguments in [
        run::HOST.to_vec(),
        runner::TEST_PROGRAMS.to_vec(),
        [&["test"], &snapshots::OF_PLUGINS[..]].concat(),
    ] {
        faults.extend(compare(
            &arguments.join(" "),
            &list(&arguments)?,
            &everything,
        ));
    }
    Ok(faults)
}

fn list(workspace: &Workspace, arguments: &[&str]) -> Result<Units> {
    let mut cargo = workspace.cargo();
    cargo
        .args(arguments)
        .args(["-Z", "unstable-options", "--unit-graph"])
        // For this one question, which compiles nothing.
        .env("RUSTC_BOOTSTRAP", "1");
    let graph = serde_json::from_str(&workspace::output(&mut cargo)?)
        .with_context(|| format!("`{}` gave no JSON", workspace::shown(&cargo)))?;
    Units::read(&graph)
}

/// What cargo would compile: each unit with all that it is made of.
struct Units {
    units: Vec<Unit>,
}

struct Unit {
    /// Package, version and features, for people.
    shown: String,
    package: String,
    is_wasmtime: bool,
    /// Equal where the compiler is given the same, dependencies apart.
    own: String,
    dependencies: Vec<usize>,
}

impl Units {
    fn read(graph: &Value) -> Result<Self> {
        let units = graph
            .get("units")
            .and_then(Value::as_array)
            .context("cargo lists no units")?;
        let units = units.iter().map(Unit::read).collect::<Option<_>>();
        Ok(Self {
            units: units.context("cargo lists its units in a form that is new to this check")?,
        })
    }

    /// Every unit by what it is made of, all the way down.
    fn identities(&self) -> Vec<String> {
        let mut known: BTreeMap<usize, String> = BTreeMap::new();
        (0..self.units.len())
            .map(|index| self.identity(index, &mut known))
            .collect()
    }

    fn identity(&self, index: usize, known: &mut BTreeMap<usize, String>) -> String {
        if let Some(identity) = known.get(&index) {
            return identity.clone();
        }
        let Some(unit) = self.units.get(index) else {
            return String::new();
        };
        let mut below: Vec<_> = unit
            .dependencies
            .iter()
            .map(|index| self.identity(*index, known))
            .collect();
        below.sort();
        let identity = digest(&format!("{}\n{}", unit.own, below.join("\n")));
        known.insert(index, identity.clone());
        identity
    }

    /// wasmtime and all that it is made of.
    fn below_wasmtime(&self) -> BTreeSet<usize> {
        let of_wasmtime = |(_, unit): &(usize, &Unit)| unit.is_wasmtime;
        let mut waiting: Vec<_> = self
            .units
            .iter()
            .enumerate()
            .filter(of_wasmtime)
            .map(|(index, _)| index)
            .collect();
        let mut found = BTreeSet::new();
        while let Some(index) = waiting.pop() {
            if found.insert(index) {
                waiting.extend(
                    self.units
                        .get(index)
                        .into_iter()
                        .flat_map(|unit| &unit.dependencies),
                );
            }
        }
        found
    }
}

impl Unit {
    fn read(unit: &Value) -> Option<Self> {
        let id = unit.get("pkg_id")?.as_str()?;
        let package = id.rsplit(['#', '/']).next()?.replace('@', " ");
        let target = unit.get("target")?;
        let mode = unit.get("mode")?.as_str()?;
        let features: Vec<_> = unit
            .get("features")?
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        let dependencies = unit.get("dependencies")?.as_array()?;
        let name = target.get("name")?.as_str()?;
        Some(Self {
            shown: format!("{package} ({})", features.join(", ")),
            is_wasmtime: package.starts_with("wasmtime ") && name == "wasmtime" && mode == "build",
            own: [
                id,
                name,
                mode,
                &features.join(","),
                &unit.get("profile")?.to_string(),
                &unit.get("platform")?.to_string(),
            ]
            .join("\n"),
            package,
            dependencies: dependencies
                .iter()
                .map(|edge| usize::try_from(edge.get("index")?.as_u64()?).ok())
                .collect::<Option<_>>()?,
        })
    }
}

/// The units below wasmtime that `narrow` has and `wide` has not, where all that they are made of is in both: the roots
/// of the difference.
fn compare(selection: &str, narrow: &Units, wide: &Units) -> Vec<Fault> {
    let identities = narrow.identities();
    let in_wide: BTreeSet<_> = wide.identities().into_iter().collect();
    let same = |index: usize| {
        identities
            .get(index)
            .is_some_and(|identity| in_wide.contains(identity))
    };
    let mut faults = BTreeMap::new();
    for index in narrow.below_wasmtime() {
        let Some(unit) = narrow.units.get(index) else {
            continue;
        };
        if same(index) || !unit.dependencies.iter().all(|index| same(*index)) {
            continue;
        }
        let others: BTreeSet<_> = wide
            .units
            .iter()
            .filter(|other| other.package == unit.package)
            .map(|other| other.shown.as_str())
            .collect();
        let message = format!(
            "wasmtime would be built twice: `cargo {selection}` has {}, and the build of all tests has {}; name the \
             missing features in host/Cargo.toml, under [build-dependencies] where a macro or a build script uses them",
            unit.shown,
            others.into_iter().collect::<Vec<_>>().join(" and ")
        );
        faults.insert(
            unit.shown.clone(),
            Fault {
                file: "Cargo.toml".to_owned(),
                line: None,
                message,
            },
        );
    }
    faults.into_values().collect()
}

fn digest(text: &str) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn unit(package: &str, features: &[&str], dependencies: &[usize]) -> Value {
        let dependencies: Vec<_> = dependencies
            .iter()
            .map(|index| json!({"index": index}))
            .collect();
        let name = package.split('@').next();
        json!({
            "pkg_id": format!("registry+https://example.org#{package}"), "target": {"name": name}, "mode": "build",
            "features": features, "profile": {"name": "release"}, "platform": null, "dependencies": dependencies,
        })
    }

    fn units(units: &[Value]) -> Units {
        Units::read(&json!({ "units": units })).unwrap()
    }

    #[test]
    fn the_root_of_a_difference_is_shown_and_what_is_above_it_is_not() {
        let narrow = units(&[
            unit("indexmap@2.0.0", &["std"], &[]),
            unit("wit-parser@1.0.0", &[], &[0]),
            unit("wasmtime@48.0.0", &[], &[1]),
        ]);
        let wide = units(&[
            unit("indexmap@2.0.0", &["default", "std"], &[]),
            unit("wit-parser@1.0.0", &[], &[0]),
            unit("wasmtime@48.0.0", &[], &[1]),
        ]);
        let faults = compare("build", &narrow, &wide);
        let [fault] = faults.as_slice() else {
            panic!("{faults:?}")
        };
        assert!(
            fault.message.contains("has indexmap 2.0.0 (std), "),
            "{}",
            fault.message
        );
        assert!(
            fault.message.contains("has indexmap 2.0.0 (default, std);"),
            "{}",
            fault.message
        );
    }

    #[test]
    fn what_wasmtime_does_not_use_may_differ() {
        let narrow = units(&[
            unit("regex@1.0.0", &[], &[]),
            unit("wasmtime@48.0.0", &[], &[]),
        ]);
        let wide = units(&[
            unit("wasmtime@48.0.0", &[], &[]),
            unit("regex@1.0.0", &["std"], &[]),
        ]);
        assert_eq!(compare("build", &narrow, &wide), []);
    }
}
